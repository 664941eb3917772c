//! Errors cross as JSON text in the message of an `Error`, since napi-rs has no place for members; the TypeScript half makes
//! `AgentMeshError` of them.

use agentmesh_facade::FacadeError;
use napi::Status;
use napi_derive::napi;
use serde_json::json;

/// What JavaScript is thrown.
pub(crate) fn thrown(error: FacadeError) -> napi::Error {
    let text = json!({"agentmesh": {
        "code": error.code, "kind": error.kind, "message": error.message,
        "retryable": error.retryable, "details": error.details, "causes": error.causes,
    }});
    napi::Error::new(Status::GenericFailure, text.to_string())
}

/// Runs something on the calling thread; errors and panics are thrown.
pub(crate) fn run<T>(work: impl FnOnce() -> Result<T, FacadeError>) -> napi::Result<T> {
    agentmesh_facade::catch(work).map_err(thrown)
}

/// Every code that this build can return, as JSON.
#[napi]
pub fn error_codes() -> napi::Result<String> {
    run(|| crate::json(&agentmesh_facade::error_codes()))
}

/// Panics inside a call, for the tests of what comes of it.
#[napi]
pub fn panic_for_tests() -> napi::Result<()> {
    run(|| std::panic::resume_unwind(Box::new(())))
}
