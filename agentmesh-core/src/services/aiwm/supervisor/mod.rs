//! The supervisor: a task that does what the state machine says, and handles to ask and to tell it.

mod driver;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use http::Response;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::driver::{Controller, Driver};
use super::{
    client::{AgentStatus, AiwmClient, Metrics},
    config::AgentConfig,
    environment::Environment,
    error::AiwmError,
    health::{self, AiwmCounters, Health, Times},
    machine::{AiwmState, Timing},
    options::{AiwmOptions, instruction_file},
};
use crate::client::{
    platform::{self, Clock, Task},
    subscription::{Fanout, Lag, Subscription},
};

/// Events that a reader may leave unread before it misses some.
const EVENTS: usize = 64;

/// What happens to an agent.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum AiwmEvent {
    /// The state is another.
    State(AiwmState),
    /// A connect brought another configuration. Nothing is changed in the running agent: most need a restart.
    ConfigUpdated(Arc<AgentConfig>),
    /// The controller does not know the agent any more. Heartbeats have stopped; tell the administrator.
    AgentDeleted,
    /// A connect failed.
    ConnectFailed(AiwmError),
    /// The reader was too slow for so many events.
    Lagged(u64),
}

impl Lag for AiwmEvent {
    fn lagged(missed: u64) -> Self {
        Self::Lagged(missed)
    }
}

/// Where metrics for heartbeats come from. Called before each; must not block.
pub type MetricsSource = Arc<dyn Fn() -> Option<Metrics> + Send + Sync>;

/// What a supervisor needs besides the controller.
pub struct SupervisorOptions {
    /// Pauses.
    pub timing: Timing,
    /// Variables that fill what the controller does not say.
    pub environment: Environment,
    /// The instruction while the controller gives none.
    pub instruction_file: PathBuf,
    /// Fail at the start if the controller refuses the credentials or does not know the agent, instead of going on
    /// with the local configuration.
    pub fail_fast: bool,
    /// Numbers for heartbeats.
    pub metrics: Option<MetricsSource>,
    /// The time of day, for `/health`.
    pub clock: Clock,
}

impl fmt::Debug for SupervisorOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SupervisorOptions").field("timing", &self.timing).finish_non_exhaustive()
    }
}

impl SupervisorOptions {
    /// The defaults, with what `environment` says.
    pub fn new(environment: Environment) -> Self {
        Self {
            timing: Timing::default(),
            instruction_file: instruction_file(&environment),
            environment,
            fail_fast: false,
            metrics: None,
            clock: Clock::system(),
        }
    }
}

/// What the handles and the task share.
struct Shared {
    state: watch::Sender<AiwmState>,
    config: Mutex<Arc<AgentConfig>>,
    status: Mutex<AgentStatus>,
    times: Mutex<Times>,
    /// Why the last connect failed, if it did.
    failure: Mutex<Option<AiwmError>>,
    counters: AiwmCounters,
    events: Fanout<AiwmEvent>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is behind them is replaced whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps an agent connected to its controller: configuration, heartbeats, tokens, fallback.
///
/// Dropping it ends everything at once; [`AiwmSupervisor::shutdown`] says goodbye first.
pub struct AiwmSupervisor {
    shared: Arc<Shared>,
    stop: CancellationToken,
    task: Mutex<Option<Task<()>>>,
}

impl fmt::Debug for AiwmSupervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AiwmSupervisor").field("state", &self.state()).finish_non_exhaustive()
    }
}

impl AiwmSupervisor {
    /// Connects, with pauses and tries, and returns with a configuration: the controller's, or a local one if the
    /// controller cannot be used. Without `controller` (AIWM is not enabled) everything is local.
    ///
    /// # Errors
    /// [`AiwmError::Config`] for options that cannot be used; with `fail_fast` whatever the controller refused.
    pub async fn start(
        controller: Option<AiwmOptions>,
        options: SupervisorOptions,
    ) -> Result<Self, AiwmError> {
        match controller {
            Some(controller) => Self::start_with(AiwmClient::new(controller)?, options).await,
            None => {
                let supervisor = Self::prepare(&options, AiwmState::Disabled);
                tracing::info!(target: "agentmesh", "AIWM is not enabled; the configuration is local");
                Ok(supervisor)
            }
        }
    }

