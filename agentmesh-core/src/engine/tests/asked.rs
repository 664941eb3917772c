//! Who is asked about a session, who is answered what, and what follows from the answer and from nothing else.

use super::*;
use crate::{
    limits::PART_SIZE,
    test_utils::seeded_rng,
    time::MINUTE,
    wire::{control::Probe, frame::NativeFrame, plaintext::Payload},
};

fn kinds(mesh: &Mesh, from: usize, kind: u8) -> usize {
    let own = mesh.amid(from);
    mesh.wiretap.iter().filter(|(_, s)| s.from == own && s.frame[1] == kind).count()
}

/// A question of `node` to the second agent.
fn probe(mesh: &Mesh, node: usize, of: SessionId) -> Vec<u8> {
    let key = *mesh.nodes[1].engine.identity().signing_key();
    let own = mesh.nodes[node].engine.identity();
    Probe::sign(own, &key, of, mesh.now, &mut seeded_rng(node as u64)).encode()
}

/// The second agent gets a frame of its session with the first that does not open, so it asks.
fn doubt(mesh: &mut Mesh) {
    let (a, b) = (mesh.amid(0), mesh.amid(1));
    let mut frames = mesh.wiretap.iter().rev().filter(|(to, _)| *to == b).map(|(_, s)| &s.frame);
    let mut frame = frames.find(|frame| frame[1] == 2).unwrap().clone();
    // Where the tag begins, by which a frame that came before is known.
    let tag = frame.len() - 16;
    frame[tag] ^= 1;
    mesh.inject(1, a, None, frame);
    assert_eq!(kinds(mesh, 1, 3), 1);
}

#[test]
fn frame_of_a_session_in_memory_needs_nothing_else_and_a_question_needs_its_peer() {
    let mut mesh = acquainted(800);
    mesh.send(0, 1, "hello").unwrap();
    let from = mesh.amid(0);
    let message = mesh.wiretap.last().unwrap().1.frame.clone();
    let of = mesh.nodes[1].engine.sending_session(from).unwrap();
    let mut unknown = message.clone();
    unknown[2..18].copy_from_slice(session(9).as_bytes());
    let frames = [
        (message, vec![]),
        (probe(&mesh, 0, of), vec![Need::Peer(from)]),
        (unknown, vec![Need::Session(session(9)), Need::Peer(from)]),
    ];
    let (now, engine) = (mesh.now, &mut mesh.nodes[1].engine);
    engine.peers.evict();
    for (frame, needs) in frames {
        let input = Input::Frame(Inbound { from, relay_id: None, frame });
        assert_eq!(engine.needs(&input, now), needs);
    }
}

#[test]
fn peer_whose_record_is_out_of_memory_is_asked_all_the_same() {
    let mut mesh = acquainted(801);
    mesh.send(0, 1, "again, please").unwrap();
    mesh.disconnect(0);
    mesh.lose_store(1);
    mesh.connect(1);
    mesh.run();
    mesh.nodes[1].engine.peers.evict();
    for later in [1000, 0] {
        mesh.advance(later);
    }
    assert_eq!(kinds(&mesh, 1, 3), 1);
}

#[test]
fn only_its_peer_is_told_that_a_session_exists() {
    let mut mesh = acquainted(802);
    let third = mesh.add(EngineConfig::default());
    let of = mesh.nodes[1].engine.sending_session(mesh.amid(0)).unwrap();
    for (node, is_told) in [(third, false), (0, true)] {
        let (from, frame) = (mesh.amid(node), probe(&mesh, node, of));
        let inbound = Inbound { from, relay_id: None, frame };
        let outcome = outcome_of(&mut mesh, 1, Input::Frame(inbound));
        let answer = NativeFrame::parse(outcome.outgoing[0].frame.clone()).unwrap();
        let NativeFrame::ProbeReply(answer) = answer else { panic!("an answer") };
        assert_eq!(answer.enclosed().is_some(), is_told);
    }
}

#[test]
fn peer_that_lost_its_store_gets_another_session_in_the_place_of_the_one_that_is_asked_about() {
    let mut mesh = acquainted(803);
    let a = mesh.amid(0);
    let in_use = |mesh: &Mesh| mesh.nodes[1].engine.sending_session(a).unwrap();
    let before = in_use(&mesh);
    mesh.lose_store(0);
    mesh.connect(0);
    doubt(&mut mesh);
    mesh.run();
    assert_ne!(in_use(&mesh), before);
    mesh.send(1, 0, "do you hear me?").unwrap();
    mesh.run();
    assert_eq!(texts(&mesh, 0).last().unwrap(), "\"do you hear me?\"");
}

/// What is to be said there would otherwise be written in a session that the peer does not have.
#[test]
fn session_that_the_peer_lost_is_given_up_although_the_registry_has_no_bundle() {
    let mut mesh = acquainted(804);
    let a = mesh.amid(0);
    mesh.lose_store(0);
    mesh.hidden.insert(a);
    mesh.send(1, 0, "do you hear me?").unwrap();
    doubt(&mut mesh);
    mesh.connect(0);
    mesh.run();
    assert_eq!(failures(&mesh, 1), [SendFailure::UnknownRecipient { amid: a }]);
    assert_eq!(mesh.nodes[1].engine.sending_session(a), None);
}

