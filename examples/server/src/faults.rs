//! Faults on demand, for people who write clients: a server that loses, repeats, swaps and delays. All off unless
//! asked for.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// What goes wrong, and how often. Probabilities are between 0 and 1.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Faults {
    /// A message is lost on its way into the relay, or on its way out; what was lost on its way out comes again after
    /// a while, if the recipient acknowledges messages.
    pub drop: f64,
    /// A message is delivered twice.
    pub duplicate: f64,
    /// A message is overtaken by those behind it.
    pub reorder: f64,
    /// Every delivery takes so much longer.
    pub delay: Duration,
    /// An HTTP request to the registry is answered with 429.
    pub http_429: f64,
    /// A frame from a client is the last that its connection carries: it stays open, and dead.
    pub half_open: f64,
    /// The same seed gives the same decisions in the same order.
    pub seed: u64,
}

impl Faults {
    /// Whether any delivery is touched.
    fn on_delivery(&self) -> bool {
        self.drop > 0.0 || self.duplicate > 0.0 || self.reorder > 0.0 || !self.delay.is_zero()
    }
}

/// How one delivery goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Mishap {
    /// It does not arrive.
    pub(crate) lost: bool,
    /// It arrives twice.
    pub(crate) twice: bool,
    /// It arrives later.
    pub(crate) delay: Duration,
}

/// Rolls the dice.
#[derive(Debug)]
pub(crate) struct Dice {
    faults: Faults,
    state: AtomicU64,
}

/// How long a message is held back so that later ones overtake it.
const OVERTAKEN_AFTER: Duration = Duration::from_millis(30);

impl Dice {
    pub(crate) fn new(faults: Faults) -> Self {
        let state = AtomicU64::new(faults.seed);
        Self { faults, state }
    }

    /// A number in [0, 1): SplitMix64, which needs no more state than a counter.
    fn roll(&self) -> f64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.state.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        let high = u32::try_from(z >> 32).unwrap_or(u32::MAX);
        f64::from(high) / (f64::from(u32::MAX) + 1.0)
    }

    fn hits(&self, probability: f64) -> bool {
        probability > 0.0 && self.roll() < probability
    }

    /// Whether a frame just received is lost.
    pub(crate) fn loses_incoming(&self) -> bool {
        self.hits(self.faults.drop)
    }

    /// What happens to a delivery; `None` when all is well.
    pub(crate) fn delivery(&self) -> Option<Mishap> {
        if !self.faults.on_delivery() {
            return None;
        }
        let mut delay = self.faults.delay;
        if self.hits(self.faults.reorder) {
            delay += OVERTAKEN_AFTER;
        }
        let lost = self.hits(self.faults.drop);
        Some(Mishap { lost, twice: self.hits(self.faults.duplicate), delay })
    }

    /// Whether an HTTP request is refused.
    pub(crate) fn refuses_http(&self) -> bool {
        self.hits(self.faults.http_429)
    }

    /// Whether a connection goes dead.
    pub(crate) fn kills_connection(&self) -> bool {
        self.hits(self.faults.half_open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_goes_wrong_by_default() {
        let dice = Dice::new(Faults::default());
        for _ in 0..1000 {
            assert!(!dice.loses_incoming() && !dice.refuses_http() && !dice.kills_connection());
            assert_eq!(dice.delivery(), None);
        }
    }

    #[test]
    fn frequencies_are_roughly_as_asked_and_reproducible() {
        let faults = Faults { drop: 0.25, seed: 7, ..Faults::default() };
        let count = |faults: &Faults| {
            let dice = Dice::new(faults.clone());
            (0..10_000).filter(|_| dice.loses_incoming()).count()
        };
        let lost = count(&faults);
        assert!((2300..2700).contains(&lost), "{lost}");
        assert_eq!(count(&faults), lost);
        let always = Dice::new(Faults { http_429: 1.0, ..Faults::default() });
        assert!((0..1000).all(|_| always.refuses_http()));
    }
}
