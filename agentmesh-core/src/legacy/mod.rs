//! The suite `legacy-0.2`: what agents of the deployed `agentmesh/0.2` speak (docs/protocol/legacy-0.2.md).
//!
//! Formats, X3DH without associated data, the ratchet on secretbox, KNOCK as signed JSON. Byte-compatible with the
//! JavaScript SDK on the wire and in its files, without its defects: nothing changes before a tag has verified, what was
//! signed is verified as received, keys are checked. Sans-IO like the rest: time and randomness are parameters. Nothing
//! outside this room knows these formats, and nothing in here knows of native sessions.
//!
//! A session of this suite authenticates less than a native one: its headers are not authenticated at all, nothing binds
//! the exchange key to the AMID but a registry or a signed KNOCK, and there is no deniability and no post-quantum part.
//! Whoever can be reached natively must be.

mod answer;
mod audit;
mod bundle;
mod did;
mod ecma;
mod envelope;
mod kdf;
mod knock;
mod prekeys;
mod prekeys_json;
mod ratchet;
mod record;
mod request;
mod session;
mod session_json;
mod skipped;
mod text;
mod timestamp;
mod x3dh;
mod x3dh_message;

pub use answer::{LegacyAnswer, LegacyVerdict};
pub use audit::{LegacyAuditEntry, LegacyAuditKey, audit_event_json};
pub use bundle::Bundle;
pub use did::{did_signing_string, sign_did_document, verify_did_document};
pub use ecma::canonical_json;
pub use envelope::{Envelope, EnvelopeHeader};
pub use kdf::{chain_step, root_step};
pub use knock::{LegacyKnock, VerifiedLegacyKnock};
pub use prekeys::LegacyPrekeys;
pub use ratchet::LegacyRatchet;
pub use request::LegacyRequest;
pub use session::{LegacySession, LegacySessionState};
pub use text::{ratchet_key_from_json, ratchet_key_to_json};
pub use timestamp::signed_timestamp;
pub use x3dh::{LegacyResponderKeys, shared_secret_as_initiator, shared_secret_as_responder};
pub use x3dh_message::X3dhMessage;

use crate::{error::errors, keys::kdf as keys_kdf};

/// The protocol's name, as KNOCKs carry it.
pub const PROTOCOL: &str = "agentmesh/0.2";

errors! {
    /// Why something of `agentmesh/0.2` could not be read.
    pub enum LegacyFormatError {
        /// Not the JSON that it should be: a field missing, twice, or of another type.
        #[error("{what}: malformed (line {line}, column {column})")]
        Malformed {
            /// What was being read.
            what: &'static str,
            /// Line of the fault.
            line: usize,
            /// Column of the fault.
            column: usize,
        } = "LEGACY_MALFORMED", Protocol, permanent;
        /// A value that is not allowed where it stands.
        #[error("{what}: {field} is not allowed")]
        InvalidValue {
            /// What was being read.
            what: &'static str,
            /// The field.
            field: &'static str,
        } = "LEGACY_INVALID_VALUE", Protocol, permanent;
        /// A public key in a file that does not belong to its private key.
        #[error("{what}: {field} does not belong to its private key")]
        KeyPair {
            /// What was being read.
            what: &'static str,
            /// The public key.
            field: &'static str,
        } = "LEGACY_KEY_PAIR", InvalidInput, permanent;
        /// More than is ever sent.
        #[error("{what}: {actual} exceeds the limit of {limit}")]
        TooLong {
            /// What was being read.
            what: &'static str,
            /// The limit.
            limit: usize,
            /// What the input has.
            actual: usize,
        } = "LEGACY_TOO_LONG", Protocol, permanent;
    }
}

errors! {
    /// Why there is no session of the suite `legacy-0.2`.
    pub enum LegacyHandshakeError {
        /// The bundle's prekey was not signed by the key of the peer.
        #[error("Invalid signed prekey signature")]
        SignedPrekeySignature = "LEGACY_SIGNED_PREKEY_SIGNATURE", Authentication, permanent;
        /// The bundle, or the X3DH message, names another exchange key than the peer registered.
        #[error("the exchange key is not the one that the peer registered")]
        ExchangeKeyMismatch = "LEGACY_EXCHANGE_KEY_MISMATCH", Authentication, permanent;
        /// The signed prekey is none of ours, or its day of grace is over.
        #[error("Signed prekey {id} not found")]
        UnknownSignedPrekey {
            /// The id that the peer named.
            id: u32,
        } = "LEGACY_UNKNOWN_SIGNED_PREKEY", Protocol, permanent;
        /// The one-time prekey is none of ours, or was used.
        #[error("One-time prekey {id} not found")]
        UnknownOneTimePrekey {
            /// The id that the peer named.
            id: u32,
        } = "LEGACY_UNKNOWN_ONE_TIME_PREKEY", Protocol, permanent;
        /// A key of the peer's has small order.
        #[error("a key of the peer's does not contribute to the shared secret")]
        NonContributory = "LEGACY_NON_CONTRIBUTORY", Protocol, permanent;
        /// Only a session that waits for its ratchet key can be activated.
        #[error("Session {id} is not pending")]
        NotPending {
            /// The session.
            id: String,
        } = "LEGACY_SESSION_NOT_PENDING", Conflict, permanent;
    }
}

