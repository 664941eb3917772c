//! What the server's events mean.

use std::time::Duration;

use serde_json::Value;

use super::{
    super::{ChannelEvent as Event, ChannelMessage, HookRequest, Object, Role, TurnEnd, TurnPart},
    Action, Answer, Machine, UserDataError,
    calls::Kind,
    turns::Ended,
};

/// Before an agent that is still at work is asked again, in case the end of a turn was missed.
const RECHECK: Duration = Duration::from_secs(30);
/// Characters of a server's words in an error.
const MAX_ERROR: usize = 500;

impl Machine {
    pub(super) fn read(&mut self, name: &str, args: Vec<Value>, ack: Option<u64>, now: Duration) {
        let data = args.into_iter().next().unwrap_or_default();
        match name {
            "message" => self.message(data, now),
            "stream" => self.delta(data, now),
            "result" => self.result(data, now),
            "status" => self.status(&data, now),
            "error" => self.error(&data, now),
            "history" => self.history(data),
            "cleared" => self.cleared(),
            "interrupt_complete" => self.interrupt_complete(&data, now),
            "diagnostics" => self.diagnostics(data, now),
            "hook_request" => self.hook_request(data, ack, now),
            "hook_notification" => match HookRequest::parse(data) {
                Some(hook) => self.event(Event::HookNotification(hook)),
                None => self.unreadable(name),
            },
            _ => {
                // The agent is at work, even if this is not for the turn's reader.
                let _ = self.turns.heard(now);
                self.event(Event::Other { name: name.to_owned(), data });
            }
        }
    }

    fn unreadable(&mut self, name: &str) {
        let name: String = name.chars().take(64).collect();
        self.event(Event::Unreadable { reason: format!("an event `{name}` of another shape") });
    }

    fn message(&mut self, data: Value, now: Duration) {
        self.learn_conversation(&data);
        let Some(message) = ChannelMessage::parse(data) else { return self.unreadable("message") };
        let begins = message.other.0.get("subtype").and_then(Value::as_str) == Some("init");
        if begins {
            let _ = self.turns.heard(now);
            return;
        }
        if self.seen.is_new(message.key()) {
            self.said(message, now);
        }
    }

    fn said(&mut self, message: ChannelMessage, now: Duration) {
        let key = self.turns.heard(now);
        self.turns.message(&message);
        self.part(key, TurnPart::Message(message));
    }

    fn part(&mut self, key: Option<u64>, part: TurnPart) {
        match key {
            Some(key) => self.actions.push(Action::Part(key, part)),
            None => self.event(Event::Unasked(part)),
        }
    }

    fn delta(&mut self, data: Value, now: Duration) {
        let is_text = data.get("type").and_then(Value::as_str) != Some("json");
        let Some(content) = data.get("content").and_then(Value::as_str) else {
            return self.unreadable("stream");
        };
        let key = self.turns.heard(now);
        if is_text {
            self.turns.delta(content);
        }
        self.part(key, TurnPart::Delta { is_text, content: content.to_owned() });
    }

    fn result(&mut self, data: Value, now: Duration) {
        self.learn_conversation(&data);
        let result = match data {
            Value::Object(result) => result,
            other => {
                let mut fields = Object::new();
                fields.insert("result".to_owned(), other);
                fields
            }
        };
        let conversation = self.conversation.clone();
        match self.turns.result(result.clone(), conversation.as_ref()) {
            Ended::Turn(key, end) => self.finish(key, Ok(Answer::Turn(end))),
            Ended::Abandoned | Ended::Unasked => {
                let end = TurnEnd { result: Some(result), conversation, ..TurnEnd::default() };
                self.event(Event::Unasked(TurnPart::End(end)));
            }
        }
        self.turns.ended(now);
    }

    /// Whatever names the agent's conversation.
    fn learn_conversation(&mut self, data: &Value) {
        let Some(id) = data.get("session_id").and_then(Value::as_str) else { return };
        if self.conversation.as_deref() != Some(id) {
            self.conversation = Some(id.to_owned());
            self.event(Event::Conversation { id: id.to_owned() });
        }
    }

    fn status(&mut self, data: &Value, now: Duration) {
        let text = |name: &str| data.get(name).and_then(Value::as_str).unwrap_or_default();
        let (level, message) = (text("type").to_owned(), words(text("message")));
        match message.as_str() {
            "Session initialized" => self.answered(|kind| kind == Kind::Start, || Answer::Done),
            "Session resumed" if std::mem::take(&mut self.rejoining) => {
                self.event(Event::Resumed);
                self.check_turns(now);
            }
            "Session taken over" => self.taken_over = true,
            "Interrupted" => self.interrupted(now),
            _ => {}
        }
        self.event(Event::Status { level, message });
    }

    fn interrupt_complete(&mut self, data: &Value, now: Duration) {
        if data.get("success").and_then(Value::as_bool) == Some(false) {
            for (key, _) in self.calls.take(Kind::is_interrupt) {
                let message = "there is nothing to interrupt".to_owned();
                if let Some(key) = key {
                    self.finish(key, Err(UserDataError::Agent { message }));
                }
            }
        } else {
            self.interrupted(now);
        }
    }

