//! Queries from asking to answer: their order, their deadlines, and who gets an answer that names nobody.
//!
//! A server that echoes no ids answers in an order of its own. So it gets one query at a time, and a query that was given
//! up still owns the next answer, until the connection is given up as well.

use std::{collections::VecDeque, time::Duration};

use rand_core::CryptoRng;
use serde_json::{Value, json};

use super::{
    Action, AgentWebSocketError, Ask, ClientTimings, Key, MAX_FRAME, Machine, MessageKind, Moment,
    Phase, Say, id, write,
};

/// Bytes of the summary for a new session.
const MAX_SUMMARY: usize = 32 * 1024;

/// One query.
#[derive(Debug)]
pub(super) struct Pending {
    /// `None` if nobody waits: a summary, or a query that was given up.
    key: Option<Key>,
    id: String,
    content: String,
    stream: bool,
    sent: bool,
    deadline: Duration,
    allowed: Duration,
}

/// All queries, oldest first.
#[derive(Debug)]
pub(super) struct Queries {
    all: VecDeque<Pending>,
    limit: usize,
}

impl Queries {
    pub(super) const fn new(limit: usize) -> Self {
        Self { all: VecDeque::new(), limit }
    }

    pub(super) fn next_deadline(&self) -> Option<Duration> {
        self.all.iter().map(|query| query.deadline).min()
    }

    /// Before everything that waits.
    pub(super) fn put_first(&mut self, query: Pending) {
        self.all.push_front(query);
    }

    /// The connection is lost: what was sent will not be answered. What was not sent waits for the next.
    pub(super) fn fail_sent(&mut self, error: &AgentWebSocketError, actions: &mut Vec<Action>) {
        let lost = match error {
            AgentWebSocketError::ConnectionLost { .. } => error.clone(),
            other => AgentWebSocketError::ConnectionLost { reason: other.to_string() },
        };
        self.fail(&lost, actions, |query| query.sent);
        // A summary of an older session that never left.
        self.all.retain(|query| query.key.is_some());
    }

    pub(super) fn fail(
        &mut self,
        error: &AgentWebSocketError,
        actions: &mut Vec<Action>,
        which: impl Fn(&Pending) -> bool,
    ) {
        self.all.retain(|query| {
            let fails = which(query);
            if let Some(key) = query.key.filter(|_| fails) {
                actions.push(Action::Finish(key, Err(error.clone())));
            }
            !fails
        });
    }

    /// Takes the query that an answer is for.
    pub(super) fn take(&mut self, correlation: Option<&str>) -> Option<(Option<Key>, String)> {
        let at = match correlation {
            Some(id) => self.all.iter().position(|query| query.sent && query.id == id),
            None => self.all.iter().position(|query| query.sent),
        }?;
        self.all.remove(at).map(|query| (query.key, query.content))
    }

    pub(super) fn key_of(&self, correlation: &str) -> Option<Key> {
        self.all.iter().find(|query| query.sent && query.id == correlation)?.key
    }
}

/// What the lost sessions were about, as a query that nobody waits for.
pub(super) fn summary(
    told: &VecDeque<(String, String)>,
    now: Duration,
    timings: &ClientTimings,
) -> Pending {
    let mut content = "For context, this is the conversation so far, from a connection that was \
                       lost. Reply with OK only."
        .to_owned();
    for (question, answer) in told {
        let turn = format!("\n\nUser: {question}\nAssistant: {answer}");
        if content.len() + turn.len() > MAX_SUMMARY {
            break;
        }
        content.push_str(&turn);
    }
    Pending {
        key: None,
        id: "context".into(),
        content,
        stream: false,
        sent: false,
        deadline: now + timings.query,
        allowed: timings.query,
    }
}

impl Machine {
    pub(super) fn ask(&mut self, ask: Ask, now: Moment, rng: &mut dyn CryptoRng) {
        let Ask { key, content, deadline, stream } = ask;
        if let Err(error) = self.check_ask(&content) {
            return self.finish(key, Err(error));
        }
        self.queries.all.push_back(Pending {
            key: Some(key),
            id: id::uuid(rng),
            content,
            stream,
            sent: false,
            deadline: now.elapsed + deadline,
            allowed: deadline,
        });
        self.pump(now);
    }

