use super::*;
use crate::{
    engine::{
        crossing::{InUse, takes_over},
        tests::texts,
    },
    test_utils::mesh::Mesh,
};

#[test]
fn crossing_knocks_end_in_one_session_and_lose_nothing() {
    for seed in 30..40 {
        let mut mesh = Mesh::new(2, seed);
        let a = mesh.send(0, 1, "from a").unwrap();
        let b = mesh.send(1, 0, "from b").unwrap();
        mesh.run();
        assert_eq!(mesh.handled(1), [a], "seed {seed}");
        assert_eq!(mesh.handled(0), [b], "seed {seed}");
        assert!(mesh.nodes.iter().all(|n| n.engine.outbox().is_empty()), "seed {seed}");
        // From now on both sides send in the same session.
        let mark = mesh.wiretap.len();
        mesh.send(0, 1, "a again").unwrap();
        mesh.send(1, 0, "b again").unwrap();
        mesh.run();
        let sessions: HashSet<_> =
            mesh.wiretap[mark..].iter().map(|(_, s)| s.frame[2..18].to_vec()).collect();
        assert_eq!(sessions.len(), 1, "seed {seed}");
    }
}

#[test]
fn message_that_overtakes_its_handshake_waits_for_it() {
    let mut mesh = Mesh::new(2, 41);
    let id = mesh.send(0, 1, "overtaking").unwrap();
    let b = mesh.amid(1);
    mesh.relay.get_mut(&b).unwrap().make_contiguous().reverse();
    mesh.run();
    assert_eq!(mesh.handled(1), [id]);
    assert_eq!(mesh.handshakes(), 1);
}

#[test]
fn application_frame_that_overtakes_accept_waits_for_it() {
    let mut mesh = Mesh::new(2, 42);
    mesh.send(0, 1, "knock").unwrap();
    while mesh.deliver_next(1) || mesh.handle_next(1) {}
    mesh.send(1, 0, "early").unwrap();
    let a = mesh.amid(0);
    mesh.relay.get_mut(&a).unwrap().make_contiguous().reverse();
    mesh.deliver_next(0);
    mesh.handle_next(0);
    assert!(texts(&mesh, 0).is_empty());
    mesh.run();
    assert_eq!(texts(&mesh, 0), ["\"early\""]);
}

#[test]
fn handshake_is_sent_again_until_the_peer_shows_up() {
    let mut mesh = Mesh::new(2, 43);
    mesh.disconnect(1);
    let id = mesh.send(0, 1, "hello").unwrap();
    let b = mesh.amid(1);
    // The relay loses its disk, after it said that everything was on it.
    mesh.relay.get_mut(&b).unwrap().clear();
    mesh.advance(61_000);
    assert_eq!(mesh.relay[&b].len(), 1, "the handshake, with the same bytes");
    assert_eq!(mesh.handshakes(), 1);
    mesh.connect(1);
    mesh.run();
    let _ = id;
    assert!(mesh.nodes[1].events.iter().any(|e| matches!(e, Event::SessionEstablished { .. })));
}

/// The clock of whoever opened the session says nothing about the one that knocks now.
#[test]
fn knock_of_a_peer_that_lost_its_store_is_used_whatever_the_clocks_say() {
    // No key is lower than itself.
    for (own, peer) in [([1; 32], [2; 32]), ([2; 32], [1; 32]), ([1; 32], [1; 32])] {
        let at = Timestamp::from_millis;
        let chosen = |in_use, time| takes_over(&own, &peer, in_use, at(time));
        assert!(chosen(None, 5));
        assert!(chosen(Some(InUse::Ours), 0), "ours, with whatever time");
        assert!(chosen(Some(InUse::Peers(at(5))), 5), "equal times");
        assert!(chosen(Some(InUse::Peers(at(5))), 6));
        assert!(!chosen(Some(InUse::Peers(at(5))), 4), "an earlier one came late");
        assert_eq!(chosen(Some(InUse::OursPending), 9), peer < own);
    }
}

/// Two that knock on each other at once. Neither has decided yet, and the one with the higher key, which comes second, has
/// seen that the other's session is the one to use.
fn crossed(seed: u64) -> (Mesh, usize, usize) {
    let mut mesh = Mesh::new(2, seed);
    let key = |node: usize| *mesh.nodes[node].engine.identity.signing_key().as_bytes();
    let (low, high) = if key(0) < key(1) { (0, 1) } else { (1, 0) };
    mesh.nodes[low].policy = knock::Decision::Later;
    mesh.nodes[high].policy = knock::Decision::Later;
    mesh.send(low, high, "hello").unwrap();
    for text in ["1", "2"] {
        mesh.send(high, low, text).unwrap();
    }
    while mesh.deliver_next(low) {}
    while mesh.deliver_next(high) {}
    (mesh, low, high)
}

fn decide(mesh: &mut Mesh, node: usize) {
    let [(session, _)] = mesh.nodes[node].engine.pending_knocks()[..] else { panic!("one KNOCK") };
    let decision = knock::Decision::accept();
    mesh.feed(node, Input::Decide { session, decision }).unwrap();
}

#[test]
fn what_is_held_for_an_undecided_knock_is_not_overtaken_in_our_own_session() {
    let (mut mesh, low, high) = crossed(44);
    mesh.send(high, low, "3").unwrap();
    decide(&mut mesh, high);
    mesh.run();
    assert_eq!(texts(&mesh, low), ["\"1\"", "\"2\"", "\"3\""]);
    decide(&mut mesh, low);
    mesh.run();
    assert_eq!(texts(&mesh, low).len(), 3);
    assert!(mesh.nodes.iter().all(|n| n.engine.outbox().is_empty()));
}

#[test]
fn accepting_a_knock_hands_on_in_order_what_came_in_two_sessions() {
    let (mut mesh, low, high) = crossed(45);
    // The first message comes again in the other session, and the second does not yet.
    while mesh.nodes[low].engine.inbox.values().filter(|e| e.session == ours(&mesh, low)).count()
        == 0
    {
        assert!(mesh.deliver_next(low));
    }
    decide(&mut mesh, low);
    mesh.run();
    assert_eq!(texts(&mesh, low), ["\"1\"", "\"2\""]);
    decide(&mut mesh, high);
    mesh.send(high, low, "3").unwrap();
    mesh.run();
    assert_eq!(texts(&mesh, low), ["\"1\"", "\"2\"", "\"3\""]);
}

fn ours(mesh: &Mesh, node: usize) -> SessionId {
    let is_ours = |e: &&SessionEntry| e.role == records::Role::Initiator;
    mesh.nodes[node].engine.sessions.values().find(is_ours).unwrap().id
}
