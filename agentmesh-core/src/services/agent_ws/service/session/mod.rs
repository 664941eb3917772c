//! One conversation as a state machine: frames and a time go in, effects come out. No socket, no clock, no backend.
//!
//! Queries are answered one after the other, in their order. Commands and feedback are dealt with at once, before
//! queries that wait. `inbound` reads frames, `commands` has the commands, `history` what the model is told.

mod commands;
mod history;
mod inbound;
mod rate;
#[cfg(test)]
mod tests;

use std::{collections::VecDeque, time::Duration};

use serde_json::{Value, json};

use self::{history::History, rate::Bucket};
use super::{
    super::{Dialect, MessageKind, message::write},
    AgentWebSocketConfig, ChatError, ChatMessage, ChatRequest, ChatRole, FeedbackMode, MessageRate,
};
use crate::Timestamp;

/// Messages over the rate before the connection is closed.
const MAX_VIOLATIONS: u32 = 5;
/// Violations are forgotten after so long without another.
const FORGIVEN: Duration = Duration::from_secs(60);

/// The time, twice: since the service's start for waiting, of the day for messages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) elapsed: Duration,
    pub(super) at: Timestamp,
}

/// What the connection has to do, in this order.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Send {
        text: String,
        is_error: bool,
    },
    /// Ask the backend; there is no other call.
    Call {
        request: ChatRequest,
        stream: bool,
    },
    /// Drop the call.
    Abort,
    Ping,
    /// Send a close frame; nothing follows.
    Close {
        code: u16,
        reason: &'static str,
    },
    /// Nobody is there any more.
    Drop,
}

/// A query that waits.
#[derive(Debug)]
struct Query {
    content: String,
    correlation: Option<Value>,
    stream: bool,
}

/// The query that the backend works on.
#[derive(Debug)]
struct Running {
    query: Query,
    until: Duration,
    pieces: u64,
    /// The history was cleared meanwhile: the answer is sent and not remembered.
    forgotten: bool,
}

/// The settings that a session needs.
#[derive(Debug, Clone)]
struct Settings {
    agent_name: String,
    system_prompt: String,
    dialect: Dialect,
    session_timeout: Duration,
    sweep_every: Duration,
    max_waiting: usize,
    rate: Option<MessageRate>,
    call_timeout: Duration,
    ping_every: Duration,
    pong_within: Duration,
    commands: bool,
    feedback: FeedbackMode,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Session {
    settings: Settings,
    history: History,
    waiting: VecDeque<Query>,
    running: Option<Running>,
    bucket: Option<Bucket>,
    violations: u32,
    last_violation: Duration,
    last_activity: Duration,
    next_sweep: Duration,
    heard: Duration,
    pinged: Option<Duration>,
    effects: Vec<Effect>,
}

impl Session {
    /// Begins; the effects hold the welcome.
    pub(super) fn start(
        config: &AgentWebSocketConfig,
        id: String,
        now: Moment,
    ) -> (Self, Vec<Effect>) {
        let settings = Settings {
            agent_name: config.agent_name.clone(),
            system_prompt: config.system_prompt.clone(),
            dialect: config.dialect,
            session_timeout: config.session_timeout,
            sweep_every: config.sweep_every,
            max_waiting: config.max_waiting,
            rate: config.rate,
            call_timeout: config.call_timeout,
            ping_every: config.ping_every,
            pong_within: config.pong_within,
            commands: config.commands,
            feedback: config.feedback,
        };
        let mut session = Self {
            history: History::new(config.max_history, config.max_history_bytes),
            waiting: VecDeque::new(),
            running: None,
            bucket: settings.rate.map(|rate| Bucket::full(rate, now.elapsed)),
            violations: 0,
            last_violation: now.elapsed,
            last_activity: now.elapsed,
            next_sweep: next_sweep(now.elapsed, settings.sweep_every),
            heard: now.elapsed,
            pinged: None,
            effects: Vec::new(),
            settings,
        };
        session.welcome(id, now);
        let effects = session.take();
        (session, effects)
    }

    fn welcome(&mut self, id: String, now: Moment) {
        let (kind, content) = match self.settings.dialect {
            Dialect::Deployed => {
                let name = &self.settings.agent_name;
                (MessageKind::Status, format!("Connected to {name} WebSocket server"))
            }
            _ => (
                MessageKind::Notification,
                format!("Connected to Agent WebSocket. Session ID: {id}"),
            ),
        };
        self.send(&kind, &content, None, now, [("sessionId", id.into())]);
    }

