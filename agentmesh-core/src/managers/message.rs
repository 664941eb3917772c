//! The objects that applications carry from one agent to the other: the X3DH message and the envelope.
//!
//! Both are the frames of `docs/protocol/native.md` §6 under the names of `agentmesh/0.2`, so that one application serves both.
//! What makes them native is a member that 0.2 does not have: `native` in the one, `suite` in the other.

use core::fmt;

use serde::{Deserialize, Serialize};

use super::{ManagerError, bytes};
use crate::{
    codec::{CodecError, Reader, Write},
    handshake::{InitialMessage, SessionId},
    keys::DhPublicKey,
    wire::{
        frame::{
            FRAME_VERSION, FrameError, HandshakeFrame, MESSAGE_PREFIX, MessageFrame, NativeFrame,
        },
        json::Object,
    },
};

/// Opens a session: what the initiator's [`initiate_session`](super::SessionManager::initiate_session) gives, for the
/// responder's [`accept_session`](super::SessionManager::accept_session).
///
/// Reads `identity_key` and base64 as well as `identityKey` and arrays of numbers.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct X3dhMessage {
    /// The initiator's exchange key.
    #[serde(with = "bytes::key")]
    pub identity_key: DhPublicKey,
    /// The key made for this session.
    #[serde(with = "bytes::key")]
    pub ephemeral_key: DhPublicKey,
    /// Which of the responder's signed prekeys.
    pub signed_prekey_id: u32,
    /// Which of its one-time prekeys, if one was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub one_time_prekey_id: Option<u32>,
    /// The whole handshake frame. It alone counts; the fields above repeat what it says.
    #[serde(with = "bytes::option", skip_serializing_if = "Option::is_none")]
    pub native: Option<Vec<u8>>,
}

#[derive(Deserialize)]
struct X3dhIn {
    #[serde(with = "bytes::key", alias = "identityKey")]
    identity_key: DhPublicKey,
    #[serde(with = "bytes::key", alias = "ephemeralKey")]
    ephemeral_key: DhPublicKey,
    #[serde(alias = "signedPrekeyId")]
    signed_prekey_id: u32,
    #[serde(default, alias = "oneTimePrekeyId")]
    one_time_prekey_id: Option<u32>,
    #[serde(default, with = "bytes::option")]
    native: Option<Vec<u8>>,
}

impl<'de> Deserialize<'de> for X3dhMessage {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let Object(X3dhIn {
            identity_key,
            ephemeral_key,
            signed_prekey_id,
            one_time_prekey_id,
            native,
        }) = Object::deserialize(from)?;
        Ok(Self { identity_key, ephemeral_key, signed_prekey_id, one_time_prekey_id, native })
    }
}

impl X3dhMessage {
    pub(super) fn new(hs: &InitialMessage, frame: Vec<u8>) -> Self {
        Self {
            identity_key: *hs.exchange(),
            ephemeral_key: *hs.ephemeral(),
            signed_prekey_id: hs.signed_prekey_id(),
            one_time_prekey_id: Some(hs.one_time_prekey_id()).filter(|id| *id != 0),
            native: Some(frame),
        }
    }

    /// From a handshake frame that came some other way, such as through a relay.
    ///
    /// # Errors
    /// [`ManagerError::Malformed`] if it is none.
    pub fn from_frame(frame: Vec<u8>) -> Result<Self, ManagerError> {
        let (hs, frame) = parse(frame)?;
        Ok(Self::new(&hs, frame.into_bytes()))
    }

    /// The frame and its handshake, if the fields beside it say the same.
    pub(super) fn parts(&self) -> Result<(InitialMessage, HandshakeFrame), ManagerError> {
        let native = self.native.clone().ok_or(ManagerError::LegacyDisabled)?;
        let (hs, frame) = parse(native)?;
        let repeated = Self { native: self.native.clone(), ..Self::new(&hs, Vec::new()) };
        if *self == repeated { Ok((hs, frame)) } else { Err(MALFORMED_X3DH) }
    }
}

const MALFORMED_X3DH: ManagerError = ManagerError::Malformed { what: "X3DH message" };
const MALFORMED_ENVELOPE: ManagerError = ManagerError::Malformed { what: "envelope" };

fn parse(frame: Vec<u8>) -> Result<(InitialMessage, HandshakeFrame), ManagerError> {
    let Ok(NativeFrame::Handshake(frame)) = NativeFrame::parse(frame) else {
        return Err(MALFORMED_X3DH);
    };
    let hs = InitialMessage::parse(frame.hs()).map_err(|_| MALFORMED_X3DH)?;
    Ok((hs, frame))
}

