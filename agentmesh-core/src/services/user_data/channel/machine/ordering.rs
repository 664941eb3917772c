//! What applications want: turns, questions, answers to hooks.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    super::{ChannelEvent, HookAnswer, HookRequest, Object, TurnOptions},
    Answer, Key, Machine, Order, Phase, UserDataError,
    calls::Kind,
    turns::MAX_TURNS,
};

impl Machine {
    pub(super) fn ordered(&mut self, key: Key, order: Order, now: Duration) {
        if !matches!(self.phase, Phase::Joined { .. }) {
            return self.finish(key, Err(UserDataError::NotConnected));
        }
        let (kind, result) = match order {
            Order::Send(prompt, options) => {
                if let Err(error) = self.send(key, &prompt, &options, now) {
                    self.finish(key, Err(error));
                }
                return;
            }
            Order::Start(options) => {
                let options = options.to_value(self.conversation.as_deref());
                (Kind::Start, self.emit("start", Some(&options)))
            }
            Order::Interrupt(reason) => {
                let mut fields = Object::new();
                if let Some(id) = &self.conversation {
                    fields.insert("threadId".to_owned(), id.as_str().into());
                }
                if let Some(reason) = reason {
                    fields.insert("reason".to_owned(), reason.into());
                }
                let arg = (!fields.is_empty()).then_some(Value::Object(fields));
                (Kind::Interrupt(self.turns.front()), self.emit("interrupt", arg.as_ref()))
            }
            Order::History => (Kind::History, self.emit("get_history", None)),
            Order::Clear => (Kind::Clear, self.emit("clear", None)),
            Order::Diagnostics => (Kind::Diagnostics, self.emit("get_diagnostics", None)),
        };
        match result {
            Ok(()) if self.calls.add(Some(key), kind, now + self.terms.timings.call) => {}
            Ok(()) => {
                let problem = "too many questions wait for their answers";
                self.finish(key, Err(UserDataError::Invalid { problem }));
            }
            Err(error) => self.finish(key, Err(error)),
        }
    }

    /// Asks something on the machine's own account, or for an application.
    pub(super) fn ask(&mut self, key: Option<Key>, kind: Kind, now: Duration) {
        let event = match kind {
            Kind::Diagnostics => "get_diagnostics",
            _ => "get_history",
        };
        if self.emit(event, None).is_ok() {
            // Without room the answer is an event like others.
            let _ = self.calls.add(key, kind, now + self.terms.timings.call);
        }
    }

    /// Asks whether the agent is at work, if turns may be over without a word.
    pub(super) fn check_turns(&mut self, now: Duration) {
        if self.turns.has_doubts() {
            self.ask(None, Kind::Diagnostics, now);
        }
    }

    fn send(
        &mut self,
        key: Key,
        prompt: &str,
        options: &TurnOptions,
        now: Duration,
    ) -> Result<(), UserDataError> {
        if prompt.trim().is_empty() {
            return Err(UserDataError::Invalid { problem: "a prompt needs text" });
        }
        let running = self.turns.is_running() && !options.overlap;
        if running || self.turns.len() >= MAX_TURNS {
            return Err(UserDataError::TurnRunning);
        }
        let agent = options.agent.to_value(self.conversation.as_deref());
        self.emit("message", Some(&json!({"prompt": prompt, "options": agent})))?;
        self.turns.begin(key, now);
        Ok(())
    }

    fn emit(&mut self, event: &str, arg: Option<&Value>) -> Result<(), UserDataError> {
        let connection = self.connection.as_mut().ok_or(UserDataError::NotConnected)?;
        connection
            .emit(event, arg)
            .map_err(|limit| UserDataError::TooLarge { what: "the event", limit })
    }

    /// Somebody has an answer to a hook, or leaves it to the policy.
    pub(super) fn decided(&mut self, ack: u64, answer: Option<HookAnswer>) {
        let Some(hook) = self.hooks.take(ack) else { return };
        let answer = answer.unwrap_or_else(|| self.terms.hooks.answer(&hook.request));
        self.answer_hook(ack, hook.request, answer, false);
    }

    pub(super) fn answer_hook(
        &mut self,
        ack: u64,
        request: HookRequest,
        answer: HookAnswer,
        too_late: bool,
    ) {
        self.hooks.answered(ack);
        if let Some(connection) = &mut self.connection {
            connection.answer(ack, &answer.to_value());
        }
        self.event(ChannelEvent::HookAnswered { request, answer, too_late });
    }

    /// The answer to all questions of a kind.
    pub(super) fn answered(&mut self, is: impl Fn(Kind) -> bool, answer: impl Fn() -> Answer) {
        for (key, _) in self.calls.take(is) {
            if let Some(key) = key {
                self.finish(key, Ok(answer()));
            }
        }
    }
}
