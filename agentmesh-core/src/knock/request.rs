//! What a KNOCK asks for: 0.2's request object, kept as text and read as a view.

use core::fmt;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::KnockError;
use crate::{
    limits::{DEFAULT_SESSION_TTL, MAX_CAPABILITY, MAX_KNOCK_REQUEST},
    wire::{
        CborError,
        json::{JsonError, Object, check_json},
    },
};

/// How the session is to be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SessionType {
    /// One exchange: request and response.
    OneShot,
    /// Answers that come in pieces.
    Streaming,
    /// A conversation, open until closed.
    Persistent,
}

impl SessionType {
    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OneShot => "one-shot",
            Self::Streaming => "streaming",
            Self::Persistent => "persistent",
        }
    }
}

impl fmt::Display for SessionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the initiator wants.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Intent {
    /// The capability asked for, such as `weather/forecast`. Policies go by it.
    pub capability: String,
    /// What to do with it.
    pub action: String,
    /// Parameters, as JSON text.
    pub params: Option<String>,
}

impl fmt::Debug for Intent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { capability, action, params } = self;
        f.debug_struct("Intent")
            .field("capability", capability)
            .field("action", action)
            .field("params", &params.as_ref().map(|p| format!("{} bytes", p.len())))
            .finish()
    }
}

/// The request of a KNOCK, read. Members that this build does not know are in the text only.
///
/// ```
/// use agentmesh_core::knock::KnockRequest;
///
/// let request = KnockRequest::new("weather/forecast", "query");
/// assert_eq!(
///     request.to_json()?,
///     r#"{"type":"one-shot","ttl":300,"intent":{"capability":"weather/forecast","action":"query"}}"#
/// );
/// assert_eq!(KnockRequest::parse(&request.to_json()?)?, request);
/// # Ok::<(), agentmesh_core::knock::KnockError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct KnockRequest {
    /// How the session is to be used.
    pub session_type: SessionType,
    /// How long the session is to live, in seconds.
    pub ttl_s: u64,
    /// How many messages the initiator expects to send.
    pub expected_messages: Option<u64>,
    /// What the initiator wants.
    pub intent: Intent,
    /// How urgent it is to the initiator.
    pub priority: Option<f64>,
}

impl KnockRequest {
    /// A one-shot request with the default lifetime, which the default policy grants.
    pub fn new(capability: impl Into<String>, action: impl Into<String>) -> Self {
        Self {
            session_type: SessionType::OneShot,
            ttl_s: DEFAULT_SESSION_TTL,
            expected_messages: None,
            intent: Intent { capability: capability.into(), action: action.into(), params: None },
            priority: None,
        }
    }

    /// The same for a session that is used otherwise.
    #[must_use]
    pub const fn with_session_type(mut self, session_type: SessionType) -> Self {
        self.session_type = session_type;
        self
    }

    /// Reads a request. A lifetime of zero, or none, is the default one.
    ///
    /// # Errors
    /// [`KnockError::Request`] if a member is missing, given twice or of the wrong type;
    /// [`KnockError::Body`] if the text, capability or action is too long.
    pub fn parse(json: &str) -> Result<Self, KnockError> {
        check_text(json)?;
        let Object(read): Object<RequestIn<'_>> = serde_json::from_str(json)
            .map_err(|e| KnockError::Request { line: e.line(), column: e.column() })?;
        let Object(intent) = read.intent;
        let request = Self {
            session_type: read.session_type,
            ttl_s: if read.ttl == 0 { DEFAULT_SESSION_TTL } else { read.ttl },
            expected_messages: read.expected_messages,
            intent: Intent {
                capability: intent.capability,
                action: intent.action,
                params: intent.params.map(|params| params.get().to_owned()),
            },
            priority: read.priority,
        };
        request.check()?;
        Ok(request)
    }

    /// The request as compact JSON, its members in 0.2's order.
    ///
    /// # Errors
    /// [`KnockError::Request`] if the parameters are not JSON, [`KnockError::Body`] if something is too long.
    pub fn to_json(&self) -> Result<String, KnockError> {
        self.check()?;
        let malformed =
            |e: serde_json::Error| KnockError::Request { line: e.line(), column: e.column() };
        let params = self.intent.params.as_deref().map(serde_json::from_str::<&RawValue>);
        let out = RequestOut {
            session_type: self.session_type,
            ttl: self.ttl_s,
            expected_messages: self.expected_messages,
            intent: IntentOut {
                capability: &self.intent.capability,
                action: &self.intent.action,
                params: params.transpose().map_err(malformed)?,
            },
            // Not a number in JSON either.
            priority: self.priority.filter(|p| p.is_finite()),
        };
        let json = serde_json::to_string(&out).map_err(malformed)?;
        check_text(&json)?;
        Ok(json)
    }

    fn check(&self) -> Result<(), KnockError> {
        check_len(&self.intent.capability, MAX_CAPABILITY, "capability")?;
        check_len(&self.intent.action, MAX_CAPABILITY, "action")
    }
}

fn check_text(json: &str) -> Result<(), KnockError> {
    check_len(json, MAX_KNOCK_REQUEST, "request")?;
    check_json(json).map_err(|error| match error {
        JsonError::Malformed { line, column } => KnockError::Request { line, column },
        JsonError::TooDeep { .. } => CborError::InvalidValue { field: "request" }.into(),
    })
}

fn check_len(text: &str, limit: usize, field: &'static str) -> Result<(), KnockError> {
    if text.len() > limit {
        return Err(CborError::TooLong { field, limit, actual: text.len() }.into());
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RequestIn<'a> {
    #[serde(rename = "type")]
    session_type: SessionType,
    #[serde(default)]
    ttl: u64,
    #[serde(default)]
    expected_messages: Option<u64>,
    #[serde(borrow)]
    intent: Object<IntentIn<'a>>,
    #[serde(default)]
    priority: Option<f64>,
}

#[derive(Deserialize)]
struct IntentIn<'a> {
    capability: String,
    action: String,
    #[serde(default, borrow)]
    params: Option<&'a RawValue>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestOut<'a> {
    #[serde(rename = "type")]
    session_type: SessionType,
    ttl: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected_messages: Option<u64>,
    intent: IntentOut<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<f64>,
}

#[derive(Serialize)]
struct IntentOut<'a> {
    capability: &'a str,
    action: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    params: Option<&'a RawValue>,
}
