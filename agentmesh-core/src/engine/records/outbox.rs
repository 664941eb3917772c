//! Messages on their way out. All of them are in memory while the client runs; their number is bounded.

use core::fmt;

use zeroize::Zeroizing;

use crate::{
    codec::{CodecError, Reader, Write},
    engine::{Stage, table::Stored},
    handshake::SessionId,
    identity::Amid,
    limits,
    storage::RecordKind,
    time::Timestamp,
    wire::{
        id::MessageId,
        plaintext::{Receipt, Stage as ReceiptStage},
        relay_id::RelayMessageId,
    },
};

use super::group::Group;

const VERSION: u8 = 1;
/// Bytes of a receipt that waits.
const RECEIPT_SIZE: usize = 24;

/// The frame that carries an entry at the moment.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Transmission {
    pub(crate) session: SessionId,
    pub(crate) relay_id: RelayMessageId,
    pub(crate) frame: Vec<u8>,
    /// The relay has it on its disk; it will not be sent again by a reconnect.
    pub(crate) relay_acked: bool,
}

impl fmt::Debug for Transmission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { session, relay_id, frame, relay_acked } = self;
        f.debug_struct("Transmission")
            .field("session", session)
            .field("relay_id", relay_id)
            .field("frame_len", &frame.len())
            .field("relay_acked", relay_acked)
            .finish()
    }
}

/// What an entry is.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum OutboxBody {
    /// An application message. The encoded plaintext stays until the peer has it, for the case that a new
    /// session makes it necessary to encrypt it again.
    Message { plaintext: Option<Vec<u8>>, intent: Option<String> },
    /// A receipt, an answer to a KNOCK and the like: gone as soon as the relay has it.
    Control,
    /// A handshake frame: sent again until the peer shows that it has the session.
    Handshake { resend_at: Timestamp, pause: u64 },
    /// A message whose payload is sent in parts.
    Group(Box<Group>),
    /// Receipts that wait for a session with the peer.
    Receipts(Vec<Receipt>),
    /// A part of one that is under way. In memory only: after a crash it is encrypted again.
    Part { group: MessageId, index: u32 },
}

impl fmt::Debug for OutboxBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message { plaintext, intent } => f
                .debug_struct("Message")
                .field("plaintext_len", &plaintext.as_ref().map(Vec::len))
                .field("intent_len", &intent.as_ref().map(String::len))
                .finish(),
            Self::Control => f.write_str("Control"),
            Self::Handshake { resend_at, pause } => f
                .debug_struct("Handshake")
                .field("resend_at", resend_at)
                .field("pause", pause)
                .finish(),
            Self::Group(group) => f.debug_tuple("Group").field(group).finish(),
            Self::Receipts(receipts) => {
                f.debug_struct("Receipts").field("count", &receipts.len()).finish()
            }
            Self::Part { group, index } => {
                f.debug_struct("Part").field("group", group).field("index", index).finish()
            }
        }
    }
}

/// One frame or message to a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OutboxEntry {
    pub(crate) id: MessageId,
    pub(crate) to: Amid,
    /// Order of sending over all peers.
    pub(crate) order: u64,
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Timestamp,
    pub(crate) stage: Stage,
    pub(crate) body: OutboxBody,
    pub(crate) transmission: Option<Transmission>,
}

impl OutboxEntry {
    /// Bytes it holds, for the bound on the outbox.
    pub(crate) fn weight(&self) -> usize {
        let body = match &self.body {
            OutboxBody::Message { plaintext, .. } => plaintext.as_ref().map_or(0, Vec::len),
            OutboxBody::Receipts(receipts) => receipts.len() * RECEIPT_SIZE,
            OutboxBody::Control
            | OutboxBody::Handshake { .. }
            | OutboxBody::Group(_)
            | OutboxBody::Part { .. } => 0,
        };
        body + self.transmission.as_ref().map_or(0, |t| t.frame.len()) + 256
    }

    /// The message that it is, or is a part of.
    pub(crate) const fn message(&self) -> MessageId {
        match &self.body {
            OutboxBody::Part { group, .. } => *group,
            _ => self.id,
        }
    }

    /// Whether it is a message of the application, as a whole.
    pub(crate) const fn is_message(&self) -> bool {
        matches!(self.body, OutboxBody::Message { .. } | OutboxBody::Group(_))
    }

    /// The large message that it is.
    pub(crate) const fn group(&self) -> Option<&Group> {
        match &self.body {
            OutboxBody::Group(group) => Some(group),
            _ => None,
        }
    }
}

impl Stored for OutboxEntry {
    const KIND: RecordKind = RecordKind::Outbox;
    type Key = MessageId;

    fn key(&self) -> MessageId {
        self.id
    }

    fn logical(key: &MessageId) -> Vec<u8> {
        key.as_bytes().to_vec()
    }

    fn persists(&self) -> bool {
        !matches!(self.body, OutboxBody::Part { .. })
    }

