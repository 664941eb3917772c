//! Kind 4.

use super::{ControlError, Probe, check_sender};
use crate::{
    codec::{Reader, Write},
    handshake::SessionId,
    identity::{Amid, Identity, Label},
    keys::{Signature, VerifyingKey, kdf},
    limits::MAX_FRAME,
    wire::frame::{Control, FrameError, MessageFrame, invalid, prefix},
};

/// Bytes of the frame around the enclosed one.
const AROUND_ENCLOSED: usize = 2 + 16 + 16 + 1 + 32 + 4 + 64;
/// Longest frame that fits a probe reply.
const MAX_ENCLOSED: usize = MAX_FRAME - AROUND_ENCLOSED;

/// Says whether its sender has a session, and proves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeReply {
    session_id: SessionId,
    nonce: [u8; 16],
    /// A fresh message of the session; none if it is not known.
    enclosed: Option<MessageFrame>,
    identity: VerifyingKey,
    signature: Signature,
}

impl ProbeReply {
    /// Answers `probe`, which was verified. `enclosed` is a fresh message of the session asked about (a status), or
    /// `None` if there is no such session.
    ///
    /// # Errors
    /// [`FrameError::Field`] if the enclosed message is of another session, or too long.
    pub fn sign(
        own: &Identity,
        probe: &Probe,
        enclosed: Option<MessageFrame>,
    ) -> Result<Self, FrameError> {
        check_enclosed(probe.session_id(), enclosed.as_ref())?;
        let identity = *own.signing_key();
        let mut reply = Self {
            session_id: probe.session_id(),
            nonce: *probe.nonce(),
            enclosed,
            identity,
            signature: Signature::from_bytes([0; 64]),
        };
        reply.signature = reply
            .with_message(probe.identity(), |signed| own.sign_labelled(Label::ProbeReply, signed));
        Ok(reply)
    }

    /// Believes it: it comes from `from`, is meant for the holder of `own`, and answers the probe with this session
    /// id and nonce, our one outstanding probe to that agent.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn verify(
        &self,
        from: &Amid,
        own: &VerifyingKey,
        session_id: &SessionId,
        nonce: &[u8; 16],
    ) -> Result<(), ControlError> {
        check_sender(&self.identity, from)?;
        if self.session_id != *session_id || self.nonce != *nonce {
            return Err(ControlError::NotAsked);
        }
        self.with_message(own, |signed| {
            self.identity.verify_labelled(Label::ProbeReply, signed, &self.signature)
        })?;
        Ok(())
    }

    /// The session asked about.
    pub const fn session_id(&self) -> SessionId {
        self.session_id
    }

    /// The probe's nonce.
    pub const fn nonce(&self) -> &[u8; 16] {
        &self.nonce
    }

    /// Whether the sender has the session.
    pub const fn is_known(&self) -> bool {
        self.enclosed.is_some()
    }

    /// The message that proves it, if it has.
    pub const fn enclosed(&self) -> Option<&MessageFrame> {
        self.enclosed.as_ref()
    }

    /// Who answers.
    pub const fn identity(&self) -> &VerifyingKey {
        &self.identity
    }

    /// The frame.
    pub fn encode(&self) -> Vec<u8> {
        let enclosed = self.enclosed_bytes();
        let mut out = Vec::with_capacity(AROUND_ENCLOSED + enclosed.len());
        out.put(&prefix(Control::ProbeReply));
        out.put(self.session_id.as_bytes());
        out.put(&self.nonce);
        out.put_bool(self.is_known());
        out.put(self.identity.as_bytes());
        out.put_lp(enclosed);
        out.put(self.signature.as_bytes());
        out
    }

    pub(in crate::wire) fn read(mut input: Reader<'_>) -> Result<Self, FrameError> {
        let session_id = SessionId::from_bytes(input.array("sid")?);
        let nonce = input.array("nonce")?;
        let known = input.bool("known")?;
        let identity = VerifyingKey::from_bytes(input.array("identity")?)?;
        let enclosed = input.lp(MAX_ENCLOSED, "enclosed frame")?;
        let signature = Signature::from_bytes(input.array("signature")?);
        input.finish("probe reply")?;
        let enclosed = match (known, enclosed) {
            (false, []) => None,
            (false, _) => return Err(invalid("enclosed frame")),
            (true, frame) => Some(MessageFrame::from_frame(frame.to_owned())?),
        };
        check_enclosed(session_id, enclosed.as_ref())?;
        Ok(Self { session_id, nonce, enclosed, identity, signature })
    }

    fn enclosed_bytes(&self) -> &[u8] {
        self.enclosed.as_ref().map_or(&[], MessageFrame::as_bytes)
    }

    fn with_message<T>(&self, to: &VerifyingKey, f: impl FnOnce(&[&[u8]]) -> T) -> T {
        let (known, hash) = ([u8::from(self.is_known())], kdf::sha256(&[self.enclosed_bytes()]));
        let (from, sid) = (self.identity.as_bytes(), self.session_id.as_bytes());
        f(&[from, to.as_bytes(), sid, &self.nonce, &known, &hash])
    }
}

fn check_enclosed(session_id: SessionId, frame: Option<&MessageFrame>) -> Result<(), FrameError> {
    match frame {
        Some(frame) if frame.session_id() != session_id => Err(invalid("enclosed frame")),
        Some(frame) if frame.as_bytes().len() > MAX_ENCLOSED => Err(invalid("enclosed frame")),
        _ => Ok(()),
    }
}