    fn prepare(options: &SupervisorOptions, state: AiwmState) -> Self {
        let config = AgentConfig::merge(None, &options.environment, &options.instruction_file);
        let shared = Shared {
            state: watch::Sender::new(state),
            config: Mutex::new(Arc::new(config)),
            status: Mutex::default(),
            times: Mutex::default(),
            failure: Mutex::default(),
            counters: AiwmCounters::new(),
            events: Fanout::new(EVENTS),
        };
        Self { shared: Arc::new(shared), stop: CancellationToken::new(), task: Mutex::new(None) }
    }

    async fn start_with(
        controller: impl Controller,
        options: SupervisorOptions,
    ) -> Result<Self, AiwmError> {
        let supervisor = Self::prepare(&options, AiwmState::Connecting);
        let fail_fast = options.fail_fast;
        let mut state = supervisor.shared.state.subscribe();
        let driver = Driver::new(
            controller,
            Arc::clone(&supervisor.shared),
            options,
            supervisor.stop.clone(),
        );
        *lock(&supervisor.task) = Some(platform::spawn(driver.run()));
        let left = state.wait_for(|state| *state != AiwmState::Connecting).await;
        let left = left.map_or(AiwmState::Stopped, |state| *state);
        let refused = supervisor.failure().filter(|error| {
            matches!(
                error,
                AiwmError::AuthRejected { .. }
                    | AiwmError::NotFound { .. }
                    | AiwmError::Rejected { .. }
            )
        });
        match refused {
            Some(error) if fail_fast && left != AiwmState::Online => Err(error),
            _ => Ok(supervisor),
        }
    }

    /// The configuration now.
    pub fn config(&self) -> Arc<AgentConfig> {
        Arc::clone(&lock(&self.shared.config))
    }

    /// The state now.
    pub fn state(&self) -> AiwmState {
        *self.shared.state.borrow()
    }

    /// Why the last connect failed; `None` if it succeeded, or there was none.
    pub fn failure(&self) -> Option<AiwmError> {
        lock(&self.shared.failure).clone()
    }

    /// What happens from now on.
    pub fn events(&self) -> Subscription<AiwmEvent> {
        self.shared.events.subscribe()
    }

    /// A handle to say what the agent is doing, for any thread.
    pub fn status(&self) -> StatusHandle {
        StatusHandle(Arc::clone(&self.shared))
    }

    /// The counters.
    pub fn counters(&self) -> &AiwmCounters {
        &self.shared.counters
    }

    /// How the agent stands with its controller.
    pub fn health(&self) -> Health {
        Health::new(self.state(), &lock(&self.shared.times))
    }

    /// The answer to `GET path`: `/health` and `/metrics`, 404 for others. For any HTTP server that an agent has.
    pub fn respond(&self, path: &str) -> Response<String> {
        health::respond(path, &self.health(), &self.shared.counters)
    }

    /// Stops heartbeats, tells the controller if that takes less than two seconds, wipes token and secret.
    pub async fn shutdown(&self) {
        self.stop.cancel();
        let task = lock(&self.task).take();
        if let Some(task) = task {
            // A task that failed has nothing left to say.
            let _ = task.await;
        }
        self.shared.events.close();
    }
}

/// Says what the agent is doing; the next heartbeat tells.
#[derive(Clone)]
pub struct StatusHandle(Arc<Shared>);

impl fmt::Debug for StatusHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StatusHandle").field(&self.get()).finish()
    }
}

impl StatusHandle {
    /// From now on.
    pub fn set(&self, status: AgentStatus) {
        *lock(&self.0.status) = status;
    }

    /// What was said last; `Online` at first.
    pub fn get(&self) -> AgentStatus {
        *lock(&self.0.status)
    }
}
