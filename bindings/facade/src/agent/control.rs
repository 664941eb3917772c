//! The owner's side of an agent: sessions, circuit breakers, KNOCKs, policy, what waits, and the registry.

use std::time::Duration;

use agentmesh_core::{
    client::registry::AgentSearch,
    knock::{Decision, Policy, Tier},
};

use super::Agent;
use crate::{
    Agreement, CircuitStatus, FacadeError, InboxItem, Listing, OutboxItem, PendingKnock,
    RateStatus, SearchPage, SessionSummary, knock, values::session_id,
};

impl Agent {
    /// All sessions that have keys, without anything secret.
    ///
    /// # Errors
    /// `AGENT_CLOSED`, as every method here, and what the store says.
    pub async fn sessions(&self) -> Result<Vec<SessionSummary>, FacadeError> {
        let sessions = self.core()?.sessions().await?;
        Ok(sessions.into_iter().map(Into::into).collect())
    }

    /// Ends the session with a peer.
    ///
    /// # Errors
    /// `AGENT_CLOSED`
    pub async fn close_session(&self, peer: &str) -> Result<(), FacadeError> {
        Ok(self.core()?.close_session(Self::peer(peer)?).await?)
    }

    /// Ends every session with a peer, and gives up what was queued for it.
    ///
    /// # Errors
    /// `AGENT_CLOSED`
    pub async fn kill_session(&self, peer: &str) -> Result<(), FacadeError> {
        Ok(self.core()?.kill_session(Self::peer(peer)?).await?)
    }

    /// Rejects new KNOCKs until [`resume`](Self::resume).
    ///
    /// # Errors
    /// `AGENT_CLOSED`
    pub async fn pause_new(&self) -> Result<(), FacadeError> {
        Ok(self.core()?.pause_new().await?)
    }

    /// Takes new KNOCKs again; a stopped agent stays stopped.
    ///
    /// # Errors
    /// `AGENT_CLOSED`
    pub async fn resume_new(&self) -> Result<(), FacadeError> {
        Ok(self.core()?.resume_new().await?)
    }

    /// Works again, whether paused or stopped.
    ///
    /// # Errors
    /// `AGENT_CLOSED`
    pub async fn resume(&self) -> Result<(), FacadeError> {
        Ok(self.core()?.resume().await?)
    }

    /// Ends every session, gives up everything queued, goes offline and stays so.
    ///
    /// # Errors
    /// `AGENT_CLOSED`
    pub async fn emergency_stop(&self) -> Result<(), FacadeError> {
        Ok(self.core()?.emergency_stop().await?)
    }

    /// Shuts a peer out.
    ///
    /// # Errors
    /// `AGENT_CLOSED`; `SEND_BLOCK_LIST_FULL`.
    pub async fn block(&self, peer: &str) -> Result<(), FacadeError> {
        Ok(self.core()?.block(Self::peer(peer)?).await?)
    }

    /// Lets a peer in again.
    ///
    /// # Errors
    /// `AGENT_CLOSED`
    pub async fn unblock(&self, peer: &str) -> Result<(), FacadeError> {
        Ok(self.core()?.unblock(Self::peer(peer)?).await?)
    }

    /// The circuit breakers as they stand.
    ///
    /// # Errors
    /// `AGENT_CLOSED`
    pub async fn circuit_state(&self) -> Result<CircuitStatus, FacadeError> {
        Ok(self.core()?.circuit_state().await?.into())
    }

    /// KNOCKs without a decision.
    ///
    /// # Errors
    /// `AGENT_CLOSED`
    pub async fn pending_knocks(&self) -> Result<Vec<PendingKnock>, FacadeError> {
        let pending = self.core()?.pending_knocks().await?;
        Ok(pending.into_iter().map(Into::into).collect())
    }

    /// Accepts a KNOCK that waits for a decision.
    ///
    /// # Errors
    /// `KNOCK_NOT_PENDING`
    pub async fn accept_knock(&self, session: &str, ttl_s: Option<u64>) -> Result<(), FacadeError> {
        let decision = Decision::Accept { ttl_s };
        Ok(self.core()?.decide(session_id(session)?, decision).await?)
    }

