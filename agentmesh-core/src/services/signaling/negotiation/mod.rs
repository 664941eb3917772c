//! Who offers, and what happens when both do: perfect negotiation with one peer (signaling protocol §6.3), without any
//! WebRTC stack. Inputs and a time go in, actions come out; the application performs them on its peer connection.
//!
//! The newcomer offers to everybody in its first roster. The smaller id is polite: if both offer at once, it takes its
//! own offer back. Candidates wait for their description and are dropped if they belong to another one. `recovery` has
//! what happens when a connection fails.

mod recovery;
#[cfg(test)]
mod tests;

use std::{collections::VecDeque, time::Duration};

use self::recovery::Recovery;
use super::{Candidate, Description, DescriptionKind, Payload, PeerId};

/// Candidates that wait for a description.
const MAX_EARLY: usize = 128;

/// The waits of a negotiation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerTimings {
    /// Without an offer for so long, the smaller id offers, whoever came first: 15 seconds.
    pub offer: Duration,
    /// For a connection to stand: 30 seconds.
    pub connect: Duration,
    /// ICE may be disconnected for so long before it is restarted: 5 seconds.
    pub disconnected: Duration,
    /// For each ICE restart to succeed: 2, 4 and 8 seconds. Then the connection is built anew.
    pub restarts: [Duration; 3],
    /// A peer that left the room and is not connected is given up after 30 seconds.
    pub left: Duration,
}

impl Default for PeerTimings {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            offer: seconds(15),
            connect: seconds(30),
            disconnected: seconds(5),
            restarts: [seconds(2), seconds(4), seconds(8)],
            left: seconds(30),
        }
    }
}

/// How the connection's ICE transport is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IceState {
    /// New or checking.
    #[default]
    Checking,
    /// Connected or completed.
    Connected,
    /// Lost for the moment.
    Disconnected,
    /// Lost.
    Failed,
}

/// What a [`Negotiator`] is told.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PeerInput {
    /// The peer sent this.
    Received(Payload),
    /// The description that [`PeerAction::CreateOffer`] or [`PeerAction::CreateAnswer`] asked for. It is set as the
    /// local one already.
    Created(Description),
    /// A candidate of this side, for the peer. The one without text, the last, is not sent.
    Gathered(Candidate),
    /// The application changed something that has to be negotiated.
    NegotiationNeeded,
    /// The ICE transport changed.
    Ice(IceState),
    /// The peer left the room. A connection that stands stays.
    Left,
    /// It is back.
    Back,
}

/// What to do with the peer connection, in this order, one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PeerAction {
    /// Make the data channel: label [`Negotiator::CHANNEL`], ordered, reliable, not negotiated.
    CreateChannel,
    /// Make an offer, set it as the local description, and say [`PeerInput::Created`].
    CreateOffer {
        /// With new ICE credentials.
        ice_restart: bool,
    },
    /// Make an answer, set it, and say [`PeerInput::Created`].
    CreateAnswer,
    /// Take the local offer back. A library that cannot closes the peer connection and builds a new one.
    Rollback,
    /// Close the peer connection and build a new one.
    Rebuild,
    /// Set the peer's description.
    SetRemote(Description),
    /// Add a candidate of the peer's. An error is no reason to stop.
    AddCandidate(Candidate),
    /// Send this to the peer.
    Send(Payload),
    /// It is over: close the peer connection. Nothing follows.
    Close,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Stable,
    /// Our offer is being made or was sent.
    Offering,
    /// The peer's offer is being answered.
    Answering,
}

/// See the module.
#[derive(Debug)]
pub struct Negotiator {
    polite: bool,
    mode: Option<String>,
    state: State,
    /// Descriptions that were asked for and have not come; those that were overtaken are not sent.
    expected: VecDeque<bool>,
    /// The last offer of the peer's was ignored, with this ufrag.
    ignored: Option<Option<String>>,
    /// The ufrag of the peer's description, if there is a description.
    remote: Option<Option<String>>,
    /// The certificates in it.
    fingerprints: Vec<String>,
    early: Vec<Candidate>,
    has_channel: bool,
    /// Something changed while a negotiation was under way.
    again: bool,
    /// Without an offer until then, the smaller id makes one.
    offer_by: Option<Duration>,
    recovery: Recovery,
    /// The connection was just built anew.
    is_new: bool,
    closed: bool,
    actions: Vec<PeerAction>,
}

