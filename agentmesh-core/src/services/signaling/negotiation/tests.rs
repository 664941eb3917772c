//! Two negotiators and two peer connections that keep to the rules of WebRTC, under every order of delivery.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// A peer connection that panics where a real one would refuse.
#[derive(Debug, Default)]
struct Connection {
    local: Option<Description>,
    remote: Option<Description>,
    pending_local: Option<Description>,
    pending_remote: Option<Description>,
    candidates: Vec<String>,
    channels: usize,
    built: usize,
}

impl Connection {
    fn is_stable(&self) -> bool {
        self.pending_local.is_none() && self.pending_remote.is_none()
    }
}

struct Side {
    id: PeerId,
    negotiator: Negotiator,
    connection: Connection,
    offers: usize,
    outbox: Vec<Payload>,
    closed: bool,
}

impl Side {
    fn new(id: &str, of: &str, offers: bool) -> Self {
        let (id, of) = (PeerId::from(id), PeerId::from(of));
        let negotiator = Negotiator::new(&id, &of, offers, PeerTimings::default(), Duration::ZERO);
        let connection = Connection::default();
        let mut side =
            Self { id, negotiator, connection, offers: 0, outbox: Vec::new(), closed: false };
        side.act(Duration::ZERO);
        side
    }

    fn tell(&mut self, input: PeerInput, now: Duration) {
        self.negotiator.handle(input, now);
        self.act(now);
    }

    fn act(&mut self, now: Duration) {
        let mut actions: VecDeque<_> = self.negotiator.take_actions().into();
        while let Some(action) = actions.pop_front() {
            if let Some(input) = self.perform(action) {
                self.negotiator.handle(input, now);
                actions.extend(self.negotiator.take_actions());
            }
        }
    }

    fn perform(&mut self, action: PeerAction) -> Option<PeerInput> {
        let pc = &mut self.connection;
        match action {
            PeerAction::CreateChannel => pc.channels += 1,
            PeerAction::CreateOffer { .. } => {
                assert!(pc.pending_remote.is_none(), "an offer in have-remote-offer");
                self.offers += 1;
                let sdp = format!(
                    "a=ice-ufrag:{}{}\na=fingerprint:sha-256 {}{}\n",
                    self.id, self.offers, self.id, pc.built
                );
                let offer = Description { kind: DescriptionKind::Offer, sdp };
                pc.pending_local = Some(offer.clone());
                return Some(PeerInput::Created(offer));
            }
            PeerAction::CreateAnswer => {
                let offer = pc.pending_remote.take().expect("an answer needs an offer");
                let sdp = format!(
                    "a=ice-ufrag:{}-to-{}\na=fingerprint:sha-256 {}{}\n",
                    self.id,
                    offer.sdp.len(),
                    self.id,
                    pc.built
                );
                let answer = Description { kind: DescriptionKind::Answer, sdp };
                (pc.local, pc.remote) = (Some(answer.clone()), Some(offer));
                return Some(PeerInput::Created(answer));
            }
            PeerAction::Rollback => {
                pc.pending_local.take().expect("there is something to take back");
            }
            PeerAction::Rebuild => {
                let built = pc.built + 1;
                *pc = Connection { built, ..Connection::default() };
            }
            PeerAction::SetRemote(description) => match description.kind {
                DescriptionKind::Offer => {
                    assert!(pc.pending_local.is_none(), "glare reached the connection");
                    pc.pending_remote = Some(description);
                }
                _ => {
                    pc.local = Some(pc.pending_local.take().expect("an answer to nothing"));
                    pc.remote = Some(description);
                }
            },
            PeerAction::AddCandidate(candidate) => pc.candidates.push(candidate.candidate),
            PeerAction::Send(payload) => self.outbox.push(payload),
            PeerAction::Close => self.closed = true,
        }
        None
    }
}

/// Delivers what both sides sent, in the order that `order` draws, until nothing is under way.
fn run(a: &mut Side, b: &mut Side, mut order: u32) {
    for _ in 0..64 {
        let from_a = match (a.outbox.is_empty(), b.outbox.is_empty()) {
            (true, true) => return,
            (true, false) => false,
            (false, true) => true,
            _ => {
                let first = order & 1 == 0;
                order >>= 1;
                first
            }
        };
        let (from, to) = if from_a { (&mut *a, &mut *b) } else { (&mut *b, &mut *a) };
        let payload = from.outbox.remove(0);
        // What is on the wire is what the other side reads.
        let payload = Payload::parse(&payload.to_value()).unwrap();
        to.tell(PeerInput::Received(payload), Duration::ZERO);
    }
    panic!("it does not end");
}

fn agree(a: &Side, b: &Side) -> bool {
    let ends = |x: &Side, y: &Side| x.connection.local == y.connection.remote;
    a.connection.is_stable()
        && b.connection.is_stable()
        && ends(a, b)
        && ends(b, a)
        && a.connection.local.is_some()
}

