//! Who decides about KNOCKs: policies as JSON, and a queue of questions.

use std::sync::{Arc, Mutex, PoisonError};

use agentmesh_facade::{
    self as facade, Decision, FacadeError, KnockQuestion, KnockQueue, KnockSink, knock_queue,
};

use crate::{
    NativeError,
    calls::{call, json, run},
};

/// A decision about a KNOCK.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Enum)]
pub enum NativeDecision {
    /// The session is opened.
    Accept {
        /// For how many seconds, if not for as long as was asked for.
        ttl_s: Option<u64>,
    },
    /// The session is closed, and the peer told why.
    Reject {
        /// Why.
        reason: String,
        /// When the peer may try again.
        retry_after_s: Option<u64>,
    },
    /// The owner decides later.
    Later,
}

impl From<NativeDecision> for Decision {
    fn from(decision: NativeDecision) -> Self {
        match decision {
            NativeDecision::Accept { ttl_s } => Self::Accept { ttl_s },
            NativeDecision::Reject { reason, retry_after_s } => {
                Self::Reject { reason, retry_after_s }
            }
            NativeDecision::Later => Self::Later,
        }
    }
}

impl From<Decision> for NativeDecision {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::Accept { ttl_s } => Self::Accept { ttl_s },
            Decision::Reject { reason, retry_after_s } => Self::Reject { reason, retry_after_s },
            Decision::Later => Self::Later,
        }
    }
}

/// The questions of one agent. To be handed to it when it is opened.
#[derive(uniffi::Object)]
pub struct NativeKnocks {
    sink: Mutex<Option<KnockSink>>,
    queue: Arc<KnockQueue>,
}

impl NativeKnocks {
    /// The agent's end, once: it is the agent that ends the queue.
    pub(crate) fn take_sink(&self) -> Result<KnockSink, FacadeError> {
        let taken = self.sink.lock().unwrap_or_else(PoisonError::into_inner).take();
        taken.ok_or_else(|| FacadeError::argument("these questions are another agent's"))
    }
}

#[uniffi::export]
impl NativeKnocks {
    /// A queue for one agent.
    #[uniffi::constructor]
    #[allow(clippy::new_without_default, reason = "no language but this one has defaults")]
    pub fn new() -> Arc<Self> {
        let (sink, queue) = knock_queue();
        Arc::new(Self { sink: Mutex::new(Some(sink)), queue: Arc::new(queue) })
    }

    /// The next KNOCK to decide about, nothing once the agent is closed. Safe to cancel.
    pub async fn next(&self) -> Result<Option<Arc<NativeKnock>>, NativeError> {
        let queue = Arc::clone(&self.queue);
        call(async move {
            let Some(question) = queue.next().await? else { return Ok(None) };
            let details = json(&question.knock)?;
            Ok(Some(Arc::new(NativeKnock { details, question: Mutex::new(Some(question)) })))
        })
        .await
    }
}

/// A KNOCK to be decided about. Dropped without an answer, it is left for later.
#[derive(uniffi::Object)]
pub struct NativeKnock {
    details: String,
    question: Mutex<Option<KnockQuestion>>,
}

#[uniffi::export]
impl NativeKnock {
    /// Who knocks, and what for: a JSON object.
    pub fn details(&self) -> String {
        self.details.clone()
    }

    /// Decides, the first time.
    pub fn answer(&self, decision: NativeDecision) {
        let question = self.question.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(question) = question {
            question.answer(decision.into());
        }
    }
}

/// A policy of a well-known name, as JSON: `default`, `permissive`, `verified` or `organization`.
///
/// # Errors
/// `BINDING_ARGUMENT` for another name.
#[uniffi::export]
pub fn policy_preset(name: String) -> Result<String, NativeError> {
    run(|| facade::policy_preset(&name))
}

/// A policy with every member.
///
/// # Errors
/// `POLICY_MALFORMED`, `POLICY_TOO_LONG`
#[uniffi::export]
pub fn normalize_policy(policy: String) -> Result<String, NativeError> {
    run(|| facade::normalize_policy(&policy))
}

/// Judges a KNOCK that is described by a JSON object.
///
/// # Errors
/// `POLICY_MALFORMED`; `BINDING_ARGUMENT`
#[uniffi::export]
pub fn evaluate_policy(policy: String, knock: String) -> Result<NativeDecision, NativeError> {
    run(|| Ok(facade::evaluate_policy(&policy, &knock)?.into()))
}
