//! Sessions of 0.2: when one is written in, which one is read in, and what is said of them.

use super::*;
use crate::{
    keys::DhSecretKey,
    legacy::{Envelope, EnvelopeHeader},
    limits::MAX_PAYLOAD,
};

/// What `node` says of its sessions: whether it began each, and whether that is accepted, confirmed and sent in.
fn described(mesh: &mut Mesh, node: usize) -> Vec<[bool; 4]> {
    let node = &mut mesh.nodes[node];
    let all = block_on(node.engine.describe_sessions(&node.storage)).unwrap();
    assert!(all.iter().all(|s| s.suite == "legacy-0.2" && s.id.starts_with("session_")));
    all.iter().map(|s| [s.initiator, s.accepted, s.confirmed, s.sending]).collect()
}

#[test]
fn sessions_are_described_as_they_stand() {
    let mut mesh = mesh_of([old(), old()], 30);
    send(&mut mesh, 0, 1, "hello");
    assert_eq!(described(&mut mesh, 0), [[true, false, false, false]]);
    mesh.run();
    // Nothing has come back yet.
    assert_eq!(described(&mut mesh, 0), [[true, true, false, true]]);
    assert_eq!(described(&mut mesh, 1), [[false, true, true, true]]);
    send(&mut mesh, 1, 0, "hello back");
    mesh.run();
    mesh.restart(0);
    assert_eq!(described(&mut mesh, 0), [[true, true, true, true]]);
    mesh.connect(0);
    // The peer knocks anew, and nobody has decided on that.
    mesh.advance(1);
    let (from, knock) = knock_on(&mesh, 0, 1);
    let inbound = LegacyInbound { from, relay_id: None, text: knock.to_json() };
    let outcome = outcome_of(&mut mesh, 0, Input::Legacy(inbound));
    let before = [true, true, true, false];
    assert_eq!(described(&mut mesh, 0), [before, [false, false, false, false]]);
    let [Request::DecideKnock { session, .. }] = outcome.requests[..] else { panic!("one KNOCK") };
    mesh.feed(0, Input::Decide { session, decision: knock::Decision::accept() }).unwrap();
    assert_eq!(described(&mut mesh, 0), [before, [false, true, false, true]]);
}

#[test]
fn who_was_knocked_on_writes_when_the_first_message_has_come() {
    let mut mesh = mesh_of([old(), old()], 31);
    send(&mut mesh, 0, 1, "first");
    mesh.disconnect(0);
    assert!(mesh.deliver_next(1));
    send(&mut mesh, 1, 0, "second");
    assert!(!wire(&mesh).iter().any(|frame| frame.contains("encrypted")));
    mesh.connect(0);
    mesh.run();
    assert_eq!(texts(&mesh, 1), [said("first")]);
    assert_eq!(texts(&mesh, 0), [said("second")]);
    assert_eq!(failures(&mesh, 1), []);
}

#[test]
fn offer_of_another_agent_or_of_another_key_than_before_is_refused() {
    let mut mesh = mesh_of([old(), old()], 32);
    let third = mesh.add(old());
    send(&mut mesh, 0, 1, "hello");
    mesh.run();
    let (amid, other) = (mesh.amid(1), mesh.amid(third));
    mesh.feed(0, Input::CloseSession(amid)).unwrap();
    let mut swapped = mesh.legacy_offer(&amid, false).unwrap();
    let key = *DhSecretKey::from_bytes([9; 32]).public_key();
    (swapped.peer.exchange, swapped.bundle.identity_key) = (key, key);
    let another = mesh.legacy_offer(&other, false).unwrap();
    for (n, offer) in [swapped, another].into_iter().enumerate() {
        let id = MessageId::new_v7(mesh.now, &mut seeded_rng(900 + n as u64));
        let message = message(&mesh, 1, "x", id);
        outcome_of(&mut mesh, 0, Input::Send(message));
        mesh.feed(0, Input::LegacyOffer { peer: amid, offer: Box::new(offer) }).unwrap();
        assert!(
            matches!(failures(&mesh, 0)[n..], [SendFailure::BundleRefused { .. }]),
            "{:?}",
            failures(&mesh, 0)
        );
    }
}

