//! The low-level API, for applications that move bytes themselves: [`Identity`](crate::identity::Identity) by path, [`PrekeyManager`],
//! [`SessionManager`], [`KnockProtocol`].
//!
//! What an agent (`client::Agent`) does over a relay is here in the single steps that `agentmesh/0.2` offers:
//! publish a bundle, initiate, accept, encrypt, decrypt. The steps have 0.2's names, and objects that pass through JSON; what
//! they do is the native protocol, so the initiator encrypts at once and [`SessionManager::activate_session`] has nothing left
//! to do. There are no relay, no registry, no retries and no receipts. Peers that speak only 0.2 are spoken to as well once
//! `SessionManager::with_legacy` (feature `legacy-0-2`) allows it; there each step does what it says.
//!
//! Async only as far as the store is: there is no runtime, no clock and no task behind it ([`Context`](crate::Context)), and it
//! builds for wasm. Each call loads what it needs, computes, and commits before it returns anything; what failed has changed
//! nothing. Calls on one manager and its clones take turns. A writer elsewhere is noticed by the versions of the
//! records: [`ManagerError::Conflict`], and the call may be repeated.
//!
//! ```
//! # #[cfg(feature = "getrandom")] {
//! use agentmesh_core::{
//!     Context, Timestamp, identity::Identity, managers::{PrekeyManager, SealedStore, SessionManager},
//!     rng::SystemRng, storage::MemoryStorage, vault::StoreKey,
//! };
//! use serde_json::json;
//!
//! async fn party() -> Result<(PrekeyManager, SessionManager), agentmesh_core::Error> {
//! #   let context = Context::with_clock(|| Timestamp::from_millis(1_770_206_400_000));
//!     let key = StoreKey::generate(&mut SystemRng); // kept where the store is not
//!     let store = SealedStore::new(MemoryStorage::new(), &key, context);
//!     let identity = Identity::load_or_generate(&store, "session-identity").await?;
//!     let prekeys = PrekeyManager::new(identity, &store);
//!     Ok((prekeys.clone(), SessionManager::new(&prekeys)))
//! }
//!
//! # async fn example() -> Result<(), agentmesh_core::Error> {
//! let (alice_prekeys, alice) = party().await?;
//! let (bob_prekeys, bob) = party().await?;
//! let (alice_id, bob_id) = (alice_prekeys.identity(), bob_prekeys.identity());
//!
//! let bundle = bob_prekeys.load_or_initialize().await?; // to Alice, as JSON
//! let begun = alice.initiate_session(&bob_id.amid(), &bundle, bob_id.signing_key()).await?;
//! let envelope = alice.encrypt_message(&begun.session_id, &json!({"text": "hello"})).await?;
//!
//! let session = bob.accept_session(&alice_id.amid(), &begun.x3dh_message).await?;
//! let message = bob.decrypt_message(&session, &envelope).await?;
//! assert_eq!(message, json!({"text": "hello"}));
//! # Ok(())
//! # }
//! # }
//! ```
//!
//! Knows the engine's records and rules for one session, and keeps records of its own (`docs/protocol/state.md`,
//! "Managed records"). Knows nothing of outboxes, relays or tasks.

mod bundle;
mod bytes;
mod identity;
mod info;
mod knock;
#[cfg(feature = "legacy-0-2")]
mod legacy;
mod message;
mod native;
mod prekeys;
mod sessions;
mod store;
mod suite;
mod turn;

#[cfg(test)]
mod tests;

pub use bundle::{Bundle, NativeBundle, OneTimePrekey};
pub use identity::IdentityStoreError;
pub use info::{Incoming, Initiated, SessionInfo, SessionState};
pub use knock::{AnsweredKnock, KnockProtocol};
#[cfg(feature = "legacy-0-2")]
pub use legacy::{AnsweredLegacyKnock, LegacyKnockInfo, LegacyKnockProtocol, LegacyKnocked};
pub use message::{Envelope, EnvelopeHeader, X3dhMessage};
pub use prekeys::PrekeyManager;
pub use sessions::SessionManager;
pub use store::SealedStore;

use crate::{
    codec::CodecError, error::errors, identity::Amid, storage::RecordId, vault::VaultError,
};

