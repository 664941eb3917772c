//! The bytes of a connection's queue, cut into frames again. The queue holds WebSocket frames whoever it is for, so that
//! the hot path knows one form.

use serde_json::value::RawValue;

use crate::relay::websocket::Opcode;

/// Frames for the client, and the code with which the relay closes, if it does.
#[derive(Debug, Default)]
pub(super) struct Frames {
    pub(super) texts: Vec<Box<RawValue>>,
    pub(super) closed: Option<u16>,
}

/// Cuts what `websocket::write_frame` wrote. Pings and pongs are dropped: a request is a sign of life in itself.
pub(super) fn split(mut bytes: &[u8]) -> Frames {
    let mut frames = Frames::default();
    while let Some((opcode, payload, rest)) = next(bytes) {
        bytes = rest;
        if opcode == Opcode::Text as u8 {
            let text = std::str::from_utf8(payload).unwrap_or_default().to_owned();
            frames.texts.extend(RawValue::from_string(text).ok());
        } else if opcode == Opcode::Close as u8 {
            frames.closed = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
        }
    }
    frames
}

/// The first frame's opcode and payload, and what follows.
fn next(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let [first, short, rest @ ..] = bytes else { return None };
    let (length, rest) = match short {
        126 => {
            let (length, rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        127 => {
            let (length, rest) = rest.split_first_chunk()?;
            (usize::try_from(u64::from_be_bytes(*length)).ok()?, rest)
        }
        short => (usize::from(*short), rest),
    };
    let (payload, rest) = rest.split_at_checked(length)?;
    Some((first & 0x0f, payload, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::websocket::{write_close, write_frame};

    #[test]
    fn comes_apart_as_it_was_put_together() {
        let mut bytes = Vec::new();
        let sizes = [2, 125, 126, 65_535, 65_536, 200_000];
        for size in sizes {
            let text = format!("\"{}\"", "x".repeat(size - 2));
            write_frame(&mut bytes, Opcode::Text, &[text.as_bytes()]);
            write_frame(&mut bytes, Opcode::Ping, &[]);
        }
        write_close(&mut bytes, 4006, "replaced");
        let frames = split(&bytes);
        let lengths: Vec<_> = frames.texts.iter().map(|text| text.get().len()).collect();
        assert_eq!(lengths, sizes);
        assert_eq!(frames.closed, Some(4006));
        assert!(split(&[]).texts.is_empty());
    }
}
