//! What was said in a session, as much of it as is kept.

use std::collections::VecDeque;

use serde_json::{Value, json};

/// See the module.
#[derive(Debug)]
pub(super) struct History {
    entries: VecDeque<(Value, usize)>,
    bytes: usize,
    max_entries: usize,
    max_bytes: usize,
}

impl History {
    pub(super) const fn new(max_entries: usize, max_bytes: usize) -> Self {
        Self { entries: VecDeque::new(), bytes: 0, max_entries, max_bytes }
    }

    /// Adds what was said; what was said first goes, if it is too much.
    pub(super) fn push(&mut self, role: &str, content: &Value, uuid: &str, now: u64) {
        let entry = json!({"role": role, "content": content, "uuid": uuid, "timestamp": now});
        let size = entry.to_string().len();
        self.bytes += size;
        self.entries.push_back((entry, size));
        while self.entries.len() > self.max_entries || self.bytes > self.max_bytes {
            let Some((_, size)) = self.entries.pop_front() else { break };
            self.bytes -= size;
        }
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.bytes = 0;
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The payload of the event `history`.
    pub(super) fn to_event(&self) -> Value {
        let messages: Vec<_> = self.entries.iter().map(|(entry, _)| entry.clone()).collect();
        json!({"messages": messages})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_by_number_and_by_size() {
        let mut history = History::new(3, 1000);
        for n in 0..5 {
            history.push("user", &json!(n.to_string()), &format!("u{n}"), n);
        }
        let event = history.to_event();
        let first = &event["messages"][0];
        assert_eq!(
            (history.len(), &first["content"], &first["uuid"]),
            (3, &json!("2"), &json!("u2"))
        );
        history.push("assistant", &json!("x".repeat(900)), "long", 9);
        assert_eq!(history.len(), 1);
        history.push("assistant", &json!("x".repeat(1100)), "too long", 9);
        assert_eq!((history.len(), history.bytes), (0, 0));
        history.push("user", &json!("a"), "a", 1);
        history.clear();
        assert_eq!(history.to_event(), json!({"messages": []}));
    }
}
