//! Gives the state machine a server, a clock and somebody to tell. Decides nothing.

use std::{sync::Arc, time::Duration};

use futures_util::stream::{FuturesUnordered, StreamExt};
use serde_json::Value;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};

use super::{
    super::{
        Author, PeerId, SessionCredentials, SignalContext, SignalingError, SignalingEvent,
        SignalingTimings,
        machine::{Action, Input, Key, Machine, OpenFailure, Outcome, Outgoing},
        sign_signal, verify_signal,
    },
    State, is_candidate,
    transport::{Opened, Transport},
};
use crate::{
    client::{http::reasons, platform::BoxFuture, subscription::Fanout},
    identity::Identity,
    maps::HashMap,
    rng::SystemRng,
    services::{
        sse::Decoder,
        waiting::{due, if_any},
    },
};

type Waiter = oneshot::Sender<Result<(), SignalingError>>;

/// Orders of the application.
#[derive(Debug)]
pub(super) enum Command {
    Send { to: PeerId, signal: Value, waiter: Waiter },
    Leave,
    Shutdown,
}

/// A stream and what of it is not complete.
struct Stream {
    response: reqwest::Response,
    decoder: Decoder,
}

/// See the module.
pub(super) struct Driver {
    transport: Arc<Transport>,
    timings: SignalingTimings,
    machine: Machine,
    started: Instant,
    identity: Option<Arc<Identity>>,
    events: Arc<Fanout<SignalingEvent>>,
    state: watch::Sender<State>,
    waiting: HashMap<Key, Waiter>,
    next_key: Key,
    attempts: u64,
    opening: Option<BoxFuture<'static, Result<Opened, OpenFailure>>>,
    stream: Option<Stream>,
    posts: FuturesUnordered<BoxFuture<'static, (Key, Outcome)>>,
    leaving: Option<BoxFuture<'static, ()>>,
    ended: bool,
}

enum Woken {
    Ordered(Option<Command>),
    Opened(Result<Opened, OpenFailure>),
    Received(Result<Option<bytes::Bytes>, reqwest::Error>),
    Posted(Key, Outcome),
    Left,
    Due,
}

impl Driver {
    pub(super) fn new(
        transport: Arc<Transport>,
        timings: SignalingTimings,
        session: Option<SessionCredentials>,
        events: Arc<Fanout<SignalingEvent>>,
    ) -> Self {
        Self {
            transport,
            machine: Machine::start(timings.clone(), session, Duration::ZERO),
            timings,
            started: Instant::now(),
            identity: None,
            events,
            state: watch::channel(State::default()).0,
            waiting: HashMap::default(),
            next_key: 0,
            attempts: 0,
            opening: None,
            stream: None,
            posts: FuturesUnordered::new(),
            leaving: None,
            ended: false,
        }
    }

    pub(super) fn signing(mut self, identity: Option<Arc<Identity>>) -> Self {
        self.identity = identity;
        self
    }

    pub(super) fn publishing(mut self, state: watch::Sender<State>) -> Self {
        self.state = state;
        self
    }

    pub(super) async fn run(mut self, mut orders: mpsc::Receiver<Command>) {
        let mut owned = true;
        loop {
            self.act();
            if self.ended {
                return;
            }
            let wake = self.machine.next_wake().map(|elapsed| self.started + elapsed);
            let woken = tokio::select! {
                order = orders.recv(), if owned => Woken::Ordered(order),
                opened = if_any(&mut self.opening) => Woken::Opened(opened),
                received = received(&mut self.stream) => Woken::Received(received),
                Some((key, outcome)) = self.posts.next() => Woken::Posted(key, outcome),
                () = if_any(&mut self.leaving) => Woken::Left,
                () = due(wake) => Woken::Due,
            };
            match woken {
                Woken::Ordered(Some(Command::Send { to, signal, waiter })) => {
                    self.send(to, signal, waiter);
                }
                Woken::Ordered(Some(Command::Leave)) => {
                    self.tell(Input::Leave(self.timings.leave));
                }
                Woken::Ordered(order) => {
                    owned = order.is_some();
                    self.tell(Input::Leave(self.timings.shutdown));
                }
                Woken::Opened(result) => self.opened(result),
                Woken::Received(received) => self.received(received),
                Woken::Posted(key, outcome) => self.tell(Input::Posted(key, outcome)),
                Woken::Left => {
                    self.leaving = None;
                    self.tell(Input::Left);
                }
                Woken::Due => {
                    let now = self.started.elapsed();
                    self.machine.tick(now, &mut SystemRng);
                }
            }
        }
    }

    fn tell(&mut self, input: Input) {
        let now = self.started.elapsed();
        self.machine.handle(input, now, &mut SystemRng);
    }

    fn send(&mut self, to: PeerId, mut signal: Value, waiter: Waiter) {
        if let (Some(identity), Some(held)) = (&self.identity, self.machine.credentials())
            && signal.get("sdp").is_some()
        {
            let room = &self.transport.room;
            let context = SignalContext { room, sender: &held.id, to: &to };
            sign_signal(&mut signal, context, identity, &mut SystemRng);
        }
        self.next_key += 1;
        let key = self.next_key;
        self.waiting.insert(key, waiter);
        let is_candidate = is_candidate(&signal);
        let signal = signal.to_string().into();
        self.tell(Input::Send(Outgoing { key, to, signal, is_candidate }));
    }