    fn check_ask(&self, content: &str) -> Result<(), AgentWebSocketError> {
        if matches!(self.phase, Phase::Closing { .. } | Phase::Closed) {
            return Err(AgentWebSocketError::Closed { reason: "closed".into() });
        }
        if content.trim().is_empty() {
            return Err(AgentWebSocketError::Empty);
        }
        if self.queries.all.len() >= self.queries.limit {
            return Err(AgentWebSocketError::TooManyWaiting { limit: self.queries.limit });
        }
        let frame = frame(&MessageKind::Query, content, Moment::START, "", None, true);
        if frame.len() + ID_ROOM > MAX_FRAME {
            return Err(AgentWebSocketError::TooLong { limit: MAX_FRAME });
        }
        Ok(())
    }

    /// Sends what may be sent now.
    pub(super) fn pump(&mut self, now: Moment) {
        let Phase::Open(open) = &self.phase else { return };
        if open.welcome_until.is_some() {
            return;
        }
        let together = open.session.correlates;
        for at in 0..self.queries.all.len() {
            if !together && self.queries.all.iter().any(|query| query.sent) {
                return;
            }
            let Some(query) = self.queries.all.get_mut(at).filter(|query| !query.sent) else {
                continue;
            };
            query.sent = true;
            let Pending { content, id, stream, .. } = query;
            let text = frame(&MessageKind::Query, content, now, id, None, *stream);
            self.actions.push(Action::Send(text));
        }
    }

    /// Commands and feedback overtake queries.
    pub(super) fn say(
        &mut self,
        say: &Say,
        now: Moment,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), AgentWebSocketError> {
        let open = match &self.phase {
            Phase::Open(open) if open.welcome_until.is_none() => open,
            Phase::Closing { .. } | Phase::Closed => {
                return Err(AgentWebSocketError::Closed { reason: "closed".into() });
            }
            _ => return Err(AgentWebSocketError::NotConnected),
        };
        if say.content.trim().is_empty() {
            return Err(AgentWebSocketError::Empty);
        }
        if !open.session.correlates {
            return Err(AgentWebSocketError::CommandsUnknown);
        }
        let id = id::uuid(rng);
        let text = frame(&say.kind, &say.content, now, &id, say.metadata.as_ref(), false);
        if text.len() > MAX_FRAME {
            return Err(AgentWebSocketError::TooLong { limit: MAX_FRAME });
        }
        self.actions.push(Action::Send(text));
        Ok(())
    }

    pub(super) fn expire_queries(&mut self, now: Moment, rng: &mut dyn CryptoRng) {
        let correlates = matches!(&self.phase, Phase::Open(open) if open.session.correlates);
        let mut stuck = false;
        let actions = &mut self.actions;
        self.queries.all.retain_mut(|query| {
            if now.elapsed < query.deadline {
                return true;
            }
            let Some(key) = query.key.take() else {
                stuck |= query.sent && !correlates;
                return false;
            };
            let after = query.allowed;
            actions.push(Action::Finish(key, Err(AgentWebSocketError::Timeout { after })));
            // The next answer without a name is still this one's.
            query.deadline = now.elapsed + query.allowed;
            query.sent && !correlates
        });
        if stuck {
            self.actions.push(Action::Drop);
            let reason = "a query was never answered".to_owned();
            self.lost(AgentWebSocketError::ConnectionLost { reason }, None, now, rng);
        } else {
            self.pump(now);
        }
    }

    pub(super) fn fail_all(&mut self, error: &AgentWebSocketError) {
        self.queries.fail(error, &mut self.actions, |_| true);
    }
}

/// Room for the id that a query gets when it is sent.
const ID_ROOM: usize = 40;

impl Moment {
    const START: Self = Self { elapsed: Duration::ZERO, at: crate::Timestamp::ZERO };
}

fn frame(
    kind: &MessageKind,
    content: &str,
    now: Moment,
    id: &str,
    metadata: Option<&Value>,
    stream: bool,
) -> String {
    let mut members = write(kind, content, now.at.to_rfc3339_millis().into());
    members.insert("id".into(), id.into());
    if stream {
        members.insert("options".into(), json!({"stream": true}));
    }
    if let Some(metadata) = metadata {
        members.insert("metadata".into(), metadata.clone());
    }
    Value::Object(members).to_string()
}
