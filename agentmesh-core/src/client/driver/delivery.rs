//! Handing messages to the application: in order, within a window, again if they were dropped.

use std::collections::VecDeque;

use crate::client::platform::time::Instant;
use tokio::sync::mpsc;

use crate::{
    Timestamp,
    client::{
        agent::{Completion, Consumer, Message},
        rate_limit::{PeerBuckets, Rate},
    },
    engine::{Engine, IncomingMessage},
    identity::Amid,
    knock::RateLimit,
    maps::{HashMap, HashSet},
    wire::id::MessageId,
};

/// First pause before a message that was dropped is handed on again; it doubles.
const RETRY_MIN: std::time::Duration = std::time::Duration::from_secs(1);
/// Longest such pause.
const RETRY_MAX: std::time::Duration = std::time::Duration::from_secs(300);

/// Bytes of large payloads that the application may hold at once; one it may always hold.
const LARGE_BYTES: u64 = 128 * 1024 * 1024;

type Key = (Amid, MessageId);

/// Peers whose pace is kept at a time.
const MAX_PACED: usize = 10_000;

/// The pace at which each peer's messages are handed on.
#[derive(Debug)]
struct Pace {
    rate: Rate,
    buckets: PeerBuckets,
    start: Instant,
    /// Peers whose turn is later, so that none of their messages overtakes another.
    held: HashSet<Amid>,
    due: Option<Instant>,
}

impl Pace {
    fn new(rate: Rate) -> Self {
        let buckets = PeerBuckets::new(rate, MAX_PACED);
        Self { rate, buckets, start: Instant::now(), held: HashSet::default(), due: None }
    }

    fn begin(&mut self) {
        self.held.clear();
        self.due = None;
    }

    fn time(&self, now: Instant) -> Timestamp {
        let passed = now.saturating_duration_since(self.start).as_millis();
        Timestamp::from_millis(u64::try_from(passed).unwrap_or(u64::MAX))
    }

    fn holds(&mut self, peer: Amid, now: Instant) -> bool {
        if self.held.contains(&peer) {
            return true;
        }
        let Some(wait) = self.buckets.wait(peer, self.time(now)) else { return false };
        self.held.insert(peer);
        let at = now + wait;
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
        true
    }

    fn spend(&mut self, peer: Amid, now: Instant) {
        self.buckets.spend(peer, self.time(now));
    }
}

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
    /// Sizes of the large messages that the application has.
    large: HashMap<Key, u64>,
    consumer: Option<Consumer>,
    completions: mpsc::Sender<Completion>,
    pace: Option<Pace>,
    /// The last look found no room, rather than nothing to hand on.
    short_of_room: bool,
}

impl Delivery {
    /// `window` is how many messages the application may hold at once.
    pub(super) fn new(window: usize) -> (Self, mpsc::Receiver<Completion>) {
        let (completions, receiver) = mpsc::channel(window.max(1));
        let delivery = Self {
            queue: VecDeque::new(),
            known: HashSet::default(),
            out: HashMap::default(),
            later: Vec::new(),
            attempts: HashMap::default(),
            large: HashMap::default(),
            consumer: None,
            completions,
            pace: None,
            short_of_room: false,
        };
        (delivery, receiver)
    }

    pub(super) fn set_consumer(&mut self, consumer: Consumer) {
        let unread = self.consumer.replace(consumer).map(Consumer::end).unwrap_or_default();
        for message in unread.into_iter().rev() {
            let key = (message.content.from, message.content.id);
            // Nobody saw it: this was no attempt, and needs no verdict.
            drop(message.take_verdict());
            self.large.remove(&key);
            if let Some(attempt) = self.out.remove(&key) {
                self.attempts.insert(key, attempt);
                self.queue.push_front(key);
            }
        }
    }

    /// How many messages of one peer are handed on in a minute; the others wait in the inbox.
    pub(super) fn set_pace(&mut self, limit: Option<RateLimit>) {
        let rate = limit.map(|l| Rate::per_minute(l.messages_per_minute, l.messages_per_minute));
        if self.pace.as_ref().map(|pace| pace.rate) != rate {
            self.pace = rate.map(Pace::new);
        }
    }

    pub(super) fn push(&mut self, key: Key) {
        if self.known.insert(key) {
            self.queue.push_back(key);
        }
    }