    fn opened(&mut self, result: Result<Opened, OpenFailure>) {
        self.opening = None;
        match result {
            Ok(Opened { response, header_auth }) => {
                self.stream = Some(Stream { response, decoder: Decoder::new() });
                self.tell(Input::Opened { header_auth });
            }
            Err(failure) => self.tell(Input::OpenFailed(failure)),
        }
    }

    fn received(&mut self, received: Result<Option<bytes::Bytes>, reqwest::Error>) {
        let Some(stream) = &mut self.stream else { return };
        let ended = match received {
            Ok(Some(bytes)) => {
                let events = stream.decoder.feed(&bytes);
                let retry = stream.decoder.retry();
                self.tell(Input::Heard);
                if let Some(retry) = retry {
                    self.tell(Input::Retry(retry));
                }
                match events {
                    Ok(events) => {
                        for event in events {
                            self.tell(Input::Event(event));
                        }
                        return;
                    }
                    Err(_) => SignalingError::Protocol { problem: "an event exceeds 1 MiB" },
                }
            }
            Ok(None) => SignalingError::StreamLost { reason: "the server ended it".into() },
            Err(error) => SignalingError::StreamLost { reason: reasons(&error.without_url()) },
        };
        self.stream = None;
        self.tell(Input::Ended(ended));
    }

    fn act(&mut self) {
        loop {
            let actions = self.machine.take_actions();
            if actions.is_empty() {
                return;
            }
            for action in actions {
                self.perform(action);
            }
        }
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Open => {
                let transport = Arc::clone(&self.transport);
                let held = self.held();
                self.attempts += 1;
                let attempt = self.attempts;
                let opening = async move { transport.open(held.as_ref(), attempt).await };
                self.opening = Some(Box::pin(opening));
            }
            Action::Drop => (self.opening, self.stream) = (None, None),
            Action::Post { key, to, signal } => {
                let Some(held) = self.held() else { return };
                let (transport, within) = (Arc::clone(&self.transport), self.timings.send_try);
                self.posts.push(Box::pin(async move {
                    (key, transport.signal(&held, &to, &signal, within).await)
                }));
            }
            Action::PostLeave => {
                let Some(held) = self.held() else { return };
                let (transport, within) = (Arc::clone(&self.transport), self.timings.leave);
                self.leaving = Some(Box::pin(async move { transport.leave(&held, within).await }));
            }
            Action::Event(event) => self.publish(event),
            Action::Finish(key, result) => {
                if let Some(waiter) = self.waiting.remove(&key) {
                    // Whoever has stopped waiting does not hear it.
                    let _ = waiter.send(result);
                }
            }
            Action::End => self.ended = true,
        }
    }

    fn held(&self) -> Option<SessionCredentials> {
        self.machine.credentials().map(SessionCredentials::duplicate)
    }

    fn publish(&mut self, mut event: SignalingEvent) {
        use SignalingEvent as Event;
        if let Event::Signal(signal) = &mut event
            && let Some(held) = self.machine.credentials()
        {
            let room = &self.transport.room;
            let context = SignalContext { room, sender: &signal.sender, to: &held.id };
            signal.author = verify_signal(&signal.value, context);
            if let Author::Invalid(error) = &signal.author {
                tracing::warn!(target: "agentmesh", %error, "signaling: a signature does not fit");
            }
        }
        tracing::debug!(target: "agentmesh", event = name(&event), "signaling");
        let held = self.held();
        // The state first: who hears of an event can ask for it.
        self.state.send_modify(|state| match &event {
            Event::Joined { ice_servers, .. }
            | Event::Resumed { ice_servers, .. }
            | Event::IdentityChanged { ice_servers, .. } => {
                state.session = held.map(Arc::new);
                state.ice_servers = ice_servers.clone();
                state.online = true;
                state.first.get_or_insert(Ok(()));
            }
            Event::IdentityLost { .. } => state.session = None,
            Event::Roster(roster) => state.peers = roster.peers.as_slice().into(),
            Event::Disconnected { error, .. } => {
                state.online = false;
                state.first.get_or_insert_with(|| Err(error.clone()));
            }
            Event::Closed { error } => {
                (state.online, state.session) = (false, None);
                state.first.get_or_insert_with(|| Err(error.clone()));
                state.ended = Some(error.clone());
            }
            _ => {}
        });
        self.events.publish(&event);
        if matches!(event, Event::Closed { .. }) {
            self.events.close();
        }
    }
}

const fn name(event: &SignalingEvent) -> &'static str {
    match event {
        SignalingEvent::Joined { .. } => "joined",
        SignalingEvent::Resumed { .. } => "resumed",
        SignalingEvent::IdentityLost { .. } => "identity lost",
        SignalingEvent::IdentityChanged { .. } => "identity changed",
        SignalingEvent::Roster(_) => "roster",
        SignalingEvent::Signal(_) => "signal",
        SignalingEvent::Unreadable { .. } => "unreadable",
        SignalingEvent::Disconnected { .. } => "disconnected",
        SignalingEvent::Superseded => "superseded",
        SignalingEvent::Closed { .. } => "closed",
        SignalingEvent::Lagged { .. } => "lagged",
    }
}

async fn received(stream: &mut Option<Stream>) -> Result<Option<bytes::Bytes>, reqwest::Error> {
    match stream {
        Some(stream) => stream.response.chunk().await,
        None => std::future::pending().await,
    }
}

/// The reason that a driver which ended without a word leaves.
impl Drop for Driver {
    fn drop(&mut self) {
        self.state.send_modify(|state| {
            state.ended.get_or_insert(SignalingError::Closed);
            state.online = false;
        });
        self.events.close();
    }
}
