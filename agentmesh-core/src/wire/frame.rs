//! Native frames: what two agents say through a relay (`docs/protocol/native.md` §6).
//!
//! ```text
//! kind 1  handshake    03 01 | HS | sid 16 | header 42 | nonce 12 | ciphertext || tag 16
//! kind 2  message      03 02 |      sid 16 | header 42 | nonce 12 | ciphertext || tag 16
//! kind 3  probe        03 03 | …      kind 4  probe reply  03 04 | …      kind 5  refuse  03 05 | …
//! ```
//! Knows lengths and what follows from the bytes alone. Knows no keys: whether a session id is the computed one,
//! whether anything authenticates, is for `handshake` and `session`. Kinds 1 and 2 keep the bytes they were parsed
//! from, and hand out slices.

use core::fmt;

use super::control::{Probe, ProbeReply, Refuse};
use crate::{
    codec::{CodecError, Reader},
    error::errors,
    handshake::{HANDSHAKE_KEM_LEN, HANDSHAKE_LEN, InitialMessage, SessionId, Suite},
    keys::KeyError,
    limits::{MAX_FRAME, PADDING_BLOCK},
};

/// First byte of every native frame.
pub const FRAME_VERSION: u8 = 3;
/// What precedes a session's message in a frame of kind 2.
pub const MESSAGE_PREFIX: [u8; 2] = [FRAME_VERSION, KIND_MESSAGE];
/// What a kind-1 frame begins with; the handshake message follows, and then what a session's `encrypt` returns.
pub const HANDSHAKE_PREFIX: [u8; 2] = [FRAME_VERSION, KIND_HANDSHAKE];

const KIND_HANDSHAKE: u8 = 1;
const KIND_MESSAGE: u8 = 2;
const KIND_PROBE: u8 = 3;
const KIND_PROBE_REPLY: u8 = 4;
const KIND_REFUSE: u8 = 5;

const PREFIX_LEN: usize = 2;
const SID_LEN: usize = 16;
const HEADER_LEN: usize = 42;
/// Session id, header, nonce and tag.
const AROUND_CIPHERTEXT: usize = SID_LEN + HEADER_LEN + 12 + 16;

errors! {
    /// Why bytes are not a native frame.
    pub enum FrameError {
        /// Longer than any valid frame.
        #[error("frame of {actual} bytes exceeds the limit of {limit}")]
        TooLong {
            /// The limit in bytes.
            limit: usize,
            /// What was received.
            actual: usize,
        } = "FRAME_TOO_LONG", Protocol, permanent;
        /// Not standard base64 with padding.
        #[error("payload is not base64")]
        Base64 = "FRAME_BASE64", Protocol, permanent;
        /// The first byte is not that of a native frame.
        #[error("not a native frame")]
        NotNative = "FRAME_NOT_NATIVE", Protocol, permanent;
        /// A kind of frame that this build does not know. Ack and drop it.
        #[error("frame of unknown kind {kind}")]
        UnknownKind {
            /// The kind.
            kind: u8,
        } = "FRAME_UNKNOWN_KIND", Protocol, permanent;
        /// A handshake in a suite that has no handshake frame.
        #[error("handshake frame of unknown suite {suite}")]
        UnknownSuite {
            /// The suite's id.
            suite: u8,
        } = "FRAME_UNKNOWN_SUITE", Protocol, permanent;
        /// A field is missing, too long or has a value that is not allowed.
        #[error("frame: {source}")]
        Field {
            /// Where and why.
            source: CodecError,
        } = "FRAME_FIELD", Protocol, permanent;
        /// The sender's key is none.
        #[error("frame: {source}")]
        Key {
            /// What is wrong with it.
            source: KeyError,
        } = "FRAME_KEY", Protocol, permanent;
    }
}

impl From<CodecError> for FrameError {
    fn from(source: CodecError) -> Self {
        Self::Field { source }
    }
}

impl From<KeyError> for FrameError {
    fn from(source: KeyError) -> Self {
        Self::Key { source }
    }
}

pub(super) const fn invalid(field: &'static str) -> FrameError {
    FrameError::Field { source: CodecError::InvalidValue { field } }
}

/// A native frame of any kind.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NativeFrame {
    /// Kind 1: opens a session.
    Handshake(HandshakeFrame),
    /// Kind 2: a message of a session.
    Message(MessageFrame),
    /// Kind 3: asks whether the other end has a session.
    Probe(Probe),
    /// Kind 4: the answer.
    ProbeReply(ProbeReply),
    /// Kind 5: a handshake was refused.
    Refuse(Refuse),
}

