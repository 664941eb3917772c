//! WebSocket binary frames of the `binary` extension (`docs/protocol/native.md` §8).
//!
//! ```text
//! send     01 | u8 len | to   | id 16 | mtype u8 | frame
//! receive  02 | u8 len | from | id 16 | mtype u8 | time_ms u64 | frame
//! ack      03 | u8 len | peer | id 16
//! ```
//! `frame` is what base64 would have carried in `encrypted_payload`. Borrows from the bytes it was parsed from:
//! nothing is copied on the way through a relay.

use super::{relay_frame::RelayMessageType, relay_id::RelayMessageId};
use crate::{
    Timestamp,
    codec::{CodecError, Reader, Write},
    limits::MAX_RELAY_FRAME,
};

const SEND: u8 = 1;
const RECEIVE: u8 = 2;
const ACK: u8 = 3;

/// What the relay may know about the content, as one byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BinaryMessageType {
    /// A handshake frame.
    Knock,
    /// Any other frame.
    Message,
    /// A value that this build does not know.
    Unknown(u8),
}

impl BinaryMessageType {
    const fn from_u8(byte: u8) -> Self {
        match byte {
            0 => Self::Knock,
            1 => Self::Message,
            other => Self::Unknown(other),
        }
    }

    const fn as_u8(self) -> u8 {
        match self {
            Self::Knock => 0,
            Self::Message => 1,
            Self::Unknown(other) => other,
        }
    }

    /// The same in text frames; a value without a name there reads as a message.
    pub const fn to_text(self) -> RelayMessageType {
        match self {
            Self::Knock => RelayMessageType::Knock,
            Self::Message | Self::Unknown(_) => RelayMessageType::Message,
        }
    }

    /// The same in binary frames, if it has a value there.
    pub const fn from_text(kind: &RelayMessageType) -> Option<Self> {
        match kind {
            RelayMessageType::Knock => Some(Self::Knock),
            RelayMessageType::Message => Some(Self::Message),
            _ => None,
        }
    }
}

/// A binary frame in either direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BinaryFrame<'a> {
    /// A message on its way to the relay.
    Send {
        /// The recipient's AMID.
        to: &'a str,
        /// The frame's id, scoped to the sender.
        id: RelayMessageId,
        /// A hint.
        message_type: BinaryMessageType,
        /// The native frame.
        frame: &'a [u8],
    },
    /// A message on its way to the recipient.
    Receive {
        /// The sender's AMID.
        from: &'a str,
        /// What to acknowledge.
        id: RelayMessageId,
        /// A hint.
        message_type: BinaryMessageType,
        /// When the relay got it.
        time: Timestamp,
        /// The native frame.
        frame: &'a [u8],
    },
    /// An acknowledgement: from a recipient, `peer` is the sender of the message; from the relay, the recipient.
    Ack {
        /// The other agent.
        peer: &'a str,
        /// Which frame.
        id: RelayMessageId,
    },
    /// A kind that this build does not know.
    Unknown(u8),
}

