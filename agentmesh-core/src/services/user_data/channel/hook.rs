//! Hooks: the agent asks before it does something, and waits for the answer.

use std::{collections::BTreeSet, fmt, future::Future, sync::Arc};

use serde_json::{Value, json};

use super::Object;
use crate::client::platform::BoxFuture;

/// The hook that asks whether a tool may be used.
const PRE_TOOL_USE: &str = "PreToolUse";
/// Characters of a reason.
const MAX_REASON: usize = 1000;

/// What the agent asks.
#[derive(Clone, PartialEq)]
pub struct HookRequest {
    /// Which hook: `PreToolUse`, `Notification`, `UserPromptSubmit`, `SessionStart`, `SessionEnd`, `Stop`,
    /// `SubagentStop`, `PreCompact`, or something newer.
    pub event: String,
    /// What it is about.
    pub data: Value,
}

impl HookRequest {
    /// Reads the argument of a `hook_request`.
    pub(super) fn parse(value: Value) -> Option<Self> {
        let Value::Object(mut fields) = value else { return None };
        let Value::String(event) = fields.remove("event")? else { return None };
        Some(Self { event, data: fields.remove("data").unwrap_or_default() })
    }

    /// Whether it asks for leave to use a tool.
    pub fn is_tool_use(&self) -> bool {
        self.event == PRE_TOOL_USE
    }

    /// The tool that it is about.
    pub fn tool_name(&self) -> Option<&str> {
        self.data.get("tool_name").or_else(|| self.data.get("toolName")).and_then(Value::as_str)
    }
}

/// What tools are used for is not for logs.
impl fmt::Debug for HookRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HookRequest")
            .field("event", &self.event)
            .field("tool_name", &self.tool_name())
            .finish_non_exhaustive()
    }
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookAction {
    /// Go on as if nobody had been asked.
    Continue,
    /// Do it.
    Approve,
    /// Do not.
    Deny,
}

/// An answer to a [`HookRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookAnswer {
    /// What to do.
    pub action: HookAction,
    /// Why, for the agent.
    pub reason: Option<String>,
}

impl HookAnswer {
    /// Go on as if nobody had been asked.
    pub const fn proceed() -> Self {
        Self { action: HookAction::Continue, reason: None }
    }

    /// Do it.
    pub const fn approve() -> Self {
        Self { action: HookAction::Approve, reason: None }
    }

    /// Do not. The reason is cut after a thousand characters.
    pub fn deny(reason: impl Into<String>) -> Self {
        Self { action: HookAction::Deny, reason: Some(reason.into()) }
    }

    pub(super) fn to_value(&self) -> Value {
        let action = match self.action {
            HookAction::Continue => "continue",
            HookAction::Approve => "approve",
            HookAction::Deny => "deny",
        };
        let mut fields = Object::new();
        fields.insert("action".to_owned(), json!(action));
        if let Some(reason) = &self.reason {
            let reason: String = reason.chars().take(MAX_REASON).collect();
            fields.insert("reason".to_owned(), reason.into());
        }
        fields.into()
    }
}

/// Somebody who answers hooks, such as a person at a terminal.
pub trait HookHandler: Send + Sync {
    /// Answers, within 30 seconds; `None` leaves it to the policy. A later answer is not used, and dropping the future
    /// must be harmless: it happens when the time is up or the connection is lost.
    fn decide(&self, request: HookRequest) -> BoxFuture<'static, Option<HookAnswer>>;
}

impl<F, A> HookHandler for F
where
    F: Fn(HookRequest) -> A + Send + Sync,
    A: Future<Output = Option<HookAnswer>> + Send + 'static,
{
    fn decide(&self, request: HookRequest) -> BoxFuture<'static, Option<HookAnswer>> {
        Box::pin(self(request))
    }
}

/// Which tools need not be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Tools {
    None,
    Some(BTreeSet<String>),
    All,
}

