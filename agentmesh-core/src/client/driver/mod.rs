//! The task that owns the engine: commit, then send and ack, then emit.
//!
//! It takes whatever has come in since the last step, up to a bound, as one batch: one commit covers all of it.
//! Work that waits (registry, policy) runs in tasks of its own, owned by the driver, and comes back as input.
//!
//! `batch` does the step, `large` what is special about payloads that come in parts, `online` the way online and the relay's events, `jobs` what waits, `syncing` is one visit to the relay, `delivery` hands
//! messages to the application, `waiting` answers its callers.

mod answers;
mod auditing;
mod batch;
mod command;
mod control;
mod delivery;
mod events;
mod jobs;
mod large;
mod online;
mod policy;
mod rotation;
mod streams;
mod surface;
mod syncing;
mod waiting;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::client::platform::time::{Instant, sleep_until};
use tokio::sync::{mpsc, oneshot};
use tracing::Instrument;

pub(crate) use command::{Command, Passphrase, Shared, Status};
pub(crate) use control::{Control, Rates};
use events::Events;
pub(in crate::client) use policy::engine_config;

use crate::{
    Error, Timestamp,
    client::{
        agent::{Agent, AgentConfig, AgentError, AgentEvent, Completion, Message, StreamHub},
        audit::AuditLog,
        http::HttpClient,
        platform,
        rate_limit::RateLimiter,
        registry::RegistryClient,
        relay::{RelayCommand, RelayEvent, RelayHandle},
        spans,
        subscription::Subscription,
        transport::goes_in_clear,
    },
    engine::{Engine, Input, SessionSummary},
    identity::{Amid, IdentityPublic},
    storage::Storage,
    vault::StoreKey,
    wire::id::MessageId,
};
use url::Url;

use batch::Job;
use delivery::Delivery;
use jobs::{JobResult, Jobs};
use online::Online;
use policy::PolicyWatch;
use streams::Streams;
use syncing::Syncing;
use waiting::Waiting;

/// Commands that may wait for the driver.
const COMMANDS: usize = 256;
/// Events that a reader may be behind.
const EVENTS: usize = 1024;
/// Time passes at most this often.
const MIN_TICK: Duration = Duration::from_millis(500);
/// Time passes at least this often.
const MAX_PAUSE: Duration = Duration::from_secs(30);
/// Bookkeeping that no commit took along is written after this.
const SETTLE: Duration = Duration::from_secs(2);
/// How often everything that expires by age is gone through.
const SWEEP: Duration = Duration::from_secs(6 * 3600);

/// Starts the driver of an opened engine.
pub(super) fn start(
    engine: Engine,
    storage: Arc<dyn Storage>,
    key: StoreKey,
    config: AgentConfig,
    audit: Option<AuditLog>,
) -> Result<Agent, Error> {
    let registry = config
        .registry_url
        .as_deref()
        .map(|url| -> Result<RegistryClient, Error> {
            if Url::parse(url).is_ok_and(|url| goes_in_clear(&url)) && !config.allow_insecure {
                let problem = online::in_clear("https");
                return Err(AgentError::Config { setting: "registry_url", problem }.into());
            }
            let http = HttpClient::new(config.http.clone())?;
            Ok(RegistryClient::new(url, Arc::clone(engine.identity()), http, config.clock)?)
        })
        .transpose()?;
    let relay_url = online::relay_url(&config)?;
    let (commands, inbox) = mpsc::channel(COMMANDS);
    let events = Arc::new(Events::new(EVENTS, audit, engine.identity().amid()));
    let status = Arc::new(Status::default());
    let hub = Arc::<StreamHub>::default();
    let (mut delivery, completions) = Delivery::new(config.delivery_window);
    delivery.set_pace(config.policy.rate_limit);
    let amid = engine.identity().amid();
    let public = Arc::new(Mutex::new(engine.identity().public()));
    let driver = Driver {
        engine,
        storage,
        key,
        online: Online::new(relay_url, registry.is_some()),
        jobs: Jobs::new(registry.clone(), &config),
        config: config.clone(),
        events: Arc::clone(&events),
        status: Arc::clone(&status),
        public: Arc::clone(&public),
        delivery,
        waiting: Waiting::default(),
        limiter: RateLimiter::new(config.rate_limits),
        policy_watch: PolicyWatch::new(&config),
        pending: VecDeque::new(),
        unsettled: None,
        next_sweep: Instant::now(),
        last_tick: Instant::now(),
        large: Vec::new(),
        questions: Vec::new(),
        streams: Streams::new(amid, config.streams, Arc::clone(&hub)),
        answers: Vec::new(),
        syncing: Syncing::default(),
        online_told: false,
    };
    let task = platform::spawn(driver.run(inbox, completions).instrument(spans::agent(amid)));
    Ok(Agent::new(Arc::new(Shared {
        amid,
        public,
        config,
        registry,
        commands,
        events,
        status,
        streams: hub,
        task,
    })))
}

