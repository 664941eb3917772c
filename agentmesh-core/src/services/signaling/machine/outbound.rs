//! Signals on their way out (signaling protocol §2.3): a bucket a little smaller than the server's, a bounded queue,
//! descriptions before candidates, one signal a recipient at a time, and what each answer means.

use std::{collections::VecDeque, time::Duration};

use super::{
    super::{PeerId, SignalingError, SignalingTimings},
    Action, Key,
};
use crate::{
    error::words,
    maps::{HashMap, HashSet},
};

/// Requests under way at a time.
const MAX_IN_FLIGHT: usize = 8;
/// Answers of 429 in a row until a signal fails.
const RATE_TRIES: u32 = 3;
/// The pauses between tries that brought no answer.
const PAUSES: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(1)];
/// The wait after 429 without `Retry-After`, and the longest one that a server can ask for.
const RATE_PAUSE: Duration = Duration::from_secs(1);
const MAX_RATE_PAUSE: Duration = Duration::from_secs(60);

/// A signal to send, as JSON text.
#[derive(Debug)]
pub(in super::super) struct Outgoing {
    pub(in super::super) key: Key,
    pub(in super::super) to: PeerId,
    pub(in super::super) signal: std::sync::Arc<str>,
    /// It holds a candidate and no description: others go first.
    pub(in super::super) is_candidate: bool,
}

/// What became of a try to send.
#[derive(Debug)]
pub(in super::super) enum Outcome {
    Accepted,
    Status { status: u16, text: String, retry_after: Option<Duration> },
    Fatal(SignalingError),
    Network(String),
}

#[derive(Debug)]
struct Waiting {
    send: Outgoing,
    deadline: Duration,
    not_before: Duration,
    limited: u32,
    failed: usize,
}

/// Fills up with time, in thousandths of a token.
#[derive(Debug)]
struct Bucket {
    level: u64,
    at: Duration,
    burst: u64,
    per_second: u64,
}

impl Bucket {
    fn fill(&mut self, now: Duration) {
        let passed = u64::try_from(now.saturating_sub(self.at).as_millis()).unwrap_or(u64::MAX);
        self.level = self.level.saturating_add(passed.saturating_mul(self.per_second));
        self.level = self.level.min(self.burst * 1000);
        // Whole milliseconds only, so that nothing is lost to rounding.
        self.at += Duration::from_millis(passed);
    }

    fn take(&mut self, now: Duration) -> bool {
        self.fill(now);
        let enough = self.level >= 1000;
        if enough {
            self.level -= 1000;
        }
        enough
    }

