//! What is held back: for want of room at the relay, or until its word on a handshake.

use super::*;
use crate::{engine::pauses::Pauses, test_utils::seeded_rng, time::HOUR};

const NOW: Timestamp = crate::test_utils::mesh::START;

/// Whether a peer is paused, and whether that is for the word of the relay.
fn state(pauses: &Pauses) -> (bool, bool) {
    (pauses.is_paused(&peer(1)), pauses.is_held(&peer(1)))
}

#[test]
fn wait_for_a_word_is_told_from_a_pause_and_over_when_it_is_over() {
    let (mut pauses, mut rng) = (Pauses::default(), seeded_rng(1));
    assert_eq!(state(&pauses), (false, false));
    pauses.hold(peer(1), NOW);
    assert_eq!(state(&pauses), (true, true));
    assert_eq!(pauses.take_over(NOW.plus_millis(HOUR)), [peer(1)]);
    assert_eq!(state(&pauses), (false, false));
    pauses.end_hold(&peer(1));
    assert_eq!(state(&pauses), (false, false), "nothing begins with the end");
    pauses.pause(peer(1), Some(HOUR), NOW, &mut rng);
    assert_eq!(state(&pauses), (true, false));
}

#[test]
fn word_of_the_peer_ends_the_wait_for_that_of_the_relay_and_no_pause() {
    let (mut pauses, mut rng) = (Pauses::default(), seeded_rng(2));
    let soon = NOW.plus_millis(1);
    pauses.pause(peer(1), Some(HOUR), NOW, &mut rng);
    pauses.end_hold(&peer(1));
    assert_eq!(pauses.take_over(soon), []);
    pauses.lift(&peer(1));
    pauses.hold(peer(1), NOW);
    assert_eq!(pauses.take_over(soon), []);
    pauses.end_hold(&peer(1));
    assert_eq!(pauses.take_over(soon), [peer(1)]);
}

#[test]
fn word_of_the_relay_is_awaited_for_a_handshake_that_it_was_given_and_will_speak_of() {
    for (connected, acks, paused) in [
        (true, true, false),
        (true, true, true),
        (true, false, false),
        (false, true, false),
        (false, false, true),
    ] {
        let mut mesh = Mesh::new(2, 820);
        let (b, now) = (mesh.amid(1), mesh.now);
        let message = schedule::message(&mesh, 1);
        outcome_of(&mut mesh, 0, Input::Send(message));
        let bundle = Box::new(mesh.fetch(&b).unwrap().unwrap());
        let engine = &mut mesh.nodes[0].engine;
        (engine.connected, engine.relay_acks) = (connected, acks);
        if paused {
            engine.pauses.pause(b, Some(HOUR), now, &mut seeded_rng(3));
        }
        outcome_of(&mut mesh, 0, Input::Bundle { peer: b, bundle });
        let pauses = &mesh.nodes[0].engine.pauses;
        let held = connected && acks && !paused;
        assert_eq!(pauses.is_held(&b), held, "{connected}, {acks}, {paused}");
        assert_eq!(pauses.is_paused(&b), held || paused);
    }
}