    fn take(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// Any sign of life, such as a pong: keeps the connection, not the session.
    pub(super) const fn heard(&mut self, now: Moment) {
        self.heard = now.elapsed;
        self.pinged = None;
    }

    /// When [`Session::tick`] is due.
    pub(super) fn next_wake(&self) -> Duration {
        let ping = match self.pinged {
            Some(at) => at + self.settings.pong_within,
            None => self.heard + self.settings.ping_every,
        };
        let call = self.running.as_ref().map_or(ping, |running| running.until);
        ping.min(call).min(self.next_sweep)
    }

    /// Whatever is due at `now`.
    pub(super) fn tick(&mut self, now: Moment) -> Vec<Effect> {
        if self.running.as_ref().is_some_and(|running| now.elapsed >= running.until) {
            self.effects.push(Effect::Abort);
            let after = self.settings.call_timeout;
            self.finish(Err(ChatError::Timeout { after }), now);
        }
        match self.pinged {
            Some(at) if now.elapsed >= at + self.settings.pong_within => {
                self.effects.push(Effect::Drop);
            }
            None if now.elapsed >= self.heard + self.settings.ping_every => {
                self.pinged = Some(now.elapsed);
                self.effects.push(Effect::Ping);
            }
            _ => {}
        }
        if now.elapsed >= self.next_sweep {
            self.next_sweep = next_sweep(now.elapsed, self.settings.sweep_every);
            let idle = now.elapsed.saturating_sub(self.last_activity);
            if self.running.is_none() && idle > self.settings.session_timeout {
                self.notify("Session closed due to inactivity", None, now);
                self.effects.push(Effect::Close { code: 1000, reason: "Session timeout" });
            }
        }
        self.take()
    }

    /// The backend has answered.
    pub(super) fn answered(
        &mut self,
        result: Result<String, ChatError>,
        now: Moment,
    ) -> Vec<Effect> {
        self.finish(result, now);
        self.take()
    }

    fn finish(&mut self, result: Result<String, ChatError>, now: Moment) {
        let Some(Running { query, forgotten, .. }) = self.running.take() else { return };
        let result = result.and_then(|answer| {
            if answer.trim().is_empty() { Err(ChatError::Empty) } else { Ok(answer) }
        });
        match result {
            Ok(answer) => {
                self.send(&MessageKind::Response, &answer, query.correlation.as_ref(), now, []);
                if !forgotten {
                    // Question and answer together, so that a failure leaves nothing behind.
                    self.history.push(ChatRole::User, query.content);
                    self.history.push(ChatRole::Assistant, answer);
                }
            }
            Err(error) => {
                let retry = error.retry_after().map(millis);
                let text = error.for_client();
                self.error(&text, query.correlation.as_ref(), now, retry);
            }
        }
        self.next_query(now);
    }

    /// A piece of the answer to come.
    pub(super) fn piece(&mut self, text: &str, now: Moment) -> Vec<Effect> {
        let Some(running) = &mut self.running else { return Vec::new() };
        let index = running.pieces;
        running.pieces += 1;
        let correlation = running.query.correlation.clone();
        let kind = MessageKind::ResponseDelta;
        self.send(&kind, text, correlation.as_ref(), now, [("index", index.into())]);
        self.take()
    }

    /// Somebody outside has something to say to this client.
    pub(super) fn push(&mut self, text: &str, now: Moment) -> Vec<Effect> {
        self.notify(text, None, now);
        self.take()
    }

    /// The service ends.
    pub(super) fn shut_down(&mut self, now: Moment) -> Vec<Effect> {
        self.notify("Server shutting down", None, now);
        self.effects.push(Effect::Close { code: 1001, reason: "Server shutting down" });
        self.take()
    }

    fn enqueue(&mut self, query: Query, now: Moment) {
        if self.waiting.len() + usize::from(self.running.is_some()) >= self.settings.max_waiting {
            return self.error("Too many pending messages", query.correlation.as_ref(), now, None);
        }
        self.waiting.push_back(query);
        self.next_query(now);
    }

    fn next_query(&mut self, now: Moment) {
        if self.running.is_some() {
            return;
        }
        let Some(query) = self.waiting.pop_front() else { return };
        // The answer may take longer than a client's patience; that it is worked on counts as activity.
        self.last_activity = now.elapsed;
        if self.settings.dialect == Dialect::Documented {
            self.send(&MessageKind::Status, "Thinking...", query.correlation.as_ref(), now, []);
        }
        let mut messages = vec![ChatMessage {
            role: ChatRole::System,
            content: self.settings.system_prompt.clone(),
        }];
        messages.extend(self.history.with_question(&query.content));
        let (stream, until) = (query.stream, now.elapsed + self.settings.call_timeout);
        self.running = Some(Running { query, until, pieces: 0, forgotten: false });
        self.effects.push(Effect::Call { request: ChatRequest::new(messages), stream });
    }

    fn notify(&mut self, content: &str, correlation: Option<&Value>, now: Moment) {
        self.send(&MessageKind::Notification, content, correlation, now, []);
    }

    fn status(&mut self, content: &str, correlation: Option<&Value>, now: Moment) {
        self.send(&MessageKind::Status, content, correlation, now, []);
    }

    fn error(
        &mut self,
        content: &str,
        correlation: Option<&Value>,
        now: Moment,
        retry_after_ms: Option<u64>,
    ) {
        let more = retry_after_ms.map(|ms| ("retryAfterMs", json!(ms)));
        self.send(&MessageKind::Error, content, correlation, now, more);
    }

    fn send(
        &mut self,
        kind: &MessageKind,
        content: &str,
        correlation: Option<&Value>,
        now: Moment,
        more: impl IntoIterator<Item = (&'static str, Value)>,
    ) {
        let timestamp = match self.settings.dialect {
            Dialect::Deployed => now.at.as_millis().into(),
            _ => now.at.to_rfc3339_millis().into(),
        };
        let mut members = write(kind, content, timestamp);
        members.insert("sender".into(), self.settings.agent_name.as_str().into());
        if let Some(id) = correlation {
            members.insert("correlationId".into(), id.clone());
        }
        members.extend(more.into_iter().map(|(name, value)| (name.to_owned(), value)));
        let is_error = *kind == MessageKind::Error;
        self.effects.push(Effect::Send { text: Value::Object(members).to_string(), is_error });
    }
}

fn next_sweep(now: Duration, every: Duration) -> Duration {
    let rounds = now.as_millis() / every.as_millis().max(1) + 1;
    every.saturating_mul(u32::try_from(rounds).unwrap_or(u32::MAX))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
