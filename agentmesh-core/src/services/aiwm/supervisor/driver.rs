//! The task: carries out what the machine says, one connect and one heartbeat at a time.

use std::sync::Arc;

use rand_core::Rng;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::{AiwmEvent, Shared, SupervisorOptions, lock};
use crate::{
    client::platform::{self, BoxFuture, Task},
    rng::SystemRng,
    services::{
        aiwm::{
            SecretText,
            answer::Connected,
            client::{AgentStatus, AiwmClient, Metrics},
            config::AgentConfig,
            error::AiwmError,
            machine::{Action, AiwmState, Failure, Input, Machine, Missed},
        },
        waiting::{due, if_any},
    },
};

/// The three calls; tests answer them themselves.
pub(super) trait Controller: Send + Sync + 'static {
    fn connect(&self) -> BoxFuture<'_, Result<Connected, AiwmError>>;
    fn heartbeat<'a>(
        &'a self,
        token: &'a SecretText,
        status: AgentStatus,
        metrics: Option<&'a Metrics>,
    ) -> BoxFuture<'a, Result<(), AiwmError>>;
    fn disconnect<'a>(&'a self, token: &'a SecretText) -> BoxFuture<'a, Result<(), AiwmError>>;
}

impl Controller for AiwmClient {
    fn connect(&self) -> BoxFuture<'_, Result<Connected, AiwmError>> {
        Box::pin(Self::connect(self))
    }

    fn heartbeat<'a>(
        &'a self,
        token: &'a SecretText,
        status: AgentStatus,
        metrics: Option<&'a Metrics>,
    ) -> BoxFuture<'a, Result<(), AiwmError>> {
        Box::pin(Self::heartbeat(self, token, status, metrics))
    }

    fn disconnect<'a>(&'a self, token: &'a SecretText) -> BoxFuture<'a, Result<(), AiwmError>> {
        Box::pin(Self::disconnect(self, token, "shutdown"))
    }
}

/// See the module.
pub(super) struct Driver<C> {
    controller: Arc<C>,
    shared: Arc<Shared>,
    options: SupervisorOptions,
    stop: CancellationToken,
    machine: Machine,
    began: Instant,
    token: Option<Arc<SecretText>>,
    connecting: Option<Task<Result<Connected, AiwmError>>>,
    beating: Option<Task<Result<(), AiwmError>>>,
}

/// What a task that was lost stands for.
fn lost<T>() -> Result<T, AiwmError> {
    Err(AiwmError::Unreachable { reason: "the request was given up".to_owned() })
}

async fn ended<T>(task: &mut Option<Task<Result<T, AiwmError>>>) -> Result<T, AiwmError> {
    if_any(task).await.unwrap_or_else(|_| lost())
}

impl<C: Controller> Driver<C> {
    pub(super) fn new(
        controller: C,
        shared: Arc<Shared>,
        options: SupervisorOptions,
        stop: CancellationToken,
    ) -> Self {
        Self {
            machine: Machine::new(options.timing.clone()),
            began: Instant::now(),
            controller: Arc::new(controller),
            shared,
            options,
            stop,
            token: None,
            connecting: None,
            beating: None,
        }
    }

    pub(super) async fn run(mut self) {
        let mut input = Input::Start;
        loop {
            let dice = f64::from(SystemRng.next_u32()) / f64::from(u32::MAX);
            let actions = self.machine.handle(self.began.elapsed(), input, dice);
            for action in actions {
                self.act(action).await;
            }
            if input == Input::Stop {
                return;
            }
            let wake = self.machine.next_wake().map(|at| self.began + at);
            input = tokio::select! {
                biased;
                () = self.stop.cancelled() => Input::Stop,
                done = ended(&mut self.connecting) => { self.connecting = None; self.connected(done) }
                done = ended(&mut self.beating) => { self.beating = None; self.beaten(done) }
                () = due(wake) => Input::Wake,
            };
        }
    }

