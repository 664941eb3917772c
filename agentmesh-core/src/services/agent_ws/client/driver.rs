//! Gives the state machine a socket, a clock and somebody to answer to. Decides nothing.

use std::{sync::Arc, time::Duration};

use futures_util::{SinkExt, StreamExt};
use http::HeaderMap;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, timeout},
};
use tokio_tungstenite::tungstenite::{
    self,
    protocol::{CloseFrame, frame::coding::CloseCode},
};
use url::Url;

use super::{
    super::{
        AgentWebSocketError, AgentWebSocketEvent, ClientTimings, MAX_ANSWER_FRAME, MessageKind,
        machine::{Action, Ask, Input, Key, Machine, Moment, OpenFailure, Say},
    },
    State,
    stream::Waiter,
};
use crate::{
    client::{
        http::{reasons, retry_after_seconds},
        platform::{BoxFuture, Clock},
        subscription::Fanout,
        transport::{
            TransportError,
            ws_native::{NativeSocket, OpenError, WsConnector},
        },
    },
    maps::HashMap,
    rng::SystemRng,
    services::waiting::{due, if_any},
};

/// A server that takes nothing for so long is gone.
const WRITE: Duration = Duration::from_secs(10);
/// For our answer to a close.
const CLOSE_REPLY: Duration = Duration::from_millis(500);
/// Characters of a refusal.
const MAX_TEXT: usize = 200;

/// Orders of the application.
#[derive(Debug)]
pub(super) enum Command {
    Ask { content: String, deadline: Duration, waiter: Waiter },
    Say { kind: MessageKind, content: String, metadata: Option<serde_json::Value>, waiter: Waiter },
    Close,
}

/// Whom to connect to, and how.
#[derive(Debug)]
pub(super) struct Dial {
    pub(super) connector: Arc<WsConnector>,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
}

type Opening = BoxFuture<'static, Result<Box<NativeSocket>, OpenFailure>>;

/// See the module.
pub(super) struct Driver {
    dial: Dial,
    machine: Machine,
    started: Instant,
    clock: Clock,
    events: Arc<Fanout<AgentWebSocketEvent>>,
    state: watch::Sender<State>,
    waiting: HashMap<Key, Waiter>,
    next_key: Key,
    opening: Option<Opening>,
    socket: Option<Box<NativeSocket>>,
    ended: bool,
}

enum Woken {
    Ordered(Option<Command>),
    Opened(Result<Box<NativeSocket>, OpenFailure>),
    Received(Option<Result<tungstenite::Message, tungstenite::Error>>),
    Due,
}

