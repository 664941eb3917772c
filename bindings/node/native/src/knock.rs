//! Questions about KNOCKs, and policies.

use std::sync::{Mutex, PoisonError};

use agentmesh_facade as facade;
use facade::{Decision, FacadeError, KnockQueue, start};
use napi_derive::napi;

use crate::{
    bridge::{Callback, notify},
    error::{run, thrown},
    json,
};

/// A KNOCK to be decided about. Forgotten, it is left for later.
#[napi]
pub struct KnockQuestion(Mutex<Option<facade::KnockQuestion>>);

#[napi]
impl KnockQuestion {
    /// Who knocks, and what for, as JSON; nothing once it was answered.
    #[napi(getter)]
    pub fn knock(&self) -> napi::Result<Option<String>> {
        let question = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        run(|| question.as_ref().map(|question| json(&question.knock)).transpose())
    }

    /// Decides, by JSON text. Again does nothing.
    #[napi]
    pub fn answer(&self, decision: String) -> napi::Result<()> {
        let decision: Decision =
            serde_json::from_str(&decision).map_err(|e| thrown(FacadeError::from(e)))?;
        if let Some(question) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            question.answer(decision);
        }
        Ok(())
    }
}

/// Hands every question to a function, until the agent is closed.
pub(crate) fn pump(queue: KnockQueue, ask: Callback<KnockQuestion>) -> napi::Result<()> {
    let pumping = async move {
        while let Some(question) = queue.next().await? {
            notify(&ask, KnockQuestion(Mutex::new(Some(question))));
        }
        Ok(())
    };
    start(pumping, |_: Result<(), FacadeError>| {}).map(drop).map_err(thrown)
}

/// A policy of a well-known name, as JSON.
#[napi]
pub fn policy_preset(name: String) -> napi::Result<String> {
    run(|| facade::policy_preset(&name))
}

/// A policy with every member, in one spelling.
#[napi]
pub fn normalize_policy(policy: String) -> napi::Result<String> {
    run(|| facade::normalize_policy(&policy))
}

/// Judges a KNOCK that is described by an object.
#[napi]
pub fn evaluate_policy(policy: String, knock: String) -> napi::Result<String> {
    run(|| json(&facade::evaluate_policy(&policy, &knock)?))
}