errors! {
    /// Why a message was not encrypted in a session of the suite `legacy-0.2`.
    pub enum LegacyEncryptError {
        /// It waits for the peer's ratchet key, or was closed or rejected.
        #[error("Session {id} is not active")]
        NotActive {
            /// The session.
            id: String,
        } = "LEGACY_SESSION_NOT_ACTIVE", Conflict, permanent;
        /// The responder has to wait for the initiator's first message: both roots would part for good.
        #[error("the responder cannot write before the first message of the initiator")]
        ResponderFirst = "LEGACY_RESPONDER_FIRST", Conflict, retryable;
        /// Deployed peers fail on longer messages.
        #[error("the message has {actual} bytes, peers of agentmesh/0.2 take at most {limit}")]
        TooLong {
            /// The limit in bytes.
            limit: usize,
            /// The message's size.
            actual: usize,
        } = "LEGACY_MESSAGE_TOO_LONG", InvalidInput, permanent;
        /// Messages of `agentmesh/0.2` are JSON objects.
        #[error("the message is not a JSON object")]
        NotAnObject = "LEGACY_MESSAGE_NOT_AN_OBJECT", InvalidInput, permanent;
        /// The peer's ratchet key has small order.
        #[error("the peer's ratchet key does not contribute")]
        NonContributory = "LEGACY_RATCHET_KEY_NON_CONTRIBUTORY", Protocol, permanent;
    }
}

errors! {
    /// Why an envelope was not opened. The session is as it was, but for [`LegacyDecryptError::NotJson`].
    pub enum LegacyDecryptError {
        /// It waits for the peer's ratchet key, or was closed or rejected.
        #[error("Session {id} is not active")]
        NotActive {
            /// The session.
            id: String,
        } = "LEGACY_DECRYPT_NOT_ACTIVE", Conflict, permanent;
        /// The ciphertext, or the number or key beside it, is not what was sent.
        #[error("the message does not authenticate")]
        Authentication = "LEGACY_UNDECRYPTABLE", Authentication, permanent;
        /// Its number was received, or its key was given up.
        #[error("the message was received before, or came too late")]
        Duplicate = "LEGACY_DUPLICATE", Protocol, permanent;
        /// It claims that more messages were lost than can be.
        #[error("Too many skipped messages")]
        TooManySkipped {
            /// How many it claims.
            gap: u64,
            /// How many can be.
            limit: u32,
        } = "LEGACY_TOO_MANY_SKIPPED", Protocol, permanent;
        /// A ciphertext shorter than nonce and tag.
        #[error("the ciphertext has fewer than 40 bytes")]
        TooShort = "LEGACY_CIPHERTEXT_TOO_SHORT", Protocol, permanent;
        /// The ratchet key has small order.
        #[error("the ratchet key does not contribute")]
        NonContributory = "LEGACY_HEADER_NON_CONTRIBUTORY", Protocol, permanent;
        /// It was encrypted by the peer, but it is not JSON; its key is spent.
        #[error("the message is not JSON")]
        NotJson = "LEGACY_NOT_JSON", Protocol, permanent;
    }
}

errors! {
    /// Why a KNOCK of `agentmesh/0.2`, or an answer to one, is not believed.
    pub enum LegacyKnockError {
        /// It does not parse.
        #[error("{source}")]
        Format {
            /// Where and why.
            source: LegacyFormatError,
        } = "LEGACY_KNOCK_FORMAT", Protocol, permanent;
        /// Not of the protocol family `agentmesh/`.
        #[error("Unknown protocol version")]
        Version = "LEGACY_KNOCK_VERSION", Protocol, permanent;
        /// It names another recipient, or another sender.
        #[error("Message not addressed to us")]
        NotForUs = "LEGACY_KNOCK_NOT_FOR_US", Authentication, permanent;
        /// Dated more than five minutes before or after now.
        #[error("Message timestamp too old or in future")]
        Stale = "LEGACY_KNOCK_STALE", Authentication, permanent;
        /// The key is not that of the AMID, or did not sign this.
        #[error("the signature is not the sender's")]
        Signature = "LEGACY_KNOCK_SIGNATURE", Authentication, permanent;
        /// An answer to another KNOCK.
        #[error("this answers another KNOCK")]
        WrongNonce = "LEGACY_KNOCK_WRONG_NONCE", Authentication, permanent;
        /// An acceptance whose ratchet key was not signed with it.
        #[error("the signature of the ratchet key is not the sender's")]
        RatchetKeySignature = "LEGACY_RATCHET_KEY_SIGNATURE", Authentication, permanent;
    }
}

impl From<LegacyFormatError> for LegacyKnockError {
    fn from(source: LegacyFormatError) -> Self {
        Self::Format { source }
    }
}

/// What the deployed session cache calls an intent: the first 16 hex digits of its SHA-256.
pub fn session_cache_intent_hash(intent: &str) -> String {
    let digest = keys_kdf::sha256(&[intent.as_bytes()]);
    let (head, _) = digest.split_at(8);
    text::hex(head)
}

#[cfg(test)]
mod redaction;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;