impl NativeFrame {
    /// The session that a frame belongs to and whether it is a kind-2 frame, without parsing the rest. `None` for
    /// what [`parse`](Self::parse) refuses by its first bytes.
    pub fn peek(bytes: &[u8]) -> Option<(SessionId, bool)> {
        let mut input = Reader::new(bytes);
        if input.u8("version").ok()? != FRAME_VERSION {
            return None;
        }
        let kind = input.u8("kind").ok()?;
        if kind == KIND_HANDSHAKE {
            let hs_len = InitialMessage::len_of_suite(input.u8("suite").ok()?)?;
            input.bytes(hs_len - 1, "hs").ok()?;
        }
        Some((SessionId::from_bytes(input.array("sid").ok()?), kind == KIND_MESSAGE))
    }

    /// Parses a whole frame; kinds 1 and 2 keep `bytes` and copy nothing.
    ///
    /// # Errors
    /// [`FrameError`]. Nothing of a frame that fails here is ever worth an answer.
    ///
    /// ```
    /// use agentmesh_core::wire::frame::{FrameError, NativeFrame};
    ///
    /// assert_eq!(NativeFrame::parse(vec![3, 9]), Err(FrameError::UnknownKind { kind: 9 }));
    /// ```
    pub fn parse(bytes: Vec<u8>) -> Result<Self, FrameError> {
        if bytes.len() > MAX_FRAME {
            return Err(FrameError::TooLong { limit: MAX_FRAME, actual: bytes.len() });
        }
        let mut input = Reader::new(&bytes);
        if input.u8("version")? != FRAME_VERSION {
            return Err(FrameError::NotNative);
        }
        match input.u8("kind")? {
            KIND_HANDSHAKE => HandshakeFrame::from_frame(bytes).map(Self::Handshake),
            KIND_MESSAGE => MessageFrame::from_frame(bytes).map(Self::Message),
            KIND_PROBE => Probe::read(input).map(Self::Probe),
            KIND_PROBE_REPLY => ProbeReply::read(input).map(Self::ProbeReply),
            KIND_REFUSE => Refuse::read(input).map(Self::Refuse),
            kind => Err(FrameError::UnknownKind { kind }),
        }
    }

    /// The frame's bytes; of kinds 1 and 2, those that it holds.
    pub fn encode(self) -> Vec<u8> {
        match self {
            Self::Handshake(frame) => frame.into_bytes(),
            Self::Message(frame) => frame.into_bytes(),
            Self::Probe(frame) => frame.encode(),
            Self::ProbeReply(frame) => frame.encode(),
            Self::Refuse(frame) => frame.encode(),
        }
    }

    /// The session it is about.
    pub const fn session_id(&self) -> SessionId {
        match self {
            Self::Handshake(frame) => frame.session_id(),
            Self::Message(frame) => frame.session_id(),
            Self::Probe(frame) => frame.session_id(),
            Self::ProbeReply(frame) => frame.session_id(),
            Self::Refuse(frame) => frame.session_id(),
        }
    }
}

/// The first bytes of a frame of `kind`.
pub(super) const fn prefix(kind: Control) -> [u8; PREFIX_LEN] {
    [FRAME_VERSION, kind as u8]
}

/// Kinds whose fields are in `control`.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(super) enum Control {
    Probe = KIND_PROBE,
    ProbeReply = KIND_PROBE_REPLY,
    Refuse = KIND_REFUSE,
}

/// A frame and where in it the session's message begins.
#[derive(Clone, PartialEq, Eq)]
struct Sealed {
    bytes: Vec<u8>,
    sid_at: usize,
    session_id: SessionId,
}

impl Sealed {
    /// Checks what stands behind the first `sid_at` bytes.
    fn new(bytes: Vec<u8>, sid_at: usize) -> Result<Self, FrameError> {
        if bytes.len() > MAX_FRAME {
            return Err(FrameError::TooLong { limit: MAX_FRAME, actual: bytes.len() });
        }
        let rest = bytes.get(sid_at..).unwrap_or_default();
        let session_id = SessionId::from_bytes(Reader::new(rest).array("sid")?);
        let ciphertext = rest.len().checked_sub(AROUND_CIPHERTEXT);
        match ciphertext.ok_or(CodecError::Truncated { field: "message" })? {
            0 => Err(invalid("ciphertext")),
            n if n % PADDING_BLOCK != 0 => Err(invalid("ciphertext")),
            _ => Ok(Self { bytes, sid_at, session_id }),
        }
    }

    fn from(&self, at: usize) -> &[u8] {
        self.bytes.get(at..).unwrap_or_default()
    }

    fn body(&self) -> &[u8] {
        self.from(self.sid_at + SID_LEN)
    }

    fn body_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.sid_at + SID_LEN..).unwrap_or_default()
    }
}

/// Kind 2: a message of a session, encrypted.
#[derive(Clone, PartialEq, Eq)]
pub struct MessageFrame(Sealed);