impl Negotiator {
    /// The label of the data channel, which the offerer makes.
    pub const CHANNEL: &'static str = "agent";
    /// Bytes of a message on the channel, unless both sides say that they take more.
    pub const MAX_MESSAGE: usize = 16 * 1024;
    /// Bytes that may wait in the channel before the application holds back.
    pub const MAX_BUFFERED: usize = 1024 * 1024;

    /// Begins with a peer. `offers`: it was in this client's first roster ([`Roster::first`](super::Roster::first)), so
    /// this side offers; otherwise it waits for the peer's offer.
    pub fn new(
        local: &PeerId,
        remote: &PeerId,
        offers: bool,
        timings: PeerTimings,
        now: Duration,
    ) -> Self {
        let mut negotiator = Self {
            polite: local < remote,
            mode: None,
            state: State::Stable,
            expected: VecDeque::new(),
            ignored: None,
            remote: None,
            fingerprints: Vec::new(),
            early: Vec::new(),
            has_channel: false,
            again: false,
            offer_by: Some(now + timings.offer),
            recovery: Recovery::new(timings, offers, now),
            is_new: false,
            closed: false,
            actions: Vec::new(),
        };
        if offers {
            negotiator.offer(false);
        }
        negotiator
    }

    /// The same with a connection mode for the offers of this side. Answers have that of the offer.
    #[must_use]
    pub fn with_mode(mut self, mode: impl Into<String>) -> Self {
        self.mode = Some(mode.into());
        self
    }

    /// Whether this side gives way.
    pub const fn is_polite(&self) -> bool {
        self.polite
    }

    /// Whether it is over.
    pub const fn is_closed(&self) -> bool {
        self.closed
    }

    /// What there is to do.
    pub fn take_actions(&mut self) -> Vec<PeerAction> {
        std::mem::take(&mut self.actions)
    }

    /// Something happened.
    pub fn handle(&mut self, input: PeerInput, now: Duration) {
        if self.closed {
            return;
        }
        match input {
            PeerInput::Received(payload) => self.received(payload),
            PeerInput::Created(description) => self.created(description),
            PeerInput::Gathered(candidate) => {
                if !candidate.candidate.is_empty() {
                    self.actions.push(PeerAction::Send(Payload::candidate(candidate)));
                }
            }
            PeerInput::NegotiationNeeded => match self.state {
                State::Stable => self.offer(false),
                _ => self.again = true,
            },
            PeerInput::Ice(ice) => self.recovery.ice(ice, now),
            PeerInput::Left => self.recovery.left(now),
            PeerInput::Back => self.recovery.back(now),
        }
        self.recover(now);
    }

    /// When [`Negotiator::tick`] is due.
    pub fn next_wake(&self) -> Option<Duration> {
        if self.closed {
            return None;
        }
        [self.offer_by, self.recovery.next_wake()].into_iter().flatten().min()
    }

    /// Whatever is due at `now`.
    pub fn tick(&mut self, now: Duration) {
        if self.closed {
            return;
        }
        if self.offer_by.is_some_and(|by| now >= by) {
            self.offer_by = None;
            if self.polite && self.state == State::Stable {
                self.offer(false);
            }
        }
        self.recover(now);
    }

    fn recover(&mut self, now: Duration) {
        self.note_rebuilt(now);
        match self.recovery.due(now) {
            None => {}
            Some(recovery::Step::Restart) => self.offer(true),
            Some(recovery::Step::Rebuild) => {
                self.rebuild();
                self.offer(false);
                self.note_rebuilt(now);
            }
            Some(recovery::Step::Close) => {
                self.closed = true;
                self.actions.push(PeerAction::Close);
            }
        }
    }

    /// A connection that was built anew has its own time to stand.
    fn note_rebuilt(&mut self, now: Duration) {
        if std::mem::take(&mut self.is_new) {
            self.recovery.rebuilt(now);
        }
    }

    /// A new peer connection knows nothing.
    fn rebuild(&mut self) {
        self.actions.push(PeerAction::Rebuild);
        self.is_new = true;
        self.expected.iter_mut().for_each(|send| *send = false);
        self.state = State::Stable;
        (self.remote, self.ignored) = (None, None);
        self.fingerprints.clear();
        self.early.clear();
        self.has_channel = false;
    }

