//! The turns that were begun and have not ended, in the order in which the agent deals with them.

use std::time::Duration;

use super::{
    super::super::UserDataError,
    super::{ChannelMessage, Object, Role, TurnEnd},
    Key,
};

/// Turns that wait or are under way.
pub(super) const MAX_TURNS: usize = 16;
/// Bytes of text that are kept of a turn.
const MAX_TEXT: usize = 8 * 1024 * 1024;

/// Why a turn may be over without a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doubt {
    /// It was begun over another connection.
    Lost,
    /// It waited behind one that was interrupted, and some servers forget those, too.
    Interrupted,
}

#[derive(Debug)]
struct Entry {
    key: Key,
    doubt: Option<Doubt>,
    /// Nobody waits for it any more, yet the next result is its.
    abandoned: bool,
    since: Duration,
    /// The agent has said something in it.
    begun: bool,
    text: String,
    /// What came piece by piece since the last whole message.
    deltas: String,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Turns {
    entries: Vec<Entry>,
    /// When the agent was heard last.
    heard: Duration,
    /// The result of a turn that was interrupted may still come.
    leftover: bool,
}

/// What a result was the end of.
#[derive(Debug, PartialEq)]
pub(super) enum Ended {
    /// A turn that somebody waits for.
    Turn(Key, TurnEnd),
    /// One that was given up.
    Abandoned,
    /// Nothing that is known.
    Unasked,
}

impl Turns {
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Somebody waits for a turn.
    pub(super) fn is_running(&self) -> bool {
        self.entries.iter().any(|entry| !entry.abandoned)
    }

    pub(super) fn begin(&mut self, key: Key, now: Duration) {
        self.entries.push(Entry {
            key,
            doubt: None,
            abandoned: false,
            since: now,
            begun: false,
            text: String::new(),
            deltas: String::new(),
        });
    }

    /// The agent was heard; whose turn that is, if somebody waits for it.
    pub(super) fn heard(&mut self, now: Duration) -> Option<Key> {
        self.heard = now;
        let front = self.entries.first_mut()?;
        front.begun = true;
        (!front.abandoned).then_some(front.key)
    }

    /// A turn has ended: the silence of those behind it counts from now on.
    pub(super) const fn ended(&mut self, now: Duration) {
        self.heard = now;
    }

    /// The front turn, if somebody waits for it.
    pub(super) fn waiting_front(&self) -> Option<Key> {
        self.entries.first().filter(|entry| !entry.abandoned).map(|entry| entry.key)
    }

    /// The front turn.
    pub(super) fn front(&self) -> Option<Key> {
        self.entries.first().map(|entry| entry.key)
    }

    pub(super) fn delta(&mut self, text: &str) {
        if let Some(front) = self.entries.first_mut() {
            append(&mut front.deltas, text);
        }
    }

    pub(super) fn message(&mut self, message: &ChannelMessage) {
        if let Some(front) = self.entries.first_mut()
            && message.role == Role::Assistant
        {
            front.deltas.clear();
            append(&mut front.text, &message.text());
        }
    }

    /// A result ends the front turn, unless it is what an interrupted turn left.
    pub(super) fn result(&mut self, result: Object, conversation: Option<&String>) -> Ended {
        if self.leftover && self.entries.first().is_some_and(|front| !front.begun) {
            self.leftover = false;
            return Ended::Unasked;
        }
        self.leftover = false;
        match self.pop() {
            None => Ended::Unasked,
            Some(entry) if entry.abandoned => Ended::Abandoned,
            Some(entry) => {
                let key = entry.key;
                Ended::Turn(key, entry.end(Some(result), conversation))
            }
        }
    }

    fn pop(&mut self) -> Option<Entry> {
        (!self.entries.is_empty()).then(|| self.entries.remove(0))
    }

    /// The front turn failed; who waits for it.
    pub(super) fn fail_front(&mut self) -> Option<Key> {
        self.pop().filter(|entry| !entry.abandoned).map(|entry| entry.key)
    }

    /// The turn was interrupted, if it is still the front one; who waits for it.
    pub(super) fn interrupted(&mut self, key: Key) -> Option<Key> {
        if self.front() != Some(key) {
            return None;
        }
        self.leftover = true;
        let waiting = self.fail_front();
        for entry in &mut self.entries {
            entry.doubt.get_or_insert(Doubt::Interrupted);
        }
        waiting
    }

    /// None of them will end any more; who waits.
    pub(super) fn take_all(&mut self) -> Vec<Key> {
        self.leftover |= !self.entries.is_empty();
        let waiting = self.entries.drain(..).filter(|entry| !entry.abandoned);
        waiting.map(|entry| entry.key).collect()
    }

    /// There is a new connection: nothing that was sent over the last one is on its way any more, and nobody knows yet
    /// what has become of the turns.
    pub(super) fn carry_over(&mut self) {
        self.leftover = false;
        for entry in &mut self.entries {
            entry.doubt = Some(Doubt::Lost);
        }
    }

    /// Whether some may be over without a word.
    pub(super) fn has_doubts(&self) -> bool {
        self.entries.iter().any(|entry| entry.doubt.is_some())
    }

    /// The server does not know those any more that were begun over another connection; who waits.
    pub(super) fn take_carried_over(&mut self) -> Vec<Key> {
        let lost = self.entries.extract_if(.., |entry| entry.doubt == Some(Doubt::Lost));
        lost.filter(|entry| !entry.abandoned).map(|entry| entry.key).collect()
    }

    /// The agent is not at work: those that were in doubt are over.
    pub(super) fn take_doubtful(
        &mut self,
        conversation: Option<&String>,
    ) -> Vec<(Key, Result<TurnEnd, UserDataError>)> {
        let over = self.entries.extract_if(.., |entry| entry.doubt.is_some());
        over.filter(|entry| !entry.abandoned)
            .map(|entry| {
                let (key, lost) = (entry.key, entry.doubt == Some(Doubt::Lost));
                let result = match (lost, entry.text.is_empty()) {
                    (false, _) => Err(UserDataError::Interrupted),
                    (true, false) => Ok(entry.end(None, conversation)),
                    (true, true) => {
                        let reason = "the agent may never have got what was said".to_owned();
                        Err(UserDataError::ConnectionLost { reason })
                    }
                };
                (key, result)
            })
            .collect()
    }

    /// Those in which the agent has said nothing for too long. They keep their place.
    pub(super) fn expire(&mut self, quiet: Duration, now: Duration) -> Vec<Key> {
        let heard = self.heard;
        let silent = self
            .entries
            .iter_mut()
            .filter(|entry| !entry.abandoned && entry.since.max(heard) + quiet <= now);
        silent
            .map(|entry| {
                entry.abandoned = true;
                entry.key
            })
            .collect()
    }

    pub(super) fn next_deadline(&self, quiet: Duration) -> Option<Duration> {
        let waiting = self.entries.iter().filter(|entry| !entry.abandoned);
        waiting.map(|entry| entry.since.max(self.heard) + quiet).min()
    }
}

impl Entry {
    fn end(self, result: Option<Object>, conversation: Option<&String>) -> TurnEnd {
        let text = if self.text.is_empty() { self.deltas } else { self.text };
        TurnEnd { text, result, conversation: conversation.cloned(), missed: 0 }
    }
}

/// As much of it as there is room for.
fn append(text: &mut String, more: &str) {
    let room = MAX_TEXT.saturating_sub(text.len());
    let end = more.floor_char_boundary(room.min(more.len()));
    text.push_str(more.get(..end).unwrap_or_default());
}
