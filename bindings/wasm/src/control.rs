//! The owner's side of an agent. Values are JSON text.

use js_sys::Promise;
use wasm_bindgen::prelude::*;

use crate::{
    agent::{Agent, milliseconds},
    bridge::{CancellerRef, call},
    json,
};

/// Starts a call that ends in JSON text.
macro_rules! json_call {
    ($self:ident, $canceller:expr, |$agent:ident| $call:expr) => {{
        let $agent = $self.0.clone();
        call($canceller, async move { json(&$call.await?) })
    }};
}

/// Starts a call that ends in nothing.
macro_rules! unit_call {
    ($self:ident, |$agent:ident| $call:expr) => {{
        let $agent = $self.0.clone();
        call(None, async move { $call.await })
    }};
}

#[wasm_bindgen]
impl Agent {
    /// Streams that have not ended.
    #[wasm_bindgen(js_name = openStreams)]
    pub fn open_streams(&self) -> Result<Promise, JsValue> {
        json_call!(self, None, |agent| agent.open_streams())
    }

    /// How far a message is.
    #[wasm_bindgen]
    pub fn stage(&self, id: String) -> Result<Promise, JsValue> {
        json_call!(self, None, |agent| agent.stage(&id))
    }

    /// Takes a message back.
    #[wasm_bindgen]
    pub fn cancel(&self, id: String) -> Result<Promise, JsValue> {
        unit_call!(self, |agent| agent.cancel(&id))
    }

    /// All sessions.
    #[wasm_bindgen]
    pub fn sessions(&self) -> Result<Promise, JsValue> {
        json_call!(self, None, |agent| agent.sessions())
    }

    /// Ends the session with a peer.
    #[wasm_bindgen(js_name = closeSession)]
    pub fn close_session(&self, peer: String) -> Result<Promise, JsValue> {
        unit_call!(self, |agent| agent.close_session(&peer))
    }

    /// Ends every session with a peer.
    #[wasm_bindgen(js_name = killSession)]
    pub fn kill_session(&self, peer: String) -> Result<Promise, JsValue> {
        unit_call!(self, |agent| agent.kill_session(&peer))
    }

    /// Rejects new KNOCKs.
    #[wasm_bindgen(js_name = pauseNew)]
    pub fn pause_new(&self) -> Result<Promise, JsValue> {
        unit_call!(self, |agent| agent.pause_new())
    }

    /// Takes new KNOCKs again.
    #[wasm_bindgen(js_name = resumeNew)]
    pub fn resume_new(&self) -> Result<Promise, JsValue> {
        unit_call!(self, |agent| agent.resume_new())
    }

    /// Works again.
    #[wasm_bindgen]
    pub fn resume(&self) -> Result<Promise, JsValue> {
        unit_call!(self, |agent| agent.resume())
    }

    /// Stops everything.
    #[wasm_bindgen(js_name = emergencyStop)]
    pub fn emergency_stop(&self) -> Result<Promise, JsValue> {
        unit_call!(self, |agent| agent.emergency_stop())
    }

    /// Shuts a peer out.
    #[wasm_bindgen]
    pub fn block(&self, peer: String) -> Result<Promise, JsValue> {
        unit_call!(self, |agent| agent.block(&peer))
    }

    /// Lets a peer in again.
    #[wasm_bindgen]
    pub fn unblock(&self, peer: String) -> Result<Promise, JsValue> {
        unit_call!(self, |agent| agent.unblock(&peer))
    }

    /// The circuit breakers.
    #[wasm_bindgen(js_name = circuitState)]
    pub fn circuit_state(&self) -> Result<Promise, JsValue> {
        json_call!(self, None, |agent| agent.circuit_state())
    }

    /// KNOCKs without a decision.
    #[wasm_bindgen(js_name = pendingKnocks)]
    pub fn pending_knocks(&self) -> Result<Promise, JsValue> {
        json_call!(self, None, |agent| agent.pending_knocks())
    }

    /// Accepts a KNOCK.
    #[wasm_bindgen(js_name = acceptKnock)]
    pub fn accept_knock(&self, session: String, ttl_s: Option<u32>) -> Result<Promise, JsValue> {
        unit_call!(self, |agent| agent.accept_knock(&session, ttl_s.map(Into::into)))
    }