impl fmt::Debug for X3dhMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("X3dhMessage")
            .field("signed_prekey_id", &self.signed_prekey_id)
            .field("one_time_prekey_id", &self.one_time_prekey_id)
            .field("native", &self.native.as_ref().map(Vec::len))
            .finish_non_exhaustive()
    }
}

/// The ratchet's place of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvelopeHeader {
    /// The sender's ratchet key.
    #[serde(with = "bytes::key", alias = "dhPublicKey")]
    pub dh_public_key: DhPublicKey,
    /// How many messages the sender's previous chain had.
    pub pn: u32,
    /// The message's number in its chain.
    pub n: u32,
}

/// One encrypted message.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Envelope {
    /// The session. Natively both ends have the same id; in 0.2 it is the sender's own and says nothing.
    pub session_id: String,
    /// Always `encrypted`.
    #[serde(rename = "type")]
    kind: Kind,
    /// The native suite; absent in 0.2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suite: Option<u8>,
    /// Where in the ratchet it belongs; natively authenticated.
    pub header: EnvelopeHeader,
    /// Natively: nonce 12, ciphertext, tag 16. In 0.2: nonce 24, tag 16, ciphertext.
    #[serde(with = "bytes::any")]
    pub ciphertext: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Kind {
    #[serde(rename = "encrypted")]
    Encrypted,
}

#[derive(Deserialize)]
struct EnvelopeIn {
    #[serde(alias = "sessionId")]
    session_id: String,
    #[serde(rename = "type")]
    kind: Kind,
    #[serde(default)]
    suite: Option<u8>,
    header: Object<EnvelopeHeader>,
    #[serde(with = "bytes::any")]
    ciphertext: Vec<u8>,
}

impl<'de> Deserialize<'de> for Envelope {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let Object(EnvelopeIn { session_id, kind, suite, header, ciphertext }) =
            Object::deserialize(from)?;
        Ok(Self { session_id, kind, suite, header: header.0, ciphertext })
    }
}

impl Envelope {
    /// From its members, for who reads them from something else than JSON. They are believed no more than those of JSON.
    pub const fn new(
        session_id: String,
        suite: Option<u8>,
        header: EnvelopeHeader,
        ciphertext: Vec<u8>,
    ) -> Self {
        Self { session_id, kind: Kind::Encrypted, suite, header, ciphertext }
    }

    /// From a message frame.
    ///
    /// # Errors
    /// [`ManagerError::Malformed`] if it is none.
    pub fn from_frame(frame: Vec<u8>) -> Result<Self, ManagerError> {
        let Ok(NativeFrame::Message(frame)) = NativeFrame::parse(frame) else {
            return Err(MALFORMED_ENVELOPE);
        };
        Self::read(&frame).map_err(|_| MALFORMED_ENVELOPE)
    }

    fn read(frame: &MessageFrame) -> Result<Self, CodecError> {
        let mut r = Reader::new(frame.body());
        if r.u8("version")? != FRAME_VERSION {
            return Err(CodecError::InvalidValue { field: "version" });
        }
        let suite = Some(r.u8("suite")?);
        let dh_public_key = DhPublicKey::from_bytes(r.array("ratchet key")?);
        let header = EnvelopeHeader { dh_public_key, pn: r.u32("pn")?, n: r.u32("n")? };
        Ok(Self {
            session_id: frame.session_id().to_string(),
            kind: Kind::Encrypted,
            suite,
            header,
            ciphertext: r.rest().to_vec(),
        })
    }

    /// The frame that a relay carries.
    ///
    /// # Errors
    /// [`ManagerError::Malformed`] if it is no native envelope, or has a size that none has.
    pub fn to_frame(&self) -> Result<Vec<u8>, ManagerError> {
        self.frame().map(MessageFrame::into_bytes)
    }

    pub(super) fn frame(&self) -> Result<MessageFrame, ManagerError> {
        let suite = self.suite.ok_or(ManagerError::LegacyDisabled)?;
        let session: SessionId = self.session_id.parse().map_err(|_| MALFORMED_ENVELOPE)?;
        let mut bytes = Vec::with_capacity(64 + self.ciphertext.len());
        bytes.put(&MESSAGE_PREFIX);
        bytes.put(session.as_bytes());
        bytes.put(&[FRAME_VERSION, suite]);
        bytes.put(self.header.dh_public_key.as_bytes());
        bytes.put_u32(self.header.pn);
        bytes.put_u32(self.header.n);
        bytes.put(&self.ciphertext);
        MessageFrame::from_frame(bytes).map_err(|_: FrameError| MALFORMED_ENVELOPE)
    }
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope")
            .field("session_id", &self.session_id)
            .field("suite", &self.suite)
            .field("n", &self.header.n)
            .field("ciphertext", &format_args!("{} bytes", self.ciphertext.len()))
            .finish_non_exhaustive()
    }
}