#[test]
fn envelope_is_read_up_to_a_size() {
    for (size, reason) in
        [(MAX_PAYLOAD, DropReason::NoSession), (MAX_PAYLOAD + 1, DropReason::Malformed)]
    {
        let mut mesh = mesh_of([old(), old()], 33);
        let from = mesh.amid(1);
        mesh.inject(0, from, None, garbage(size));
        assert_eq!(dropped(&mesh, 0, reason), 1, "{size}");
    }
}

/// What looks like an envelope.
fn garbage(size: usize) -> Vec<u8> {
    let ratchet_key = *DhSecretKey::from_bytes([9; 32]).public_key();
    let header = EnvelopeHeader { ratchet_key, pn: 0, n: 0 };
    let session_id = "session_of_nobody".to_owned();
    Envelope { session_id, header, ciphertext: vec![0; size] }.to_json().into_bytes()
}

#[test]
fn envelope_that_came_before_is_told_from_one_that_does_not_open_whichever_session_is_in_use() {
    let mut mesh = mesh_of([old(), old()], 34);
    send(&mut mesh, 0, 1, "hello");
    mesh.run();
    send(&mut mesh, 1, 0, "hello back");
    mesh.run();
    let (to, from) = (mesh.amid(0), mesh.amid(1));
    let is_envelope = |frame: &[u8]| frame.starts_with(b"{\"session_id\"");
    let sent = mesh.wiretap.iter().rfind(|(t, s)| *t == to && is_envelope(&s.frame)).unwrap();
    let came_before = sent.1.frame.clone();
    for replaced in 0..2 {
        mesh.inject(0, from, None, garbage(100));
        mesh.inject(0, from, None, came_before.clone());
        assert_eq!(dropped(&mesh, 0, DropReason::Undecryptable), replaced + 1);
        assert_eq!(dropped(&mesh, 0, DropReason::Duplicate), replaced + 1);
        let (_, knock) = knock_on(&mesh, 0, 1);
        mesh.inject(0, from, None, knock.to_json().into_bytes());
    }
    assert_eq!(texts(&mesh, 0), [said("hello back")]);
}

#[test]
fn peer_that_turns_out_to_speak_natively_is_spoken_to_natively_from_then_on() {
    let mut mesh = mesh_of([tolerant(), old()], 35);
    send(&mut mesh, 0, 1, "one");
    mesh.run();
    let (amid, peer) = (mesh.amid(0), mesh.amid(1));
    // The other is brought up to date, and has ended its session of before.
    mesh.feed(1, Input::CloseSession(amid)).unwrap();
    mesh.reconfigure(1, tolerant());
    mesh.restart(1);
    mesh.connect(1);
    mesh.registry.get_mut(&peer).unwrap().legacy.as_mut().unwrap().only = false;
    send(&mut mesh, 1, 0, "two");
    mesh.run();
    assert_eq!(texts(&mesh, 0), [said("two")]);
    let before = wire(&mesh).len();
    send(&mut mesh, 0, 1, "three");
    mesh.run();
    assert_eq!(texts(&mesh, 1), [said("one"), said("three")]);
    assert!(wire(&mesh)[before..].iter().all(|frame| !frame.starts_with('{')));
}

#[test]
fn a_closed_or_killed_session_is_over_on_our_side_and_the_next_message_knocks() {
    for kill in [false, true] {
        let mut mesh = mesh_of([old(), old()], 12);
        send(&mut mesh, 0, 1, "one");
        mesh.run();
        let peer = mesh.amid(1);
        let order = if kill {
            Input::Circuit(CircuitChange::Kill(peer))
        } else {
            Input::CloseSession(peer)
        };
        mesh.feed(0, order).unwrap();
        mesh.run();
        // Not authenticated, so the peer is told and decides for itself.
        let told = |e: &Event| matches!(e, Event::Unauthenticated { payload, .. } if payload.contains("close"));
        assert!(mesh.nodes[1].events.iter().any(told));
        send(&mut mesh, 0, 1, "two");
        mesh.run();
        assert_eq!(texts(&mesh, 1), [said("one"), said("two")]);
    }
}