/// It knows the name of that session from the relay.
#[test]
fn answer_about_the_session_of_another_peer_leads_to_no_handshake() {
    let mut mesh = Mesh::new(3, 805);
    mesh.send(0, 1, "hello").unwrap();
    let (liar, frame) = (mesh.amid(2), mesh.wiretap.last().unwrap().1.frame.clone());
    assert_eq!(frame[1], 2);
    mesh.inject(1, liar, None, frame);
    mesh.advance(1100);
    assert_eq!(kinds(&mesh, 1, 3), 1);
    while mesh.deliver_next(1) {}
    mesh.run();
    assert_eq!(kinds(&mesh, 2, 4), 1);
    assert_eq!(mesh.handshakes(), 1);
    assert_eq!(mesh.nodes[1].engine.parked_frames(), 0);
}

/// A frame that came after the question waits until it is clear that its content comes otherwise.
#[test]
fn frames_of_a_session_that_is_gone_are_dropped_as_soon_as_the_next_one_works() {
    let mut mesh = acquainted(806);
    mesh.lose_store(1);
    mesh.nodes[1].handled.clear();
    mesh.connect(1);
    let first = mesh.send(0, 1, "first").unwrap();
    assert!(mesh.deliver_next(1));
    mesh.now = mesh.now.plus_millis(1000);
    mesh.feed(1, Input::Tick).unwrap();
    assert_eq!(kinds(&mesh, 1, 3), 1);
    mesh.now = mesh.now.plus_millis(100);
    let second = mesh.send(0, 1, "second").unwrap();
    assert!(mesh.deliver_next(1));
    assert_eq!(mesh.nodes[1].engine.parked_frames(), 2);
    mesh.run();
    assert_eq!(mesh.handled(1), [first, second]);
    assert_eq!(mesh.nodes[1].engine.parked_frames(), 0);
    assert!(mesh.relay.values().all(|queue| queue.is_empty()));
}

/// Its handshake was lost, it was asked about the session and forgot that in a restart; then ours crosses it. Which of the two
/// counts for it, we cannot know before it writes in ours.
#[test]
fn frames_of_a_session_whose_handshake_is_late_stay_although_the_peer_accepts_ours() {
    for (writes, asks) in [(0, 1), (1, 0)] {
        let mut mesh = Mesh::new(2, 808);
        let (writer, reader) = (mesh.amid(writes), mesh.amid(asks));
        mesh.loses = Some((writer, 1));
        let id = mesh.send(writes, asks, "first").unwrap();
        mesh.run();
        mesh.hidden.insert(writer);
        mesh.advance(1100);
        mesh.run();
        assert_eq!(kinds(&mesh, writes, 4), 1);
        mesh.restart(writes);
        mesh.connect(writes);
        mesh.hidden.remove(&writer);
        mesh.send(asks, writes, "second").unwrap();
        mesh.run();
        mesh.loses = None;
        for _ in 0..4 {
            mesh.advance(MINUTE);
            mesh.run();
        }
        assert!(mesh.handled(asks).contains(&id), "{writes} writes");
        assert!(mesh.nodes[writes].engine.unconfirmed(reader).is_empty());
    }
}

/// The relay lost them, having said that it has them.
#[test]
fn parts_in_a_session_that_the_peer_asks_about_are_sent_again() {
    let mut mesh = acquainted(807);
    let b = mesh.amid(1);
    mesh.disconnect(1);
    let id = MessageId::new_v7(mesh.now, &mut seeded_rng(1));
    mesh.send_payload(0, 1, id, Payload::Bytes(vec![1; 3 * PART_SIZE])).unwrap();
    mesh.run();
    assert_eq!(mesh.relay[&b].len(), 3);
    mesh.relay.get_mut(&b).unwrap().clear();
    mesh.connect(1);
    mesh.run();
    assert!(!mesh.handled(1).contains(&id));
    doubt(&mut mesh);
    mesh.run();
    assert_eq!(mesh.handled(1).last(), Some(&id));
}

#[test]
fn messages_are_given_up_for_want_of_a_bundle_unless_a_session_works() {
    for (wanted, works) in [(true, true), (true, false), (false, true), (false, false)] {
        let mut mesh = if works { acquainted(808) } else { Mesh::new(2, 808) };
        let (b, now) = (mesh.amid(1), mesh.now);
        mesh.disconnect(1);
        let message = schedule::message(&mesh, 1);
        let id = message.id;
        outcome_of(&mut mesh, 0, Input::Send(message));
        let engine = &mut mesh.nodes[0].engine;
        assert_eq!(engine.usable_session(b, now).is_some(), works);
        if wanted {
            engine.wanted.insert(b);
        }
        engine.no_new_session(b, &SendFailure::UnknownRecipient { amid: b }, now);
        assert_eq!(engine.stage(&id).is_some(), wanted && works, "{wanted}, {works}");
        assert!(!engine.wanted.contains(&b));
    }
}

#[test]
fn sender_of_a_handshake_that_cannot_be_answered_hears_that_once_a_minute() {
    let mut mesh = Mesh::new(2, 809);
    let (a, b) = (mesh.amid(0), mesh.amid(1));
    let ids = {
        let published = &mesh.registry[&b];
        (published.one_time[0].id, published.one_time_kem[0].id)
    };
    mesh.disconnect(0);
    mesh.send(0, 1, "hello").unwrap();
    let entry = mesh.nodes[0].engine.handshakes.values().next().copied().unwrap();
    let entry = mesh.nodes[0].engine.outbox.get(&entry).unwrap();
    let frame = entry.transmission.as_ref().unwrap().frame.clone();
    mesh.nodes[1].engine.change_prekeys(|prekeys| prekeys.consume(ids.0, ids.1));
    for (later, refusals) in [(0, 1), (0, 1), (MINUTE - 1, 1), (1, 2)] {
        mesh.now = mesh.now.plus_millis(later);
        mesh.inject(1, a, None, frame.clone());
        assert_eq!(kinds(&mesh, 1, 5), refusals, "{later}");
    }
}