    async fn act(&mut self, action: Action) {
        match action {
            Action::Connect => {
                let controller = Arc::clone(&self.controller);
                self.connecting = Some(platform::spawn(async move { controller.connect().await }));
            }
            Action::Beat => {
                let Some(token) = self.token.clone() else { return };
                let controller = Arc::clone(&self.controller);
                let status = *lock(&self.shared.status);
                let metrics = self.options.metrics.as_ref().and_then(|source| source());
                self.beating = Some(platform::spawn(async move {
                    controller.heartbeat(&token, status, metrics.as_ref()).await
                }));
            }
            Action::Disconnect => {
                (self.connecting, self.beating) = (None, None);
                if let Some(token) = self.token.take() {
                    let farewell = self.controller.disconnect(&token);
                    if !matches!(timeout(self.options.timing.farewell, farewell).await, Ok(Ok(())))
                    {
                        tracing::debug!(target: "agentmesh", "AIWM: the controller was not told that the agent goes");
                    }
                }
            }
            Action::Enter(state) => self.enter(state),
        }
    }

    fn enter(&mut self, state: AiwmState) {
        // The state first: who hears of an event can ask for it.
        self.shared.state.send_replace(state);
        match state {
            AiwmState::Degraded => {
                tracing::warn!(target: "agentmesh", "AIWM cannot be used; the agent goes on with what it has");
            }
            AiwmState::Gone => {
                tracing::error!(target: "agentmesh", "AIWM does not know this agent any more; tell the administrator");
                self.token = None;
                self.shared.events.publish(&AiwmEvent::AgentDeleted);
            }
            AiwmState::Stopped => {
                let failures = self.shared.counters.heartbeat_failure.value();
                tracing::info!(target: "agentmesh", heartbeat_failures = failures, "AIWM: stopped");
                (self.connecting, self.beating, self.token) = (None, None, None);
            }
            state => tracing::info!(target: "agentmesh", ?state, "AIWM"),
        }
        self.shared.events.publish(&AiwmEvent::State(state));
    }

    fn connected(&mut self, done: Result<Connected, AiwmError>) -> Input {
        let connected = match done {
            Ok(connected) => connected,
            Err(error) => {
                self.shared.counters.connection_failure.add();
                tracing::warn!(target: "agentmesh", %error, "AIWM: connect failed");
                *lock(&self.shared.failure) = Some(error.clone());
                let failure = match &error {
                    AiwmError::AuthRejected { .. }
                    | AiwmError::NotFound { .. }
                    | AiwmError::Rejected { .. }
                    | AiwmError::Config { .. } => Failure::Refused,
                    _ => Failure::Temporary { retry_after: error.retry_after() },
                };
                self.shared.events.publish(&AiwmEvent::ConnectFailed(error));
                return Input::ConnectFailed(failure);
            }
        };
        self.shared.counters.connection_success.add();
        *lock(&self.shared.failure) = None;
        let now = self.options.clock.now();
        let lifetime = connected.lifetime;
        {
            let mut times = lock(&self.shared.times);
            times.connected = Some(now);
            let ms = u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX);
            times.token_ends = Some(now.plus_millis(ms));
        }
        let SupervisorOptions { environment, instruction_file, .. } = &self.options;
        let config = AgentConfig::merge(Some(&connected), environment, instruction_file);
        if config.permission_mode == "bypassPermissions" {
            tracing::warn!(target: "agentmesh", "AIWM: this agent acts without asking (bypassPermissions)");
        }
        let first = *self.shared.state.borrow() == AiwmState::Connecting;
        let old = self.token.replace(Arc::new(connected.token));
        if old.is_some() {
            self.shared.counters.token_refresh.add();
        }
        let none = SecretText::new("\0");
        let tokens = (old.as_deref().unwrap_or(&none), self.token.as_deref().unwrap_or(&none));
        let changed = !lock(&self.shared.config).same_as(&config, tokens.0, tokens.1);
        let config = Arc::new(config);
        *lock(&self.shared.config) = Arc::clone(&config);
        if changed && !first {
            self.shared.counters.config_update.add();
            self.shared.events.publish(&AiwmEvent::ConfigUpdated(config));
        }
        Input::Connected { lifetime }
    }

    fn beaten(&mut self, done: Result<(), AiwmError>) -> Input {
        let now = self.options.clock.now();
        let mut times = lock(&self.shared.times);
        let Err(error) = done else {
            self.shared.counters.heartbeat_success.add();
            (times.heartbeat, times.missed) = (Some(now), 0);
            return Input::Beaten;
        };
        self.shared.counters.heartbeat_failure.add();
        times.missed += 1;
        tracing::warn!(target: "agentmesh", %error, "AIWM: heartbeat failed");
        Input::BeatFailed(match error {
            AiwmError::AuthRejected { .. } => Missed::Unauthorized,
            AiwmError::NotFound { .. } => Missed::NotFound,
            _ => Missed::Other,
        })
    }
}
