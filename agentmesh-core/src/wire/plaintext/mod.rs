//! What a native message says, once decrypted: a deterministic CBOR map (`docs/protocol/native.md` §6.1).
//!
//! | key | field | CBOR |
//! |---|---|---|
//! | 1 | id | bstr 16, UUIDv7 |
//! | 2 | type | uint |
//! | 3 | seq | uint |
//! | 4 | in reply to | bstr 16, UUIDv7 |
//! | 5 | sent at | uint, ms |
//! | 6, 7 | payload | tstr (JSON) or bstr |
//! | 8 | part | `[group bstr 16, index, count, SHA-256 of the whole]` |
//! | 9 | receipts | `[[id, stage], …]` |
//! | 10, 11 | signed body | bstr, and bstr 64 |
//! | 12 | trace context | tstr |
//! | 13 | stream terms | `[frames, bytes]` |
//! | 14 | schema | tstr |
//!
//! 1, 2, 3 and 5 are always there. Other keys are skipped. Knows nothing of sessions, padding or encryption, and
//! does not verify signatures: it hands body and signature on as received.

mod content;
mod kind;

pub use content::{Headers, Part, Payload, Receipt, SignedBody, StreamTerms};
pub use kind::{MessageType, Stage};

use super::{
    cbor::{CborError, Decoder, Encoder},
    id::MessageId,
    json::{JsonError, check_json},
};
use crate::{
    Timestamp,
    error::errors,
    keys::Signature,
    limits::{
        MAX_PARTS, MAX_PLAINTEXT, MAX_PLAINTEXT_ENTRIES, MAX_RECEIPTS, MAX_SCHEMA_NAME, MAX_TRACE,
    },
};

/// Longest encoding: padding takes a byte at least.
const LONGEST: usize = MAX_PLAINTEXT - 1;
/// Bytes around a payload, generously, to size the buffer once.
const ENVELOPE: usize = 128;

errors! {
    /// Why a plaintext could not be encoded or decoded.
    pub enum PlaintextError {
        /// Not the CBOR that the protocol asks for.
        #[error("message: {source}")]
        Cbor {
            /// Where and why.
            source: CborError,
        } = "PLAINTEXT_CBOR", Protocol, permanent;
        /// The payload is declared JSON and is not.
        #[error("payload: {source}")]
        Json {
            /// Where and why.
            source: JsonError,
        } = "PLAINTEXT_JSON", InvalidInput, permanent;
        /// Both a JSON and a binary payload.
        #[error("the message has two payloads")]
        TwoPayloads = "PLAINTEXT_TWO_PAYLOADS", Protocol, permanent;
        /// A body without a signature or the reverse, neither in a KNOCK or an answer to one, or both in another message.
        #[error("a KNOCK and its answers have a body and its signature, and nothing else has")]
        Unsigned = "PLAINTEXT_UNSIGNED", Protocol, permanent;
        /// More than one frame can carry.
        #[error("message of {actual} bytes exceeds the limit of {limit}")]
        TooLong {
            /// The limit in bytes.
            limit: usize,
            /// The length.
            actual: usize,
        } = "PLAINTEXT_TOO_LONG", InvalidInput, permanent;
    }
}

impl From<CborError> for PlaintextError {
    fn from(source: CborError) -> Self {
        Self::Cbor { source }
    }
}

/// A message between two agents, as it is encrypted.
///
/// ```
/// use agentmesh_core::{Timestamp, wire::{id::MessageId, plaintext::{MessageType, Payload, Plaintext}}};
///
/// let id: MessageId = "019c2871-5a00-7abc-8def-0123456789ab".parse()?;
/// let mut message = Plaintext::new(id, MessageType::Request, 0, Timestamp::from_millis(1_770_206_400_000));
/// message.payload = Payload::Json(r#"{"city":"Oslo"}"#.into());
/// assert_eq!(Plaintext::decode(&message.encode()?)?, message);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Plaintext {
    /// Names the message; the same when it is encrypted again for another session.
    pub id: MessageId,
    /// What kind of message it is.
    pub kind: MessageType,
    /// Counts the application messages of one agent to another, from 0, across sessions; 0 in all others.
    pub seq: u64,
    /// The message that this one answers.
    pub in_reply_to: Option<MessageId>,
    /// When it was sent, by the sender's clock.
    pub sent_at: Timestamp,
    /// What the application sends.
    pub payload: Payload,
    /// Set if the payload is a piece of a larger one.
    pub part: Option<Part>,
    /// Receipts, at most [`MAX_RECEIPTS`].
    pub receipts: Vec<Receipt>,
    /// The signed body of a KNOCK, ACCEPT or REJECT.
    pub signed: Option<SignedBody>,
    /// What is said of the payload, and of how it is to be answered.
    pub headers: Headers,
}

