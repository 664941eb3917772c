//! What the model is told of the conversation so far: bounded in entries and bytes, beginning with a user.

use std::collections::VecDeque;

use super::{ChatMessage, ChatRole};

/// See the module.
#[derive(Debug)]
pub(super) struct History {
    entries: VecDeque<ChatMessage>,
    bytes: usize,
    max_entries: usize,
    max_bytes: usize,
}

impl History {
    pub(super) const fn new(max_entries: usize, max_bytes: usize) -> Self {
        Self { entries: VecDeque::new(), bytes: 0, max_entries, max_bytes }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.bytes = 0;
    }

    pub(super) fn push(&mut self, role: ChatRole, content: String) {
        self.bytes += content.len();
        self.entries.push_back(ChatMessage { role, content });
        while self.entries.len() > self.max_entries
            || (self.bytes > self.max_bytes && self.entries.len() > 1)
        {
            self.drop_oldest();
        }
        // An answer whose question is gone confuses more than it tells.
        while self.entries.front().is_some_and(|entry| entry.role == ChatRole::Assistant) {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some(entry) = self.entries.pop_front() {
            self.bytes -= entry.content.len();
        }
    }

    /// The entries with a question after them, within the bounds. The history stays as it is.
    pub(super) fn with_question(&self, question: &str) -> Vec<ChatMessage> {
        let mut all: Vec<_> = self.entries.iter().cloned().collect();
        all.push(ChatMessage { role: ChatRole::User, content: question.to_owned() });
        let mut first = all.len().saturating_sub(self.max_entries);
        while all.get(first).is_some_and(|entry| entry.role == ChatRole::Assistant) {
            first += 1;
        }
        all.drain(..first);
        all
    }
}
