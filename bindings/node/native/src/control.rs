//! The owner's side of an agent. Values are JSON text.

use napi::{Env, bindgen_prelude::Object};
use napi_derive::napi;

use crate::{
    agent::{Agent, milliseconds},
    bridge::{Canceller, call},
    json,
};

/// Starts a call that ends in JSON text.
macro_rules! json_call {
    ($self:ident, $env:ident, $canceller:expr, |$agent:ident| $call:expr) => {{
        let $agent = $self.0.clone();
        call($env, $canceller, async move { json(&$call.await?) })
    }};
}

/// Starts a call that ends in nothing.
macro_rules! unit_call {
    ($self:ident, $env:ident, |$agent:ident| $call:expr) => {{
        let $agent = $self.0.clone();
        call($env, None, async move { $call.await })
    }};
}

#[napi]
impl Agent {
    /// Streams that have not ended.
    #[napi]
    pub fn open_streams<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        json_call!(self, env, None, |agent| agent.open_streams())
    }

    /// How far a message is.
    #[napi]
    pub fn stage<'env>(&self, env: &'env Env, id: String) -> napi::Result<Object<'env>> {
        json_call!(self, env, None, |agent| agent.stage(&id))
    }

    /// Takes a message back.
    #[napi]
    pub fn cancel<'env>(&self, env: &'env Env, id: String) -> napi::Result<Object<'env>> {
        unit_call!(self, env, |agent| agent.cancel(&id))
    }

    /// All sessions.
    #[napi]
    pub fn sessions<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        json_call!(self, env, None, |agent| agent.sessions())
    }

    /// Ends the session with a peer.
    #[napi]
    pub fn close_session<'env>(&self, env: &'env Env, peer: String) -> napi::Result<Object<'env>> {
        unit_call!(self, env, |agent| agent.close_session(&peer))
    }

    /// Ends every session with a peer.
    #[napi]
    pub fn kill_session<'env>(&self, env: &'env Env, peer: String) -> napi::Result<Object<'env>> {
        unit_call!(self, env, |agent| agent.kill_session(&peer))
    }

    /// Rejects new KNOCKs.
    #[napi]
    pub fn pause_new<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        unit_call!(self, env, |agent| agent.pause_new())
    }

    /// Takes new KNOCKs again.
    #[napi]
    pub fn resume_new<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        unit_call!(self, env, |agent| agent.resume_new())
    }

    /// Works again.
    #[napi]
    pub fn resume<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        unit_call!(self, env, |agent| agent.resume())
    }

    /// Stops everything.
    #[napi]
    pub fn emergency_stop<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        unit_call!(self, env, |agent| agent.emergency_stop())
    }

    /// Shuts a peer out.
    #[napi]
    pub fn block<'env>(&self, env: &'env Env, peer: String) -> napi::Result<Object<'env>> {
        unit_call!(self, env, |agent| agent.block(&peer))
    }

    /// Lets a peer in again.
    #[napi]
    pub fn unblock<'env>(&self, env: &'env Env, peer: String) -> napi::Result<Object<'env>> {
        unit_call!(self, env, |agent| agent.unblock(&peer))
    }

    /// The circuit breakers.
    #[napi]
    pub fn circuit_state<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        json_call!(self, env, None, |agent| agent.circuit_state())
    }

    /// KNOCKs without a decision.
    #[napi]
    pub fn pending_knocks<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        json_call!(self, env, None, |agent| agent.pending_knocks())
    }

    /// Accepts a KNOCK.
    #[napi]
    pub fn accept_knock<'env>(
        &self,
        env: &'env Env,
        session: String,
        ttl_s: Option<u32>,
    ) -> napi::Result<Object<'env>> {
        unit_call!(self, env, |agent| agent.accept_knock(&session, ttl_s.map(Into::into)))
    }

    /// Rejects a KNOCK.
    #[napi]
    pub fn reject_knock<'env>(
        &self,
        env: &'env Env,
        session: String,
        reason: String,
        retry_after_s: Option<u32>,
    ) -> napi::Result<Object<'env>> {
        let retry = retry_after_s.map(Into::into);
        unit_call!(self, env, |agent| agent.reject_knock(&session, reason, retry))
    }

    /// The policy in force.
    #[napi]
    pub fn policy<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let agent = self.0.clone();
        call(env, None, async move { agent.policy().await })
    }

    /// Replaces the policy.
    #[napi]
    pub fn set_policy<'env>(&self, env: &'env Env, policy: String) -> napi::Result<Object<'env>> {
        unit_call!(self, env, |agent| agent.set_policy(&policy))
    }

    /// Messages that are not handled yet.
    #[napi]
    pub fn outbox<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        json_call!(self, env, None, |agent| agent.outbox())
    }

    /// Messages that came in and are not handled.
    #[napi]
    pub fn inbox<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        json_call!(self, env, None, |agent| agent.inbox())
    }

    /// How full the limits on sending are.
    #[napi]
    pub fn rate_status<'env>(
        &self,
        env: &'env Env,
        peer: Option<String>,
    ) -> napi::Result<Object<'env>> {
        json_call!(self, env, None, |agent| agent.rate_status(peer.as_deref()))
    }

    /// Waits for room under the limits on sending.
    #[napi]
    pub fn wait_for_capacity<'env>(
        &self,
        env: &'env Env,
        peer: String,
        max: f64,
        canceller: Option<&Canceller>,
    ) -> napi::Result<Object<'env>> {
        let (agent, max) = (self.0.clone(), milliseconds(max)?);
        call(env, canceller, async move { agent.wait_for_capacity(&peer, max).await })
    }

    /// Agents in the registry.
    #[napi]
    #[allow(clippy::too_many_arguments, reason = "called from one place, in TypeScript")]
    pub fn search<'env>(
        &self,
        env: &'env Env,
        capability: Option<String>,
        min_tier: Option<String>,
        min_reputation: Option<f64>,
        limit: Option<u32>,
        offset: Option<u32>,
        canceller: Option<&Canceller>,
    ) -> napi::Result<Object<'env>> {
        let (limit, offset) = (limit.map(Into::into), offset.map(Into::into));
        json_call!(self, env, canceller, |agent| agent.search(
            capability,
            min_tier.as_deref(),
            min_reputation,
            limit,
            offset
        ))
    }

    /// An agent's entry in the registry.
    #[napi]
    pub fn lookup<'env>(
        &self,
        env: &'env Env,
        amid: String,
        canceller: Option<&Canceller>,
    ) -> napi::Result<Object<'env>> {
        json_call!(self, env, canceller, |agent| agent.lookup(&amid))
    }

    /// Tells the registry what this agent can do.
    #[napi]
    pub fn set_capabilities<'env>(
        &self,
        env: &'env Env,
        capabilities: Vec<String>,
        canceller: Option<&Canceller>,
    ) -> napi::Result<Object<'env>> {
        let agent = self.0.clone();
        call(env, canceller, async move { agent.set_capabilities(capabilities).await })
    }

    /// Asks a peer for capabilities.
    #[napi]
    pub fn negotiate<'env>(
        &self,
        env: &'env Env,
        peer: String,
        wanted: Vec<String>,
        deadline: f64,
        canceller: Option<&Canceller>,
    ) -> napi::Result<Object<'env>> {
        let deadline = milliseconds(deadline)?;
        json_call!(self, env, canceller, |agent| agent.negotiate(&peer, wanted, deadline))
    }

    /// The identity, sealed.
    #[napi]
    pub fn back_up<'env>(&self, env: &'env Env, passphrase: String) -> napi::Result<Object<'env>> {
        let agent = self.0.clone();
        call(env, None, async move { agent.back_up(&passphrase).await })
    }

    /// Replaces the exchange key.
    #[napi]
    pub fn rotate_exchange_key<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let agent = self.0.clone();
        call(env, None, async move {
            Ok(napi::bindgen_prelude::Uint8Array::from(agent.rotate_exchange_key().await?))
        })
    }
}
