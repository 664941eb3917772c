//! To whom nothing is sent for a while: the relay has no room for them, or has not said yet that it has what must go first.

use rand_core::CryptoRng;

use crate::{
    identity::Amid,
    limits,
    maps::HashMap,
    time::{MINUTE, SECOND, Timestamp},
};

/// First pause after the relay refused a frame for want of room; it doubles.
const PAUSE_MIN: u64 = SECOND;
/// Longest such pause.
const PAUSE_MAX: u64 = MINUTE;

#[derive(Debug, Clone, Copy)]
pub(super) struct Pause {
    until: Timestamp,
    length: u64,
    /// It waits for a word of the relay, and not for room.
    is_hold: bool,
}

impl Pause {
    const fn over(length: u64) -> Self {
        Self { until: Timestamp::ZERO, length, is_hold: false }
    }
}

/// Peers whose inbox at the relay is full, or that we write to faster than the relay allows.
#[derive(Debug, Default)]
pub(super) struct Pauses(HashMap<Amid, Pause>);

impl Pauses {
    pub(super) fn is_paused(&self, peer: &Amid) -> bool {
        self.0.get(peer).is_some_and(|p| p.until > Timestamp::ZERO)
    }

    pub(super) fn pause(
        &mut self,
        peer: Amid,
        retry_after: Option<u64>,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) {
        let pause = self.0.entry(peer).or_insert(Pause::over(PAUSE_MIN / 2));
        if !pause.is_hold {
            pause.length = (pause.length * 2).min(PAUSE_MAX);
        }
        pause.is_hold = false;
        let base = retry_after.unwrap_or(pause.length).min(limits::OUTBOX_AGE);
        let mut random = [0; 8];
        rng.fill_bytes(&mut random);
        let jitter = u64::from_be_bytes(random) % (base / 2 + 1);
        pause.until = now.plus_millis(base + jitter);
    }

    /// Waits for the relay's word on a frame that was just sent.
    pub(super) fn hold(&mut self, peer: Amid, now: Timestamp) {
        let pause = self.0.entry(peer).or_insert(Pause::over(PAUSE_MIN));
        pause.length = (pause.length * 2).min(PAUSE_MAX);
        pause.until = now.plus_millis(pause.length);
        pause.is_hold = true;
    }

    pub(super) fn is_held(&self, peer: &Amid) -> bool {
        self.is_paused(peer) && self.0.get(peer).is_some_and(|p| p.is_hold)
    }

    /// There is nothing to wait for any more: the wait is over with the next tick.
    pub(super) fn end_hold(&mut self, peer: &Amid) {
        if let Some(pause) = self.0.get_mut(peer).filter(|p| p.is_hold && p.until > Timestamp::ZERO)
        {
            pause.until = Timestamp::from_millis(1);
        }
    }

    /// Takes a pause away, and how long the next one would be: for a moment, if it is restored, or since a frame got through.
    pub(super) fn lift(&mut self, peer: &Amid) -> Option<Pause> {
        self.0.remove(peer)
    }

    pub(super) fn restore(&mut self, peer: Amid, pause: Pause) {
        self.0.insert(peer, pause);
    }

    /// Peers whose pause is over. Its length is remembered until a frame gets through.
    pub(super) fn take_over(&mut self, now: Timestamp) -> Vec<Amid> {
        let mut over: Vec<_> = self
            .0
            .iter_mut()
            .filter(|(_, p)| p.until > Timestamp::ZERO && p.until <= now)
            .map(|(peer, p)| {
                p.until = Timestamp::ZERO;
                *peer
            })
            .collect();
        over.sort_unstable();
        over
    }

    /// There is another connection.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The clock was put back.
    pub(super) fn put_back(&mut self, now: Timestamp) {
        self.0.values_mut().for_each(|p| p.until = p.until.min(now.plus_millis(p.length)));
    }

    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.0.values().map(|p| p.until).filter(|t| *t > Timestamp::ZERO).min()
    }
}

#[cfg(test)]
mod tests;
