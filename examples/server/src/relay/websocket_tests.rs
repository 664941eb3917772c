//! The codec against RFC 6455's own examples, against malformed input, and against tungstenite.

use std::io::{Cursor, Read, Write};

use proptest::prelude::*;
use tokio_tungstenite::tungstenite::{
    Message, WebSocket,
    protocol::{Role, WebSocketConfig},
};

use super::*;

const LIMIT: usize = 1000;

/// Everything the decoder says about `bytes`, given in pieces of `step` bytes.
fn decode(bytes: &[u8], step: usize) -> Result<Vec<String>, Violation> {
    let mut decoder = Decoder::new(LIMIT);
    let mut input = Input::default();
    let mut events = Vec::new();
    for piece in bytes.chunks(step.max(1)) {
        input.spare(piece.len()).extend_from_slice(piece);
        while let Some(event) = decoder.next(&mut input)? {
            events.push(format!("{event:?}"));
        }
    }
    Ok(events)
}

fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    write_frame(&mut out, Opcode::Text, &[payload]);
    out[0] = first;
    out[1] |= 0x80;
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    let at = out.len() - payload.len();
    out.splice(at..at, mask);
    unmask(&mut out[at + 4..], mask);
    out
}

#[test]
fn examples_of_the_rfc() {
    // §5.7: a single-frame masked text message, and a fragmented one.
    let hello = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    assert_eq!(decode(&hello, 100), Ok(vec![r#"Text("Hello")"#.into()]));
    assert_eq!(decode(&hello, 1), Ok(vec![r#"Text("Hello")"#.into()]));
    let parts = [masked(0x01, b"Hel"), masked(0x89, b"ping"), masked(0x80, b"lo")].concat();
    let expected = vec!["Ping([112, 105, 110, 103])".into(), r#"Text("Hello")"#.into()];
    assert_eq!(decode(&parts, 100), Ok(expected));
    let mut out = Vec::new();
    write_frame(&mut out, Opcode::Text, &[b"Hel", b"lo"]);
    assert_eq!(out, [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]);
}

#[test]
fn violations_name_their_close_code() {
    let unmasked = [0x81, 0x01, 0x41];
    let long_ping = masked(0x89, &[0; 126]);
    let cases: [(&[u8], u16); 11] = [
        (&unmasked, 1002),
        (&long_ping, 1002),
        (&masked(0xc1, b"x"), 1002),
        (&masked(0x83, b"x"), 1002),
        (&masked(0x09, b"x"), 1002),
        (&masked(0x80, b"x"), 1002),
        (&[masked(0x01, b"x"), masked(0x81, b"y")].concat(), 1002),
        (&masked(0x81, b"\xff"), 1007),
        (&masked(0x88, b"\x03"), 1002),
        (&masked(0x88, b"\x03\xed"), 1002),
        (&masked(0x88, b"\x03\xe8\xff"), 1007),
    ];
    for (bytes, code) in cases {
        assert_eq!(decode(bytes, 3), Err(Violation(code)), "{bytes:?}");
    }
    let huge = [0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(decode(&huge, 100), Err(Violation(1002)));
}

#[test]
fn messages_over_the_limit_are_skipped_and_the_next_one_is_read() {
    let long = masked(0x82, &vec![7; 5 * LIMIT]);
    let fragmented = [
        masked(0x02, &vec![1; LIMIT - 1]),
        masked(0x00, &[2; 2]),
        masked(0x89, b"p"),
        masked(0x00, &vec![3; LIMIT]),
        masked(0x80, b"end"),
    ]
    .concat();
    for (bytes, expected) in [
        (long, vec!["TooLong", "Binary([9])"]),
        (fragmented, vec!["Ping([112])", "TooLong", "Binary([9])"]),
    ] {
        let all = [bytes, masked(0x82, &[9])].concat();
        for step in [1, 10, 4096] {
            let events = decode(&all, step).unwrap();
            assert_eq!(events, expected);
        }
    }
    // Never more in memory than the limit and one read.
    let mut decoder = Decoder::new(LIMIT);
    let mut input = Input::default();
    input.spare(14).extend_from_slice(&[0x82, 0xff, 0, 0, 0, 0xff, 0, 0, 0, 0, 1, 2, 3, 4]);
    for _ in 0..1000 {
        input.spare(4096).extend_from_slice(&[0; 4096]);
        assert_eq!(decoder.next(&mut input), Ok(None));
        assert!(input.bytes.capacity() < 20_000);
    }
}

/// A socket of which both directions are buffers.
struct Wire {
    input: Cursor<Vec<u8>>,
    output: Vec<u8>,
}

impl Read for Wire {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        match self.input.read(out)? {
            0 => Err(std::io::ErrorKind::WouldBlock.into()),
            n => Ok(n),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.output.write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

proptest! {
    #[test]
    fn never_panics_and_does_not_depend_on_how_bytes_are_cut(
        bytes in prop::collection::vec(prop_oneof![3 => Just(0x81u8), 3 => Just(0x80), 1 => any::<u8>()], 0..300),
        step in 1usize..50,
    ) {
        let whole = decode(&bytes, usize::MAX);
        let cut = decode(&bytes, step);
        prop_assert_eq!(whole.is_ok(), cut.is_ok());
        if let (Ok(whole), Ok(cut)) = (whole, cut) {
            prop_assert_eq!(whole, cut);
        }
    }

    #[test]
    fn reads_what_tungstenite_writes(
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..LIMIT), 0..8),
        text in "\\PC{0,200}",
        step in 1usize..2000,
    ) {
        let wire = Wire { input: Cursor::default(), output: Vec::new() };
        let mut client = WebSocket::from_raw_socket(wire, Role::Client, None);
        let mut expected = Vec::new();
        for payload in payloads {
            expected.push(format!("{:?}", Event::Binary(&payload)));
            client.write(Message::binary(payload)).unwrap();
        }
        expected.push(format!("{:?}", Event::Text(&text)));
        client.write(Message::text(text)).unwrap();
        client.flush().unwrap();
        prop_assert_eq!(decode(&client.get_ref().output, step), Ok(expected));
    }

    #[test]
    fn tungstenite_reads_what_it_writes(payload in prop::collection::vec(any::<u8>(), 0..70_000)) {
        let mut output = Vec::new();
        let (a, b) = payload.split_at(payload.len() / 2);
        write_frame(&mut output, Opcode::Binary, &[a, b]);
        write_close(&mut output, close::REPLACED, "replaced");
        let wire = Wire { input: Cursor::new(output), output: Vec::new() };
        let config = WebSocketConfig::default();
        let mut client = WebSocket::from_raw_socket(wire, Role::Client, Some(config));
        prop_assert_eq!(client.read().unwrap(), Message::binary(payload));
        let Message::Close(Some(frame)) = client.read().unwrap() else { panic!("no close frame") };
        prop_assert_eq!((u16::from(frame.code), frame.reason.as_str()), (4006, "replaced"));
    }
}
