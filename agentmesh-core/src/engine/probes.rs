//! Questions about sessions (`docs/protocol/native.md` §7.7): which are to be asked, which were, and which of a peer's were
//! answered. Knows when and how often; what follows from an answer is for `recovery.rs`.
//!
//! All of it is bounded, and an entry that does not fit is refused rather than another one forgotten. It is in memory only:
//! a frame that does not open must not make anybody write. So that a crash does not forget a question all the same, the
//! frame that brought it up stays at the relay, unacked, until the answer, and brings it up again.

use crate::{
    handshake::SessionId,
    identity::Amid,
    limits,
    maps::HashMap,
    time::{DAY, HOUR, SECOND, Timestamp},
};

use super::inbound::Source;

/// Peers for which recovery state is kept at most.
const MAX_PEERS: usize = 1000;
/// Sessions of one peer that are in question at most: as many as it may have.
const MAX_QUESTIONS: usize = 1 + limits::RECEIVE_ONLY_SESSIONS;
/// Frames that stay at the relay for the sake of a question: one a peer, and these in all. Many would fill the mailbox.
const MAX_KEPT: usize = 16;
/// Longest pause before an unanswered question is asked again. An absent peer's mailbox fills with what is asked.
const PAUSE_MAX: u64 = 24 * HOUR;
/// How long an unanswered question is asked again: as long as the relay keeps the frame, and a day.
const QUESTION_AGE: u64 = 4 * DAY;
/// Nonces of answered probes kept a peer: the window of ten minutes at one answer a minute, and a spare.
const MAX_NONCES: usize = 12;

/// A probe that was sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outstanding {
    pub(super) nonce: [u8; 16],
    pub(super) session: SessionId,
    pub(super) sent_at: Timestamp,
    pub(super) answered: bool,
}

/// What is to be asked.
#[derive(Debug)]
struct Question {
    session: SessionId,
    due: Timestamp,
    pause: u64,
    since: Timestamp,
    /// It is asked until there is an answer. What is parked asks for itself, as long as it is.
    lasts: bool,
    /// The frame that brought it up, if it stays at the relay.
    kept: Option<Source>,
}

#[derive(Debug, Default)]
struct Answered {
    last: Timestamp,
    nonces: Vec<[u8; 16]>,
    /// The session that it asked about last and that we have.
    lacks: Option<SessionId>,
}

/// Whether a frame stays at the relay until the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    Yes,
    /// As it did when it came before.
    Still,
    No,
}

/// Probes wanted, sent and answered; refusals sent.
#[derive(Debug, Default)]
pub(super) struct Probes {
    questions: HashMap<Amid, Vec<Question>>,
    sent: HashMap<Amid, Outstanding>,
    /// The session of each peer that it has and we have not, since we knocked anew for that: what is parked for it is
    /// forgotten as soon as the new session works.
    missing: HashMap<Amid, SessionId>,
    answered: HashMap<Amid, Answered>,
    /// When a session was last made in the place of a closed one that a peer went on in.
    replaced: HashMap<Amid, Timestamp>,
    refused: HashMap<Amid, Timestamp>,
    refusals: (Timestamp, u32),
}

impl Probes {
    /// Wishes for a probe about a session of which a frame waits here; the tick sends it.
    pub(super) fn want(&mut self, peer: Amid, session: SessionId, now: Timestamp) {
        self.ask(peer, session, false, now);
    }

    /// Wishes for a probe about a session of which a frame could not be opened: until it is answered, or in vain for days.
    pub(super) fn want_answer(&mut self, peer: Amid, session: SessionId, now: Timestamp) {
        self.ask(peer, session, true, now);
    }

    fn ask(&mut self, peer: Amid, session: SessionId, lasts: bool, now: Timestamp) {
        if !self.questions.contains_key(&peer) && self.questions.len() >= MAX_PEERS {
            return;
        }
        let questions = self.questions.entry(peer).or_default();
        if let Some(known) = questions.iter_mut().find(|q| q.session == session) {
            // The peer is there, or its relay is.
            known.due = known.due.min(now);
            known.lasts |= lasts;
            return;
        }
        if questions.len() >= MAX_QUESTIONS {
            // What is parked comes up again.
            let Some(passing) = questions.iter().rposition(|q| !q.lasts && lasts) else { return };
            questions.remove(passing);
        }
        let pause = limits::PROBE_INTERVAL;
        questions.push(Question { session, due: now, pause, since: now, lasts, kept: None });
    }

