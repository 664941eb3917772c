//! The one error of the bindings: what the core says, with code, kind and retryability, and a few codes of its own.
//!
//! Knows what an error carries besides its words ([`FacadeError::details`]); does not know exceptions.

use std::{error::Error as StdError, fmt};

#[cfg(feature = "services")]
use agentmesh_core::services::{agent_ws::AgentWebSocketError, signaling::SignalingError};
use agentmesh_core::{
    Error as CoreError, ErrorInfo, ErrorKind,
    client::AgentError,
    engine::{LoadError, SendFailure},
    error::glossary,
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::arguments::problem;

/// Any error of the bindings.
#[derive(Debug, Clone, PartialEq)]
pub struct FacadeError {
    /// Stable upper-case code, such as `BUNDLE_STALE`.
    pub code: &'static str,
    /// Who has to act, such as `not_found`.
    pub kind: &'static str,
    /// For people. Never holds content or keys.
    pub message: String,
    /// Whether the same call may succeed later.
    pub retryable: bool,
    /// What a program may want to know besides: an object, whose members depend on the code.
    pub details: Option<Box<Value>>,
    /// What is behind it, the nearest first, in the words of whoever found it: the operating system, TLS.
    pub causes: Vec<String>,
}

/// A code that the bindings can return.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ErrorCode {
    /// The code.
    pub code: &'static str,
    /// The kind of all errors with this code.
    pub kind: &'static str,
    /// Whether trying again can help.
    pub retryable: bool,
}

/// The codes that only bindings return.
const OWN: [(&str, ErrorKind, bool); 7] = [
    (ARGUMENT, ErrorKind::InvalidInput, false),
    (BUSY, ErrorKind::Conflict, true),
    (FORKED, ErrorKind::InvalidInput, false),
    (NO_SESSION, ErrorKind::NotFound, false),
    (PANICKED, ErrorKind::Internal, false),
    (SERVER, ErrorKind::InvalidInput, false),
    (USED, ErrorKind::InvalidInput, false),
];

const ARGUMENT: &str = "BINDING_ARGUMENT";
const BUSY: &str = "BINDING_BUSY";
const FORKED: &str = "BINDING_FORKED";
const NO_SESSION: &str = "BINDING_NO_SESSION";
const PANICKED: &str = "BINDING_PANICKED";
const SERVER: &str = "BINDING_SERVER";
const USED: &str = "BINDING_USED";

/// Every code that this build can return, by name.
pub fn error_codes() -> Vec<ErrorCode> {
    let core = glossary().into_iter().map(|doc| ErrorCode {
        code: doc.code,
        kind: doc.kind.as_str(),
        retryable: doc.retryable,
    });
    let own = OWN.map(|(code, kind, retryable)| ErrorCode { code, kind: kind.as_str(), retryable });
    let mut all: Vec<_> = core.chain(own).collect();
    all.sort_by_key(|code| code.code);
    all.dedup();
    all
}

impl FacadeError {
    fn own(code: &'static str, message: impl Into<String>) -> Self {
        let known = OWN.iter().find(|(own, ..)| *own == code);
        let (kind, retryable) = known.map_or((ErrorKind::Internal, false), |(_, k, r)| (*k, *r));
        Self {
            code,
            kind: kind.as_str(),
            message: message.into(),
            retryable,
            details: None,
            causes: Vec::new(),
        }
    }

    /// An argument that can never work.
    pub fn argument(message: impl Into<String>) -> Self {
        Self::own(ARGUMENT, message)
    }

    /// Somebody else reads or writes the same stream at the moment.
    pub(crate) fn busy(what: &str) -> Self {
        Self::own(BUSY, format!("{what} is in use by another call"))
    }

    /// The object was made before this process was forked off.
    pub(crate) fn forked() -> Self {
        Self::own(
            FORKED,
            "this object was made before the process forked and works in the parent only; open agents and stores after forking",
        )
    }

    /// A bug.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn panicked() -> Self {
        Self::own(PANICKED, "internal error: the library panicked; please report it")
    }

    /// A session that is not there.
    #[cfg(feature = "services")]
    pub(crate) fn no_session() -> Self {
        Self::own(NO_SESSION, "there is no such session")
    }

    /// A server in this process did not start.
    #[cfg(any(feature = "server", feature = "services"))]
    pub(crate) fn server(error: &dyn StdError) -> Self {
        Self::own(SERVER, error.to_string())
    }

    /// All of it as a value, for events that tell of an error.
    #[cfg(feature = "services")]
    pub(crate) fn to_value(&self) -> Value {
        json!({
            "code": self.code,
            "kind": self.kind,
            "message": self.message,
            "retryable": self.retryable,
            "details": self.details,
        })
    }

    /// The message or stream was answered, acknowledged or given up before.
    pub(crate) fn used(what: &str) -> Self {
        Self::own(USED, format!("{what} was finished before"))
    }
}

impl fmt::Display for FacadeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for FacadeError {}

impl From<CoreError> for FacadeError {
    fn from(error: CoreError) -> Self {
        let error = match error {
            // What the store said, and whether trying again helps: not only that there was no opening it.
            CoreError::Load(LoadError::Storage { source }) => CoreError::Storage(source),
            error => error,
        };
        Self {
            code: error.code(),
            kind: error.kind().as_str(),
            retryable: error.is_retryable(),
            details: details(&error).map(Box::new),
            message: error.to_string(),
            causes: causes(&error),
        }
    }
}

