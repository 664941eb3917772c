//! Kind 5.

use super::{ControlError, check_sender};
use crate::{
    codec::{Reader, Write},
    handshake::SessionId,
    identity::{Amid, Identity, Label},
    keys::{Signature, VerifyingKey, kdf},
    limits::MAX_BUNDLE,
    wire::frame::{Control, FrameError, invalid, prefix},
};

/// Why a handshake was refused. Only what its HS alone decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RefuseReason {
    /// A prekey that HS names is gone.
    PrekeyGone,
    /// The suite is not one the responder takes.
    Suite,
    /// A reason that this build does not know; ignore the refusal.
    Unknown(u8),
}

impl RefuseReason {
    /// Its number on the wire.
    pub const fn code(self) -> u8 {
        match self {
            Self::PrekeyGone => 1,
            Self::Suite => 2,
            Self::Unknown(code) => code,
        }
    }

    /// What a number stands for.
    pub const fn from_code(code: u8) -> Self {
        match code {
            1 => Self::PrekeyGone,
            2 => Self::Suite,
            other => Self::Unknown(other),
        }
    }
}

/// Says that a handshake cannot be accepted, and which bundle to try instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refuse {
    session_id: SessionId,
    reason: RefuseReason,
    identity: VerifyingKey,
    blob: Vec<u8>,
    signature: Signature,
}

impl Refuse {
    /// Refuses the handshake with this session id, of the agent whose key is `to`. `blob` is our current bundle.
    ///
    /// # Errors
    /// [`FrameError::Field`] if the blob is longer than a bundle can be.
    pub fn sign(
        own: &Identity,
        to: &VerifyingKey,
        session_id: SessionId,
        reason: RefuseReason,
        blob: &[u8],
    ) -> Result<Self, FrameError> {
        if blob.len() > MAX_BUNDLE {
            return Err(invalid("bundle"));
        }
        let mut refuse = Self {
            session_id,
            reason,
            identity: *own.signing_key(),
            blob: blob.to_owned(),
            signature: Signature::from_bytes([0; 64]),
        };
        refuse.signature =
            refuse.with_message(to, |signed| own.sign_labelled(Label::Refuse, signed));
        Ok(refuse)
    }

    /// Believes it: it comes from `from` and is meant for the holder of `own`. The bundle is as yet unverified, and
    /// heeding the refusal needs a pending session with this id.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn verify(&self, from: &Amid, own: &VerifyingKey) -> Result<(), ControlError> {
        check_sender(&self.identity, from)?;
        self.with_message(own, |signed| {
            self.identity.verify_labelled(Label::Refuse, signed, &self.signature)
        })?;
        Ok(())
    }

    /// The session that does not come about.
    pub const fn session_id(&self) -> SessionId {
        self.session_id
    }

    /// Why.
    pub const fn reason(&self) -> RefuseReason {
        self.reason
    }

    /// Who refuses.
    pub const fn identity(&self) -> &VerifyingKey {
        &self.identity
    }

    /// The refuser's bundle, unverified.
    pub fn blob(&self) -> &[u8] {
        &self.blob
    }

    /// The frame.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(2 + 16 + 1 + 32 + 4 + self.blob.len() + 64);
        out.put(&prefix(Control::Refuse));
        out.put(self.session_id.as_bytes());
        out.put_u8(self.reason.code());
        out.put(self.identity.as_bytes());
        out.put_lp(&self.blob);
        out.put(self.signature.as_bytes());
        out
    }

    pub(in crate::wire) fn read(mut input: Reader<'_>) -> Result<Self, FrameError> {
        let frame = Self {
            session_id: SessionId::from_bytes(input.array("sid")?),
            reason: RefuseReason::from_code(input.u8("reason")?),
            identity: VerifyingKey::from_bytes(input.array("identity")?)?,
            blob: input.lp(MAX_BUNDLE, "bundle")?.to_owned(),
            signature: Signature::from_bytes(input.array("signature")?),
        };
        input.finish("refuse")?;
        Ok(frame)
    }

    fn with_message<T>(&self, to: &VerifyingKey, f: impl FnOnce(&[&[u8]]) -> T) -> T {
        let (reason, hash) = ([self.reason.code()], kdf::sha256(&[&self.blob]));
        let (from, sid) = (self.identity.as_bytes(), self.session_id.as_bytes());
        f(&[from, to.as_bytes(), sid, &reason, &hash])
    }
}
