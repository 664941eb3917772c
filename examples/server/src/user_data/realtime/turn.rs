//! A message being worked on: what an agent gets, and how it answers.

use agentmesh_core::client::platform::BoxFuture;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use super::options::Options;
use crate::{http::reply, random};

/// The agent in a sandbox: whatever works on messages. One session's messages come one after another.
pub trait AgentBackend: std::fmt::Debug + Send + Sync {
    /// Works on a message. When the client interrupts it, or the session ends, the future is dropped.
    ///
    /// # Errors
    /// [`TurnError`] is told to the client as it is.
    fn turn<'a>(&'a self, turn: &'a Turn) -> BoxFuture<'a, Result<(), TurnError>>;
}

/// Why a message was not worked on, in words for the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TurnError(pub String);

/// When the client is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HookEvent {
    /// Before a tool is used.
    PreToolUse,
    /// Something the agent wants to be known.
    Notification,
    /// Before a message is worked on.
    UserPromptSubmit,
    /// A conversation begins.
    SessionStart,
    /// A conversation ends.
    SessionEnd,
    /// The agent is about to stop.
    Stop,
    /// A part of the agent is about to stop.
    SubagentStop,
    /// Before what was said is summed up.
    PreCompact,
}

impl HookEvent {
    /// As it is sent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PreToolUse => "PreToolUse",
            Self::Notification => "Notification",
            Self::UserPromptSubmit => "UserPromptSubmit",
            Self::SessionStart => "SessionStart",
            Self::SessionEnd => "SessionEnd",
            Self::Stop => "Stop",
            Self::SubagentStop => "SubagentStop",
            Self::PreCompact => "PreCompact",
        }
    }
}

/// What the client says when it is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum HookAnswer {
    /// Nothing in time, or there is no client.
    Unanswered,
    /// The client has nothing to say to it.
    None,
    /// Go on.
    Continue,
    /// It is allowed.
    Approve,
    /// It is not allowed. Also what an unknown answer means.
    Deny {
        /// Why, if the client says so.
        reason: Option<String>,
    },
}

impl HookAnswer {
    /// Characters of a reason.
    const REASON: usize = 1000;

    pub(super) fn read(answer: &Value) -> Self {
        let reason = || {
            let reason = answer.get("reason").and_then(Value::as_str);
            reason.map(|reason| reason.chars().take(Self::REASON).collect())
        };
        match answer.get("action") {
            None | Some(Value::Null) => Self::None,
            Some(Value::String(action)) if action == "continue" => Self::Continue,
            Some(Value::String(action)) if action == "approve" => Self::Approve,
            Some(_) => Self::Deny { reason: reason() },
        }
    }
}

/// What came of the wish to use a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolOutcome {
    /// It was used, with this result.
    Ran(Value),
    /// It was not.
    Denied {
        /// Why, in words for the model.
        reason: String,
    },
}

