//! Handing messages to the application: in order, within a window, again if they were dropped.

use std::collections::{HashMap, HashSet, VecDeque};

use tokio::{sync::mpsc, time::Instant};

use crate::{
    client::agent::{Completion, Consumer, Message},
    engine::Engine,
    identity::Amid,
    wire::id::MessageId,
};

/// First pause before a message that was dropped is handed on again; it doubles.
const RETRY_MIN: std::time::Duration = std::time::Duration::from_secs(1);
/// Longest such pause.
const RETRY_MAX: std::time::Duration = std::time::Duration::from_secs(300);

type Key = (Amid, MessageId);

/// Messages between inbox and application. Only ids are here; the inbox bounds their number.
#[derive(Debug)]
pub(super) struct Delivery {
    queue: VecDeque<Key>,
    /// Everything that is queued, handed on or waits for another try.
    known: HashSet<Key>,
    /// Handed on, without a verdict.
    out: HashMap<Key, u32>,
    /// Dropped by the application, with the time of the next try.
    later: Vec<(Instant, Key, u32)>,
    attempts: HashMap<Key, u32>,
    consumer: Option<mpsc::Sender<Message>>,
    completions: mpsc::Sender<Completion>,
}

impl Delivery {
    /// `window` is how many messages the application may hold at once.
    pub(super) fn new(window: usize) -> (Self, mpsc::Receiver<Completion>) {
        let (completions, receiver) = mpsc::channel(window.max(1));
        let delivery = Self {
            queue: VecDeque::new(),
            known: HashSet::new(),
            out: HashMap::new(),
            later: Vec::new(),
            attempts: HashMap::new(),
            consumer: None,
            completions,
        };
        (delivery, receiver)
    }

    pub(super) fn set_consumer(&mut self, consumer: Consumer) {
        self.consumer = Some(consumer.messages);
    }

    pub(super) fn push(&mut self, key: Key) {
        if self.known.insert(key) {
            self.queue.push_back(key);
        }
    }

    /// Hands on as much as there is room for.
    pub(super) fn pump(&mut self, engine: &Engine, now: Instant) {
        self.take_due(now);
        let Some(consumer) = &self.consumer else { return };
        if consumer.is_closed() {
            self.consumer = None;
            return;
        }
        while let Some(key) = self.queue.front().copied() {
            let Some(content) = engine.message(&key.0, &key.1) else {
                self.queue.pop_front();
                self.known.remove(&key);
                continue;
            };
            let Ok(slot) = consumer.try_reserve() else { return };
            let Ok(verdict) = self.completions.clone().try_reserve_owned() else { return };
            self.queue.pop_front();
            let attempt = self.attempts.remove(&key).unwrap_or(0);
            self.out.insert(key, attempt);
            slot.send(Message { content, attempt, verdict: Some(verdict) });
        }
    }

    pub(super) fn done(&mut self, key: &Key) {
        self.out.remove(key);
        self.known.remove(key);
    }

    /// The application dropped a message: again, after a pause.
    pub(super) fn dropped(&mut self, key: Key, now: Instant) {
        let attempt = self.out.remove(&key).unwrap_or(0).saturating_add(1);
        let pause = RETRY_MIN.saturating_mul(1 << (attempt - 1).min(16)).min(RETRY_MAX);
        // A reader that is gone dropped everything at once; the next one gets it without a pause.
        let pause = if self.consumer.as_ref().is_none_or(mpsc::Sender::is_closed) {
            std::time::Duration::ZERO
        } else {
            pause
        };
        self.later.push((now + pause, key, attempt));
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        self.later.iter().map(|(at, _, _)| *at).min()
    }

    fn take_due(&mut self, now: Instant) {
        let (due, later): (Vec<_>, Vec<_>) =
            self.later.drain(..).partition(|(at, _, _)| *at <= now);
        self.later = later;
        for (_, key, attempt) in due {
            self.attempts.insert(key, attempt);
            self.queue.push_back(key);
        }
    }

    /// A sender to wait on until there is room for the next message. `None` if no message waits, or if all of the
    /// window is in the application's hands: then its next verdict makes room.
    pub(super) fn waits_for_room(&self) -> Option<mpsc::Sender<Message>> {
        if self.queue.is_empty() || self.completions.capacity() == 0 {
            None
        } else {
            self.consumer.clone()
        }
    }
}
