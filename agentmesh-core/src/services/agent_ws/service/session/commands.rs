//! Commands and human feedback: what is dealt with at once, and never reaches the model as a question.

use serde_json::{Value, json};

use super::{ChatRole, Effect, Moment, Session};

impl Session {
    /// Does what a command says. False if it is none, and has to be asked like a query.
    pub(super) fn command(&mut self, content: &str, id: Option<&Value>, now: Moment) -> bool {
        if !self.settings.commands {
            return false;
        }
        match content.trim().to_lowercase().as_str() {
            "ping" => self.status("pong", id, now),
            "clear" => {
                self.history.clear();
                if let Some(running) = &mut self.running {
                    running.forgotten = true;
                }
                self.notify("History cleared", id, now);
            }
            "cancel" => self.cancel(id, now),
            "history" => {
                let count = json!({"count": self.history.len()}).to_string();
                self.notify(&count, id, now);
            }
            "close" => {
                self.notify("Session closed", id, now);
                self.effects.push(Effect::Close { code: 1000, reason: "Closed by command" });
            }
            _ => return false,
        }
        true
    }

    fn cancel(&mut self, id: Option<&Value>, now: Moment) {
        let cancelled = self.running.take();
        if let Some(running) = &cancelled {
            self.effects.push(Effect::Abort);
            // Whoever asked by id must not wait for ever.
            if let Some(query) = &running.query.correlation {
                self.error("Cancelled", Some(query), now, None);
            }
        }
        self.status("Cancelled", id, now);
        self.next_query(now);
    }

    /// What a person thinks: remembered, so that the next question is seen in its light.
    pub(super) fn feedback(&mut self, content: &str, id: Option<&Value>, now: Moment) {
        self.history.push(ChatRole::User, content.to_owned());
        self.status("Feedback recorded", id, now);
    }
}
