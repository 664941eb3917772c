//! What a frame of the server means.

use super::{
    Action, AgentWebSocketError, AgentWebSocketEvent as Event, Dialect, Key, Machine, Message,
    MessageKind, Moment, Phase, id,
};

/// The close code of a conversation that is over.
pub(super) const NORMAL: u16 = 1000;
/// The reason that goes with it when nothing was said for too long.
pub(super) const SESSION_TIMEOUT: &str = "Session timeout";
/// Characters of a server's error.
const MAX_ERROR: usize = 1000;

impl Machine {
    pub(super) fn read(&mut self, text: &str, now: Moment) {
        let message = match Message::parse(text, now.at) {
            Ok(message) => message,
            Err(reason) => return self.event(Event::Unreadable { reason: reason.into() }),
        };
        if self.welcome(&message) {
            self.ready(now);
        }
        match message.kind {
            MessageKind::Status => self.event(Event::Status(message)),
            MessageKind::Notification => self.event(Event::Notification(message)),
            MessageKind::Response | MessageKind::Error => self.answer(message, now),
            MessageKind::ResponseDelta => self.delta(message),
            _ => self.event(Event::Other(message)),
        }
    }

    /// Whether this is the welcome that was waited for; what it tells of the server is kept.
    fn welcome(&mut self, message: &Message) -> bool {
        let Phase::Open(open) = &mut self.phase else { return false };
        if open.welcome_until.is_none() {
            return false;
        }
        let session = &mut open.session;
        session.dialect = match message.kind {
            MessageKind::Notification => Dialect::Documented,
            MessageKind::Status if message.in_millis => Dialect::Deployed,
            _ => return false,
        };
        // Only servers that know ids say it in a field of its own, and the deployed one always echoes them.
        session.correlates = message.session_id.is_some() || session.dialect == Dialect::Deployed;
        let in_text = || id::uuid_in(&message.content).map(str::to_owned);
        session.session_id = message.session_id.clone().or_else(in_text);
        session.agent.clone_from(&message.sender);
        true
    }

    fn answer(&mut self, message: Message, now: Moment) {
        if let Phase::Open(open) = &mut self.phase
            && message.correlation_id.is_some()
        {
            open.session.correlates = true;
        }
        let Some((key, question)) = self.queries.take(message.correlation_id.as_deref()) else {
            self.event(Event::Unmatched(message));
            return self.pump(now);
        };
        match key {
            None => self.event(Event::Unmatched(message)),
            Some(key) if message.kind == MessageKind::Error => {
                self.finish(key, Err(agent_error(&message)));
            }
            Some(key) => self.answered(key, question, message),
        }
        self.pump(now);
    }

    fn answered(&mut self, key: Key, question: String, message: Message) {
        if self.timings.replay_context > 0 {
            while self.told.len() >= self.timings.replay_context {
                self.told.pop_front();
            }
            self.told.push_back((question, message.content.clone()));
        }
        self.finish(key, Ok(Some(message)));
    }

    fn delta(&mut self, message: Message) {
        let key = message.correlation_id.as_deref().and_then(|id| self.queries.key_of(id));
        match key {
            Some(key) => self.actions.push(Action::Delta(key, message)),
            None => self.event(Event::Unmatched(message)),
        }
    }
}

fn agent_error(message: &Message) -> AgentWebSocketError {
    AgentWebSocketError::Agent {
        message: message.content.chars().take(MAX_ERROR).collect(),
        retry_after_ms: message
            .retry_after
            .map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX)),
    }
}
