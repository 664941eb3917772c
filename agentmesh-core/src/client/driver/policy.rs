//! The policy in force, and its file: looked at every few seconds, adopted when it changes.
//!
//! A file that becomes unreadable or is not understood fails closed: from then on every KNOCK is rejected with
//! `policy_unavailable`, until the file is mended. Block list and pace stay those of the policy before; sessions
//! that exist go on.

use std::{path::PathBuf, sync::Arc, time::Duration};

use crate::client::platform::time::Instant;
use tokio::sync::oneshot;

use super::{Driver, batch::Job, jobs::JobResult};
use crate::{
    Error, ErrorInfo,
    client::{
        agent::{AgentConfig, AgentError, AgentEvent},
        policy_file::{self, Digest, Look},
    },
    engine::{CircuitChange, EngineConfig, Input},
    knock::Policy,
};

/// What judges KNOCKs: a policy, or the reason why there is none.
pub(super) type InForce = Result<Arc<Policy>, Broken>;

/// Why there is no policy.
#[derive(Debug, Clone)]
pub(super) struct Broken {
    problem: String,
}

/// The file that the policy comes from, and what it said last.
#[derive(Debug)]
pub(super) struct PolicyWatch {
    path: Option<PathBuf>,
    every: Duration,
    digest: Digest,
    looking: bool,
    look_at: Option<Instant>,
}

impl PolicyWatch {
    pub(super) fn new(config: &AgentConfig) -> Self {
        Self {
            path: config.policy_file.clone(),
            every: config.policy_poll.max(Duration::from_millis(10)),
            // The first look compares nothing; it finds what was changed since the policy was loaded.
            digest: Digest::NONE,
            looking: false,
            look_at: config.policy_file.is_some().then(Instant::now),
        }
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        self.look_at.filter(|_| !self.looking)
    }
}

/// The configuration of an engine under this policy: what the policy blocks is dropped unread.
pub(in crate::client) fn engine_config(config: &AgentConfig) -> EngineConfig {
    let mut engine = config.engine.clone();
    engine.blocked.extend(&config.policy.blocked_amids);
    engine
}

impl Driver {
    /// Starts a look at the file if one is due.
    pub(super) fn watch_policy(&mut self, now: Instant) {
        let watch = &mut self.policy_watch;
        let (Some(path), Some(at)) = (&watch.path, watch.next_due()) else { return };
        if at > now {
            return;
        }
        watch.looking = true;
        let (path, digest) = (path.clone(), watch.digest);
        self.jobs.spawn(async move { JobResult::Policy(policy_file::look(path, digest).await) });
    }

    pub(super) fn on_policy_look(&mut self, look: Look, jobs: &mut Vec<Job>) {
        let watch = &mut self.policy_watch;
        watch.looking = false;
        watch.look_at = Some(Instant::now() + watch.every);
        watch.digest = look.digest;
        match look.policy {
            None => {}
            Some(Ok(policy)) => {
                // The first look usually finds what was loaded at the start.
                let new = self.jobs.policy.as_deref().ok() != Some(&policy);
                if new {
                    self.adopt_policy(policy, jobs);
                    self.events.publish(&AgentEvent::PolicyReloaded);
                }
            }
            Some(Err(error)) => {
                let (code, problem) = (error.code(), error.to_string());
                tracing::warn!(target: "agentmesh", code, "policy file refused; all KNOCKs are rejected");
                self.jobs.policy = Err(Broken { problem: problem.clone() });
                self.events.publish(&AgentEvent::PolicyReloadFailed { code, problem });
            }
        }
    }

    pub(super) fn set_policy(
        &mut self,
        policy: Policy,
        reply: oneshot::Sender<Result<(), Error>>,
        jobs: &mut Vec<Job>,
    ) {
        let result = if self.policy_watch.path.is_some() {
            let problem = "comes from a file; change the file".to_owned();
            Err(AgentError::Config { setting: "policy", problem }.into())
        } else {
            self.adopt_policy(policy, jobs);
            self.events.publish(&AgentEvent::PolicyReloaded);
            Ok(())
        };
        let _ = reply.send(result);
    }

    pub(super) fn policy(&self) -> Result<Policy, Error> {
        match &self.jobs.policy {
            Ok(policy) => Ok(Policy::clone(policy)),
            Err(Broken { problem }) => {
                Err(AgentError::PolicyUnavailable { problem: problem.clone() }.into())
            }
        }
    }

    fn adopt_policy(&mut self, policy: Policy, jobs: &mut Vec<Job>) {
        self.config.policy = policy;
        self.delivery.set_pace(self.config.policy.rate_limit);
        for peer in self.engine.set_blocked(engine_config(&self.config).blocked) {
            jobs.push(Job::silent(Input::Circuit(CircuitChange::Sever(peer))));
        }
        self.jobs.policy = Ok(Arc::new(self.config.policy.clone()));
    }
}
