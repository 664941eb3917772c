//! KNOCKs of 0.2: which are believed, how many wait, and for how long.

use super::*;
use crate::limits::{LEGACY_KNOCK_WINDOW, PARKED_FRAMES_PER_PEER, PARKED_PEERS};

#[test]
fn knocks_that_are_not_what_they_seem_leave_no_trace() {
    let mut mesh = mesh_of([old(), old()], 6);
    let before = records(&mesh, 0);
    let other = crate::keys::DhSecretKey::from_bytes([9; 32]);
    let swap = |x3dh: &mut X3dhMessage| x3dh.identity_key = *other.public_key();
    let (from, genuine) = knock_on(&mesh, 0, 1);
    let forged = genuine.to_json().replace("\"message\"", "\"massage\"");
    let (_, stale) = knock_at(&mesh, 0, 1, START.minus_millis(6 * MINUTE), |_| {});
    let (_, to_itself) = knock_on(&mesh, 1, 1);
    for knock in [forged, stale.to_json(), to_itself.to_json()] {
        mesh.inject(0, from, None, knock.into_bytes());
    }
    assert_eq!(dropped(&mesh, 0, DropReason::Rejected), 3);
    assert_eq!(records(&mesh, 0), before);
    // Under a name that is not its signer's.
    let stranger = Identity::generate(START, &mut seeded_rng(3)).amid();
    mesh.inject(0, stranger, None, genuine.to_json().into_bytes());
    assert_eq!(records(&mesh, 0), before);

    // Properly signed, with an exchange key that the registry does not have of it: a session is not made.
    let (_, swapped) = knock_at(&mesh, 0, 1, mesh.now, swap);
    mesh.inject(0, from, None, swapped.to_json().into_bytes());
    assert_eq!(dropped(&mesh, 0, DropReason::Rejected), 4);
    let established = |e: &Event| matches!(e, Event::SessionEstablished { .. });
    assert!(!mesh.nodes[0].events.iter().any(established));
}

#[test]
fn a_knock_counts_once_whatever_happens_in_between() {
    let mut mesh = mesh_of([old(), old()], 7);
    let (from, knock) = knock_on(&mesh, 0, 1);
    let knock = knock.to_json().into_bytes();
    mesh.inject(0, from, None, knock.clone());
    let knocks = |mesh: &Mesh| {
        let knock = |e: &&Event| matches!(e, Event::KnockReceived { .. });
        mesh.nodes[0].events.iter().filter(knock).count()
    };
    assert_eq!(knocks(&mesh), 1);
    mesh.inject(0, from, None, knock.clone());
    mesh.restart(0);
    mesh.connect(0);
    mesh.inject(0, from, None, knock.clone());
    mesh.advance(4 * MINUTE);
    mesh.inject(0, from, None, knock);
    assert_eq!(knocks(&mesh), 1);
    assert_eq!(dropped(&mesh, 0, DropReason::Duplicate), 3);
}

#[test]
fn a_rejected_knock_fails_what_waits_for_it() {
    let mut mesh = mesh_of([old(), old()], 8);
    mesh.nodes[1].policy = knock::Decision::reject("not today");
    send(&mut mesh, 0, 1, "x");
    mesh.run();
    let reason = "not today".to_owned();
    let failure = SendFailure::Rejected { reason, retry_after_s: None };
    assert_eq!(failures(&mesh, 0), [failure]);
    assert!(texts(&mesh, 1).is_empty());
    mesh.nodes[1].policy = knock::Decision::accept();
    send(&mut mesh, 0, 1, "again");
    mesh.run();
    assert_eq!(texts(&mesh, 1), [said("again")]);
}

#[test]
fn an_unanswered_knock_is_made_anew_once_nobody_would_believe_it() {
    let mut mesh = mesh_of([old(), old()], 9);
    mesh.disconnect(1);
    send(&mut mesh, 0, 1, "x");
    mesh.run();
    let lost = mesh.amid(1);
    mesh.relay.get_mut(&lost).unwrap().clear();
    mesh.connect(1);
    mesh.advance(MINUTE);
    mesh.run();
    assert!(texts(&mesh, 1).is_empty());
    mesh.advance(5 * MINUTE);
    mesh.run();
    assert_eq!(texts(&mesh, 1), [said("x")]);
}