/// Everything that can wake the driver.
enum Wake {
    Command(Command),
    Completion(Completion),
    Relay(Option<RelayEvent>),
    Job(JobResult),
    /// A frame was taken by the relay connection, or cannot be any more.
    Sent(bool),
    /// The application has room for another message.
    Room,
    /// Parts of large payloads can be sent or checked.
    Parts,
    /// A stream moved.
    Streams,
    Time,
    /// All handles are gone.
    Abandoned,
}

pub(super) struct Driver {
    engine: Engine,
    storage: Arc<dyn Storage>,
    key: StoreKey,
    config: AgentConfig,
    online: Online,
    jobs: Jobs,
    events: Arc<Events>,
    status: Arc<Status>,
    public: Arc<Mutex<IdentityPublic>>,
    delivery: Delivery,
    waiting: Waiting,
    limiter: RateLimiter,
    policy_watch: PolicyWatch,
    /// Frames and acks that the relay connection had no room for yet.
    pending: VecDeque<RelayCommand>,
    /// When bookkeeping that waits for a commit gets one of its own.
    unsettled: Option<Instant>,
    next_sweep: Instant,
    last_tick: Instant,
    /// Messages that came in parts and are not queued for the application yet.
    large: Vec<(Amid, MessageId)>,
    /// Who wants to know the sessions.
    questions: Vec<oneshot::Sender<Result<Vec<SessionSummary>, Error>>>,
    streams: Streams,
    /// What the agent answers by itself, to be queued with the next step.
    answers: Vec<Input>,
    syncing: Syncing,
    /// The application was told that the agent is online.
    online_told: bool,
}

/// How the driver ends.
enum End {
    Asked(oneshot::Sender<Result<(), Error>>),
    Abandoned,
    Failed(Error),
}

impl Driver {
    async fn run(
        mut self,
        mut commands: mpsc::Receiver<Command>,
        mut completions: mpsc::Receiver<Completion>,
    ) {
        self.engine.resume(self.config.clock.now());
        let end = match self.step(Vec::new()).await {
            Err(error) => End::Failed(error),
            Ok(()) => self.serve(&mut commands, &mut completions).await,
        };
        self.finish(end, commands).await;
    }

    async fn serve(
        &mut self,
        commands: &mut mpsc::Receiver<Command>,
        completions: &mut mpsc::Receiver<Completion>,
    ) -> End {
        loop {
            let first = self.wait(commands, completions).await;
            let mut wakes = vec![first];
            self.drain(&mut wakes, commands, completions);
            let mut inputs: Vec<Job> = Vec::with_capacity(wakes.len());
            for wake in wakes {
                match wake {
                    Wake::Command(Command::Close { reply }) => {
                        // What came before is still done.
                        return match self.step(inputs).await {
                            Ok(()) => End::Asked(reply),
                            Err(error) => End::Failed(error),
                        };
                    }
                    Wake::Abandoned => return End::Abandoned,
                    wake => self.translate(wake, &mut inputs),
                }
            }
            self.timed_inputs(&mut inputs);
            self.pump_streams(&mut inputs);
            if let Err(error) = self.step(inputs).await {
                return End::Failed(error);
            }
            if let Err(error) = self.housekeeping().await {
                return End::Failed(error);
            }
        }
    }

    /// Waits for the first thing to happen.
    async fn wait(
        &mut self,
        commands: &mut mpsc::Receiver<Command>,
        completions: &mut mpsc::Receiver<Completion>,
    ) -> Wake {
        let until = self.next_wake();
        let parts_due = self.engine.parts_due(self.config.clock.now());
        let Self { online, jobs, pending, delivery, streams, .. } = self;
        let room = delivery.waits_for_room();
        tokio::select! {
            biased;
            completion = completions.recv() => completion.map_or(Wake::Abandoned, Wake::Completion),
            event = next_event(&mut online.events) => Wake::Relay(event),
            result = jobs.next() => Wake::Job(result),
            sent = send_next(online.relay.as_ref(), pending.front()) => Wake::Sent(sent),
            () = has_room(room) => Wake::Room,
            () = streams.hub().touched() => Wake::Streams,
            command = commands.recv() => command.map_or(Wake::Abandoned, Wake::Command),
            () = std::future::ready(()), if parts_due => Wake::Parts,
            () = sleep_until(until) => Wake::Time,
        }
    }

