//! KNOCKs, as whoever decides about them sees them.

use agentmesh_core::{engine::PendingKnock as CorePending, knock::KnockInfo};
use serde::Serialize;
use serde_json::Value;

/// A KNOCK that was verified: who asks for a session, and what for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KnockDetails {
    /// Who knocks.
    pub sender: String,
    /// The session that is asked for.
    pub session: String,
    /// The suite's name.
    pub suite: String,
    /// What the registry says that the peer is.
    pub tier: String,
    /// What the registry says of its reputation, 0 to 1.
    pub reputation: f64,
    /// The capability asked for.
    pub capability: String,
    /// What to do with it.
    pub action: String,
    /// Parameters.
    pub params: Option<Value>,
    /// How the session is to be used.
    pub session_type: String,
    /// The lifetime asked for, in seconds.
    pub ttl_s: u64,
    /// How many messages the peer expects to send.
    pub expected_messages: Option<u64>,
    /// How urgent it is to the peer.
    pub priority: Option<f64>,
}

impl From<&KnockInfo> for KnockDetails {
    fn from(knock: &KnockInfo) -> Self {
        let request = &knock.request;
        let params = request.intent.params.as_deref();
        Self {
            sender: knock.from.to_string(),
            session: knock.session_id.to_string(),
            suite: knock.suite.name().to_owned(),
            tier: knock.tier.to_string(),
            reputation: knock.reputation,
            capability: request.intent.capability.clone(),
            action: request.intent.action.clone(),
            params: params.and_then(|params| serde_json::from_str(params).ok()),
            session_type: request.session_type.as_str().to_owned(),
            ttl_s: request.ttl_s,
            expected_messages: request.expected_messages,
            priority: request.priority,
        }
    }
}

/// A KNOCK without a decision.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PendingKnock {
    /// Who knocks, and what for.
    pub knock: KnockDetails,
    /// When it came.
    pub received_at: u64,
    /// Messages that are held until it is decided.
    pub held: usize,
}

impl From<CorePending> for PendingKnock {
    fn from(pending: CorePending) -> Self {
        Self {
            knock: (&pending.knock).into(),
            received_at: pending.received_at.as_millis(),
            held: pending.held,
        }
    }
}
