//! What a client's frame means: parse, note the activity, check, and only then do something.

use serde_json::Value;

use super::{
    super::super::{MessageKind, message::echoable},
    Effect, FORGIVEN, FeedbackMode, MAX_VIOLATIONS, Moment, Query, Session, millis,
};

impl Session {
    /// A text frame.
    pub(in super::super) fn receive(&mut self, text: &str, now: Moment) -> Vec<Effect> {
        self.heard(now);
        let parsed = serde_json::from_str::<Value>(text);
        let correlation = parsed.as_ref().ok().and_then(correlation);
        if parsed.is_ok() {
            self.last_activity = now.elapsed;
        }
        if self.may_send(correlation.as_ref(), now) {
            match parsed {
                Err(_) => self.error("Invalid JSON message", None, now, None),
                Ok(value) => self.message(&value, correlation, now),
            }
        }
        self.take()
    }

    /// A binary frame.
    pub(in super::super) fn receive_binary(&mut self, now: Moment) -> Vec<Effect> {
        self.heard(now);
        if self.may_send(None, now) {
            self.error("Binary messages are not supported", None, now, None);
        }
        self.take()
    }

    /// A frame that was not even read.
    pub(in super::super) fn too_large(&mut self, now: Moment) -> Vec<Effect> {
        self.error("Message too large", None, now, None);
        self.effects.push(Effect::Close { code: 1009, reason: "Message too large" });
        self.take()
    }

    /// Takes a token, or says that there is none.
    fn may_send(&mut self, correlation: Option<&Value>, now: Moment) -> bool {
        let Some(bucket) = &mut self.bucket else { return true };
        let Err(wait) = bucket.take(now.elapsed) else { return true };
        if now.elapsed.saturating_sub(self.last_violation) > FORGIVEN {
            self.violations = 0;
        }
        self.violations += 1;
        self.last_violation = now.elapsed;
        self.error("Rate limit exceeded", correlation, now, Some(millis(wait)));
        if self.violations >= MAX_VIOLATIONS {
            self.effects.push(Effect::Close { code: 1008, reason: "Rate limit exceeded" });
        }
        false
    }

    fn message(&mut self, value: &Value, correlation: Option<Value>, now: Moment) {
        let id = correlation.as_ref();
        let Value::Object(members) = value else {
            return self.error("Invalid message: expected a JSON object", None, now, None);
        };
        let kind = members.get("type").and_then(Value::as_str).map(MessageKind::from);
        if let Some(
            kind @ (MessageKind::Response
            | MessageKind::Notification
            | MessageKind::Status
            | MessageKind::Error),
        ) = &kind
        {
            let text = format!("Unsupported message type: {}", kind.as_str());
            return self.error(&text, id, now, None);
        }
        let content = members.get("content").and_then(Value::as_str).unwrap_or_default();
        if content.trim().is_empty() {
            return self.error("Message content is required", id, now, None);
        }
        if kind == Some(MessageKind::Command) && self.command(content, id, now) {
            return;
        }
        if kind == Some(MessageKind::HumanFeedback)
            && self.settings.feedback == FeedbackMode::Record
        {
            return self.feedback(content, id, now);
        }
        let stream = members
            .get("options")
            .and_then(|options| options.get("stream"))
            .and_then(Value::as_bool)
            .unwrap_or(false);
        self.enqueue(Query { content: content.to_owned(), correlation, stream }, now);
    }
}

/// What an answer will name: `id`, else `correlationId`.
fn correlation(message: &Value) -> Option<Value> {
    ["id", "correlationId"].into_iter().find_map(|name| message.get(name)).and_then(echoable)
}