#[test]
fn two_that_knock_at_once_end_up_in_one_session() {
    let mut mesh = mesh_of([old(), old()], 10);
    mesh.disconnect(0);
    mesh.disconnect(1);
    send(&mut mesh, 0, 1, "a");
    send(&mut mesh, 1, 0, "b");
    mesh.connect(0);
    mesh.connect(1);
    mesh.run();
    send(&mut mesh, 0, 1, "c");
    send(&mut mesh, 1, 0, "d");
    mesh.run();
    assert_eq!(texts(&mesh, 1), [said("a"), said("c")]);
    assert_eq!(texts(&mesh, 0), [said("b"), said("d")]);
    // That of the smaller name, as both see.
    for node in 0..2 {
        let ours = mesh.amid(node) < mesh.amid(1 - node);
        let begun = mesh.nodes[node].events.iter().filter_map(|e| match e {
            Event::SessionEstablished { initiator, .. } => Some(*initiator),
            _ => None,
        });
        assert_eq!(begun.collect::<Vec<_>>(), [ours]);
    }
}

#[test]
fn knock_on_prekeys_that_are_gone_is_answered_so() {
    let gone = |x3dh: &mut X3dhMessage| x3dh.signed_prekey_id += 100;
    let used_up = |x3dh: &mut X3dhMessage| x3dh.one_time_prekey_id = Some(100_000);
    for change in [gone as fn(&mut X3dhMessage), used_up] {
        let mut mesh = mesh_of([old(), old()], 14);
        let (from, knock) = knock_at(&mesh, 0, 1, mesh.now, change);
        mesh.inject(0, from, None, knock.to_json().into_bytes());
        assert_eq!(dropped(&mesh, 0, DropReason::PrekeyGone), 1);
        assert!(wire(&mesh).last().unwrap().starts_with(r#"{"type":"REJECT""#));
    }
}

fn legacy(from: Amid, text: String) -> Input {
    Input::Legacy(LegacyInbound { from, relay_id: None, text })
}

fn keys_of(mesh: &Mesh, node: usize) -> Input {
    let identity = mesh.nodes[node].engine.identity();
    Input::LegacyKeys { peer: identity.amid(), keys: identity.public() }
}

#[test]
fn few_knocks_of_each_peer_wait_for_its_keys_and_the_rest_at_the_relay() {
    let mut mesh = mesh_of([old(), old()], 15);
    let (from, knock) = knock_on(&mesh, 0, 1);
    let knock = knock.to_json();
    outcome_of(&mut mesh, 0, legacy(peer(1), knock.clone()));
    for _ in 0..PARKED_FRAMES_PER_PEER {
        outcome_of(&mut mesh, 0, legacy(from, knock.clone()));
    }
    assert!(!mesh.nodes[0].engine.has_left_frames());
    outcome_of(&mut mesh, 0, legacy(from, knock.clone()));
    assert!(mesh.nodes[0].engine.has_left_frames());
    // Another's is taken all the same, and there is room once all that wait have gone.
    outcome_of(&mut mesh, 0, legacy(peer(2), knock));
    assert!(!mesh.nodes[0].engine.has_room());
    let keys = keys_of(&mesh, 1);
    outcome_of(&mut mesh, 0, keys);
    assert!(!mesh.nodes[0].engine.has_room());
    mesh.advance(LEGACY_KNOCK_WINDOW + 1);
    assert!(mesh.nodes[0].engine.has_room());
}

#[test]
fn knocks_of_few_peers_wait_for_their_keys() {
    let mut mesh = mesh_of([old(), old()], 16);
    for n in 0..=PARKED_PEERS {
        assert!(!mesh.nodes[0].engine.has_left_frames(), "{n}");
        let knock = knock_on(&mesh, 0, 1).1.to_json();
        outcome_of(&mut mesh, 0, legacy(peer(n), knock));
    }
    assert!(mesh.nodes[0].engine.has_left_frames());
}

#[test]
fn knock_waits_for_the_keys_of_its_peer_while_it_is_believed() {
    for (waited, taken) in [(MINUTE, 1), (LEGACY_KNOCK_WINDOW, 1), (LEGACY_KNOCK_WINDOW + 1, 0)] {
        let mut mesh = mesh_of([old(), old()], 17);
        // Made by a clock that is ahead, as much as is believed.
        let (from, knock) = knock_at(&mesh, 0, 1, mesh.now.plus_millis(MINUTE), |_| {});
        outcome_of(&mut mesh, 0, legacy(from, knock.to_json()));
        mesh.advance(waited);
        let keys = keys_of(&mesh, 1);
        mesh.feed(0, keys).unwrap();
        let asked = |e: &&Event| matches!(e, Event::KnockReceived { .. });
        assert_eq!(mesh.nodes[0].events.iter().filter(asked).count(), taken, "{waited}");
    }
}

/// A KNOCK of the second agent on the first that nobody has decided on, and the session that it asks for.
fn undecided(seed: u64) -> (Mesh, SessionId) {
    let mut mesh = mesh_of([old(), old()], seed);
    let (from, knock) = knock_on(&mesh, 0, 1);
    outcome_of(&mut mesh, 0, legacy(from, knock.to_json()));
    let keys = keys_of(&mesh, 1);
    let outcome = outcome_of(&mut mesh, 0, keys);
    let [Request::DecideKnock { session, .. }] = outcome.requests[..] else {
        panic!("{:?}", outcome.requests)
    };
    (mesh, session)
}

fn closed(mesh: &Mesh, node: usize) -> usize {
    let closed = |e: &&Event| matches!(e, Event::SessionClosed { .. });
    mesh.nodes[node].events.iter().filter(closed).count()
}

#[test]
fn knock_is_decided_on_within_its_window_or_not_at_all() {
    for (waited, decided) in [(MINUTE, 1), (LEGACY_KNOCK_WINDOW, 1), (LEGACY_KNOCK_WINDOW + 1, 0)] {
        let (mut mesh, session) = undecided(18);
        mesh.advance(waited);
        assert_eq!(closed(&mesh, 0), 1 - decided);
        mesh.feed(0, Input::Decide { session, decision: knock::Decision::accept() }).unwrap();
        let told = |e: &&Event| matches!(e, Event::KnockDecided { rejected: None, .. });
        assert_eq!(mesh.nodes[0].events.iter().filter(told).count(), decided, "{waited}");
        mesh.advance(2 * LEGACY_KNOCK_WINDOW);
        assert_eq!(closed(&mesh, 0), 1 - decided, "what was accepted stays");
    }
}

#[test]
fn knock_that_a_restart_left_undecided_is_given_up() {
    let (mut mesh, _) = undecided(19);
    mesh.restart(0);
    mesh.connect(0);
    let node = &mut mesh.nodes[0];
    // Peers are read when they are needed.
    block_on(node.engine.load_sessions(&node.storage)).unwrap();
    mesh.advance(LEGACY_KNOCK_WINDOW);
    assert_eq!(closed(&mesh, 0), 0);
    mesh.advance(1);
    assert_eq!(closed(&mesh, 0), 1);
}

#[test]
fn decision_finds_its_peer_after_that_was_put_out_of_memory() {
    let (mut mesh, session) = undecided(20);
    mesh.nodes[0].engine.peers.evict();
    mesh.nodes[0].engine.legacy.peers.evict();
    mesh.feed(0, Input::Decide { session, decision: knock::Decision::accept() }).unwrap();
    let (peer, rejected) = (mesh.amid(1), None);
    assert!(mesh.nodes[0].events.contains(&Event::KnockDecided { peer, session, rejected }));
}