/// How hooks are answered: every one, at once or within 30 seconds, so that the agent never waits for nobody.
///
/// The default lets everything go on but `PreToolUse`, which it denies: a program that was not told which tools an agent
/// may use has not allowed any.
#[derive(Clone)]
pub struct HookPolicy {
    tools: Tools,
    handler: Option<Arc<dyn HookHandler>>,
}

impl Default for HookPolicy {
    fn default() -> Self {
        Self { tools: Tools::None, handler: None }
    }
}

impl HookPolicy {
    /// Lets every tool be used.
    pub const fn allow_all_tools() -> Self {
        Self { tools: Tools::All, handler: None }
    }

    /// Lets these tools be used, and no others.
    pub fn allow_tools<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        let names = names.into_iter().map(Into::into).collect();
        Self { tools: Tools::Some(names), handler: None }
    }

    /// Asks somebody first. What they leave open, or do not answer in time, is decided as before.
    #[must_use]
    pub fn ask(mut self, handler: impl HookHandler + 'static) -> Self {
        self.handler = Some(Arc::new(handler));
        self
    }

    pub(super) fn handler(&self) -> Option<&Arc<dyn HookHandler>> {
        self.handler.as_ref()
    }

    /// The answer of who was not told otherwise.
    pub(super) fn answer(&self, request: &HookRequest) -> HookAnswer {
        if !request.is_tool_use() {
            return HookAnswer::proceed();
        }
        let named =
            |names: &BTreeSet<String>| request.tool_name().is_some_and(|name| names.contains(name));
        match &self.tools {
            Tools::All => HookAnswer::proceed(),
            Tools::Some(names) if named(names) => HookAnswer::proceed(),
            Tools::None | Tools::Some(_) => {
                HookAnswer::deny("the client has not allowed this tool")
            }
        }
    }
}

impl fmt::Debug for HookPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HookPolicy")
            .field("tools", &self.tools)
            .field("asks", &self.handler.is_some())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(event: &str, tool: &str) -> HookRequest {
        HookRequest::parse(json!({"event": event, "data": {"tool_name": tool}})).unwrap()
    }

    #[test]
    fn tools_are_denied_unless_they_were_allowed_and_the_rest_goes_on() {
        let action = |policy: &HookPolicy, event, tool| policy.answer(&request(event, tool)).action;
        let none = HookPolicy::default();
        assert_eq!(action(&none, "PreToolUse", "Bash"), HookAction::Deny);
        for event in ["Notification", "Stop", "SessionStart", "PreCompact", "Newer"] {
            assert_eq!(action(&none, event, "Bash"), HookAction::Continue);
        }
        let some = HookPolicy::allow_tools(["Read"]);
        assert_eq!(action(&some, "PreToolUse", "Read"), HookAction::Continue);
        assert_eq!(action(&some, "PreToolUse", "Bash"), HookAction::Deny);
        assert_eq!(
            action(&HookPolicy::allow_all_tools(), "PreToolUse", "Bash"),
            HookAction::Continue
        );
        let nameless = HookRequest { event: PRE_TOOL_USE.into(), data: Value::Null };
        assert_eq!(some.answer(&nameless).action, HookAction::Deny);
    }

    #[test]
    fn answers_are_short_and_requests_print_no_data() {
        assert_eq!(HookAnswer::approve().to_value(), json!({"action": "approve"}));
        assert_eq!(HookAnswer::proceed().to_value(), json!({"action": "continue"}));
        let long = HookAnswer::deny("x".repeat(5000)).to_value();
        assert_eq!(long["reason"].as_str().unwrap().len(), MAX_REASON);
        let request = HookRequest { event: "Stop".into(), data: json!({"prompt": "hush"}) };
        assert!(!format!("{request:?}").contains("hush"));
        for value in [json!(null), json!({}), json!({"event": 1})] {
            assert_eq!(HookRequest::parse(value), None);
        }
    }
}
