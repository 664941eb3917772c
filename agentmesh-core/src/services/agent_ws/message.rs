//! The envelope: what a client reads of either dialect, and how both sides write it.

use std::time::Duration;

use serde_json::{Map, Value};

use super::MAX_ID;
use crate::Timestamp;

/// What a message is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum MessageKind {
    /// A question to the agent.
    Query,
    /// Its answer.
    Response,
    /// A piece of an answer to come, where streaming was asked for.
    ResponseDelta,
    /// Something that the system has to say.
    Notification,
    /// How far the agent is.
    Status,
    /// Why there is no answer.
    Error,
    /// An order, such as `clear`.
    Command,
    /// What a person thinks of an answer.
    HumanFeedback,
    /// A type that this version does not know.
    Other(String),
}

impl MessageKind {
    /// As it stands in `type`.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Query => "query",
            Self::Response => "response",
            Self::ResponseDelta => "response_delta",
            Self::Notification => "notification",
            Self::Status => "status",
            Self::Error => "error",
            Self::Command => "command",
            Self::HumanFeedback => "human_feedback",
            Self::Other(name) => name,
        }
    }
}

impl From<&str> for MessageKind {
    fn from(name: &str) -> Self {
        match name {
            "query" => Self::Query,
            "response" => Self::Response,
            "response_delta" => Self::ResponseDelta,
            "notification" => Self::Notification,
            "status" => Self::Status,
            "error" => Self::Error,
            "command" => Self::Command,
            "human_feedback" => Self::HumanFeedback,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// A message from a server, of either dialect.
///
/// Nothing in it is verified: show `content` as text, never as HTML.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// What it is.
    pub kind: MessageKind,
    /// Its text. What was not a string is JSON again.
    pub content: String,
    /// When the server says that it was written, or else when it came.
    pub timestamp: Timestamp,
    /// Who wrote it, if the server says so.
    pub sender: Option<String>,
    /// The id of the query that it belongs to, if the server says so.
    pub correlation_id: Option<String>,
    /// The session, in a welcome.
    pub session_id: Option<String>,
    /// When to try again, of an error about the rate.
    pub retry_after: Option<Duration>,
    /// The number of a piece, of a streamed answer.
    pub index: Option<u64>,
    /// The timestamp was a number: the deployed dialect.
    pub(crate) in_millis: bool,
}

impl Message {
    /// Reads a text frame that came at `now`.
    ///
    /// # Errors
    /// What is wrong with it, in words: no JSON, no object, no `type`.
    pub fn parse(text: &str, now: Timestamp) -> Result<Self, &'static str> {
        let Ok(value) = serde_json::from_str::<Value>(text) else { return Err("not JSON") };
        let Value::Object(members) = value else { return Err("not a JSON object") };
        let Some(kind) = members.get("type").and_then(Value::as_str) else {
            return Err("no type");
        };
        let in_millis = members.get("timestamp").is_some_and(Value::is_number);
        Ok(Self {
            kind: MessageKind::from(kind),
            content: content(&members),
            timestamp: members.get("timestamp").and_then(timestamp).unwrap_or(now),
            sender: string(&members, "sender"),
            correlation_id: members.get("correlationId").and_then(id),
            session_id: string(&members, "sessionId"),
            retry_after: members
                .get("retryAfterMs")
                .and_then(Value::as_u64)
                .map(Duration::from_millis),
            index: members.get("index").and_then(Value::as_u64),
            in_millis,
        })
    }
}

fn string(members: &Map<String, Value>, name: &str) -> Option<String> {
    members.get(name).and_then(Value::as_str).map(str::to_owned)
}

/// `content`, or that of the `payload` which another family of agents wraps it in.
fn content(members: &Map<String, Value>) -> String {
    let wrapped = || members.get("payload").and_then(|payload| payload.get("content"));
    match members.get("content").or_else(wrapped) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

fn timestamp(value: &Value) -> Option<Timestamp> {
    match value {
        Value::String(text) => Timestamp::parse_rfc3339(text),
        Value::Number(number) => number.as_u64().map(Timestamp::from_millis),
        _ => None,
    }
}

/// An id as text: strings and numbers are in use.
fn id(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// An id worth echoing: a string of bounded length, or a number, as it came.
#[cfg_attr(not(feature = "agent-ws-service"), allow(dead_code, reason = "the service's half"))]
pub(super) fn echoable(value: &Value) -> Option<Value> {
    match value {
        Value::String(text) if text.chars().count() <= MAX_ID => Some(value.clone()),
        Value::Number(_) => Some(value.clone()),
        _ => None,
    }
}

/// Puts a message together, in the order in which the documents print it.
pub(super) fn write(kind: &MessageKind, content: &str, timestamp: Value) -> Map<String, Value> {
    let mut members = Map::new();
    members.insert("type".into(), kind.as_str().into());
    members.insert("content".into(), content.into());
    members.insert("timestamp".into(), timestamp);
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn parse(text: &str) -> Message {
        Message::parse(text, NOW).unwrap()
    }

    #[test]
    fn both_dialects_are_read() {
        let a =
            parse(r#"{"type":"response","content":"hi","timestamp":"2023-01-01T00:00:00.000Z"}"#);
        assert_eq!((a.kind, a.content.as_str()), (MessageKind::Response, "hi"));
        assert_eq!(a.timestamp.to_rfc3339_millis(), "2023-01-01T00:00:00.000Z");
        assert!(!a.in_millis && a.correlation_id.is_none());
        let b = parse(
            r#"{"type":"response","content":"hi","sender":"x","timestamp":1672531200000,"correlationId":"7"}"#,
        );
        assert_eq!(b.timestamp, a.timestamp);
        assert_eq!((b.sender.as_deref(), b.correlation_id.as_deref()), (Some("x"), Some("7")));
        assert!(b.in_millis);
    }

    #[test]
    fn what_is_odd_is_read_as_well_as_can_be() {
        assert_eq!(parse(r#"{"type":"handoff"}"#).kind, MessageKind::Other("handoff".into()));
        assert_eq!(parse(r#"{"type":"status","content":{"a":1}}"#).content, r#"{"a":1}"#);
        assert_eq!(parse(r#"{"type":"status","content":null}"#).content, "");
        let wrapped = r#"{"id":"1","type":"request","payload":{"content":"in"},"timestamp":1}"#;
        assert_eq!(parse(wrapped).content, "in");
        for text in ["yesterday", "9999-99-99", ""] {
            let text = format!(r#"{{"type":"status","content":"x","timestamp":"{text}"}}"#);
            assert_eq!(parse(&text).timestamp, NOW);
        }
        let unchanged = "👩‍👩‍👧 שלום \u{0} \u{202e}";
        let text = serde_json::json!({"type": "response", "content": unchanged}).to_string();
        assert_eq!(parse(&text).content, unchanged);
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for bad in ["", "{bad", "[]", "5", "\"x\"", "null", "{}", r#"{"type":5}"#] {
            assert!(Message::parse(bad, NOW).is_err(), "{bad}");
        }
        let deep = format!(r#"{{"type":"x","content":{}"#, "[".repeat(100_000));
        assert!(Message::parse(&deep, NOW).is_err());
    }
}