#[test]
fn case_24_both_offer_at_once_and_the_impolite_offer_wins() {
    for order in 0..64 {
        let (mut a, mut b) = (Side::new("a", "b", true), Side::new("b", "a", true));
        assert!(a.negotiator.is_polite() && !b.negotiator.is_polite());
        run(&mut a, &mut b, order);
        assert!(agree(&a, &b), "order {order:b}: {:?} {:?}", a.connection, b.connection);
        let kind = |side: &Side| side.connection.local.as_ref().map(|local| local.kind);
        assert_eq!(kind(&b), Some(DescriptionKind::Offer), "the larger id's offer won");
        assert_eq!(kind(&a), Some(DescriptionKind::Answer));
        assert_eq!((a.offers, b.offers), (1, 1), "nobody offered again");
        assert_eq!((a.connection.built, b.connection.built), (0, 0), "exactly one connection");
    }
}

#[test]
fn newcomer_offers_and_who_was_there_waits_whoever_is_polite() {
    for (newcomer, member) in [("a", "b"), ("b", "a")] {
        let (mut new, mut old) =
            (Side::new(newcomer, member, true), Side::new(member, newcomer, false));
        assert!(old.outbox.is_empty());
        run(&mut new, &mut old, 0);
        assert!(agree(&new, &old));
        assert_eq!((new.connection.channels, old.connection.channels), (1, 0));
    }
}

#[test]
fn glare_while_renegotiating_brings_the_polite_change_afterwards() {
    for order in 0..64 {
        let (mut a, mut b) = (Side::new("a", "b", true), Side::new("b", "a", false));
        run(&mut a, &mut b, 0);
        a.tell(PeerInput::NegotiationNeeded, Duration::ZERO);
        b.tell(PeerInput::NegotiationNeeded, Duration::ZERO);
        run(&mut a, &mut b, order);
        assert!(agree(&a, &b), "order {order:b}");
        assert_eq!(a.offers, 3, "the change that was taken back is offered again");
    }
}

#[test]
fn without_an_offer_the_smaller_id_offers_after_fifteen_seconds() {
    let (mut a, mut b) = (Side::new("a", "b", false), Side::new("b", "a", false));
    for side in [&mut a, &mut b] {
        assert_eq!(side.negotiator.next_wake(), Some(15 * SECOND));
        side.negotiator.tick(15 * SECOND);
        side.act(15 * SECOND);
    }
    assert_eq!((a.offers, b.offers), (1, 0));
    run(&mut a, &mut b, 0);
    assert!(agree(&a, &b));
}

fn candidate(text: &str, ufrag: Option<&str>) -> PeerInput {
    let username_fragment = ufrag.map(str::to_owned);
    PeerInput::Received(Payload::candidate(Candidate { username_fragment, ..Candidate::new(text) }))
}

fn offer(ufrag: &str) -> PeerInput {
    let sdp = format!("a=ice-ufrag:{ufrag}\n");
    PeerInput::Received(Payload::description(DescriptionKind::Offer, sdp))
}

#[test]
fn candidates_wait_for_their_description_and_stale_ones_are_dropped() {
    let mut side = Side::new("a", "b", false);
    for n in 0..200 {
        side.tell(candidate(&n.to_string(), Some("u1")), Duration::ZERO);
    }
    side.tell(candidate("other", Some("u0")), Duration::ZERO);
    assert!(side.connection.candidates.is_empty());
    side.tell(offer("u1"), Duration::ZERO);
    assert_eq!(side.connection.candidates.len(), MAX_EARLY);
    side.tell(offer("u2"), Duration::ZERO);
    for (text, ufrag) in [("old", Some("u1")), ("new", Some("u2")), ("plain", None)] {
        side.tell(candidate(text, ufrag), Duration::ZERO);
    }
    assert_eq!(side.connection.candidates[MAX_EARLY..], ["new", "plain"]);
}

#[test]
fn candidates_of_an_ignored_offer_are_ignored_with_it() {
    let mut impolite = Side::new("b", "a", true);
    impolite.tell(offer("a9"), Duration::ZERO);
    impolite.tell(candidate("of the ignored offer", Some("a9")), Duration::ZERO);
    impolite.tell(candidate("likewise", None), Duration::ZERO);
    let answer = Payload::description(DescriptionKind::Answer, "a=ice-ufrag:a10\n");
    impolite.tell(PeerInput::Received(answer), Duration::ZERO);
    impolite.tell(candidate("of the answer", Some("a10")), Duration::ZERO);
    assert_eq!(impolite.connection.candidates, ["of the answer"]);
}

#[test]
fn answer_without_an_offer_and_rollback_from_outside_change_nothing() {
    let mut side = Side::new("a", "b", false);
    for kind in [DescriptionKind::Answer, DescriptionKind::Pranswer, DescriptionKind::Rollback] {
        side.tell(PeerInput::Received(Payload::description(kind, "")), Duration::ZERO);
    }
    assert!(side.connection.remote.is_none() && side.outbox.is_empty());
}

