//! KNOCK: who asks for a session says why, and the other end decides (`docs/protocol/native.md` §6.2).
//!
//! `message` holds the KNOCK and what is checked of it, `answer` what is said to it, `request` what is asked for, `replay` the memory that keeps a KNOCK from
//! counting twice, `policy` the rules that decide, `decision` what a decision is and what a handler sees. Knows
//! identities and plaintexts; knows nothing of ratchets, stores or sockets.

mod answer;
mod decision;
mod message;
mod policy;
mod policy_file;
mod replay;
mod request;
mod signed;

pub use crate::wire::registry::Tier;
pub use answer::{Accept, Answer, Reject};
pub use decision::{Decision, KnockInfo};
pub use message::{Knock, KnockChecks, VerifiedKnock};
pub use policy::{KnockContext, Policy, RateLimit, RevocationState};
pub use policy_file::PolicyError;
pub use replay::ReplayMemory;
pub use request::{Intent, KnockRequest, SessionType};

use crate::{error::errors, handshake::HandshakeError, keys::KeyError, wire::CborError};

errors! {
    /// Why a KNOCK, or an answer to one, could not be made or is not believed.
    pub enum KnockError {
        /// The signature is not one over this body, in this session, by this peer.
        #[error("KNOCK: {source}")]
        BadSignature {
            /// What the key says.
            source: KeyError,
        } = "KNOCK_BAD_SIGNATURE", Authentication, permanent;
        /// The body is not the CBOR that the protocol asks for.
        #[error("KNOCK: {source}")]
        Body {
            /// Where and why.
            source: CborError,
        } = "KNOCK_BODY", Protocol, permanent;
        /// The request is not the JSON that the protocol asks for.
        #[error("KNOCK: malformed request (line {line}, column {column})")]
        Request {
            /// Line of the fault.
            line: usize,
            /// Column of the fault.
            column: usize,
        } = "KNOCK_REQUEST", Protocol, permanent;
        /// Older than four days.
        #[error("the KNOCK is too old")]
        Expired = "KNOCK_EXPIRED", Authentication, permanent;
        /// More than five minutes ahead: one of the clocks is wrong.
        #[error("the KNOCK is from the future; check the clocks")]
        FromTheFuture = "KNOCK_FROM_THE_FUTURE", Authentication, permanent;
        /// Seen before.
        #[error("the KNOCK was seen before")]
        Replayed = "KNOCK_REPLAYED", Authentication, permanent;
        /// The peer knocked so often that its KNOCKs cannot be remembered.
        #[error("the peer knocks too often")]
        TooMany = "KNOCK_TOO_MANY", RateLimited, retryable;
        /// A weaker suite than both sides are known to speak.
        #[error("KNOCK: {source}")]
        SuiteDowngrade {
            /// Which suites.
            source: HandshakeError,
        } = "KNOCK_SUITE_DOWNGRADE", Authentication, permanent;
        /// An answer to another KNOCK.
        #[error("this answers another KNOCK")]
        WrongNonce = "KNOCK_WRONG_NONCE", Authentication, permanent;
        /// The first message of a session is something else than a KNOCK.
        #[error("the first message of a session must be a KNOCK")]
        NotAKnock = "KNOCK_NOT_A_KNOCK", Protocol, permanent;
        /// Neither a KNOCK nor an answer to one.
        #[error("not an answer to a KNOCK")]
        NotAnAnswer = "KNOCK_NOT_AN_ANSWER", Protocol, permanent;
    }
}

impl From<CborError> for KnockError {
    fn from(source: CborError) -> Self {
        Self::Body { source }
    }
}

impl From<KeyError> for KnockError {
    fn from(source: KeyError) -> Self {
        Self::BadSignature { source }
    }
}

#[cfg(test)]
mod tests;