    fn offer(&mut self, ice_restart: bool) {
        self.offer_by = None;
        self.expected.iter_mut().for_each(|send| *send = false);
        if !std::mem::replace(&mut self.has_channel, true) {
            self.actions.push(PeerAction::CreateChannel);
        }
        self.state = State::Offering;
        self.expected.push_back(true);
        self.actions.push(PeerAction::CreateOffer { ice_restart });
    }

    fn created(&mut self, description: Description) {
        if self.expected.pop_front() != Some(true) {
            return;
        }
        let is_offer = description.kind == DescriptionKind::Offer;
        if !is_offer {
            self.state = State::Stable;
            self.recovery.agreed(false);
        }
        let payload = Payload {
            description: Some(description),
            connection_mode: self.mode.clone(),
            ..Payload::default()
        };
        self.actions.push(PeerAction::Send(payload));
        self.next_change();
    }

    fn received(&mut self, payload: Payload) {
        let Payload { description, candidate, connection_mode, .. } = payload;
        match description.map(|description| (description.kind, description)) {
            Some((DescriptionKind::Offer, offer)) => self.offered(offer, connection_mode),
            Some((DescriptionKind::Answer | DescriptionKind::Pranswer, answer)) => {
                self.answered(answer);
            }
            Some((DescriptionKind::Rollback, _)) | None => {}
        }
        if let Some(candidate) = candidate {
            self.candidate(candidate);
        }
    }

    fn offered(&mut self, offer: Description, mode: Option<String>) {
        if self.state == State::Offering {
            if !self.polite {
                self.ignored = Some(offer.ice_ufrag().map(str::to_owned));
                return;
            }
            if !self.is_another(&offer) {
                self.actions.push(PeerAction::Rollback);
            }
            // Whatever the offer was to negotiate comes after the peer's.
            self.again |= self.remote.is_some();
        }
        if self.is_another(&offer) {
            self.rebuild();
        }
        self.expected.iter_mut().for_each(|send| *send = false);
        self.offer_by = None;
        // The offerer brings the channel.
        self.has_channel = true;
        self.mode = mode;
        self.state = State::Answering;
        self.set_remote(offer);
        self.expected.push_back(true);
        self.actions.push(PeerAction::CreateAnswer);
    }

    fn answered(&mut self, answer: Description) {
        // To an offer that was taken back, or that is only being made.
        if self.state != State::Offering || self.expected.contains(&true) {
            return;
        }
        if self.is_another(&answer) {
            // It answered with a new connection, which this side's old one cannot go on with.
            self.rebuild();
            self.offer(false);
            return;
        }
        if answer.kind == DescriptionKind::Answer {
            self.state = State::Stable;
            self.recovery.agreed(true);
        }
        self.set_remote(answer);
        self.next_change();
    }

    /// Whether a description is of a connection that the peer built anew, with a certificate of its own.
    fn is_another(&self, description: &Description) -> bool {
        let theirs = description.fingerprints();
        !self.fingerprints.is_empty() && !theirs.is_empty() && theirs != self.fingerprints
    }

    fn set_remote(&mut self, description: Description) {
        self.ignored = None;
        self.fingerprints = description.fingerprints();
        self.remote = Some(description.ice_ufrag().map(str::to_owned));
        self.actions.push(PeerAction::SetRemote(description));
        for candidate in std::mem::take(&mut self.early) {
            self.candidate(candidate);
        }
    }

    fn candidate(&mut self, candidate: Candidate) {
        let of = candidate.username_fragment.as_deref();
        if let Some(ignored) = &self.ignored
            && (of.is_none() || ignored.as_deref() == of)
        {
            return;
        }
        match &self.remote {
            None if self.early.len() < MAX_EARLY => self.early.push(candidate),
            None => {}
            Some(Some(epoch)) if of.is_some_and(|of| of != epoch) => {}
            Some(_) => self.actions.push(PeerAction::AddCandidate(candidate)),
        }
    }

    fn next_change(&mut self) {
        if self.state == State::Stable && std::mem::take(&mut self.again) {
            self.offer(false);
        }
    }
}