errors! {
    /// Why a manager did not do what it was asked to. Nothing has changed.
    pub enum ManagerError {
        /// Somebody else, another manager or process, wrote the record meanwhile. The call may be repeated.
        #[error("{id} in {store} was changed by somebody else; repeat the call")]
        Conflict {
            /// The store.
            store: String,
            /// The record.
            id: RecordId,
        } = "MANAGER_CONFLICT", Conflict, retryable;
        /// A record does not open: it is sealed with another store key, or was altered. It is never replaced.
        #[error("{store}: {source}; use the key that this store was made with, or restore the store from a copy")]
        Sealed {
            /// The store.
            store: String,
            /// What the vault says.
            source: VaultError,
        } = "MANAGER_SEALED", Storage, permanent;
        /// A record was opened and does not parse: a newer release wrote it, or a bug. It is never replaced.
        #[error("{store}: {id} does not parse: {source}; use the release that wrote it, or restore the store from a copy")]
        Undecodable {
            /// The store.
            store: String,
            /// The record.
            id: RecordId,
            /// Where it stops making sense.
            source: CodecError,
        } = "MANAGER_UNDECODABLE", Storage, permanent;
        /// The identity has no prekeys yet; `load_or_initialize` makes them.
        #[error("there are no prekeys yet; call load_or_initialize first")]
        NoPrekeys = "PREKEYS_NOT_INITIALIZED", NotFound, permanent;
        /// The bundle is one of 0.2 only, and 0.2 is not allowed.
        #[error("the bundle has no native part, and agentmesh/0.2 is not enabled")]
        NoNativeBundle = "MANAGER_NO_NATIVE_BUNDLE", Policy, permanent;
        /// The object is one of 0.2, and 0.2 is not allowed.
        #[error("this is of agentmesh/0.2, which is not enabled")]
        LegacyDisabled = "MANAGER_LEGACY_DISABLED", Policy, permanent;
        /// The object is not what it should be, or its parts contradict each other.
        #[error("malformed {what}")]
        Malformed {
            /// Which object.
            what: &'static str,
        } = "MANAGER_MALFORMED", Protocol, permanent;
        /// The bundle or the X3DH message is somebody else's.
        #[error("this is not of {expected}")]
        WrongPeer {
            /// Who was expected.
            expected: Amid,
        } = "MANAGER_WRONG_PEER", Authentication, permanent;
        /// Nobody has said which exchange key the peer of 0.2 registered, so its handshake cannot be believed.
        #[error("the exchange key of {peer} is not known; look it up and pass it to know_peer")]
        UnknownPeer {
            /// The peer.
            peer: Amid,
        } = "MANAGER_UNKNOWN_PEER", Authentication, permanent;
        /// There is no such session. It never was, or it was closed.
        #[error("Session not found: {session_id}")]
        SessionNotFound {
            /// The session.
            session_id: String,
        } = "SESSION_NOT_FOUND", NotFound, permanent;
        /// There is an active session with the peer. Use it, or close it first.
        #[error("Active session already exists with {peer}: {session_id}")]
        SessionExists {
            /// The peer.
            peer: Amid,
            /// The session.
            session_id: String,
        } = "SESSION_EXISTS", Conflict, permanent;
        /// The session was closed or rejected, and what opened it cannot open it again.
        #[error("Session {session_id} was closed")]
        SessionClosed {
            /// The session.
            session_id: String,
        } = "SESSION_CLOSED", Conflict, permanent;
        /// The session is not waiting for anything: the peer opened it, or it was answered.
        #[error("Session {session_id} is not pending")]
        NotPending {
            /// The session.
            session_id: String,
        } = "SESSION_NOT_PENDING", Conflict, permanent;
        /// Too many sessions were closed of late to accept one without a one-time key; ask for one with.
        #[error("too many closed sessions are remembered; a handshake needs a one-time key until old prekeys are deleted")]
        TooManyClosed = "SESSION_TOO_MANY_CLOSED", RateLimited, retryable;
        /// The message is not one with a JSON payload: a receipt, an answer to a KNOCK, bytes. It was not consumed;
        /// `open_envelope` and `KnockProtocol::verify_answer` take it.
        #[error("the message holds no JSON")]
        NotJson = "MANAGER_NOT_JSON", InvalidInput, permanent;
    }
}
