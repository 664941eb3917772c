//! As much of RFC 6455 as a client needs that writes prepared frames and counts what comes.

use std::{io::Write, net::SocketAddr};

use crate::connection::{Connection, Framing};

pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;

/// Connects and upgrades.
pub(crate) fn connect(addr: SocketAddr) -> Connection {
    let mut connection = Connection::open(addr, Framing::WebSocket);
    let request = format!(
        "GET /v1/connect HTTP/1.1\r\nHost: {addr}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    connection.write(request.as_bytes());
    let head = connection.read_until(b"\r\n\r\n");
    assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
    connection
}

/// A client's frame. Its mask is zero, so that what it holds can be changed in place; servers unmask all the same.
pub(crate) fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0x80 | opcode];
    match u16::try_from(payload.len()) {
        Ok(short @ ..=125) => out.push(0x80 | u8::try_from(short).unwrap()),
        Ok(medium) => {
            out.push(0x80 | 126);
            out.extend(medium.to_be_bytes());
        }
        Err(_) => {
            out.push(0x80 | 127);
            out.extend(u64::try_from(payload.len()).unwrap().to_be_bytes());
        }
    }
    out.extend([0; 4]);
    out.write_all(payload).unwrap();
    out
}

/// Length of the whole frame at the start of `bytes`, and of its payload; `None` if it is not all there.
pub(crate) fn scan(bytes: &[u8]) -> Option<(usize, usize)> {
    let (head, payload) = match bytes.get(1)? & 0x7f {
        126 => (4, usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().unwrap()))),
        127 => {
            let length = u64::from_be_bytes(bytes.get(2..10)?.try_into().unwrap());
            (10, usize::try_from(length).unwrap())
        }
        short => (2, usize::from(short)),
    };
    (bytes.len() >= head + payload).then_some((head + payload, payload))
}