    /// Whether the frame that brought up a question may stay at the relay, so that a crash does not forget it.
    pub(super) fn keep(&mut self, session: SessionId, source: Source) -> Kept {
        let kept = self.questions.values().flatten().filter(|q| q.kept.is_some()).count();
        let Some(questions) = self.questions.get_mut(&source.from) else { return Kept::No };
        if let Some(known) = questions.iter().find_map(|q| q.kept) {
            return if known == source { Kept::Still } else { Kept::No };
        }
        match questions.iter_mut().find(|q| q.session == session && q.lasts) {
            Some(question) if source.relay_id.is_some() && kept < MAX_KEPT => {
                question.kept = Some(source);
                Kept::Yes
            }
            _ => Kept::No,
        }
    }

    /// Forgets what was to be asked of a peer, and that an answer is awaited. Returns the frame that stayed at the relay.
    pub(super) fn forget(&mut self, peer: &Amid) -> Option<Source> {
        self.sent.remove(peer);
        self.questions.remove(peer)?.into_iter().find_map(|question| question.kept)
    }

    fn drop_question(&mut self, peer: &Amid, session: SessionId) -> Option<Source> {
        let questions = self.questions.get_mut(peer)?;
        let index = questions.iter().position(|q| q.session == session)?;
        let question = questions.remove(index);
        if questions.is_empty() {
            self.questions.remove(peer);
        }
        question.kept
    }

    /// Peers of which something is to be asked now.
    pub(super) fn peers_due(&self, now: Timestamp) -> Vec<Amid> {
        self.due(now).into_iter().map(|(peer, _)| peer).collect()
    }

    /// What is to be asked now: of each peer what is due the longest.
    pub(super) fn due(&self, now: Timestamp) -> Vec<(Amid, SessionId)> {
        let first = |(peer, questions): (&Amid, &Vec<Question>)| {
            let due = questions.iter().filter(|q| q.due <= now);
            let first = due.min_by_key(|q| (q.due, q.session))?;
            (self.earliest(peer) <= now).then_some((*peer, first.session))
        };
        let mut due: Vec<_> = self.questions.iter().filter_map(first).collect();
        due.sort_unstable();
        due
    }