/// What a turn tells its session.
#[derive(Debug)]
pub(super) enum TurnEvent {
    Init { id: String },
    Emit { event: &'static str, data: Value },
    Said { role: &'static str, content: Value, uuid: String },
    Ask { event: HookEvent, data: Value, answer: oneshot::Sender<HookAnswer> },
    Failed(TurnError),
}

/// A message and the way to answer it. What is told waits for slow clients.
#[derive(Debug)]
pub struct Turn {
    prompt: String,
    options: Options,
    resume: Option<String>,
    unattended: bool,
    events: mpsc::Sender<TurnEvent>,
}

impl Turn {
    pub(super) const fn new(
        prompt: String,
        options: Options,
        resume: Option<String>,
        unattended: bool,
        events: mpsc::Sender<TurnEvent>,
    ) -> Self {
        Self { prompt, options, resume, unattended, events }
    }

    /// The message.
    pub fn prompt(&self) -> &str {
        &self.prompt
    }

    /// What the client chose, and may.
    pub const fn options(&self) -> &Options {
        &self.options
    }

    /// The conversation that goes on, as the agent called it.
    pub fn resume(&self) -> Option<&str> {
        self.resume.as_deref()
    }

    /// Names the conversation. To be called before everything else.
    pub async fn init(&self, conversation: &str) {
        self.tell(TurnEvent::Init { id: conversation.to_owned() }).await;
    }

    /// A piece of the answer while it is made; the whole follows by [`Turn::say`].
    pub async fn stream(&self, text: &str) {
        let data = json!({"type": "text", "content": text});
        self.tell(TurnEvent::Emit { event: "stream", data }).await;
    }

    /// A message of the agent, in blocks such as `{"type": "text", "text": …}`.
    pub async fn say(&self, blocks: Vec<Value>) {
        self.said("assistant", blocks).await;
    }

    /// What came of the message; the last that is told.
    pub async fn result(&self, result: Value) {
        self.tell(TurnEvent::Emit { event: "result", data: result }).await;
    }

    /// Asks the client. An answer is awaited for as long as the service is set to.
    pub async fn hook(&self, event: HookEvent, data: Value) -> HookAnswer {
        let (answer, answered) = oneshot::channel();
        self.tell(TurnEvent::Ask { event, data, answer }).await;
        answered.await.unwrap_or(HookAnswer::Unanswered)
    }

    /// Uses a tool, if the options and the client allow it. This is where a denial is enforced: `run` is not called. What
    /// nobody answers is denied, too, unless [`UserDataConfig::unattended_tools`](crate::UserDataConfig) is set.
    pub async fn tool<F>(&self, name: &str, input: Value, run: F) -> ToolOutcome
    where
        F: AsyncFnOnce(&Value) -> Value,
    {
        let id = format!("toolu_{}", uuid());
        let used = json!({"type": "tool_use", "id": id, "name": name, "input": input});
        self.said("assistant", vec![used]).await;
        let about = json!({"tool_name": name, "tool_input": input, "tool_use_id": id});
        let outcome = if !self.options.allow_tool(name) {
            ToolOutcome::Denied { reason: "the options do not allow this tool".to_owned() }
        } else {
            match self.hook(HookEvent::PreToolUse, about.clone()).await {
                HookAnswer::Deny { reason } => {
                    ToolOutcome::Denied { reason: reason.unwrap_or_else(|| "denied".to_owned()) }
                }
                // Else cutting a client's line would be enough to let its agent do anything.
                HookAnswer::Unanswered if !self.unattended => {
                    ToolOutcome::Denied { reason: "nobody answered".to_owned() }
                }
                HookAnswer::Unanswered
                | HookAnswer::None
                | HookAnswer::Continue
                | HookAnswer::Approve => ToolOutcome::Ran(run(&input).await),
            }
        };
        let content = match &outcome {
            ToolOutcome::Ran(result) => result.clone(),
            ToolOutcome::Denied { reason } => reason.as_str().into(),
        };
        let result = json!({
            "type": "tool_result",
            "tool_use_id": id,
            "content": content,
            "is_error": matches!(outcome, ToolOutcome::Denied { .. }),
        });
        self.said("user", vec![result]).await;
        if matches!(outcome, ToolOutcome::Ran(_)) {
            let mut data = about;
            reply::add(&mut data, "tool_response", content);
            let data = json!({"event": "PostToolUse", "data": data});
            self.tell(TurnEvent::Emit { event: "hook_notification", data }).await;
        }
        outcome
    }

    async fn said(&self, role: &'static str, blocks: Vec<Value>) {
        self.tell(TurnEvent::Said { role, content: blocks.into(), uuid: uuid() }).await;
    }

    async fn tell(&self, event: TurnEvent) {
        // Once the session is gone, this future is dropped soon.
        let _ = self.events.send(event).await;
    }
}

pub(super) fn uuid() -> String {
    random::id().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_hooks_are_read_and_unknown_ones_deny() {
        let read = |value| HookAnswer::read(&value);
        assert_eq!(read(json!({})), HookAnswer::None);
        assert_eq!(read(json!(null)), HookAnswer::None);
        assert_eq!(read(json!({"action": "continue"})), HookAnswer::Continue);
        assert_eq!(read(json!({"action": "approve"})), HookAnswer::Approve);
        let reason = Some("no".to_owned());
        assert_eq!(read(json!({"action": "deny", "reason": "no"})), HookAnswer::Deny { reason });
        assert_eq!(read(json!({"action": "refuse"})), HookAnswer::Deny { reason: None });
        assert_eq!(read(json!({"action": 5})), HookAnswer::Deny { reason: None });
    }
}
