//! Errors cross as JSON text in the message of an `Error`, as those of the native module; the TypeScript half makes
//! `AgentMeshError` of them.

use agentmesh_facade::FacadeError;
use serde_json::json;
use wasm_bindgen::prelude::*;

/// What JavaScript is thrown.
pub(crate) fn thrown(error: FacadeError) -> JsValue {
    let text = json!({"agentmesh": {
        "code": error.code, "kind": error.kind, "message": error.message,
        "retryable": error.retryable, "details": error.details, "causes": error.causes,
    }});
    js_sys::Error::new(&text.to_string()).into()
}

/// Runs something; errors are thrown.
pub(crate) fn run<T>(work: impl FnOnce() -> Result<T, FacadeError>) -> Result<T, JsValue> {
    work().map_err(thrown)
}
