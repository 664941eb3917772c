//! Signed statements about sessions: probe, probe reply, refuse (`docs/protocol/native.md` §6, §7.7, §7.8).
//!
//! ```text
//! probe        03 03 | sid | nonce 16 | time u64 | IKs 32 | S("probe", IKs_from || IKs_to || sid || nonce || time)
//! probe reply  03 04 | sid | nonce 16 | known u8 | IKs | lp(enclosed)
//!                    | S("probe-reply", IKs_from || IKs_to || sid || nonce || known || SHA-256(enclosed))
//! refuse       03 05 | sid | reason u8 | IKs | lp(blob)
//!                    | S("refuse", IKs_from || IKs_to || sid || reason || SHA-256(blob))
//! ```
//! Parsing proves nothing: believe a statement after its `verify`. Rate limits, which probe is outstanding and which
//! nonces were answered are for the engine.

mod probe;
mod probe_reply;
mod refuse;

pub use probe::Probe;
pub use probe_reply::ProbeReply;
pub use refuse::{Refuse, RefuseReason};

use crate::{
    error::errors,
    identity::Amid,
    keys::{KeyError, VerifyingKey},
};

errors! {
    /// Why a probe, probe reply or refusal is not believed.
    pub enum ControlError {
        /// The key in the frame is not that of the agent that the relay names as sender.
        #[error("the frame was not signed by its sender")]
        WrongSender = "CONTROL_WRONG_SENDER", Authentication, permanent;
        /// Signed too long ago, or in the future.
        #[error("the frame was signed at a time too far from now")]
        OutOfWindow = "CONTROL_OUT_OF_WINDOW", Authentication, permanent;
        /// It answers another probe, or none.
        #[error("nobody asked for this answer")]
        NotAsked = "CONTROL_NOT_ASKED", Authentication, permanent;
        /// The signature is not one over this frame, for us.
        #[error("{source}")]
        BadSignature {
            /// What the key says.
            source: KeyError,
        } = "CONTROL_BAD_SIGNATURE", Authentication, permanent;
    }
}

impl From<KeyError> for ControlError {
    fn from(source: KeyError) -> Self {
        Self::BadSignature { source }
    }
}

fn check_sender(identity: &VerifyingKey, from: &Amid) -> Result<(), ControlError> {
    if Amid::of(identity) == *from { Ok(()) } else { Err(ControlError::WrongSender) }
}

#[cfg(test)]
mod tests;
