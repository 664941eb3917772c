//! Gives the state machine a socket, a clock, and somebody to answer to. Decides nothing.

use std::{fmt, sync::Arc, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, timeout},
};

use super::{
    super::{SecretText, UserDataError},
    ChannelEvent, HookAnswer, HookHandler, HookRequest,
    machine::{Action, Answer, Input, Key, Machine, Order, Terms},
    turn::{TurnWriter, closed},
};
use crate::{
    client::{
        platform::{BoxFuture, Task, spawn},
        subscription::Fanout,
    },
    maps::HashMap,
    rng::SystemRng,
    services::{
        socketio::{Dial, DialFailure, Line, Received, received},
        waiting::{due, if_any},
    },
};

/// A server that takes nothing for so long is gone.
const WRITE: Duration = Duration::from_secs(10);

/// Who waits for the last word on an order.
#[derive(Debug)]
pub(super) enum Waiter {
    Turn(TurnWriter),
    Call(oneshot::Sender<Result<Answer, UserDataError>>),
}

/// What the application says to the driver.
#[derive(Debug)]
pub(super) enum Command {
    Order(Box<Order>, Waiter),
    Close,
}

/// Where the channel is.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct State {
    /// How the first attempt ended.
    pub(super) first: Option<Result<(), UserDataError>>,
    pub(super) connected: bool,
    pub(super) conversation: Option<String>,
    pub(super) ended: Option<UserDataError>,
}

type Opening = BoxFuture<'static, Result<Line, DialFailure>>;
type Renewing = BoxFuture<'static, Result<Option<SecretText>, UserDataError>>;
/// Sets the session up again, and says with what the channel is opened then.
pub(in super::super) type Renew = Box<dyn Fn() -> Renewing + Send + Sync>;
type Asked = BoxFuture<'static, (u64, Option<HookAnswer>)>;

/// See the module.
pub(in super::super) struct Driver {
    dial: Dial,
    renew: Renew,
    machine: Machine,
    handler: Option<Arc<dyn HookHandler>>,
    started: Instant,
    events: Arc<Fanout<ChannelEvent>>,
    state: watch::Sender<State>,
    waiting: HashMap<Key, Waiter>,
    next_key: Key,
    opening: Option<Opening>,
    renewing: Option<Renewing>,
    line: Option<Line>,
    asked: FuturesUnordered<Asked>,
    ended: bool,
}

enum Woken {
    Ordered(Option<Command>),
    Opened(Result<Line, DialFailure>),
    Received(Received),
    Decided(u64, Option<HookAnswer>),
    Renewed(Result<Option<SecretText>, UserDataError>),
    Due,
}

impl Driver {
    pub(in super::super) fn new(
        dial: Dial,
        renew: Renew,
        terms: Terms,
        events: Arc<Fanout<ChannelEvent>>,
        state: watch::Sender<State>,
    ) -> Self {
        Self {
            dial,
            renew,
            handler: terms.hooks.handler().cloned(),
            machine: Machine::start(terms, Duration::ZERO),
            started: Instant::now(),
            events,
            state,
            waiting: HashMap::default(),
            next_key: 0,
            opening: None,
            renewing: None,
            line: None,
            asked: FuturesUnordered::new(),
            ended: false,
        }
    }

    pub(super) async fn run(mut self, mut orders: mpsc::Receiver<Command>) {
        loop {
            self.act().await;
            if self.ended {
                return;
            }
            let wake = self.machine.next_wake().map(|elapsed| self.started + elapsed);
            let woken = tokio::select! {
                order = orders.recv() => Woken::Ordered(order),
                opened = if_any(&mut self.opening) => Woken::Opened(opened),
                renewed = if_any(&mut self.renewing) => Woken::Renewed(renewed),
                received = received(&mut self.line) => Woken::Received(received),
                Some((ack, answer)) = self.asked.next() => Woken::Decided(ack, answer),
                () = due(wake) => Woken::Due,
            };
            match woken {
                // Nobody holds the channel any more.
                Woken::Ordered(None | Some(Command::Close)) => self.tell(Input::Close),
                Woken::Ordered(Some(Command::Order(order, waiter))) => {
                    self.next_key += 1;
                    self.waiting.insert(self.next_key, waiter);
                    self.tell(Input::Ordered(self.next_key, *order));
                }
                Woken::Opened(result) => {
                    self.opening = None;
                    match result {
                        Ok(line) => {
                            self.line = Some(line);
                            self.tell(Input::Opened);
                        }
                        Err(failure) => self.tell(Input::OpenFailed(failure)),
                    }
                }
                Woken::Received(received) => {
                    if matches!(received, Received::Gone(_) | Received::Fault(_)) {
                        self.line = None;
                    }
                    self.tell(Input::Received(received));
                }
                Woken::Decided(ack, answer) => self.tell(Input::Decided(ack, answer)),
                Woken::Renewed(result) => {
                    self.renewing = None;
                    self.tell(Input::Renewed(result));
                }
                Woken::Due => {
                    let now = self.started.elapsed();
                    self.machine.tick(now, &mut SystemRng);
                }
            }
        }
    }

