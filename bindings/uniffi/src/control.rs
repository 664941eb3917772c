//! The owner's side of an agent: sessions, circuit breakers, KNOCKs, policy, what waits, and the registry. What these return
//! is JSON text, as the facade serialises its values.

use std::time::Duration;

use crate::{
    NativeAgent, NativeDecision, NativeError,
    calls::{call, json},
};

/// A call that ends in JSON text.
macro_rules! json_call {
    ($self:ident, |$agent:ident| $call:expr) => {{
        let $agent = $self.0.clone();
        call(async move { json(&$call.await?) }).await
    }};
}

/// A call that ends in what the facade returns.
macro_rules! plain_call {
    ($self:ident, |$agent:ident| $call:expr) => {{
        let $agent = $self.0.clone();
        call(async move { $call.await }).await
    }};
}

#[uniffi::export]
impl NativeAgent {
    /// All sessions.
    pub async fn sessions(&self) -> Result<String, NativeError> {
        json_call!(self, |agent| agent.sessions())
    }

    /// Ends the session with a peer.
    pub async fn close_session(&self, peer: String) -> Result<(), NativeError> {
        plain_call!(self, |agent| agent.close_session(&peer))
    }

    /// Ends every session with a peer, and gives up what was queued for it.
    pub async fn kill_session(&self, peer: String) -> Result<(), NativeError> {
        plain_call!(self, |agent| agent.kill_session(&peer))
    }

    /// Rejects new KNOCKs.
    pub async fn pause_new(&self) -> Result<(), NativeError> {
        plain_call!(self, |agent| agent.pause_new())
    }

    /// Takes new KNOCKs again.
    pub async fn resume_new(&self) -> Result<(), NativeError> {
        plain_call!(self, |agent| agent.resume_new())
    }

    /// Works again, whether paused or stopped.
    pub async fn resume(&self) -> Result<(), NativeError> {
        plain_call!(self, |agent| agent.resume())
    }

    /// Ends every session, gives up everything queued, goes offline and stays so.
    pub async fn emergency_stop(&self) -> Result<(), NativeError> {
        plain_call!(self, |agent| agent.emergency_stop())
    }

    /// Shuts a peer out.
    pub async fn block(&self, peer: String) -> Result<(), NativeError> {
        plain_call!(self, |agent| agent.block(&peer))
    }

    /// Lets a peer in again.
    pub async fn unblock(&self, peer: String) -> Result<(), NativeError> {
        plain_call!(self, |agent| agent.unblock(&peer))
    }

    /// The circuit breakers as they stand.
    pub async fn circuit_state(&self) -> Result<String, NativeError> {
        json_call!(self, |agent| agent.circuit_state())
    }

    /// KNOCKs without a decision.
    pub async fn pending_knocks(&self) -> Result<String, NativeError> {
        json_call!(self, |agent| agent.pending_knocks())
    }

    /// Decides about a KNOCK that waits; "later" leaves it as it is.
    pub async fn decide(
        &self,
        session: String,
        decision: NativeDecision,
    ) -> Result<(), NativeError> {
        plain_call!(self, |agent| async {
            match decision {
                NativeDecision::Accept { ttl_s } => agent.accept_knock(&session, ttl_s).await,
                NativeDecision::Reject { reason, retry_after_s } => {
                    agent.reject_knock(&session, reason, retry_after_s).await
                }
                NativeDecision::Later => Ok(()),
            }
        })
    }

    /// The policy in force.
    pub async fn policy(&self) -> Result<String, NativeError> {
        plain_call!(self, |agent| agent.policy())
    }

    /// Replaces the policy.
    pub async fn set_policy(&self, policy: String) -> Result<(), NativeError> {
        plain_call!(self, |agent| agent.set_policy(&policy))
    }

    /// Messages that are not handled yet.
    pub async fn outbox(&self) -> Result<String, NativeError> {
        json_call!(self, |agent| agent.outbox())
    }

    /// Messages that came in and are not handled.
    pub async fn inbox(&self) -> Result<String, NativeError> {
        json_call!(self, |agent| agent.inbox())
    }

    /// Streams that have not ended.
    pub async fn open_streams(&self) -> Result<String, NativeError> {
        json_call!(self, |agent| agent.open_streams())
    }

    /// How full the buckets of the limits on sending are.
    pub async fn rate_status(&self, peer: Option<String>) -> Result<String, NativeError> {
        json_call!(self, |agent| agent.rate_status(peer.as_deref()))
    }

    /// Waits until a message to a peer would pass the limits on sending.
    pub async fn wait_for_capacity(&self, peer: String, max_ms: u64) -> Result<(), NativeError> {
        plain_call!(self, |agent| agent.wait_for_capacity(&peer, Duration::from_millis(max_ms)))
    }

    /// Agents in the registry.
    pub async fn search(
        &self,
        capability: Option<String>,
        min_tier: Option<String>,
        min_reputation: Option<f64>,
        limit: Option<u64>,
        offset: Option<u64>,
    ) -> Result<String, NativeError> {
        json_call!(self, |agent| agent.search(
            capability,
            min_tier.as_deref(),
            min_reputation,
            limit,
            offset
        ))
    }

    /// An agent's entry in the registry.
    pub async fn lookup(&self, amid: String) -> Result<String, NativeError> {
        json_call!(self, |agent| agent.lookup(&amid))
    }

    /// Tells the registry what this agent can do.
    pub async fn set_capabilities(&self, capabilities: Vec<String>) -> Result<(), NativeError> {
        plain_call!(self, |agent| agent.set_capabilities(capabilities))
    }

    /// Asks a peer for capabilities.
    pub async fn negotiate(
        &self,
        peer: String,
        wanted: Vec<String>,
        deadline_ms: u64,
    ) -> Result<String, NativeError> {
        json_call!(self, |agent| agent.negotiate(&peer, wanted, Duration::from_millis(deadline_ms)))
    }

    /// The identity and what another store needs to go on, sealed under a passphrase.
    pub async fn back_up(&self, passphrase: String) -> Result<String, NativeError> {
        plain_call!(self, |agent| agent.back_up(&passphrase))
    }

    /// Replaces the exchange key; returns the new public one.
    pub async fn rotate_exchange_key(&self) -> Result<Vec<u8>, NativeError> {
        plain_call!(self, |agent| agent.rotate_exchange_key())
    }
}
