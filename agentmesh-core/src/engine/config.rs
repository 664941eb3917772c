//! What the engine may be told to do otherwise.

use std::collections::HashSet;

use crate::{
    handshake::Suite,
    identity::Amid,
    knock::{KnockRequest, Tier},
    limits,
};

/// Settings of the engine; the defaults are right for most.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Suites of the sessions that we open, strongest first. A peer may open one with any suite of our bundle.
    pub suites: Vec<Suite>,
    /// Whether peers that cannot be reached natively may be spoken to in `agentmesh/0.2`. With it, KNOCKs of such peers are
    /// put before the policy, which has a say of its own ([`Policy::allow_legacy`](crate::knock::Policy::allow_legacy)).
    #[cfg(feature = "legacy-0-2")]
    pub allow_legacy: bool,
    /// Peers whose frames are dropped unread.
    pub blocked: HashSet<Amid>,
    /// Messages in the outbox at most.
    pub max_outbox_entries: usize,
    /// Bytes in the outbox at most.
    pub max_outbox_bytes: usize,
    /// Unhandled messages in the inbox at most; more stay at the relay.
    pub max_inbox_entries: usize,
    /// Bytes in the inbox at most.
    pub max_inbox_bytes: usize,
    /// The largest payload taken from a peer, in bytes, at most [`limits::MAX_LARGE_PAYLOAD`]. Default: 16 MiB.
    pub max_payload: usize,
    /// Bytes of large payloads from all peers on disk, unfinished or unhandled; more stay at the relay.
    pub max_received_bytes: u64,
    /// Bytes of large payloads on disk that wait to be sent.
    pub max_large_outbox_bytes: u64,
    /// How long a receipt for a delivered message waits for company, in milliseconds.
    pub receipt_delay: u64,
    /// What our KNOCKs ask for when a message does not say.
    pub default_knock_request: KnockRequest,
    /// Tier that our KNOCKs claim. It proves nothing; the peer asks the registry.
    pub tier: Tier,
    /// How long an unconfirmed message stays in the outbox, in milliseconds.
    pub outbox_age: u64,
}

impl EngineConfig {
    /// Whether any of the suites is native. If none is, only what peers of 0.2 read is published.
    pub fn speaks_natively(&self) -> bool {
        self.suites.iter().any(|suite| suite.is_native())
    }
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            suites: vec![Suite::X25519MlKem768, Suite::X25519],
            #[cfg(feature = "legacy-0-2")]
            allow_legacy: false,
            blocked: HashSet::new(),
            max_outbox_entries: 10_000,
            max_outbox_bytes: 64 * 1024 * 1024,
            max_inbox_entries: 10_000,
            max_inbox_bytes: 64 * 1024 * 1024,
            max_payload: limits::DEFAULT_RECEIVED_PAYLOAD,
            max_received_bytes: 256 * 1024 * 1024,
            max_large_outbox_bytes: 256 * 1024 * 1024,
            receipt_delay: 10,
            default_knock_request: KnockRequest::new("*", "message"),
            tier: Tier::Anonymous,
            outbox_age: limits::OUTBOX_AGE,
        }
    }
}