    /// Rejects a KNOCK.
    #[wasm_bindgen(js_name = rejectKnock)]
    pub fn reject_knock(
        &self,
        session: String,
        reason: String,
        retry_after_s: Option<u32>,
    ) -> Result<Promise, JsValue> {
        let retry = retry_after_s.map(Into::into);
        unit_call!(self, |agent| agent.reject_knock(&session, reason, retry))
    }

    /// The policy in force.
    #[wasm_bindgen]
    pub fn policy(&self) -> Result<Promise, JsValue> {
        let agent = self.0.clone();
        call(None, async move { agent.policy().await })
    }

    /// Replaces the policy.
    #[wasm_bindgen(js_name = setPolicy)]
    pub fn set_policy(&self, policy: String) -> Result<Promise, JsValue> {
        unit_call!(self, |agent| agent.set_policy(&policy))
    }

    /// Messages that are not handled yet.
    #[wasm_bindgen]
    pub fn outbox(&self) -> Result<Promise, JsValue> {
        json_call!(self, None, |agent| agent.outbox())
    }

    /// Messages that came in and are not handled.
    #[wasm_bindgen]
    pub fn inbox(&self) -> Result<Promise, JsValue> {
        json_call!(self, None, |agent| agent.inbox())
    }

    /// How full the limits on sending are.
    #[wasm_bindgen(js_name = rateStatus)]
    pub fn rate_status(&self, peer: Option<String>) -> Result<Promise, JsValue> {
        json_call!(self, None, |agent| agent.rate_status(peer.as_deref()))
    }

    /// Waits for room under the limits on sending.
    #[wasm_bindgen(js_name = waitForCapacity)]
    pub fn wait_for_capacity(
        &self,
        peer: String,
        max: f64,
        canceller: Option<CancellerRef>,
    ) -> Result<Promise, JsValue> {
        let (agent, max) = (self.0.clone(), milliseconds(max)?);
        call(canceller, async move { agent.wait_for_capacity(&peer, max).await })
    }

    /// Agents in the registry.
    #[wasm_bindgen]
    #[allow(clippy::too_many_arguments, reason = "called from one place, in TypeScript")]
    pub fn search(
        &self,
        capability: Option<String>,
        min_tier: Option<String>,
        min_reputation: Option<f64>,
        limit: Option<u32>,
        offset: Option<u32>,
        canceller: Option<CancellerRef>,
    ) -> Result<Promise, JsValue> {
        let (limit, offset) = (limit.map(Into::into), offset.map(Into::into));
        json_call!(self, canceller, |agent| agent.search(
            capability,
            min_tier.as_deref(),
            min_reputation,
            limit,
            offset
        ))
    }

    /// An agent's entry in the registry.
    #[wasm_bindgen]
    pub fn lookup(
        &self,
        amid: String,
        canceller: Option<CancellerRef>,
    ) -> Result<Promise, JsValue> {
        json_call!(self, canceller, |agent| agent.lookup(&amid))
    }

    /// Tells the registry what this agent can do.
    #[wasm_bindgen(js_name = setCapabilities)]
    pub fn set_capabilities(
        &self,
        capabilities: Vec<String>,
        canceller: Option<CancellerRef>,
    ) -> Result<Promise, JsValue> {
        let agent = self.0.clone();
        call(canceller, async move { agent.set_capabilities(capabilities).await })
    }

    /// Asks a peer for capabilities.
    #[wasm_bindgen]
    pub fn negotiate(
        &self,
        peer: String,
        wanted: Vec<String>,
        deadline: f64,
        canceller: Option<CancellerRef>,
    ) -> Result<Promise, JsValue> {
        let deadline = milliseconds(deadline)?;
        json_call!(self, canceller, |agent| agent.negotiate(&peer, wanted, deadline))
    }

    /// The identity, sealed.
    #[wasm_bindgen(js_name = backUp)]
    pub fn back_up(&self, passphrase: String) -> Result<Promise, JsValue> {
        let agent = self.0.clone();
        call(None, async move { agent.back_up(&passphrase).await })
    }

    /// Replaces the exchange key.
    #[wasm_bindgen(js_name = rotateExchangeKey)]
    pub fn rotate_exchange_key(&self) -> Result<Promise, JsValue> {
        let agent = self.0.clone();
        call(None, async move { agent.rotate_exchange_key().await })
    }
}