    /// Hands on as much as there is room for. If the next message is a large one, names it: it is to be loaded and given
    /// to [`hand_on`](Self::hand_on).
    pub(super) fn pump(&mut self, engine: &Engine, now: Instant) -> Option<Key> {
        self.take_due(now);
        self.short_of_room = false;
        let consumer = &self.consumer.as_ref()?.messages;
        if consumer.is_closed() {
            self.consumer = None;
            return None;
        }
        if let Some(pace) = &mut self.pace {
            pace.begin();
        }
        let mut at = 0;
        while let Some(key) = self.queue.get(at).copied() {
            let large = engine.large_message(&key.0, &key.1);
            let content = engine.message(&key.0, &key.1);
            if large.is_none() && content.is_none() {
                self.queue.remove(at);
                self.known.remove(&key);
                continue;
            }
            if self.pace.as_mut().is_some_and(|pace| pace.holds(key.0, now)) {
                at += 1;
                continue;
            }
            let slot = consumer.try_reserve();
            let verdict = self.completions.clone().try_reserve_owned();
            let (Ok(slot), Ok(verdict)) = (slot, verdict) else {
                self.short_of_room = true;
                return None;
            };
            let Some(content) = content else {
                let held: u64 = self.large.values().sum();
                let fits = held == 0 || held.saturating_add(large.unwrap_or(0)) <= LARGE_BYTES;
                // Otherwise the application's next verdict makes room.
                return fits.then_some(key);
            };
            if let Some(pace) = &mut self.pace {
                pace.spend(key.0, now);
            }
            self.queue.remove(at);
            let attempt = self.attempts.remove(&key).unwrap_or(0);
            self.out.insert(key, attempt);
            slot.send(Message::new(content, attempt, verdict));
        }
        None
    }

    /// Hands on the large message that [`pump`](Self::pump) named; `None` if it is gone.
    pub(super) fn hand_on(&mut self, key: Key, content: Option<IncomingMessage>, now: Instant) {
        let Some(at) = self.queue.iter().position(|queued| *queued == key) else { return };
        let Some(content) = content else {
            self.queue.remove(at);
            self.known.remove(&key);
            return;
        };
        let Some(consumer) = &self.consumer else { return };
        let Ok(slot) = consumer.messages.try_reserve() else { return };
        let Ok(verdict) = self.completions.clone().try_reserve_owned() else { return };
        if let Some(pace) = &mut self.pace {
            pace.spend(key.0, now);
        }
        self.queue.remove(at);
        let attempt = self.attempts.remove(&key).unwrap_or(0);
        self.out.insert(key, attempt);
        self.large.insert(key, u64::try_from(content.payload.len()).unwrap_or(u64::MAX));
        slot.send(Message::new(content, attempt, verdict));
    }

    pub(super) fn done(&mut self, key: &Key) {
        self.out.remove(key);
        self.large.remove(key);
        self.known.remove(key);
    }

    /// The application dropped a message: again, after a pause.
    pub(super) fn dropped(&mut self, key: Key, now: Instant) {
        self.large.remove(&key);
        let attempt = self.out.remove(&key).unwrap_or(0).saturating_add(1);
        let pause = RETRY_MIN.saturating_mul(1 << (attempt - 1).min(16)).min(RETRY_MAX);
        // A reader that is gone dropped everything at once; the next one gets it without a pause.
        let pause = if self.consumer.as_ref().is_none_or(|c| c.messages.is_closed()) {
            std::time::Duration::ZERO
        } else {
            pause
        };
        self.later.push((now + pause, key, attempt));
    }

    /// Whether the application has dealt with everything, as far as there is somebody who takes messages.
    pub(super) fn is_idle(&self) -> bool {
        self.known.is_empty() || self.consumer.as_ref().is_none_or(|c| c.messages.is_closed())
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        let paced = self.pace.as_ref().and_then(|pace| pace.due);
        self.later.iter().map(|(at, _, _)| *at).chain(paced).min()
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
        if !self.short_of_room || self.completions.capacity() == 0 {
            None
        } else {
            self.consumer.as_ref().map(|consumer| consumer.messages.clone())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn pace_holds_a_peer_s_messages_until_their_turn_and_no_other_s() {
        let (eager, other) = (Amid::from_bytes([1; 20]), Amid::from_bytes([2; 20]));
        let mut pace = Pace::new(Rate::per_minute(2, 2));
        for _ in 0..2 {
            pace.begin();
            assert!(!pace.holds(eager, Instant::now()));
            pace.spend(eager, Instant::now());
        }
        pace.begin();
        assert!(pace.holds(eager, Instant::now()));
        assert!(!pace.holds(other, Instant::now()));
        assert_eq!(pace.due, Some(Instant::now() + Duration::from_secs(30)));
        tokio::time::advance(Duration::from_secs(30)).await;
        assert!(pace.holds(eager, Instant::now()), "none overtakes within one look");
        pace.begin();
        assert!(!pace.holds(eager, Instant::now()));
    }
}
