//! What can go wrong with a session, an enum for each operation.

use crate::{error::errors, ratchet::RatchetError};

errors! {
    /// Why a session could not begin.
    pub enum SessionError {
        /// The suite has a session type of its own.
        #[error("not a native suite")]
        UnsupportedSuite = "SESSION_UNSUPPORTED_SUITE", InvalidInput, permanent;
        /// The peer's prekey or ratchet key is of small order.
        #[error("the peer's key does not contribute to the session")]
        NonContributory = "SESSION_NON_CONTRIBUTORY", Protocol, permanent;
        /// The message is not the first one of a session of this suite.
        #[error("not the first message of a session")]
        NotFirst = "SESSION_NOT_FIRST", Protocol, permanent;
    }
}

errors! {
    /// Why a message could not be encrypted. The session is as it was.
    pub enum EncryptError {
        /// The chain has used every number; the peer never answered 2^32-1 messages.
        #[error("the session has no message number left; a new handshake is needed")]
        Exhausted = "ENCRYPT_EXHAUSTED", Conflict, permanent;
        /// The session is 30 days old.
        #[error("the session is too old; a new handshake is needed")]
        Expired = "ENCRYPT_EXPIRED", Conflict, permanent;
        /// The plaintext does not fit a frame; send it in parts.
        #[error("{actual} bytes of plaintext exceed the limit of {limit}")]
        TooLong {
            /// Longest plaintext.
            limit: usize,
            /// Length given.
            actual: usize,
        } = "ENCRYPT_TOO_LONG", InvalidInput, permanent;
        /// The buffer ends before the message is to begin, or has no room for its prefix.
        #[error("the buffer does not have the room that the message begins with")]
        NoRoom = "ENCRYPT_NO_ROOM", InvalidInput, permanent;
        /// A primitive refused what this library gave it.
        #[error("encryption failed inside the library")]
        Internal = "ENCRYPT_INTERNAL", Internal, permanent;
    }
}

errors! {
    /// Why a message could not be opened. The session is as it was, bit for bit.
    pub enum DecryptError {
        /// Not a message of this protocol: wrong lengths or version.
        #[error("not a well-formed message")]
        Malformed = "DECRYPT_MALFORMED", Protocol, permanent;
        /// The header names another suite than the session's.
        #[error("the message is of suite {actual}, the session of suite {expected}")]
        WrongSuite {
            /// The session's suite.
            expected: u8,
            /// The header's.
            actual: u8,
        } = "DECRYPT_WRONG_SUITE", Protocol, permanent;
        /// This very frame was opened before; at-least-once delivery does that.
        #[error("the message was opened before")]
        Duplicate = "DECRYPT_DUPLICATE", Conflict, permanent;
        /// Another frame was opened under this number, or its key was dropped: the sender's state went back in
        /// time, or the message came too late.
        #[error("the message's number was used by another message")]
        Rollback = "DECRYPT_ROLLBACK", Protocol, permanent;
        /// The header's ratchet key cannot begin a chain.
        #[error("the message's ratchet key does not continue this session")]
        UnknownChain = "DECRYPT_UNKNOWN_CHAIN", Protocol, permanent;
        /// Forged, damaged, or encrypted for another session or state.
        #[error("the message does not authenticate")]
        Authentication = "DECRYPT_AUTHENTICATION", Authentication, permanent;
        /// The message is genuine, but padded as no sender of this protocol pads.
        #[error("the message's padding is wrong")]
        Padding = "DECRYPT_PADDING", Protocol, permanent;
        /// More messages are missing than keys may be skipped for.
        #[error("the message would skip {gap} messages, the limit is {limit}")]
        TooManySkipped {
            /// Messages missing.
            gap: u32,
            /// Most that may be.
            limit: u32,
        } = "DECRYPT_TOO_MANY_SKIPPED", Protocol, permanent;
        /// The message was opened in a state that has changed since; open it again.
        #[error("the session has changed since the message was opened")]
        Stale = "DECRYPT_STALE", Internal, retryable;
    }
}

impl DecryptError {
    /// Whether the frame suggests that the two ends no longer agree, and counts towards a probe. Says nothing about
    /// who is to blame: anybody on the way can cause it, which is why it changes nothing by itself.
    pub const fn is_undecryptable(&self) -> bool {
        matches!(
            self,
            Self::Rollback
                | Self::UnknownChain
                | Self::Authentication
                | Self::TooManySkipped { .. }
        )
    }
}

impl From<RatchetError> for SessionError {
    fn from(error: RatchetError) -> Self {
        match error {
            // A chain that was only just begun has numbers left.
            RatchetError::NonContributory | RatchetError::Exhausted => Self::NonContributory,
        }
    }
}

impl From<RatchetError> for EncryptError {
    fn from(error: RatchetError) -> Self {
        match error {
            RatchetError::Exhausted => Self::Exhausted,
            // Receiving refused such a key before.
            RatchetError::NonContributory => Self::Internal,
        }
    }
}
