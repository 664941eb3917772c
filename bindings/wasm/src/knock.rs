//! Questions about KNOCKs, and policies.

use std::sync::{Mutex, PoisonError};

use agentmesh_facade as facade;
use facade::{Decision, FacadeError, KnockQueue};
use js_sys::Function;
use wasm_bindgen::prelude::*;

use crate::{
    bridge::{Value, beside, notify},
    error::{run, thrown},
    json,
};

/// A KNOCK to be decided about. Forgotten, it is left for later.
#[wasm_bindgen]
pub struct KnockQuestion(Mutex<Option<facade::KnockQuestion>>);

#[wasm_bindgen]
impl KnockQuestion {
    /// Who knocks, and what for, as JSON; nothing once it was answered.
    #[wasm_bindgen(getter)]
    pub fn knock(&self) -> Result<JsValue, JsValue> {
        let question = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        run(|| question.as_ref().map(|question| json(&question.knock)).transpose().map(Value::js))
    }

    /// Decides, by JSON text. Again does nothing.
    #[wasm_bindgen]
    pub fn answer(&self, decision: String) -> Result<(), JsValue> {
        let decision: Decision =
            serde_json::from_str(&decision).map_err(|e| thrown(FacadeError::from(e)))?;
        if let Some(question) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            question.answer(decision);
        }
        Ok(())
    }
}

/// Hands every question to a function, until the agent is closed.
pub(crate) fn pump(queue: KnockQueue, ask: Function) {
    beside(async move {
        while let Some(question) = queue.next().await? {
            notify(&ask, KnockQuestion(Mutex::new(Some(question))));
        }
        Ok(())
    });
}

/// A policy of a well-known name, as JSON.
#[wasm_bindgen(js_name = policyPreset)]
pub fn policy_preset(name: String) -> Result<String, JsValue> {
    run(|| facade::policy_preset(&name))
}

/// A policy with every member, in one spelling.
#[wasm_bindgen(js_name = normalizePolicy)]
pub fn normalize_policy(policy: String) -> Result<String, JsValue> {
    run(|| facade::normalize_policy(&policy))
}

/// Judges a KNOCK that is described by an object.
#[wasm_bindgen(js_name = evaluatePolicy)]
pub fn evaluate_policy(policy: String, knock: String) -> Result<String, JsValue> {
    run(|| json(&facade::evaluate_policy(&policy, &knock)?))
}
