//! What the registry is told, and what its answers mean for being online.

use crate::client::platform::time::Instant;

use super::{
    super::{
        Driver,
        batch::Job,
        jobs::{JobResult, Registration as Standing},
    },
    Online, REPUBLISH, Reply,
};
use crate::{
    Error, ErrorInfo,
    client::{
        agent::{AgentError, AgentEvent},
        http::HttpError,
        registry::{AnswerError, Registration, RegistryError},
    },
    engine::{Input, Request},
    rng::SystemRng,
    wire::relay_frame::PresenceStatus,
};

impl Online {
    /// Ends the connection and everything that is scheduled. Another `connect` may try again.
    pub(super) fn stand_down(&mut self) {
        let waiting = core::mem::take(&mut self.waiting);
        *self = Self { waiting, ..Self::new(self.relay_url.take(), self.has_registry) };
    }
}

impl Driver {
    pub(super) fn register(&mut self) {
        let Some(registry) = self.jobs.registry() else { return };
        if self.online.registering {
            return;
        }
        self.online.registering = true;
        let registration = Registration {
            display_name: self.config.display_name.clone(),
            capabilities: self.config.capabilities.clone().unwrap_or_default(),
            relay_endpoint: self.config.relay_url.clone(),
            ..Registration::default()
        };
        let capabilities = self.config.capabilities.clone();
        self.jobs.spawn(async move {
            let result = async {
                let registered = registry.register_with_any_key(&registration).await?;
                // An agent that registered before may have learnt something since.
                if let Some(capabilities) = capabilities.filter(|_| !registered.newly)
                    && registered.listing.details.capabilities != capabilities
                {
                    registry.set_capabilities(&capabilities).await?;
                }
                registry.set_status(&PresenceStatus::Online).await?;
                // Only a hint, and only for an identity that was here before.
                let bundle = if registered.newly { None } else { registry.own_bundle_date().await };
                let current_key = registry.is_own_exchange_key(&registered.listing);
                Ok(Standing { newly: registered.newly, current_key, bundle })
            };
            let error = match result.await {
                Err(error @ RegistryError::Http(HttpError::Unauthorized { .. })) => error,
                result => return JobResult::Online(result),
            };
            // A refusal may pass, a revocation does not.
            let amid = registry.identity().amid();
            let revoked = registry.revocation(&amid).await.ok().flatten();
            JobResult::Online(Err(revoked.map_or(error, |revocation| {
                AnswerError::Revoked { amid, reason: revocation.reason.to_string() }.into()
            })))
        });
    }

    pub(in crate::client::driver) fn on_registered(
        &mut self,
        result: Result<Standing, RegistryError>,
        jobs: &mut Vec<Job>,
    ) {
        self.online.registering = false;
        if !self.online.wanted {
            // Stopped meanwhile.
            return;
        }
        let now = Instant::now();
        match result {
            Ok(Standing { bundle: Some(published), .. })
                if published > self.engine.bundle_created_at() =>
            {
                self.superseded();
            }
            Ok(Standing { newly, current_key, .. }) => {
                self.dial_now();
                self.online.registered = true;
                self.online.other_exchange_key = !current_key;
                self.events.publish(&AgentEvent::Registered { newly });
                self.online.backoff.reset();
                self.online.heartbeat_at = Some(now + self.config.heartbeat);
                self.online.republish_at = Some(now + REPUBLISH);
                self.jobs.allow_publishing(now);
                if self.engine.has_unpublished_prekeys() {
                    self.jobs.request(Request::PublishPrekeys, &self.engine);
                } else if newly || !current_key {
                    // We published before, so this is another registry, or one that lost what it knew.
                    self.online.published = false;
                    jobs.push(Job::silent(Input::RegistryForgot));
                } else {
                    self.online.published = true;
                }
                self.settle_online();
            }
            Err(RegistryError::Answer(AnswerError::Revoked { amid, reason })) => {
                let error = AnswerError::Revoked { amid, reason: reason.clone() };
                self.stay_offline(&error.into(), &AgentEvent::Revoked { reason });
            }
            Err(error) => {
                self.dial_now();
                self.trouble(&error);
                self.status.set_offline(error.to_string());
                let delay = self.online.backoff.next_delay(None, &mut SystemRng);
                Self::log_failure("not registered yet", &error, &self.online.backoff, delay);
                self.online.register_at = Some(now + delay);
                if !error.is_retryable() {
                    self.online.fail(&Error::from(error));
                }
            }
        }
    }

    /// Somebody published a newer bundle of this identity: it was moved to another machine, or this store went back in
    /// time. Going on would have two agents fork each other's sessions, so this one stops.
    pub(in crate::client::driver) fn superseded(&mut self) {
        self.stay_offline(&AgentError::Superseded.into(), &AgentEvent::Superseded);
    }

    fn stay_offline(&mut self, error: &Error, event: &AgentEvent) {
        tracing::error!(target: "agentmesh", %error, "staying offline");
        self.engine.disconnected();
        self.pending.clear();
        self.online.stand_down();
        self.status.set_offline(error.to_string());
        self.tell_offline(&error.to_string());
        self.online.fail(error);
        self.events.publish(event);
    }

    pub(super) fn heartbeat(&mut self, status: PresenceStatus) {
        let Some(registry) = self.jobs.registry() else { return };
        self.jobs.spawn(async move {
            // A missed heartbeat is made up by the next.
            match registry.set_status(&status).await {
                // Registering again puts the one right, and tells whether the other is for good.
                Err(RegistryError::Http(
                    HttpError::NotFound { .. } | HttpError::Unauthorized { .. },
                )) => return JobResult::Forgotten,
                Err(error) => {
                    tracing::debug!(target: "agentmesh", code = error.code(), "heartbeat failed");
                }
                Ok(()) => {}
            }
            JobResult::Done
        });
    }

    /// Registry or relay do not know us any more, or do not want us.
    pub(in crate::client::driver) fn on_forgotten(&mut self) {
        if !self.online.wanted {
            return;
        }
        tracing::warn!(target: "agentmesh", "not known here any more; registering again");
        self.online.register_at = Some(Instant::now());
    }

    pub(in crate::client::driver) fn set_capabilities(
        &mut self,
        capabilities: Vec<String>,
        reply: Reply,
    ) {
        self.config.capabilities = Some(capabilities.clone());
        let Some(registry) = self.jobs.registry() else {
            let _ = reply.send(Err(AgentError::NoRegistry.into()));
            return;
        };
        self.jobs.spawn(async move {
            let _ = reply.send(registry.set_capabilities(&capabilities).await.map_err(Error::from));
            JobResult::Done
        });
    }
}