    /// Adds what else is there already, so that one commit serves it all.
    fn drain(
        &mut self,
        wakes: &mut Vec<Wake>,
        commands: &mut mpsc::Receiver<Command>,
        completions: &mut mpsc::Receiver<Completion>,
    ) {
        let max = self.config.max_batch.max(1);
        while wakes.len() < max {
            let before = wakes.len();
            if let Ok(completion) = completions.try_recv() {
                wakes.push(Wake::Completion(completion));
            }
            if let Some(event) = self.online.events.as_mut().and_then(Subscription::try_next) {
                wakes.push(Wake::Relay(Some(event)));
            }
            if let Ok(command) = commands.try_recv() {
                let last = matches!(command, Command::Close { .. });
                wakes.push(Wake::Command(command));
                if last {
                    return;
                }
            }
            if wakes.len() == before {
                return;
            }
        }
    }

    fn next_wake(&self) -> Instant {
        let now = Instant::now();
        let mut until = now + MAX_PAUSE;
        let wall = self.config.clock.now();
        let after = |at: Timestamp| now + Duration::from_millis(at.since(wall));
        if let Some(deadline) = self.engine.next_deadline() {
            // What a tick could not settle, such as a probe to a peer whose key is still being fetched, is due at
            // once again: without a pause the driver would spin.
            until = until.min(after(deadline).max(self.last_tick + MIN_TICK));
        }
        for at in [
            self.engine.next_receipt().map(after),
            self.delivery.next_due(),
            self.unsettled,
            self.jobs.next_due(now),
            self.online.next_due(),
            self.streams.next_due(),
            self.policy_watch.next_due(),
            self.syncing.next_due(),
        ] {
            until = at.map_or(until, |at| until.min(at));
        }
        until.min(self.next_sweep)
    }

    async fn finish(mut self, end: End, mut commands: mpsc::Receiver<Command>) {
        // Callers that come now, or that wait already, are told instead of left hanging.
        commands.close();
        let (reply, result) = match end {
            End::Asked(reply) => (Some(reply), Ok(())),
            End::Abandoned => (None, Ok(())),
            End::Failed(error) => {
                tracing::error!(target: "agentmesh", %error, "agent stopped");
                self.status.set_end(error.to_string());
                (None, Err(error))
            }
        };
        self.tell_offline(if result.is_ok() { "closed" } else { "stopped" });
        self.jobs.stop();
        self.streams.close(&AgentError::Closed { reason: self.status.end_reason() }.into());
        self.go_offline(result.is_ok()).await;
        if result.is_ok()
            && let Ok(outcome) = self.engine.finish(true, &mut crate::rng::SystemRng)
            && !outcome.changes.is_empty()
            && let Err(error) = self.storage.commit(outcome.changes).await
        {
            tracing::warn!(target: "agentmesh", %error, "bookkeeping was not written; it is done again at the next start");
        }
        let closed = self.storage.close().await;
        let reason = result.as_ref().err().map(ToString::to_string);
        self.events.publish(&AgentEvent::Closed { reason });
        self.events.close();
        if let Some(log) = self.events.audit() {
            // What it could not write, it has said and counted.
            let _ = log.close().await;
        }
        if let Some(reply) = reply {
            let _ = reply.send(result.and(closed.map_err(Error::from)));
        }
    }
}

async fn next_event(events: &mut Option<Subscription<RelayEvent>>) -> Option<RelayEvent> {
    match events {
        Some(events) => events.next().await,
        None => std::future::pending().await,
    }
}

/// Hands the first waiting frame over; true if it was taken.
async fn send_next(relay: Option<&RelayHandle>, command: Option<&RelayCommand>) -> bool {
    match (relay, command) {
        (Some(relay), Some(command)) => relay.send(command.clone()).await.is_ok(),
        _ => std::future::pending().await,
    }
}

async fn has_room(sender: Option<mpsc::Sender<Message>>) {
    match sender {
        // An error means that the reader is gone, which the next step notices.
        Some(sender) => drop(sender.reserve().await),
        None => std::future::pending().await,
    }
}
