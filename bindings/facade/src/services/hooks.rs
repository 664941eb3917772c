//! Who answers the hooks of an agent: a policy, and a queue of questions for what an application decides itself.

use agentmesh_core::services::user_data::{HookAction, HookAnswer, HookPolicy, HookRequest};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{Mutex, mpsc, oneshot};

use crate::{FacadeError, owned::Owned};

/// Questions that wait for an application that does not read them, at most; beyond, they wait in the channel.
const QUESTIONS: usize = 32;

/// Which tools need not be asked for.
#[derive(Debug, Clone, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum HookTools {
    /// None.
    #[default]
    None,
    /// All.
    All,
    /// These.
    Some(Vec<String>),
}

/// An answer of an application's.
#[derive(Debug, Clone, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct HookDecision {
    /// `continue`, `approve` or `deny`.
    pub action: String,
    /// Why, for the agent.
    #[serde(default)]
    pub reason: Option<String>,
}

impl HookDecision {
    fn answer(self) -> Result<HookAnswer, FacadeError> {
        let action = match self.action.as_str() {
            "continue" => HookAction::Continue,
            "approve" => HookAction::Approve,
            "deny" => HookAction::Deny,
            _ => return Err(FacadeError::argument("there is no such action of hooks")),
        };
        Ok(HookAnswer { action, reason: self.reason })
    }
}

/// A hook to be answered. Dropped, it is left to the policy.
pub struct HookQuestion {
    /// Which hook.
    pub event: String,
    /// What it is about.
    pub data: Value,
    /// The tool that it is about.
    pub tool_name: Option<String>,
    reply: oneshot::Sender<HookAnswer>,
}

/// What tools are used for is not for logs.
impl std::fmt::Debug for HookQuestion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HookQuestion").field("event", &self.event).finish_non_exhaustive()
    }
}

impl HookQuestion {
    /// Decides. Whether the channel still waits for it does not matter.
    ///
    /// # Errors
    /// `BINDING_ARGUMENT` for an action that is none; the policy decides then.
    pub fn answer(self, decision: HookDecision) -> Result<(), FacadeError> {
        let _ = self.reply.send(decision.answer()?);
        Ok(())
    }
}

/// The channel's end of a queue of questions.
#[derive(Debug, Clone)]
pub struct HookSink(mpsc::Sender<HookQuestion>);

/// The application's end.
#[derive(Debug)]
pub struct HookQueue(Owned<Mutex<mpsc::Receiver<HookQuestion>>>);

/// A queue of questions, and its two ends.
pub fn hook_queue() -> (HookSink, HookQueue) {
    let (sender, receiver) = mpsc::channel(QUESTIONS);
    (HookSink(sender), HookQueue(Owned::new(Mutex::new(receiver))))
}

impl HookQueue {
    /// The next question, `None` once the channel is closed. Safe to cancel.
    ///
    /// # Errors
    /// `BINDING_FORKED`
    pub async fn next(&self) -> Result<Option<HookQuestion>, FacadeError> {
        Ok(self.0.get()?.lock().await.recv().await)
    }
}

impl HookSink {
    async fn ask(self, request: HookRequest) -> Option<HookAnswer> {
        let (reply, answer) = oneshot::channel();
        let tool_name = request.tool_name().map(str::to_owned);
        let HookRequest { event, data } = request;
        self.0.send(HookQuestion { event, data, tool_name, reply }).await.ok()?;
        answer.await.ok()
    }
}

pub(super) fn policy(tools: HookTools, sink: Option<HookSink>) -> HookPolicy {
    let policy = match tools {
        HookTools::None => HookPolicy::default(),
        HookTools::All => HookPolicy::allow_all_tools(),
        HookTools::Some(names) => HookPolicy::allow_tools(names),
    };
    match sink {
        Some(sink) => policy.ask(move |request| sink.clone().ask(request)),
        None => policy,
    }
}

pub(super) fn request_value(request: &HookRequest) -> Value {
    json!({"event": request.event, "data": request.data, "tool_name": request.tool_name()})
}

pub(super) fn answer_value(answer: &HookAnswer) -> Value {
    let action = match answer.action {
        HookAction::Continue => "continue",
        HookAction::Approve => "approve",
        HookAction::Deny => "deny",
    };
    json!({"action": action, "reason": answer.reason})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_are_written_as_a_word_or_a_list() {
        let tools = |json: &str| serde_json::from_str::<HookTools>(json).unwrap();
        assert_eq!(tools(r#""none""#), HookTools::None);
        assert_eq!(tools(r#""all""#), HookTools::All);
        assert_eq!(tools(r#"{"some":["Read"]}"#), HookTools::Some(vec!["Read".into()]));
    }

    #[test]
    fn only_known_actions_are_answers() {
        let decision = |action: &str| HookDecision { action: action.into(), reason: None }.answer();
        assert!(decision("deny").is_ok());
        assert_eq!(decision("shrug").unwrap_err().code, "BINDING_ARGUMENT");
    }
}
