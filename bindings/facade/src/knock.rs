//! Who decides about KNOCKs: policies as JSON, and a queue of questions for what a policy lets through.

use agentmesh_core::knock::{Decision as CoreDecision, KnockContext, KnockInfo, Policy, Tier};
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, mpsc, oneshot};

use crate::{FacadeError, KnockDetails, arguments::from_json, owned::Owned, values};

/// Questions that wait for an application that does not read them, at most; beyond, KNOCKs wait in the agent.
const QUESTIONS: usize = 64;

/// A decision about a KNOCK.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "decision")]
pub enum Decision {
    /// The session is opened.
    Accept {
        /// For how many seconds, if not for as long as was asked for.
        #[serde(default)]
        ttl_s: Option<u64>,
    },
    /// The session is closed, and the peer told why.
    Reject {
        /// Why.
        reason: String,
        /// When the peer may try again.
        #[serde(default)]
        retry_after_s: Option<u64>,
    },
    /// The owner decides later.
    Later,
}

impl From<Decision> for CoreDecision {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::Accept { ttl_s } => Self::Accept { ttl_s },
            Decision::Reject { reason, retry_after_s } => Self::Reject { reason, retry_after_s },
            Decision::Later => Self::Later,
        }
    }
}

impl From<CoreDecision> for Decision {
    fn from(decision: CoreDecision) -> Self {
        match decision {
            CoreDecision::Accept { ttl_s } => Self::Accept { ttl_s },
            CoreDecision::Reject { reason, retry_after_s } => {
                Self::Reject { reason, retry_after_s }
            }
            _ => Self::Later,
        }
    }
}

/// A queue of questions, and its two ends.
pub fn knock_queue() -> (KnockSink, KnockQueue) {
    let (sender, receiver) = mpsc::channel(QUESTIONS);
    (KnockSink(sender), KnockQueue(Owned::new(Mutex::new(receiver))))
}

/// The agent's end.
#[derive(Debug, Clone)]
pub struct KnockSink(mpsc::Sender<KnockQuestion>);

impl KnockSink {
    /// Asks, and waits for the answer; `None` if nobody answers any more.
    pub(crate) async fn ask(&self, knock: &KnockInfo) -> Option<CoreDecision> {
        let (reply, answer) = oneshot::channel();
        let question = KnockQuestion { knock: knock.into(), reply };
        self.0.send(question).await.ok()?;
        answer.await.ok().map(Into::into)
    }
}

/// A KNOCK to be decided about. Dropped without an answer, it is left for later.
#[derive(Debug)]
pub struct KnockQuestion {
    /// Who knocks, and what for.
    pub knock: KnockDetails,
    reply: oneshot::Sender<Decision>,
}

impl KnockQuestion {
    /// Decides. Whether the agent still waits for it does not matter.
    pub fn answer(self, decision: Decision) {
        let _ = self.reply.send(decision);
    }
}

/// The application's end.
#[derive(Debug)]
pub struct KnockQueue(Owned<Mutex<mpsc::Receiver<KnockQuestion>>>);

impl KnockQueue {
    /// The next KNOCK to decide about, `None` once the agent is closed. Safe to cancel.
    ///
    /// # Errors
    /// `BINDING_FORKED`
    pub async fn next(&self) -> Result<Option<KnockQuestion>, FacadeError> {
        Ok(self.0.get()?.lock().await.recv().await)
    }
}

/// Reads a policy.
pub(crate) fn policy(json: &str) -> Result<Policy, FacadeError> {
    Ok(Policy::from_json(json)?)
}

/// A policy of a well-known name, as JSON: `default`, `permissive`, `verified` or `organization`.
///
/// # Errors
/// `BINDING_ARGUMENT` for another name.
pub fn policy_preset(name: &str) -> Result<String, FacadeError> {
    let policy = match name {
        "default" => Policy::default(),
        "permissive" => Policy::permissive(),
        "verified" => Policy::verified(),
        "organization" => Policy::organization(),
        _ => return Err(FacadeError::argument("there is no such policy")),
    };
    Ok(policy.to_json()?)
}

/// A policy as [`policy_preset`] writes it: in camelCase, with every member.
///
/// # Errors
/// `POLICY_MALFORMED`, `POLICY_TOO_LONG`
pub fn normalize_policy(json: &str) -> Result<String, FacadeError> {
    Ok(policy(json)?.to_json()?)
}

/// What a policy judges.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Context {
    sender: String,
    capability: String,
    #[serde(default)]
    tier: Option<String>,
    #[serde(default)]
    reputation: f64,
    #[serde(default)]
    session_type: Option<String>,
    #[serde(default)]
    ttl_s: Option<u64>,
    #[serde(default)]
    legacy: bool,
    #[serde(default)]
    sessions: usize,
    #[serde(default)]
    knocks_last_minute: u32,
}

/// Judges a KNOCK that is described by an object. Reads the policy first: what is not understood is an error, never a yes.
///
/// # Errors
/// `POLICY_MALFORMED`; `BINDING_ARGUMENT`
pub fn evaluate_policy(policy_json: &str, knock_json: &str) -> Result<Decision, FacadeError> {
    let policy = policy(policy_json)?;
    let knock: Context = from_json(knock_json)?;
    let ttl_s = knock.ttl_s.unwrap_or(agentmesh_core::limits::DEFAULT_SESSION_TTL);
    let mut context = KnockContext::new(values::amid(&knock.sender)?, &knock.capability, ttl_s);
    if let Some(tier) = &knock.tier {
        context.tier = Tier::from(tier.as_str());
    }
    if let Some(kind) = &knock.session_type {
        context.session_type = values::session_type(kind)?;
    }
    context.reputation = knock.reputation;
    context.legacy = knock.legacy;
    context.sessions = knock.sessions;
    context.knocks_last_minute = knock.knocks_last_minute;
    Ok(policy.evaluate(&context).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOCK: &str = r#"{"sender":"3vaLv8qnmGSndxmYvHiHWN3cb312","capability":"weather"}"#;

    #[test]
    fn presets_judge_as_the_core_does() {
        let judge = |name| evaluate_policy(&policy_preset(name).unwrap(), KNOCK).unwrap();
        assert!(matches!(judge("permissive"), Decision::Accept { .. }));
        assert!(matches!(judge("verified"), Decision::Reject { .. }));
        assert!(policy_preset("everybody").is_err());
    }

    #[test]
    fn what_is_not_understood_is_no_yes() {
        assert_eq!(evaluate_policy("{\"minTeir\":1}", KNOCK).unwrap_err().code, "POLICY_MALFORMED");
        let permissive = policy_preset("permissive").unwrap();
        assert!(evaluate_policy(&permissive, "{}").is_err());
    }
}