impl Driver {
    pub(super) fn new(
        dial: Dial,
        timings: ClientTimings,
        clock: Clock,
        events: Arc<Fanout<AgentWebSocketEvent>>,
        state: watch::Sender<State>,
    ) -> Self {
        let now = Moment { elapsed: Duration::ZERO, at: clock.now() };
        Self {
            dial,
            machine: Machine::start(timings, now),
            started: Instant::now(),
            clock,
            events,
            state,
            waiting: HashMap::default(),
            next_key: 0,
            opening: None,
            socket: None,
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
                received = received(&mut self.socket) => Woken::Received(received),
                () = due(wake) => Woken::Due,
            };
            match woken {
                Woken::Ordered(order) => self.ordered(order),
                Woken::Opened(result) => {
                    self.opening = None;
                    match result {
                        Ok(socket) => {
                            self.socket = Some(socket);
                            self.tell(Input::Opened);
                        }
                        Err(failure) => self.tell(Input::OpenFailed(failure)),
                    }
                }
                Woken::Received(received) => self.received(received).await,
                Woken::Due => {
                    let now = self.now();
                    self.machine.tick(now, &mut SystemRng);
                }
            }
        }
    }

    fn now(&self) -> Moment {
        Moment { elapsed: self.started.elapsed(), at: self.clock.now() }
    }

    fn tell(&mut self, input: Input) {
        let now = self.now();
        self.machine.handle(input, now, &mut SystemRng);
    }

    fn ordered(&mut self, order: Option<Command>) {
        match order {
            // Nobody holds the client any more.
            None | Some(Command::Close) => self.tell(Input::Close),
            Some(Command::Ask { content, deadline, waiter }) => {
                let (key, stream) = (self.key(), waiter.streams());
                self.waiting.insert(key, waiter);
                self.tell(Input::Ask(Ask { key, content, deadline, stream }));
            }
            Some(Command::Say { kind, content, metadata, waiter }) => {
                let key = self.key();
                self.waiting.insert(key, waiter);
                self.tell(Input::Say(Say { key, kind, content, metadata }));
            }
        }
    }

    const fn key(&mut self) -> Key {
        self.next_key += 1;
        self.next_key
    }

    async fn received(
        &mut self,
        received: Option<Result<tungstenite::Message, tungstenite::Error>>,
    ) {
        use tungstenite::Message;
        let input = match received {
            Some(Ok(Message::Text(text))) => Input::Text(text.as_str().to_owned()),
            Some(Ok(Message::Binary(_))) => Input::Binary,
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Input::Heard,
            Some(Ok(Message::Close(frame))) => {
                if let Some(socket) = &mut self.socket {
                    // Sends the answer to the close. If it cannot, the connection ends all the same.
                    let _ = timeout(CLOSE_REPLY, socket.flush()).await;
                }
                Input::Gone {
                    code: frame.as_ref().map(|frame| frame.code.into()),
                    reason: frame.map(|frame| frame.reason.as_str().to_owned()).unwrap_or_default(),
                }
            }
            Some(Err(error)) => Input::Gone { code: None, reason: reasons(&error) },
            None => Input::Gone { code: None, reason: "closed without a close frame".into() },
        };
        self.tell(input);
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
            Action::Open => self.opening = Some(open(&self.dial)),
            Action::Drop => (self.opening, self.socket) = (None, None),
            Action::Send(text) => self.write(tungstenite::Message::text(text)).await,
            Action::Ping => {
                self.write(tungstenite::Message::Ping(bytes::Bytes::from_static(b"a"))).await;
            }
            Action::Close => {
                let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
                self.write(tungstenite::Message::Close(Some(frame))).await;
            }
            Action::Event(event) => self.publish(&event),
            Action::Delta(key, message) => {
                if let Some(waiter) = self.waiting.get(&key) {
                    waiter.piece(message);
                }
            }
            Action::Finish(key, result) => {
                if let Some(waiter) = self.waiting.remove(&key) {
                    waiter.finish(result);
                }
            }
            Action::End => self.ended = true,
        }
    }

    fn publish(&self, event: &AgentWebSocketEvent) {
        use AgentWebSocketEvent as Event;
        // The state first: who hears of a session can ask for it.
        self.state.send_modify(|state| match event {
            Event::Connected(session) | Event::NewSession(session) => {
                state.session = Some(session.clone());
                state.first.get_or_insert(Ok(()));
            }
            Event::Disconnected { error, .. } => {
                state.session = None;
                state.first.get_or_insert_with(|| Err(error.clone()));
            }
            Event::Closed { error } => {
                state.session = None;
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

    async fn write(&mut self, message: tungstenite::Message) {
        let Some(socket) = &mut self.socket else { return };
        let reason = match timeout(WRITE, socket.send(message)).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => reasons(&error),
            Err(_) => "the server takes nothing".to_owned(),
        };
        self.socket = None;
        self.tell(Input::Gone { code: None, reason });
    }
}

fn open(dial: &Dial) -> Opening {
    let (connector, url) = (Arc::clone(&dial.connector), dial.url.clone());
    let headers = dial.headers.clone();
    Box::pin(async move {
        connector.open(&url, headers, MAX_ANSWER_FRAME).await.map(Box::new).map_err(failure)
    })
}

fn failure(error: OpenError) -> OpenFailure {
    let error = match error {
        OpenError::Handshake { error, .. } => match *error {
            tungstenite::Error::Http(response) => {
                let body = response.body().as_deref().unwrap_or_default();
                return OpenFailure::Refused {
                    status: response.status().as_u16(),
                    text: plain(body),
                    retry_after: retry_after_seconds(response.headers()).map(Duration::from_secs),
                };
            }
            other => return OpenFailure::Network(reasons(&other)),
        },
        OpenError::Transport(error) => error,
    };
    match error {
        TransportError::InvalidUrl { reason } => {
            OpenFailure::Refused { status: 0, text: reason, retry_after: None }
        }
        TransportError::Connect { host, reason } => {
            OpenFailure::Network(format!("{host}: {reason}"))
        }
        other => OpenFailure::Network(other.to_string()),
    }
}

/// A server's words on one line; nothing for a page of HTML.
fn plain(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    if text.starts_with('<') {
        return String::new();
    }
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_TEXT).collect()
}

async fn received(
    socket: &mut Option<Box<NativeSocket>>,
) -> Option<Result<tungstenite::Message, tungstenite::Error>> {
    match socket {
        Some(socket) => socket.next().await,
        None => std::future::pending().await,
    }
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver").finish_non_exhaustive()
    }
}

/// The reason that a driver which ended without a word leaves.
impl Drop for Driver {
    fn drop(&mut self) {
        self.state.send_modify(|state| {
            let closed = || AgentWebSocketError::Closed { reason: "dropped".into() };
            state.ended.get_or_insert_with(closed);
        });
    }
}