impl Plaintext {
    /// A message with neither payload nor receipts.
    pub const fn new(id: MessageId, kind: MessageType, seq: u64, sent_at: Timestamp) -> Self {
        Self {
            id,
            kind,
            seq,
            in_reply_to: None,
            sent_at,
            payload: Payload::None,
            part: None,
            receipts: Vec::new(),
            signed: None,
            headers: Headers::NONE,
        }
    }

    /// The one encoding of the message. What this accepts, [`Plaintext::decode`] accepts.
    ///
    /// # Errors
    /// [`PlaintextError::Json`] if the payload is not what it says, [`PlaintextError::TooLong`] if it does not fit a
    /// frame, [`PlaintextError::Unsigned`], and [`PlaintextError::Cbor`] for a field beyond its limit.
    pub fn encode(&self) -> Result<Vec<u8>, PlaintextError> {
        self.check()?;
        let entries = 4
            + usize::from(self.in_reply_to.is_some())
            + usize::from(self.payload != Payload::None)
            + usize::from(self.part.is_some())
            + usize::from(!self.receipts.is_empty())
            + 2 * usize::from(self.signed.is_some())
            + usize::from(self.headers.trace.is_some())
            + usize::from(self.headers.stream.is_some())
            + usize::from(self.headers.schema.is_some());
        let signed_len = self.signed.as_ref().map_or(0, |s| s.body.len() + ENVELOPE);
        let capacity = ENVELOPE + self.payload.len() + signed_len + 20 * self.receipts.len();
        let mut out = Encoder::with_capacity(capacity);
        out.map(entries);
        out.uint(1).bytes(self.id.as_bytes());
        out.uint(2).uint(self.kind.code());
        out.uint(3).uint(self.seq);
        if let Some(id) = &self.in_reply_to {
            out.uint(4).bytes(id.as_bytes());
        }
        out.uint(5).uint(self.sent_at.as_millis());
        match &self.payload {
            Payload::None => {}
            Payload::Json(text) => {
                out.uint(6).text(text);
            }
            Payload::Bytes(bytes) => {
                out.uint(7).bytes(bytes);
            }
        }
        if let Some(part) = &self.part {
            out.uint(8).array(4).bytes(&part.group);
            out.uint(part.index.into()).uint(part.count.into()).bytes(&part.sha256);
        }
        if !self.receipts.is_empty() {
            out.uint(9).array(self.receipts.len());
            for receipt in &self.receipts {
                out.array(2).bytes(receipt.id.as_bytes()).uint(receipt.stage.code());
            }
        }
        if let Some(signed) = &self.signed {
            out.uint(10).bytes(&signed.body).uint(11).bytes(signed.signature.as_bytes());
        }
        if let Some(trace) = &self.headers.trace {
            out.uint(12).text(trace);
        }
        if let Some(StreamTerms { frames, bytes }) = self.headers.stream {
            out.uint(13).array(2).uint(frames.into()).uint(bytes.into());
        }
        if let Some(schema) = &self.headers.schema {
            out.uint(14).text(schema);
        }
        let bytes = out.finish();
        if bytes.len() > LONGEST {
            return Err(PlaintextError::TooLong { limit: LONGEST, actual: bytes.len() });
        }
        Ok(bytes)
    }

    /// Reads a decrypted message, without its padding.
    ///
    /// # Errors
    /// [`PlaintextError`]: anything but the one encoding, a field missing or beyond its limit, JSON that is none.
    pub fn decode(bytes: &[u8]) -> Result<Self, PlaintextError> {
        if bytes.len() > LONGEST {
            return Err(PlaintextError::TooLong { limit: LONGEST, actual: bytes.len() });
        }
        let message = Fields::read(bytes)?.into_message()?;
        message.check()?;
        Ok(message)
    }

    /// What holds in both directions.
    fn check(&self) -> Result<(), PlaintextError> {
        if let (Payload::Json(text), None) = (&self.payload, &self.part) {
            check_json(text).map_err(|source| PlaintextError::Json { source })?;
        }
        if let Some(part) = &self.part
            && (part.index >= part.count || part.count > MAX_PARTS)
        {
            Err(CborError::InvalidValue { field: "part" })?;
        }
        if self.receipts.len() > MAX_RECEIPTS {
            let actual = self.receipts.len();
            Err(CborError::TooLong { field: "receipts", limit: MAX_RECEIPTS, actual })?;
        }
        self.headers.check()?;
        match (self.kind, &self.signed) {
            // A later version may sign more.
            (MessageType::Unknown(_), _) => Ok(()),
            (kind, signed) if kind.is_signed() == signed.is_some() => Ok(()),
            _ => Err(PlaintextError::Unsigned),
        }
    }
}

/// The map as read, before it is known whether it is complete.
#[derive(Default)]
struct Fields<'a> {
    id: Option<MessageId>,
    kind: Option<MessageType>,
    seq: Option<u64>,
    in_reply_to: Option<MessageId>,
    sent_at: Option<Timestamp>,
    json: Option<&'a str>,
    bytes: Option<&'a [u8]>,
    part: Option<Part>,
    receipts: Vec<Receipt>,
    body: Option<&'a [u8]>,
    signature: Option<Signature>,
    trace: Option<&'a str>,
    stream: Option<StreamTerms>,
    schema: Option<&'a str>,
}

