//! The one error, and the codes that it can have.

use std::{error::Error, fmt};

use agentmesh_facade::{FacadeError, error_codes};

use crate::calls::{call, json, run};

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Error)]
pub enum NativeError {
    /// A call failed.
    Failed {
        /// Stable upper-case code, such as `BUNDLE_STALE`.
        code: String,
        /// Who has to act, such as `not_found`.
        kind: String,
        /// For people. Never holds content or keys.
        reason: String,
        /// Whether the same call may succeed later.
        retryable: bool,
        /// What a program may want to know besides: a JSON object, whose members depend on the code.
        details: Option<String>,
        /// What is behind it, the nearest first.
        causes: Vec<String>,
    },
}

impl fmt::Display for NativeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Failed { code, reason, .. } = self;
        write!(f, "{code}: {reason}")
    }
}

impl Error for NativeError {}

impl From<FacadeError> for NativeError {
    fn from(error: FacadeError) -> Self {
        let FacadeError { code, kind, message, retryable, details, causes } = error;
        Self::Failed {
            code: code.to_owned(),
            kind: kind.to_owned(),
            reason: message,
            retryable,
            details: details.map(|details| details.to_string()),
            causes,
        }
    }
}

/// Every code that this library can return: a JSON array of objects with `code`, `kind` and `retryable`.
///
/// # Errors
/// None that are known.
#[uniffi::export]
pub fn error_codes_json() -> Result<String, NativeError> {
    run(|| json(&error_codes()))
}

/// Panics inside a call, for the tests of what comes of it.
///
/// # Errors
/// `BINDING_PANICKED`
#[uniffi::export]
pub async fn panic_for_tests() -> Result<(), NativeError> {
    call(async { std::panic::resume_unwind(Box::new(())) }).await
}

/// Panics on the calling thread, for the tests of what comes of it.
///
/// # Errors
/// `BINDING_PANICKED`
#[uniffi::export]
pub fn panic_at_once_for_tests() -> Result<(), NativeError> {
    run(|| std::panic::resume_unwind(Box::new(())))
}