/// What is behind an error; few say more than a handful.
fn causes(error: &dyn StdError) -> Vec<String> {
    let first = error.source();
    std::iter::successors(first, |&cause| cause.source()).take(8).map(ToString::to_string).collect()
}

/// What programs want to know of an error besides its code.
fn details(error: &CoreError) -> Option<Value> {
    match error {
        CoreError::Agent(AgentError::StageNotReached { id, wanted, reached }) => {
            Some(json!({"id": id.to_string(), "wanted": *wanted as u8, "reached": *reached as u8}))
        }
        CoreError::Agent(AgentError::NoResponse { id }) => Some(json!({"id": id.to_string()})),
        CoreError::Agent(AgentError::ErrorResponse { error }) => {
            let details = error.details.as_deref().and_then(|d| serde_json::from_str(d).ok());
            let details: Value = details.unwrap_or_default();
            Some(json!({
                "code": error.code,
                "message": error.message,
                "retryable": error.retryable,
                "details": details,
            }))
        }
        CoreError::Agent(AgentError::RateLimited { scope, retry_after }) => Some(json!({
            "scope": scope,
            "retry_after_ms": u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX),
        })),
        #[cfg(feature = "services")]
        CoreError::Signaling(SignalingError::PeerGone { peer }) => Some(json!({"peer": peer})),
        #[cfg(feature = "services")]
        CoreError::AgentWebSocket(AgentWebSocketError::Agent { message, retry_after_ms }) => {
            Some(json!({"message": message, "retry_after_ms": retry_after_ms}))
        }
        #[cfg(feature = "services")]
        CoreError::UserData(error) => after(error.retry_after()),
        #[cfg(feature = "services")]
        CoreError::Aiwm(error) => after(error.retry_after()),
        CoreError::SendFailure(SendFailure::Rejected { reason, retry_after_s }) => {
            Some(json!({"reason": reason, "retry_after_s": retry_after_s}))
        }
        _ => None,
    }
}

/// When a server wants to be asked again, if it says so.
#[cfg(feature = "services")]
fn after(time: Option<std::time::Duration>) -> Option<Value> {
    let milliseconds = u64::try_from(time?.as_millis()).unwrap_or(u64::MAX);
    Some(json!({"retry_after_ms": milliseconds}))
}

/// The core's errors, each by way of their union.
macro_rules! from_core {
    ($($error:ty),+ $(,)?) => {
        $(impl From<$error> for FacadeError {
            fn from(error: $error) -> Self {
                CoreError::from(error).into()
            }
        })+
    };
}

from_core!(
    agentmesh_core::audit::AuditError,
    AgentError,
    agentmesh_core::codec::CodecError,
    agentmesh_core::identity::AmidError,
    agentmesh_core::identity::IdentityError,
    agentmesh_core::identity::backup::BackupError,
    agentmesh_core::keys::KeyError,
    agentmesh_core::knock::KnockError,
    agentmesh_core::knock::PolicyError,
    agentmesh_core::managers::IdentityStoreError,
    agentmesh_core::managers::ManagerError,
    agentmesh_core::storage::StorageError,
    agentmesh_core::vault::passphrase::PassphraseError,
    agentmesh_core::wire::json::JsonError,
);

#[cfg(feature = "services")]
from_core!(
    AgentWebSocketError,
    agentmesh_core::services::aiwm::AiwmError,
    SignalingError,
    agentmesh_core::services::user_data::UserDataError,
);

/// Of arguments that bindings pass as JSON. [`from_json`](crate::from_json) says which member, too.
impl From<serde_json::Error> for FacadeError {
    fn from(error: serde_json::Error) -> Self {
        Self::argument(format!("malformed argument: {}", problem(&error)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_hold_those_of_core_and_bindings() {
        let codes = error_codes();
        assert!(codes.windows(2).all(|pair| pair[0].code < pair[1].code), "sorted, once each");
        for code in ["AGENT_CLOSED", "BINDING_FORKED", "STORAGE_CONFLICT"] {
            assert!(codes.iter().any(|known| known.code == code), "{code}");
        }
    }

    #[test]
    fn errors_of_the_core_keep_code_kind_and_retryability() {
        let closed = FacadeError::from(AgentError::Closed { reason: None });
        assert_eq!((closed.code, closed.kind, closed.retryable), ("AGENT_CLOSED", "closed", false));
        let bad = "not an address".parse::<agentmesh_core::identity::Amid>().unwrap_err();
        assert_eq!(FacadeError::from(bad).kind, "invalid_input");
        assert!(FacadeError::argument("x").causes.is_empty());
        let damaged = agentmesh_core::vault::VaultError::UnknownVersion {
            id: agentmesh_core::storage::RecordId::new(
                agentmesh_core::storage::RecordKind::Session,
                [7; 16],
            ),
            version: 99,
        };
        let words = damaged.to_string();
        assert_eq!(FacadeError::from(CoreError::Load(damaged.into())).causes, [words]);
        assert_eq!(FacadeError::argument("x").kind, "invalid_input");
    }
}