impl<'a> BinaryFrame<'a> {
    /// Parses a binary frame. The native frame inside is not looked at.
    ///
    /// # Errors
    /// [`CodecError`] for input that is truncated, too long, or has a name that is not UTF-8.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, CodecError> {
        if bytes.len() > MAX_RELAY_FRAME {
            return Err(CodecError::TooLong {
                field: "binary frame",
                limit: MAX_RELAY_FRAME,
                actual: bytes.len(),
            });
        }
        let mut r = Reader::new(bytes);
        let kind = r.u8("kind")?;
        if !matches!(kind, SEND | RECEIVE | ACK) {
            return Ok(Self::Unknown(kind));
        }
        let length = usize::from(r.u8("amid length")?);
        let peer = core::str::from_utf8(r.bytes(length, "amid")?)
            .map_err(|_| CodecError::InvalidValue { field: "amid" })?;
        let id = RelayMessageId::from_bytes(r.array("id")?);
        if kind == ACK {
            r.finish("ack")?;
            return Ok(Self::Ack { peer, id });
        }
        let message_type = BinaryMessageType::from_u8(r.u8("mtype")?);
        if kind == SEND {
            return Ok(Self::Send { to: peer, id, message_type, frame: r.rest() });
        }
        let time = r.timestamp("time")?;
        Ok(Self::Receive { from: peer, id, message_type, time, frame: r.rest() })
    }

    /// The frame's bytes. A name over 255 bytes, which no AMID has, is cut.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match *self {
            Self::Send { to, id, message_type, frame } => {
                head(&mut out, SEND, to, id, 1 + frame.len());
                out.put_u8(message_type.as_u8());
                out.put(frame);
            }
            Self::Receive { from, id, message_type, time, frame } => {
                head(&mut out, RECEIVE, from, id, 9 + frame.len());
                out.put_u8(message_type.as_u8());
                out.put_u64(time.as_millis());
                out.put(frame);
            }
            Self::Ack { peer, id } => head(&mut out, ACK, peer, id, 0),
            Self::Unknown(kind) => out.put_u8(kind),
        }
        out
    }
}

fn head(out: &mut Vec<u8>, kind: u8, peer: &str, id: RelayMessageId, rest: usize) {
    let mut length = u8::MAX;
    let name = match u8::try_from(peer.len()) {
        Ok(fits) => {
            length = fits;
            peer.as_bytes()
        }
        Err(_) => peer.as_bytes().split_at_checked(255).map_or(&[][..], |(head, _)| head),
    };
    out.reserve_exact(2 + name.len() + 16 + rest);
    out.put_u8(kind);
    out.put_u8(length);
    out.put(name);
    out.put(id.as_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: RelayMessageId = RelayMessageId::from_bytes([7; 16]);

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    #[test]
    fn hex_snapshots() {
        let id = "07".repeat(16);
        let cases = [
            (
                BinaryFrame::Send {
                    to: "AB",
                    id: ID,
                    message_type: BinaryMessageType::Knock,
                    frame: &[3, 1],
                },
                format!("01024142{id}000301"),
            ),
            (
                BinaryFrame::Receive {
                    from: "AB",
                    id: ID,
                    message_type: BinaryMessageType::Message,
                    time: Timestamp::from_millis(258),
                    frame: &[3, 2],
                },
                format!("02024142{id}0100000000000001020302"),
            ),
            (BinaryFrame::Ack { peer: "AB", id: ID }, format!("03024142{id}")),
        ];
        for (frame, expected) in cases {
            assert_eq!(hex(&frame.encode()), expected);
            assert_eq!(BinaryFrame::parse(&frame.encode()), Ok(frame));
        }
    }

    #[test]
    fn truncated_and_trailing_input_is_refused_and_unknown_kinds_are_not() {
        let ack = BinaryFrame::Ack { peer: "AB", id: ID }.encode();
        for cut in 0..ack.len() {
            assert!(BinaryFrame::parse(&ack[..cut]).is_err(), "{cut}");
        }
        assert!(BinaryFrame::parse(&[ack.as_slice(), &[0]].concat()).is_err());
        assert_eq!(BinaryFrame::parse(&[9, 1, 2]), Ok(BinaryFrame::Unknown(9)));
        assert!(BinaryFrame::parse(&[3, 1, 0xff]).is_err());
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_what_parses_survives(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(frame) = BinaryFrame::parse(&bytes)
                && !matches!(frame, BinaryFrame::Unknown(_)) {
                let time_saturates = matches!(frame, BinaryFrame::Receive { .. });
                if !time_saturates {
                    prop_assert_eq!(frame.encode(), bytes.clone());
                }
                let again = frame.encode();
                prop_assert_eq!(BinaryFrame::parse(&again), Ok(frame));
            }
        }
    }
}