impl MessageFrame {
    /// From a session's message, session id first.
    ///
    /// # Errors
    /// [`FrameError::TooLong`], and [`FrameError::Field`] if it is no such message.
    pub fn new(message: &[u8]) -> Result<Self, FrameError> {
        let mut bytes = Vec::with_capacity(PREFIX_LEN + message.len());
        bytes.extend(MESSAGE_PREFIX);
        bytes.extend_from_slice(message);
        Self::from_frame(bytes)
    }

    /// From a whole frame, for those who had a session append its message to [`MESSAGE_PREFIX`]. Copies nothing.
    ///
    /// # Errors
    /// As [`NativeFrame::parse`], and [`FrameError::UnknownKind`] for a frame of another kind.
    pub fn from_frame(bytes: Vec<u8>) -> Result<Self, FrameError> {
        expect_kind(&bytes, KIND_MESSAGE)?;
        Sealed::new(bytes, PREFIX_LEN).map(Self)
    }

    /// The session.
    pub const fn session_id(&self) -> SessionId {
        self.0.session_id
    }

    /// Header, nonce, ciphertext and tag.
    pub fn body(&self) -> &[u8] {
        self.0.body()
    }

    /// The same, to be decrypted where it lies.
    pub fn body_mut(&mut self) -> &mut [u8] {
        self.0.body_mut()
    }

    /// The whole frame.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    /// The whole frame.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0.bytes
    }
}

impl fmt::Debug for MessageFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageFrame({}, {} bytes)", self.0.session_id, self.0.bytes.len())
    }
}

/// Kind 1: HS, and the first message of the session that it opens.
#[derive(Clone, PartialEq, Eq)]
pub struct HandshakeFrame(Sealed);

impl HandshakeFrame {
    /// From HS and a session's message, session id first.
    ///
    /// # Errors
    /// As [`NativeFrame::parse`].
    pub fn new(hs: &[u8], message: &[u8]) -> Result<Self, FrameError> {
        let mut bytes = Vec::with_capacity(PREFIX_LEN + hs.len() + message.len());
        bytes.extend([FRAME_VERSION, KIND_HANDSHAKE]);
        bytes.extend_from_slice(hs);
        bytes.extend_from_slice(message);
        let frame = Self::from_frame(bytes)?;
        if frame.hs() == hs { Ok(frame) } else { Err(invalid("hs")) }
    }

    fn from_frame(bytes: Vec<u8>) -> Result<Self, FrameError> {
        let mut input = Reader::new(&bytes);
        input.bytes(PREFIX_LEN, "kind")?;
        let suite = input.u8("suite")?;
        let hs_len = match Suite::from_u8(suite) {
            Some(Suite::X25519) => HANDSHAKE_LEN,
            Some(Suite::X25519MlKem768) => HANDSHAKE_KEM_LEN,
            _ => return Err(FrameError::UnknownSuite { suite }),
        };
        let frame = Self(Sealed::new(bytes, PREFIX_LEN + hs_len)?);
        frame.check_header(suite)?;
        Ok(frame)
    }

    /// The first message of a session has one possible header, apart from its ratchet key.
    fn check_header(&self, suite: u8) -> Result<(), FrameError> {
        let mut header = Reader::new(self.0.body());
        let start = header.array("header")?;
        header.bytes(32, "ratchet key")?;
        let counters = header.u64("pn and n")?;
        if start == [FRAME_VERSION, suite] && counters == 0 {
            Ok(())
        } else {
            Err(invalid("header"))
        }
    }

    /// HS, as received.
    pub fn hs(&self) -> &[u8] {
        self.0.bytes.get(PREFIX_LEN..self.0.sid_at).unwrap_or_default()
    }

    /// The session id in the frame. Compare it with the computed one before anything else is believed.
    pub const fn session_id(&self) -> SessionId {
        self.0.session_id
    }

    /// Header, nonce, ciphertext and tag.
    pub fn body(&self) -> &[u8] {
        self.0.body()
    }

    /// The same, to be decrypted where it lies.
    pub fn body_mut(&mut self) -> &mut [u8] {
        self.0.body_mut()
    }

    /// The whole frame.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    /// The whole frame, to be sent again as it is.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0.bytes
    }
}

impl fmt::Debug for HandshakeFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HandshakeFrame({}, {} bytes)", self.0.session_id, self.0.bytes.len())
    }
}

fn expect_kind(bytes: &[u8], wanted: u8) -> Result<(), FrameError> {
    match bytes {
        [FRAME_VERSION, kind, ..] if *kind == wanted => Ok(()),
        [FRAME_VERSION, kind, ..] => Err(FrameError::UnknownKind { kind: *kind }),
        _ => Err(FrameError::NotNative),
    }
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