#[test]
fn connection_mode_is_echoed_and_the_last_candidate_is_not_sent() {
    let mut side = Side::new("a", "b", false);
    let offer = Payload::description(DescriptionKind::Offer, "v=0").with_mode("lan");
    side.tell(PeerInput::Received(offer), Duration::ZERO);
    assert!(side.outbox[0].is_lan());
    side.tell(PeerInput::Gathered(Candidate::new("")), Duration::ZERO);
    assert_eq!(side.outbox.len(), 1);
    side.tell(PeerInput::Gathered(Candidate::new("candidate:1")), Duration::ZERO);
    assert_eq!(side.outbox.len(), 2);
}

/// Both agreed, and the offerer is connected.
fn connected(offerer: &str, other: &str) -> Side {
    let (mut a, mut b) = (Side::new(offerer, other, true), Side::new(other, offerer, false));
    run(&mut a, &mut b, 0);
    a.tell(PeerInput::Ice(IceState::Connected), Duration::ZERO);
    assert_eq!(a.negotiator.next_wake(), None);
    a
}

/// Lets time pass, with every wake-up at its time; says when what was offered or done.
fn pass(side: &mut Side, until: Duration) -> Vec<(u64, &'static str)> {
    let mut seen = Vec::new();
    while let Some(wake) = side.negotiator.next_wake().filter(|wake| *wake <= until) {
        side.negotiator.tick(wake);
        for action in side.negotiator.take_actions() {
            let name = match &action {
                PeerAction::CreateOffer { ice_restart: true } => "restart",
                PeerAction::Rebuild => "rebuild",
                PeerAction::Close => "close",
                _ => "",
            };
            if !name.is_empty() {
                seen.push((wake.as_secs(), name));
            }
            if let Some(input) = side.perform(action) {
                side.negotiator.handle(input, wake);
            }
        }
    }
    seen
}

#[test]
fn offerer_restarts_three_times_then_builds_anew_then_gives_up() {
    let mut side = connected("b", "a");
    side.tell(PeerInput::Ice(IceState::Disconnected), 100 * SECOND);
    let seen = pass(&mut side, 1000 * SECOND);
    let wanted =
        [(105, "restart"), (107, "restart"), (111, "restart"), (119, "rebuild"), (149, "close")];
    assert_eq!(seen, wanted);
    assert!(side.negotiator.is_closed());
}

#[test]
fn who_hears_of_a_new_connection_builds_one_too() {
    for order in 0..64 {
        let (mut a, mut b) = (Side::new("a", "b", true), Side::new("b", "a", false));
        run(&mut a, &mut b, 0);
        // Both at once, in the worst case.
        a.negotiator.rebuild();
        a.negotiator.offer(false);
        a.act(SECOND);
        if order % 2 == 1 {
            b.tell(PeerInput::NegotiationNeeded, SECOND);
        }
        run(&mut a, &mut b, order / 2);
        assert!(agree(&a, &b), "order {order:b}: {:?} {:?}", a.connection, b.connection);
        assert_eq!(b.connection.built, 1);
    }
}

#[test]
fn connection_that_comes_back_is_left_alone() {
    let mut side = connected("b", "a");
    side.tell(PeerInput::Ice(IceState::Disconnected), 100 * SECOND);
    side.tell(PeerInput::Ice(IceState::Connected), 104 * SECOND);
    assert_eq!(pass(&mut side, 1000 * SECOND), []);
    side.tell(PeerInput::Ice(IceState::Failed), 200 * SECOND);
    assert_eq!(side.offers, 2, "a failed one is restarted at once");
}

#[test]
fn answerer_waits_for_the_offerer_and_not_for_ever() {
    let mut side = Side::new("a", "b", false);
    side.tell(offer("u"), Duration::ZERO);
    side.tell(PeerInput::Ice(IceState::Connected), SECOND);
    side.tell(PeerInput::Ice(IceState::Failed), 100 * SECOND);
    assert_eq!(pass(&mut side, 1000 * SECOND), [(149, "close")]);
}

#[test]
fn peer_that_left_stays_connected_and_goes_with_the_connection() {
    let mut side = connected("b", "a");
    side.tell(PeerInput::Left, 10 * SECOND);
    assert_eq!(pass(&mut side, 1000 * SECOND), []);
    side.tell(PeerInput::Ice(IceState::Disconnected), 1000 * SECOND);
    assert_eq!(pass(&mut side, 2000 * SECOND), [(1030, "close")]);
    let mut side = connected("b", "a");
    side.tell(PeerInput::Left, 10 * SECOND);
    side.tell(PeerInput::Ice(IceState::Failed), 20 * SECOND);
    side.tell(PeerInput::Back, 25 * SECOND);
    assert_eq!(side.offers, 2, "who is back is reached again");
}

#[test]
fn connection_that_never_stands_is_given_up() {
    let mut side = Side::new("b", "a", true);
    assert_eq!(pass(&mut side, 1000 * SECOND), [(30, "close")]);
}
