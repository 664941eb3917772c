//! Kind 3.

use rand_core::CryptoRng;

use super::{ControlError, check_sender};
use crate::{
    Timestamp,
    codec::{Reader, Write},
    handshake::SessionId,
    identity::{Amid, Identity, Label},
    keys::{Signature, VerifyingKey},
    limits::CLOCK_SKEW,
    wire::frame::{Control, FrameError, invalid, prefix},
};

/// Asks whether the other end has a session; says nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    session_id: SessionId,
    nonce: [u8; 16],
    time: Timestamp,
    identity: VerifyingKey,
    signature: Signature,
}

impl Probe {
    /// A probe with a fresh nonce, for the agent whose key is `to`.
    pub fn sign(
        own: &Identity,
        to: &VerifyingKey,
        session_id: SessionId,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> Self {
        let mut nonce = [0; 16];
        rng.fill_bytes(&mut nonce);
        let identity = *own.signing_key();
        let time = now.as_millis().to_be_bytes();
        let signed = probe_message(&identity, to, &session_id, &nonce, &time);
        let signature = own.sign_labelled(Label::Probe, &signed);
        Self { session_id, nonce, time: now, identity, signature }
    }

    /// Believes it: it comes from `from`, is meant for the holder of `own`, and was made within five minutes of
    /// `now`. Answer a nonce once only.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn verify(
        &self,
        from: &Amid,
        own: &VerifyingKey,
        now: Timestamp,
    ) -> Result<(), ControlError> {
        check_sender(&self.identity, from)?;
        if now.since(self.time).max(self.time.since(now)) > CLOCK_SKEW {
            return Err(ControlError::OutOfWindow);
        }
        let time = self.time.as_millis().to_be_bytes();
        let signed = probe_message(&self.identity, own, &self.session_id, &self.nonce, &time);
        self.identity.verify_labelled(Label::Probe, &signed, &self.signature)?;
        Ok(())
    }

    /// The session asked about.
    pub const fn session_id(&self) -> SessionId {
        self.session_id
    }

    /// What the reply has to repeat.
    pub const fn nonce(&self) -> &[u8; 16] {
        &self.nonce
    }

    /// When it was made, by the sender's clock.
    pub const fn time(&self) -> Timestamp {
        self.time
    }

    /// Who asks.
    pub const fn identity(&self) -> &VerifyingKey {
        &self.identity
    }

    /// The frame.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(138);
        out.put(&prefix(Control::Probe));
        out.put(self.session_id.as_bytes());
        out.put(&self.nonce);
        out.put_u64(self.time.as_millis());
        out.put(self.identity.as_bytes());
        out.put(self.signature.as_bytes());
        out
    }

    pub(in crate::wire) fn read(mut input: Reader<'_>) -> Result<Self, FrameError> {
        let frame = Self {
            session_id: SessionId::from_bytes(input.array("sid")?),
            nonce: input.array("nonce")?,
            time: read_time(&mut input)?,
            identity: VerifyingKey::from_bytes(input.array("identity")?)?,
            signature: Signature::from_bytes(input.array("signature")?),
        };
        input.finish("probe")?;
        Ok(frame)
    }
}

fn probe_message<'a>(
    from: &'a VerifyingKey,
    to: &'a VerifyingKey,
    session_id: &'a SessionId,
    nonce: &'a [u8; 16],
    time: &'a [u8; 8],
) -> [&'a [u8]; 5] {
    [from.as_bytes(), to.as_bytes(), session_id.as_bytes(), nonce, time]
}

/// A time that this build can write again as it was: no later than the year 9999.
fn read_time(input: &mut Reader<'_>) -> Result<Timestamp, FrameError> {
    let ms = input.u64("time")?;
    let time = Timestamp::from_millis(ms);
    if time.as_millis() == ms { Ok(time) } else { Err(invalid("time")) }
}