    /// When the next probe may go out.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        let of = |(peer, questions): (&Amid, &Vec<Question>)| {
            let due = questions.iter().map(|q| q.due).min()?;
            Some(due.max(self.earliest(peer)))
        };
        self.questions.iter().filter_map(of).min()
    }

    fn earliest(&self, peer: &Amid) -> Timestamp {
        self.sent
            .get(peer)
            .map_or(Timestamp::ZERO, |o| o.sent_at.plus_millis(limits::PROBE_INTERVAL))
    }

    /// A probe goes out; the one before it is outstanding no longer. Whether the same was asked before, in vain.
    pub(super) fn asked(
        &mut self,
        peer: Amid,
        session: SessionId,
        nonce: [u8; 16],
        now: Timestamp,
    ) -> bool {
        self.sent.insert(peer, Outstanding { nonce, session, sent_at: now, answered: false });
        let questions = self.questions.get_mut(&peer).into_iter().flatten();
        let asked = questions.into_iter().find(|q| q.session == session);
        match asked.filter(|q| q.lasts) {
            Some(question) => {
                let again = question.pause > limits::PROBE_INTERVAL;
                question.due = now.plus_millis(question.pause + jitter(&nonce, question.pause));
                question.pause = (question.pause * 2).min(PAUSE_MAX);
                again
            }
            None => {
                self.drop_question(&peer, session);
                false
            }
        }
    }

    /// The frame of a peer that stayed at the relay need not any more.
    pub(super) fn release(&mut self, peer: &Amid) -> Option<Source> {
        self.questions.get_mut(peer)?.iter_mut().find_map(|question| question.kept.take())
    }

    /// The probe whose answer is awaited.
    pub(super) fn outstanding(&self, peer: &Amid) -> Option<Outstanding> {
        self.sent.get(peer).copied().filter(|o| !o.answered)
    }

    /// The answer has come. Returns the frame that stayed at the relay for it.
    pub(super) fn settle(&mut self, peer: &Amid) -> Option<Source> {
        // The time of sending stays: it limits the next probe.
        let outstanding = self.sent.get_mut(peer)?;
        outstanding.answered = true;
        let session = outstanding.session;
        self.drop_question(peer, session)
    }

    /// A probe has brought that we do not have this session, and a new one is on its way.
    pub(super) fn miss(&mut self, peer: Amid, session: SessionId) {
        self.missing.insert(peer, session);
    }

    pub(super) fn is_missing(&self, peer: &Amid, session: SessionId) -> bool {
        self.missing.get(peer) == Some(&session)
    }

    /// The new session works.
    pub(super) fn take_missing(&mut self, peer: &Amid) -> Option<SessionId> {
        self.missing.remove(peer)
    }

    /// The session came after all.
    pub(super) fn found(&mut self, peer: &Amid, session: SessionId) {
        if self.is_missing(peer, session) {
            self.missing.remove(peer);
        }
    }

    /// Whether a peer gets a session in the place of a closed one; otherwise from when on.
    pub(super) fn may_replace_closed(
        &mut self,
        peer: Amid,
        now: Timestamp,
    ) -> Result<(), Timestamp> {
        let last = self.replaced.get(&peer).map(|at| at.plus_millis(limits::REPLACE_INTERVAL));
        if let Some(at) = last.filter(|at| *at > now) {
            return Err(at);
        }
        if last.is_none() && self.replaced.len() >= MAX_PEERS {
            return Err(now.plus_millis(limits::REPLACE_INTERVAL));
        }
        self.replaced.insert(peer, now);
        Ok(())
    }

    /// The clock was put back.
    pub(super) fn put_back(&mut self, now: Timestamp) {
        for question in self.questions.values_mut().flatten() {
            question.due = question.due.min(now.plus_millis(question.pause));
            question.since = question.since.min(now);
        }
        self.sent.values_mut().for_each(|o| o.sent_at = now.min(o.sent_at));
        self.answered.values_mut().for_each(|a| a.last = now.min(a.last));
        self.replaced.values_mut().for_each(|at| *at = now.min(*at));
        self.refused.values_mut().for_each(|at| *at = now.min(*at));
        self.refusals.0 = now.min(self.refusals.0);
    }

    /// Forgets what no longer limits anything, so that the bounds are there for those who come now. Returns the frames that
    /// stayed at the relay for an answer that is not awaited any more.
    pub(super) fn expire(&mut self, now: Timestamp) -> Vec<Source> {
        let window = 2 * limits::CLOCK_SKEW;
        self.sent.retain(|_, o| now.since(o.sent_at) < window);
        let sent = &self.sent;
        self.missing.retain(|peer, _| sent.contains_key(peer));
        self.answered.retain(|_, a| now.since(a.last) < window);
        self.replaced.retain(|_, at| now.since(*at) < limits::REPLACE_INTERVAL);
        self.refused.retain(|_, at| now.since(*at) < limits::REFUSE_INTERVAL);
        let mut over = Vec::new();
        self.questions.retain(|_, questions| {
            over.extend(questions.extract_if(.., |q| now.since(q.since) >= QUESTION_AGE));
            !questions.is_empty()
        });
        over.into_iter().filter_map(|question| question.kept).collect()
    }

    /// Whether a probe may be answered: at most one a minute a peer, and never the same nonce twice.
    pub(super) fn may_answer(&mut self, peer: Amid, nonce: [u8; 16], now: Timestamp) -> bool {
        if !self.answered.contains_key(&peer) && self.answered.len() >= MAX_PEERS {
            return false;
        }
        let answered = self.answered.entry(peer).or_default();
        let too_soon =
            !answered.nonces.is_empty() && now.since(answered.last) < limits::PROBE_INTERVAL;
        if too_soon || answered.nonces.contains(&nonce) {
            return false;
        }
        if answered.nonces.len() >= MAX_NONCES {
            answered.nonces.remove(0);
        }
        answered.nonces.push(nonce);
        answered.last = now;
        true
    }

    /// The peer asks about this session, and we have it.
    pub(super) fn lacks(&mut self, peer: &Amid, session: SessionId) {
        if let Some(answered) = self.answered.get_mut(peer) {
            answered.lacks = Some(session);
        }
    }

    /// Whether the peer has asked about this session, so that it did not have it then.
    pub(super) fn is_lacking(&self, peer: &Amid, session: SessionId) -> bool {
        self.answered.get(peer).is_some_and(|a| a.lacks == Some(session))
    }

    /// Whether a refusal may go out: one a minute a sender, ten a second in all.
    pub(super) fn may_refuse(&mut self, peer: Amid, now: Timestamp) -> bool {
        if now.since(self.refusals.0) >= SECOND {
            self.refusals = (now, 0);
        }
        if self.refusals.1 >= limits::REFUSALS_PER_SECOND
            || self.refused.get(&peer).is_some_and(|at| now.since(*at) < limits::REFUSE_INTERVAL)
            || self.refused.len() >= MAX_PEERS
        {
            return false;
        }
        self.refusals.1 += 1;
        self.refused.insert(peer, now);
        true
    }
}

/// What is added to a pause, up to half of it, so that those who began to ask at once do not go on so. A nonce is random, and
/// nothing is given away by a time that its frame is seen at.
fn jitter(nonce: &[u8; 16], pause: u64) -> u64 {
    let random = nonce.first_chunk().map_or(0, |first| u64::from_be_bytes(*first));
    random % (pause / 2 + 1)
}

#[cfg(test)]
mod tests;