    /// When there is a token, if none is taken until then.
    fn next(&self) -> Duration {
        let missing = 1000_u64.saturating_sub(self.level);
        self.at + Duration::from_millis(missing.div_ceil(self.per_second))
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Outbound {
    bucket: Bucket,
    max: usize,
    patience: Duration,
    first: VecDeque<Waiting>,
    candidates: VecDeque<Waiting>,
    in_flight: HashMap<Key, Waiting>,
    /// The server said 429.
    paused_until: Duration,
    /// Recipients that the server did not find, until the next roster.
    gone: HashSet<PeerId>,
}

impl Outbound {
    pub(super) fn new(timings: &SignalingTimings, now: Duration) -> Self {
        let (burst, per_second) = (u64::from(timings.burst), u64::from(timings.per_second));
        Self {
            bucket: Bucket { level: burst * 1000, at: now, burst, per_second },
            max: timings.max_queued,
            patience: timings.send,
            first: VecDeque::new(),
            candidates: VecDeque::new(),
            in_flight: HashMap::default(),
            paused_until: Duration::ZERO,
            gone: HashSet::default(),
        }
    }

    pub(super) fn queue(&mut self, send: Outgoing, now: Duration) -> Result<(), SignalingError> {
        if send.is_candidate && self.gone.contains(&send.to) {
            return Err(SignalingError::PeerGone { peer: send.to });
        }
        if self.first.len() + self.candidates.len() >= self.max {
            return Err(SignalingError::QueueFull { limit: self.max });
        }
        let deadline = now + self.patience;
        let queue = if send.is_candidate { &mut self.candidates } else { &mut self.first };
        queue.push_back(Waiting { send, deadline, not_before: now, limited: 0, failed: 0 });
        Ok(())
    }

    /// Starts whatever may go out now.
    pub(super) fn pump(&mut self, now: Duration, actions: &mut Vec<Action>) {
        while now >= self.paused_until
            && let Some((is_candidate, at)) = self.next(Some(now)).map(|(queue, at, _)| (queue, at))
            && self.bucket.take(now)
        {
            let queue = if is_candidate { &mut self.candidates } else { &mut self.first };
            let Some(waiting) = queue.remove(at) else { return };
            let Outgoing { key, to, signal, .. } = &waiting.send;
            let (key, to, signal) = (*key, to.clone(), signal.clone());
            actions.push(Action::Post { key, to, signal });
            self.in_flight.insert(key, waiting);
        }
    }

    /// The signal that goes out next: the first of its recipient, whose recipient has none under way. With a time, only
    /// what need not wait longer than that. Says in which queue and where, and when it may go.
    fn next(&self, by: Option<Duration>) -> Option<(bool, usize, Duration)> {
        if self.in_flight.len() >= MAX_IN_FLIGHT {
            return None;
        }
        let mut busy: HashSet<_> = self.in_flight.values().map(|w| w.send.to.as_str()).collect();
        let mut best: Option<(bool, usize, Duration)> = None;
        for (is_candidate, queue) in [(false, &self.first), (true, &self.candidates)] {
            for (at, waiting) in queue.iter().enumerate() {
                // Later ones to the same recipient must not overtake it.
                if !busy.insert(waiting.send.to.as_str()) {
                    continue;
                }
                let when = waiting.not_before;
                match by {
                    Some(now) if when <= now => return Some((is_candidate, at, when)),
                    Some(_) => {}
                    None if best.is_none_or(|(.., earliest)| when < earliest) => {
                        best = Some((is_candidate, at, when));
                    }
                    None => {}
                }
            }
        }
        best
    }

    /// When something may go out, if nothing happens until then.
    pub(super) fn next_ready(&self) -> Option<Duration> {
        let (.., when) = self.next(None)?;
        Some(when.max(self.paused_until).max(self.bucket.next()))
    }

    pub(super) fn next_deadline(&self) -> Option<Duration> {
        self.first.iter().chain(&self.candidates).map(|waiting| waiting.deadline).min()
    }

    /// Gives up what waited too long.
    pub(super) fn expire(&mut self, now: Duration, after: Duration, actions: &mut Vec<Action>) {
        self.give_up(actions, |waiting| {
            (now >= waiting.deadline).then_some(SignalingError::Timeout { after })
        });
    }

    /// Peers came and went: candidates for those who are gone are of no use.
    pub(super) fn roster_came(
        &mut self,
        here: &HashSet<PeerId>,
        left: &[PeerId],
        actions: &mut Vec<Action>,
    ) {
        self.gone.clear();
        if left.is_empty() {
            return;
        }
        self.give_up(actions, |waiting| {
            let Outgoing { to, is_candidate, .. } = &waiting.send;
            let dead = *is_candidate && left.contains(to) && !here.contains(to);
            dead.then(|| SignalingError::PeerGone { peer: to.clone() })
        });
    }

    pub(super) fn fail_all(&mut self, error: &SignalingError, actions: &mut Vec<Action>) {
        self.give_up(actions, |_| Some(error.clone()));
        for key in std::mem::take(&mut self.in_flight).into_keys() {
            actions.push(Action::Finish(key, Err(error.clone())));
        }
    }

    fn give_up(
        &mut self,
        actions: &mut Vec<Action>,
        why: impl Fn(&Waiting) -> Option<SignalingError>,
    ) {
        for queue in [&mut self.first, &mut self.candidates] {
            queue.retain(|waiting| match why(waiting) {
                None => true,
                Some(error) => {
                    actions.push(Action::Finish(waiting.send.key, Err(error)));
                    false
                }
            });
        }
    }

    /// What became of a try. Returns an error if the server does not know this client any more.
    pub(super) fn posted(
        &mut self,
        key: Key,
        outcome: Outcome,
        now: Duration,
        actions: &mut Vec<Action>,
    ) -> Option<SignalingError> {
        // Given up meanwhile, or sent by who this client was before: nobody waits for it.
        let mut waiting = self.in_flight.remove(&key)?;
        let (result, refused) = match outcome {
            Outcome::Accepted => (Ok(()), None),
            Outcome::Fatal(error) => (Err(error), None),
            Outcome::Network(reason) => match self.try_again(waiting, now) {
                None => return None,
                Some(_) => (Err(SignalingError::NotConfirmed { reason }), None),
            },
            Outcome::Status { status, text, retry_after } => match status {
                401 | 403 => {
                    let error = SignalingError::Unauthorized { text };
                    (Err(error.clone()), Some(error))
                }
                404 => {
                    let peer = waiting.send.to;
                    self.peer_is_gone(&peer, actions);
                    (Err(SignalingError::PeerGone { peer }), None)
                }
                429 => {
                    let pause = retry_after.unwrap_or(RATE_PAUSE).min(MAX_RATE_PAUSE);
                    self.paused_until = now + pause;
                    waiting.limited += 1;
                    if waiting.limited < RATE_TRIES {
                        self.put_back(waiting);
                        return None;
                    }
                    (Err(SignalingError::RateLimited), None)
                }
                408 | 425 | 500.. => match self.try_again(waiting, now) {
                    None => return None,
                    Some(_) => {
                        let reason =
                            format!("the server answered with HTTP {status}{}", words(&text));
                        (Err(SignalingError::NotConfirmed { reason }), None)
                    }
                },
                _ => (Err(SignalingError::Rejected { status, text }), None),
            },
        };
        actions.push(Action::Finish(key, result));
        refused
    }

    /// Puts a signal back for another try; gives it back if there were enough.
    fn try_again(&mut self, mut waiting: Waiting, now: Duration) -> Option<Waiting> {
        let Some(pause) = PAUSES.get(waiting.failed) else { return Some(waiting) };
        waiting.failed += 1;
        waiting.not_before = now + *pause;
        self.put_back(waiting);
        None
    }

    fn put_back(&mut self, waiting: Waiting) {
        let queue = if waiting.send.is_candidate { &mut self.candidates } else { &mut self.first };
        queue.push_front(waiting);
    }

    fn peer_is_gone(&mut self, peer: &PeerId, actions: &mut Vec<Action>) {
        if self.gone.len() < self.max {
            self.gone.insert(peer.clone());
        }
        self.give_up(actions, |waiting| {
            let dead = waiting.send.is_candidate && waiting.send.to == *peer;
            dead.then(|| SignalingError::PeerGone { peer: peer.clone() })
        });
    }
}