    fn tell(&mut self, input: Input) {
        self.machine.handle(input, self.started.elapsed(), &mut SystemRng);
    }

    async fn act(&mut self) {
        loop {
            let actions = self.machine.take_actions();
            if actions.is_empty() {
                return;
            }
            for action in actions {
                self.perform(action).await;
            }
        }
    }

    async fn perform(&mut self, action: Action) {
        match action {
            Action::Open(transport) => self.opening = Some(self.dial.open(transport)),
            Action::Drop => {
                (self.opening, self.renewing, self.line) = (None, None, None);
                self.asked.clear();
            }
            Action::Renew => self.renewing = Some((self.renew)()),
            Action::Send(frame) => self.write(Some(frame.text())).await,
            Action::Close => self.write(None).await,
            Action::Event(event) => self.publish(&event),
            Action::Part(key, part) => {
                if let Some(Waiter::Turn(turn)) = self.waiting.get_mut(&key) {
                    turn.part(part);
                }
            }
            Action::Finish(key, result) => self.finish(key, result),
            Action::Ask(ack, request) => self.ask(ack, request),
            Action::End => self.ended = true,
        }
    }

    fn finish(&mut self, key: Key, result: Result<Answer, UserDataError>) {
        match self.waiting.remove(&key) {
            Some(Waiter::Turn(turn)) => turn.finish(match result {
                Ok(Answer::Turn(end)) => Ok(end),
                Ok(_) => Err(closed()),
                Err(error) => Err(error),
            }),
            // Whoever has stopped waiting does not hear it.
            Some(Waiter::Call(sender)) => drop(sender.send(result)),
            None => {}
        }
    }

    /// In a task of its own: what it does with its thread is not the channel's business.
    fn ask(&self, ack: u64, request: HookRequest) {
        let Some(handler) = self.handler.clone() else { return };
        let task: Task<_> = spawn(async move { handler.decide(request).await });
        // A handler that panicked has no answer.
        self.asked.push(Box::pin(async move { (ack, task.await.ok().flatten()) }));
    }

    fn publish(&self, event: &ChannelEvent) {
        use ChannelEvent as Event;
        // The state first: who hears of a connection can ask for it.
        self.state.send_modify(|state| match event {
            Event::Connected => {
                state.connected = true;
                state.first.get_or_insert(Ok(()));
            }
            Event::Conversation { id } => state.conversation = Some(id.clone()),
            Event::Cleared => state.conversation = None,
            Event::Disconnected { error, .. } => {
                state.connected = false;
                state.first.get_or_insert_with(|| Err(error.clone()));
            }
            Event::Closed { error } => {
                state.connected = false;
                state.first.get_or_insert_with(|| Err(error.clone()));
                state.ended = Some(error.clone());
            }
            _ => {}
        });
        self.events.publish(event);
        if matches!(event, Event::Closed { .. }) {
            self.events.close();
        }
    }

    /// A frame, or the wish to close.
    async fn write(&mut self, frame: Option<&str>) {
        let Some(line) = &mut self.line else { return };
        let written = async {
            match frame {
                Some(frame) => line.send(frame).await,
                None => line.close().await,
            }
        };
        let reason = match timeout(WRITE, written).await {
            Ok(Ok(())) => return,
            Ok(Err(reason)) => reason,
            Err(_) => "the server takes nothing".to_owned(),
        };
        self.line = None;
        self.tell(Input::Received(Received::Gone(reason)));
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").finish_non_exhaustive()
    }
}

/// The reason that a driver which ended without a word leaves.
impl Drop for Driver {
    fn drop(&mut self) {
        self.state.send_modify(|state| {
            state.ended.get_or_insert_with(closed);
        });
    }
}
