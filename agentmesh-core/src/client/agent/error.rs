//! What can go wrong around the engine.

use std::time::Duration;

use crate::{
    engine::Stage,
    error::errors,
    handshake::SessionId,
    identity::Amid,
    wire::{id::MessageId, peer_error::PeerError},
};

errors! {
    /// Errors of the agent itself, as opposed to its parts.
    pub enum AgentError {
        /// The agent was closed, or stopped because its store failed.
        #[error("the agent is closed{}", reason.as_ref().map(|r| format!(": {r}")).unwrap_or_default())]
        Closed {
            /// Why, if it was not the caller.
            reason: Option<String>,
        } = "AGENT_CLOSED", Closed, permanent;
        /// A setting is missing or wrong.
        #[error("{setting}: {problem}")]
        Config {
            /// Which setting.
            setting: &'static str,
            /// What is wrong with it.
            problem: String,
        } = "AGENT_CONFIG", InvalidInput, permanent;
        /// No registry is configured.
        #[error("no registry is configured")]
        NoRegistry = "AGENT_NO_REGISTRY", InvalidInput, permanent;
        /// There is no identity in the store, and none was to be created.
        #[error("{store} holds no identity called {key:?}; create one, or restore it from a backup")]
        NoIdentity {
            /// The store.
            store: String,
            /// What was asked for.
            key: String,
        } = "AGENT_NO_IDENTITY", NotFound, permanent;
        /// The identity in the store is called otherwise. A store holds one; another needs another store.
        #[error("{store} holds {amid} as {found:?}, not {wanted:?}; ask for that, or use another store")]
        IdentityKey {
            /// The store.
            store: String,
            /// The identity key that was asked for.
            wanted: String,
            /// The one that is there.
            found: String,
            /// Whose identity it is.
            amid: Amid,
        } = "AGENT_IDENTITY_KEY", Conflict, permanent;
        /// The agent is not online yet; it goes on trying.
        #[error("not online yet: {reason}")]
        NotOnline {
            /// The last thing that went wrong.
            reason: String,
        } = "AGENT_NOT_ONLINE", Network, retryable;
        /// There is no undecided KNOCK of this session.
        #[error("no undecided KNOCK opened session {session}")]
        NoSuchKnock {
            /// The session.
            session: SessionId,
        } = "KNOCK_NOT_PENDING", NotFound, permanent;
        /// Another connection with the same identity took over. This agent does not fight for it.
        #[error("another connection of this identity took over")]
        Replaced = "AGENT_REPLACED", Conflict, permanent;
        /// A newer bundle of this identity was published by somebody else: it was moved to another machine, or this store
        /// was set back to an earlier state. To use it here again, restore the identity from a backup into a new store.
        #[error("this identity is in use elsewhere, or this store is older than what was published from it; restore the identity from a backup into a new store to use it here")]
        Superseded = "AGENT_SUPERSEDED", Conflict, permanent;
        /// The registry is of plain 0.2 and never changes a key: peers of 0.2 would go on using the old one, in vain.
        #[error("the registry cannot change an agent's exchange key")]
        ExchangeKeyFixed = "AGENT_EXCHANGE_KEY_FIXED", Conflict, permanent;
        /// The time to wait is up; the message stays in the outbox.
        #[error("message {id} is {reached} and not yet {wanted}; it stays in the outbox")]
        StageNotReached {
            /// The message.
            id: MessageId,
            /// What was asked for.
            wanted: Stage,
            /// How far it is.
            reached: Stage,
        } = "STAGE_NOT_REACHED", Timeout, retryable;
        /// No answer came in time. The request may have been handled all the same.
        #[error("no response to request {id} within the deadline")]
        NoResponse {
            /// The request.
            id: MessageId,
        } = "REQUEST_NO_RESPONSE", Timeout, retryable;
        /// The peer answered a request with an error.
        #[error("the peer answered with an error: {error}")]
        ErrorResponse {
            /// What it said. The words are the peer's.
            error: Box<PeerError>,
        } = "REQUEST_ERROR_RESPONSE", Protocol, permanent;
        /// The message was acknowledged, answered or given back before.
        #[error("the message was acknowledged, answered or given back before")]
        MessageDone = "MESSAGE_DONE", InvalidInput, permanent;
        /// A limit on sending was met; nothing was queued. See [`RateLimits`](crate::client::RateLimits).
        #[error("too many messages ({scope} limit); try again in {} ms", retry_after.as_millis())]
        RateLimited {
            /// Which limit: `global` or `peer`.
            scope: &'static str,
            /// When there is room again, if nobody else takes it.
            retry_after: Duration,
        } = "SEND_RATE_LIMITED", RateLimited, retryable;
        /// The policy's file is missing or not understood; all KNOCKs are rejected until it is mended.
        #[error("no policy is in force: {problem}")]
        PolicyUnavailable {
            /// What is wrong with the file.
            problem: String,
        } = "POLICY_UNAVAILABLE", Policy, permanent;
        /// A bug in this library; please report it.
        #[error("internal error: {what}")]
        Internal {
            /// What went wrong.
            what: &'static str,
        } = "AGENT_INTERNAL", Internal, permanent;
    }
}