impl<'a> Fields<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, CborError> {
        let mut fields = Self::default();
        let mut input = Decoder::new(bytes);
        let mut entries = input.map(MAX_PLAINTEXT_ENTRIES, "message")?;
        while let Some(key) = entries.next(&mut input)? {
            match key {
                1 => fields.id = Some(message_id(&mut input, "id")?),
                2 => fields.kind = Some(MessageType::from_code(input.uint("type")?)),
                3 => fields.seq = Some(input.uint("seq")?),
                4 => fields.in_reply_to = Some(message_id(&mut input, "in_reply_to")?),
                5 => fields.sent_at = Some(timestamp(&mut input, "sent_at")?),
                6 => fields.json = Some(input.text(LONGEST, "payload")?),
                7 => fields.bytes = Some(input.bytes(LONGEST, "payload")?),
                8 => fields.part = Some(part(&mut input)?),
                9 => fields.receipts = receipts(&mut input)?,
                10 => fields.body = Some(input.bytes(LONGEST, "body")?),
                11 => {
                    fields.signature =
                        Some(Signature::from_bytes(input.array_of_bytes("signature")?));
                }
                12 => fields.trace = Some(input.text(MAX_TRACE, "trace")?),
                13 => fields.stream = Some(stream_terms(&mut input)?),
                14 => fields.schema = Some(input.text(MAX_SCHEMA_NAME, "schema")?),
                _ => input.skip()?,
            }
        }
        input.finish()?;
        Ok(fields)
    }

    fn into_message(self) -> Result<Plaintext, PlaintextError> {
        const fn missing(field: &'static str) -> CborError {
            CborError::Missing { field }
        }
        Ok(Plaintext {
            id: self.id.ok_or(missing("id"))?,
            kind: self.kind.ok_or(missing("type"))?,
            seq: self.seq.ok_or(missing("seq"))?,
            in_reply_to: self.in_reply_to,
            sent_at: self.sent_at.ok_or(missing("sent_at"))?,
            payload: match (self.json, self.bytes) {
                (None, None) => Payload::None,
                (Some(text), None) => Payload::Json(text.to_owned()),
                (None, Some(bytes)) => Payload::Bytes(bytes.to_owned()),
                (Some(_), Some(_)) => return Err(PlaintextError::TwoPayloads),
            },
            part: self.part,
            receipts: self.receipts,
            signed: match (self.body, self.signature) {
                (None, None) => None,
                (Some(body), Some(signature)) => {
                    Some(SignedBody { body: body.to_owned(), signature })
                }
                _ => return Err(PlaintextError::Unsigned),
            },
            headers: Headers {
                trace: self.trace.map(str::to_owned),
                stream: self.stream,
                schema: self.schema.map(str::to_owned),
            },
        })
    }
}

fn message_id(input: &mut Decoder<'_>, field: &'static str) -> Result<MessageId, CborError> {
    MessageId::from_bytes(input.array_of_bytes(field)?)
        .map_err(|_| CborError::InvalidValue { field })
}

/// Milliseconds that [`Timestamp`] can hold without saturating: what is read must encode to the same bytes again.
pub(crate) fn timestamp(
    input: &mut Decoder<'_>,
    field: &'static str,
) -> Result<Timestamp, CborError> {
    let ms = input.uint(field)?;
    let time = Timestamp::from_millis(ms);
    if time.as_millis() == ms { Ok(time) } else { Err(CborError::InvalidValue { field }) }
}

fn stream_terms(input: &mut Decoder<'_>) -> Result<StreamTerms, CborError> {
    input.tuple(2, "stream")?;
    Ok(StreamTerms { frames: input.u32("stream frames")?, bytes: input.u32("stream bytes")? })
}

fn part(input: &mut Decoder<'_>) -> Result<Part, CborError> {
    input.tuple(4, "part")?;
    Ok(Part {
        group: input.array_of_bytes("part group")?,
        index: input.u32("part index")?,
        count: input.u32("part count")?,
        sha256: input.array_of_bytes("part hash")?,
    })
}

fn receipts(input: &mut Decoder<'_>) -> Result<Vec<Receipt>, CborError> {
    let count = input.array(MAX_RECEIPTS, "receipts")?;
    if count == 0 {
        return Err(CborError::InvalidValue { field: "receipts" });
    }
    let mut receipts = Vec::with_capacity(count);
    for _ in 0..count {
        input.tuple(2, "receipt")?;
        receipts.push(Receipt {
            id: message_id(input, "receipt id")?,
            stage: Stage::from_code(input.uint("receipt stage")?),
        });
    }
    Ok(receipts)
}

#[cfg(test)]
mod tests;