    /// Rejects a KNOCK that waits for a decision.
    ///
    /// # Errors
    /// `KNOCK_NOT_PENDING`
    pub async fn reject_knock(
        &self,
        session: &str,
        reason: String,
        retry_after_s: Option<u64>,
    ) -> Result<(), FacadeError> {
        let decision = Decision::Reject { reason, retry_after_s };
        Ok(self.core()?.decide(session_id(session)?, decision).await?)
    }

    /// The policy in force, as JSON.
    ///
    /// # Errors
    /// `POLICY_UNAVAILABLE`
    pub async fn policy(&self) -> Result<String, FacadeError> {
        Ok(self.core()?.policy().await?.to_json()?)
    }

    /// Replaces the policy.
    ///
    /// # Errors
    /// `POLICY_MALFORMED`; `AGENT_CONFIG` if the policy comes from a file.
    pub async fn set_policy(&self, json: &str) -> Result<(), FacadeError> {
        let policy: Policy = knock::policy(json)?;
        Ok(self.core()?.set_policy(policy).await?)
    }

    /// Messages that are not handled yet.
    ///
    /// # Errors
    /// `AGENT_CLOSED`
    pub async fn outbox(&self) -> Result<Vec<OutboxItem>, FacadeError> {
        Ok(self.core()?.outbox().await?.into_iter().map(Into::into).collect())
    }

    /// Messages that came in and are not handled.
    ///
    /// # Errors
    /// `AGENT_CLOSED`
    pub async fn inbox(&self) -> Result<Vec<InboxItem>, FacadeError> {
        Ok(self.core()?.inbox().await?.into_iter().map(Into::into).collect())
    }

    /// How full the buckets of the limits on sending are.
    ///
    /// # Errors
    /// `AGENT_CLOSED`
    pub async fn rate_status(&self, peer: Option<&str>) -> Result<RateStatus, FacadeError> {
        let peer = peer.map(Self::peer).transpose()?;
        Ok(self.core()?.rate_status(peer).await?.into())
    }

    /// Waits until a message to `peer` would pass the limits on sending.
    ///
    /// # Errors
    /// `SEND_RATE_LIMITED`
    pub async fn wait_for_capacity(&self, peer: &str, max: Duration) -> Result<(), FacadeError> {
        Ok(self.core()?.wait_for_capacity(Self::peer(peer)?, max).await?)
    }

    /// Agents in the registry.
    ///
    /// # Errors
    /// What the registry client says.
    pub async fn search(
        &self,
        capability: Option<String>,
        min_tier: Option<&str>,
        min_reputation: Option<f64>,
        limit: Option<u64>,
        offset: Option<u64>,
    ) -> Result<SearchPage, FacadeError> {
        let min_tier = min_tier.map(Tier::from);
        let search = AgentSearch {
            capability,
            min_tier,
            min_reputation,
            limit,
            offset,
            ..Default::default()
        };
        Ok(self.core()?.search(&search).await?.into())
    }

    /// An agent's entry in the registry.
    ///
    /// # Errors
    /// What the registry client says.
    pub async fn lookup(&self, amid: &str) -> Result<Listing, FacadeError> {
        Ok(self.core()?.lookup(&Self::peer(amid)?).await?.into())
    }

    /// Tells the registry what this agent can do.
    ///
    /// # Errors
    /// What the registry client says.
    pub async fn set_capabilities(&self, capabilities: Vec<String>) -> Result<(), FacadeError> {
        Ok(self.core()?.set_capabilities(capabilities).await?)
    }

    /// Asks a peer for capabilities.
    ///
    /// # Errors
    /// As the core's `Agent::negotiate`.
    pub async fn negotiate(
        &self,
        peer: &str,
        wanted: Vec<String>,
        deadline: Duration,
    ) -> Result<Agreement, FacadeError> {
        Ok(self.core()?.negotiate(Self::peer(peer)?, wanted, deadline).await?.into())
    }

    /// The identity and what another store needs to go on, sealed under a passphrase.
    ///
    /// # Errors
    /// `BACKUP_EMPTY_PASSPHRASE` and others.
    pub async fn back_up(&self, passphrase: &str) -> Result<String, FacadeError> {
        Ok(self.core()?.back_up(passphrase).await?)
    }

    /// Replaces the exchange key; returns the new public one.
    ///
    /// # Errors
    /// As the core's `Agent::rotate_exchange_key`.
    pub async fn rotate_exchange_key(&self) -> Result<Vec<u8>, FacadeError> {
        Ok(self.core()?.rotate_exchange_key().await?.as_bytes().to_vec())
    }
}