    fn encode(&self, out: &mut Zeroizing<Vec<u8>>) {
        out.put_u8(VERSION);
        out.put(self.id.as_bytes());
        out.put(self.to.as_bytes());
        out.put_u64(self.order);
        out.put_u64(self.created_at.as_millis());
        out.put_u64(self.expires_at.as_millis());
        out.put_u8(self.stage as u8);
        match &self.body {
            OutboxBody::Message { plaintext, intent } => {
                out.put_u8(1);
                out.put_option(plaintext.as_ref(), |w, p| w.put_lp(p));
                out.put_option(intent.as_ref(), |w, i| w.put_lp(i.as_bytes()));
            }
            OutboxBody::Control => out.put_u8(2),
            OutboxBody::Handshake { resend_at, pause } => {
                out.put_u8(3);
                out.put_u64(resend_at.as_millis());
                out.put_u64(*pause);
            }
            OutboxBody::Group(group) => {
                out.put_u8(4);
                group.encode(&mut **out);
            }
            OutboxBody::Receipts(receipts) => {
                out.put_u8(5);
                out.put_count(receipts.len());
                for receipt in receipts {
                    out.put(receipt.id.as_bytes());
                    out.put_u64(receipt.stage.code());
                }
            }
            // Never stored, and never read.
            OutboxBody::Part { .. } => out.put_u8(0),
        }
        out.put_option(self.transmission.as_ref(), |w, t| {
            w.put(t.session.as_bytes());
            w.put(t.relay_id.as_bytes());
            w.put_lp(&t.frame);
            w.put_bool(t.relay_acked);
        });
    }

    fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut r = Reader::new(bytes);
        let version = r.u8("version")?;
        if version != VERSION {
            return Err(CodecError::UnknownVersion { what: "outbox record", version });
        }
        let id = MessageId::from_bytes(r.array("id")?)?;
        let to = Amid::from_bytes(r.array("to")?);
        let order = r.u64("order")?;
        let created_at = r.timestamp("created at")?;
        let expires_at = r.timestamp("expires at")?;
        let stage =
            Stage::from_u8(r.u8("stage")?).ok_or(CodecError::InvalidValue { field: "stage" })?;
        let body = match r.u8("body")? {
            1 => OutboxBody::Message {
                plaintext: r.option("plaintext", |r| {
                    r.lp(limits::MAX_FRAME, "plaintext").map(<[u8]>::to_vec)
                })?,
                intent: r
                    .option("intent", |r| r.text(limits::MAX_FRAME, "intent").map(str::to_owned))?,
            },
            2 => OutboxBody::Control,
            3 => OutboxBody::Handshake {
                resend_at: r.timestamp("resend at")?,
                pause: r.u64("pause")?,
            },
            4 => OutboxBody::Group(Box::new(Group::decode(&mut r)?)),
            5 => OutboxBody::Receipts(receipts(&mut r)?),
            _ => return Err(CodecError::InvalidValue { field: "body" }),
        };
        let transmission = r.option("transmission", |r| {
            Ok(Transmission {
                session: SessionId::from_bytes(r.array("session")?),
                relay_id: RelayMessageId::from_bytes(r.array("relay id")?),
                frame: r.lp(limits::MAX_ENCRYPTED_PAYLOAD, "frame")?.to_vec(),
                relay_acked: r.bool("relay acked")?,
            })
        })?;
        r.finish("outbox record")?;
        Ok(Self { id, to, order, created_at, expires_at, stage, body, transmission })
    }
}

fn receipts(r: &mut Reader<'_>) -> Result<Vec<Receipt>, CodecError> {
    let mut receipts = Vec::new();
    for _ in 0..r.count(limits::WAITING_RECEIPTS, "receipts")? {
        let id = MessageId::from_bytes(r.array("receipt id")?)?;
        let stage = ReceiptStage::from_code(r.u64("receipt stage")?);
        receipts.push(Receipt { id, stage });
    }
    Ok(receipts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_utils::{mesh::START, seeded_rng};

    #[test]
    fn entry_weighs_what_is_kept_for_it_and_something_for_itself() {
        let id = MessageId::new_v7(START, &mut seeded_rng(1));
        let receipt = Receipt { id, stage: ReceiptStage::Handled };
        let message = |n: usize| OutboxBody::Message { plaintext: Some(vec![0; n]), intent: None };
        let transmission = Transmission {
            session: SessionId::from_bytes([1; 16]),
            relay_id: RelayMessageId::from_bytes([1; 16]),
            frame: vec![0; 1000],
            relay_acked: false,
        };
        for (body, bytes) in [
            (message(300), 300),
            (OutboxBody::Message { plaintext: None, intent: None }, 0),
            (OutboxBody::Receipts(Vec::new()), 0),
            (OutboxBody::Receipts(vec![receipt; 10]), 240),
            (OutboxBody::Control, 0),
        ] {
            let mut entry = OutboxEntry {
                id,
                to: Amid::from_bytes([1; 20]),
                order: 1,
                created_at: START,
                expires_at: START,
                stage: Stage::Queued,
                body,
                transmission: None,
            };
            assert_eq!(entry.weight(), bytes + 256, "{:?}", entry.body);
            entry.transmission = Some(transmission.clone());
            assert_eq!(entry.weight(), bytes + 1256, "{:?}", entry.body);
        }
    }
}
