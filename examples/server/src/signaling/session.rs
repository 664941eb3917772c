//! One client in one room: who it is, how it proves that, what waits for it while it is away.

use std::{collections::VecDeque, sync::Arc};

use agentmesh_core::{
    Timestamp,
    keys::kdf::{ct_eq, sha256},
};
use axum::body::Bytes;

use super::{
    bucket::{Bucket, Rate},
    outbox::Outbox,
    room::Attempt,
};

/// Signals kept for a client whose stream was cut; beyond, the oldest go.
const MAX_HELD: usize = 64;
/// Their bytes.
const MAX_HELD_BYTES: usize = 256 * 1024;

/// See the module.
pub(super) struct Session {
    pub(super) id: String,
    token_hash: [u8; 32],
    /// The open stream, if there is one.
    stream: Option<Arc<Outbox>>,
    /// Counts streams: the end of an old one must not look like the end of the newest.
    generation: u64,
    /// The last that opened a stream.
    attempt: Option<Attempt>,
    last_seen: Timestamp,
    next_keepalive: Timestamp,
    bucket: Bucket,
    held: VecDeque<Bytes>,
    held_bytes: usize,
}

impl Session {
    pub(super) fn new(id: String, token: &str, rate: Rate, now: Timestamp) -> Self {
        Self {
            id,
            token_hash: sha256(&[token.as_bytes()]),
            stream: None,
            generation: 0,
            attempt: None,
            last_seen: now,
            next_keepalive: now,
            bucket: Bucket::full(rate, now),
            held: VecDeque::new(),
            held_bytes: 0,
        }
    }

    pub(super) fn is_proved_by(&self, token: &str) -> bool {
        ct_eq(&sha256(&[token.as_bytes()]), &self.token_hash)
    }

    /// Notes an attempt to open a stream. False if a later one of the same process was first: a request that waited on
    /// a line that was dead must not take the stream of the one that was made instead.
    pub(super) fn attempted(&mut self, attempt: Option<Attempt>) -> bool {
        let is_stale = match (&attempt, &self.attempt) {
            (Some(now), Some(last)) => now.process == last.process && now.number < last.number,
            _ => false,
        };
        if !is_stale {
            self.attempt = attempt;
        }
        !is_stale
    }

    /// Puts a new stream in the place of the one before, which it returns without the signals that nobody has read: they
    /// wait for the new one.
    pub(super) fn attach(
        &mut self,
        stream: Arc<Outbox>,
        now: Timestamp,
        keepalive_ms: u64,
    ) -> (u64, Option<Arc<Outbox>>) {
        self.generation += 1;
        self.last_seen = now;
        self.next_keepalive = now.plus_millis(keepalive_ms);
        let before = self.stream.replace(stream);
        if let Some(before) = &before {
            self.take_back(before);
        }
        (self.generation, before)
    }

    /// The stream of this generation has ended.
    pub(super) fn detach(&mut self, generation: u64, now: Timestamp) {
        if self.generation == generation {
            if let Some(stream) = self.stream.take() {
                self.take_back(&stream);
            }
            self.last_seen = self.last_seen.max(now);
        }
    }

    /// Takes what waits for a client that is back.
    pub(super) fn take_held(&mut self) -> VecDeque<Bytes> {
        self.held_bytes = 0;
        std::mem::take(&mut self.held)
    }

    /// Gives the client a signal, now or when it is back.
    pub(super) fn deliver(&mut self, event: Bytes) {
        let delivered =
            self.stream.as_ref().is_some_and(|stream| stream.push_signal(event.clone()));
        if !delivered {
            self.held_bytes += event.len();
            self.held.push_back(event);
            self.trim();
        }
    }

    /// Keeps what a stream that is over was given and has not sent, before what came after it.
    fn take_back(&mut self, stream: &Outbox) {
        for signal in stream.take_signals().into_iter().rev() {
            self.held_bytes += signal.len();
            self.held.push_front(signal);
        }
        self.trim();
    }

    fn trim(&mut self) {
        while self.held.len() > MAX_HELD || self.held_bytes > MAX_HELD_BYTES {
            let Some(oldest) = self.held.pop_front() else { break };
            self.held_bytes -= oldest.len();
        }
    }

    /// Shows the client who is in the room, if it looks.
    pub(super) fn show(&self, roster: Bytes) {
        if let Some(stream) = &self.stream {
            stream.push_roster(roster);
        }
    }

    /// Takes a token of the client's bucket; being active counts as a sign of life.
    pub(super) fn spend(&mut self, rate: Rate, now: Timestamp) -> bool {
        let allowed = self.bucket.take(rate, now);
        if allowed {
            self.last_seen = self.last_seen.max(now);
        }
        allowed
    }

    /// Writes a keepalive if one is due. A stream that still has the one before is not a sign of life.
    pub(super) fn keep_alive(&mut self, now: Timestamp, keepalive_ms: u64) {
        let Some(stream) = &self.stream else { return };
        if now < self.next_keepalive {
            return;
        }
        // From the moment it was due, so that a late tick does not shift the beat.
        self.next_keepalive = self.next_keepalive.plus_millis(keepalive_ms).max(now);
        if stream.keep_alive() {
            self.last_seen = self.last_seen.max(now);
        }
    }

    pub(super) fn is_idle(&self, now: Timestamp, idle_ms: u64) -> bool {
        now.since(self.last_seen) > idle_ms
    }

    /// Ends the stream, if there is one, after what waits in it.
    pub(super) fn end(&mut self) {
        if let Some(stream) = self.stream.take() {
            stream.close();
        }
    }
}