    fn interrupted(&mut self, now: Duration) {
        for (key, kind) in self.calls.take(Kind::is_interrupt) {
            if let Kind::Interrupt(Some(turn)) = kind
                && let Some(turn) = self.turns.interrupted(turn)
            {
                self.finish(turn, Err(UserDataError::Interrupted));
            }
            if let Some(key) = key {
                self.finish(key, Ok(Answer::Done));
            }
        }
        self.check_turns(now);
    }

    fn cleared(&mut self) {
        self.seen.clear();
        self.conversation = None;
        for key in self.turns.take_all() {
            self.finish(key, Err(UserDataError::Interrupted));
        }
        self.answered(|kind| kind == Kind::Clear, || Answer::Done);
        self.event(Event::Cleared);
    }

    fn history(&mut self, data: Value) {
        let Value::Object(mut data) = data else { return self.unreadable("history") };
        let Some(Value::Array(entries)) = data.remove("messages") else {
            return self.unreadable("history");
        };
        // A server that still has the session says so before it answers anything.
        if std::mem::take(&mut self.rejoining) {
            self.event(Event::NewSession);
            for key in self.turns.take_carried_over() {
                self.finish(key, Err(UserDataError::SessionLost));
            }
        }
        let mut once = super::seen::Seen::default();
        let messages: Vec<_> = entries
            .into_iter()
            .filter_map(ChannelMessage::parse)
            .filter(|message| once.is_new(message.key()))
            .collect();
        self.answered(|kind| kind == Kind::History, || Answer::History(messages.clone()));
        let new: Vec<_> =
            messages.into_iter().filter(|message| self.seen.is_new(message.key())).collect();
        if new.is_empty() {
            return;
        }
        // What a turn has missed belongs to it.
        if let Some(key) = self.turns.waiting_front() {
            for message in new.iter().filter(|message| message.role == Role::Assistant) {
                self.turns.message(message);
                self.actions.push(Action::Part(key, TurnPart::Message(message.clone())));
            }
        }
        self.event(Event::History { messages: new });
    }

    fn diagnostics(&mut self, data: Value, now: Duration) {
        let Value::Object(data) = data else { return self.unreadable("diagnostics") };
        let asked = self.calls.take(|kind| kind == Kind::Diagnostics);
        // Only what the machine has asked itself speaks of turns from before.
        let own = asked.iter().any(|(key, _)| key.is_none());
        let running = data.get("isQueryRunning").and_then(Value::as_bool);
        if own && running == Some(false) {
            let conversation = self.conversation.clone();
            for (key, result) in self.turns.take_doubtful(conversation.as_ref()) {
                self.finish(key, result.map(Answer::Turn));
            }
        } else if own && self.turns.has_doubts() {
            self.recheck = Some(now + RECHECK);
        }
        for key in asked.into_iter().filter_map(|(key, _)| key) {
            self.finish(key, Ok(Answer::Diagnostics(data.clone())));
        }
    }

    fn error(&mut self, data: &Value, now: Duration) {
        let message = match data {
            Value::String(text) => text.as_str(),
            other => other.get("message").and_then(Value::as_str).unwrap_or_default(),
        };
        let message = words(message);
        let error = UserDataError::Agent { message: message.clone() };
        if message.contains("interrupt") {
            let asked = self.calls.take(Kind::is_interrupt);
            if !asked.is_empty() {
                for key in asked.into_iter().filter_map(|(key, _)| key) {
                    self.finish(key, Err(error.clone()));
                }
                return;
            }
        }
        let _ = self.turns.heard(now);
        if !self.turns.is_empty() {
            return match self.turns.fail_front() {
                Some(key) => self.finish(key, Err(error)),
                None => self.event(Event::Error { message }),
            };
        }
        match self.calls.take_oldest() {
            Some(key) => self.finish(key, Err(error)),
            None => self.event(Event::Error { message }),
        }
    }

    fn hook_request(&mut self, data: Value, ack: Option<u64>, now: Duration) {
        let _ = self.turns.heard(now);
        let Some(request) = HookRequest::parse(data) else {
            // Whatever it was, somebody waits: nothing that cannot be read is allowed.
            if let Some(ack) = ack.filter(|ack| !self.hooks.knows(*ack)) {
                let request = HookRequest { event: String::new(), data: Value::Null };
                let answer = super::HookAnswer::deny("the request cannot be read");
                self.answer_hook(ack, request, answer, false);
            }
            return self.unreadable("hook_request");
        };
        let Some(ack) = ack else { return self.event(Event::HookNotification(request)) };
        if self.hooks.knows(ack) {
            return;
        }
        if self.terms.hooks.handler().is_some() && self.hooks.has_room() {
            self.hooks.wait(ack, request.clone(), now + self.terms.timings.hook);
            self.actions.push(Action::Ask(ack, request));
        } else {
            let answer = self.terms.hooks.answer(&request);
            self.answer_hook(ack, request, answer, false);
        }
    }
}

/// A server's words, cut, on one line.
fn words(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_ERROR).collect()
}
