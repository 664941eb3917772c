//! Circuit breakers: what they do, that they hold over a restart, and that a blocked peer notices nothing.

use super::*;
use crate::{engine::tests::texts, identity::Amid, test_utils::block_on};

fn order(mesh: &mut Mesh, node: usize, change: CircuitChange) {
    if change == CircuitChange::Stop {
        let n = &mut mesh.nodes[node];
        block_on(n.engine.load_sessions(&n.storage)).unwrap();
    }
    mesh.feed(node, Input::Circuit(change)).unwrap();
}

/// Everything that `node` sent since `mark`, by recipient.
fn sent_since(mesh: &Mesh, node: usize, mark: usize) -> Vec<Amid> {
    let own = mesh.amid(node);
    mesh.wiretap[mark..].iter().filter(|(_, s)| s.from == own).map(|(to, _)| *to).collect()
}

/// Sessions with keys in the store of a node.
fn live_records(mesh: &mut Mesh, node: usize) -> usize {
    let now = mesh.now;
    let node = &mut mesh.nodes[node];
    block_on(node.engine.sweep(&node.storage, now)).unwrap();
    node.engine.live_sessions()
}

#[test]
fn paused_agent_rejects_new_knocks_and_goes_on_with_its_sessions() {
    let mut mesh = acquainted(800);
    let stranger = mesh.add(EngineConfig::default());
    order(&mut mesh, 1, CircuitChange::Pause);
    mesh.restart(1);
    mesh.connect(1);
    assert_eq!(mesh.nodes[1].engine.circuit_state(), CircuitState::Paused);
    mesh.send(0, 1, "we know each other").unwrap();
    mesh.send(stranger, 1, "we do not").unwrap();
    mesh.run();
    assert_eq!(texts(&mesh, 1), ["\"hello\"", "\"we know each other\""]);
    assert_eq!(
        failures(&mesh, stranger),
        [SendFailure::Rejected { reason: "agent_paused".into(), retry_after_s: Some(60) }]
    );
    order(&mut mesh, 1, CircuitChange::Resume);
    mesh.advance(61_000);
    mesh.send(stranger, 1, "now").unwrap();
    mesh.run();
    assert_eq!(texts(&mesh, 1).last().unwrap(), "\"now\"");
    let changes = told(&mesh, 1, |e| matches!(e, Event::CircuitChanged { .. }));
    assert_eq!(changes, 2);
}

#[test]
fn knock_that_is_being_decided_when_the_agent_is_paused_is_rejected() {
    let mut mesh = Mesh::new(2, 801);
    order(&mut mesh, 1, CircuitChange::Pause);
    mesh.send(0, 1, "hello").unwrap();
    mesh.run();
    // The policy was not even asked, and its answer would not count.
    assert_eq!(mesh.nodes[1].engine.pending_knocks().len(), 0);
    assert!(texts(&mesh, 1).is_empty());
    assert_eq!(failures(&mesh, 0).len(), 1);
}

#[test]
fn killed_session_leaves_nothing_cached_and_the_next_message_knocks_anew_0_2_c5() {
    let mut mesh = acquainted(802);
    let b = mesh.amid(1);
    // Something waits: the kill gives it up, instead of opening a session for it.
    mesh.disconnect(0);
    let lost = mesh.send(0, 1, "never sent").unwrap();
    order(&mut mesh, 0, CircuitChange::Kill(b));
    mesh.connect(0);
    mesh.run();
    assert_eq!(failures(&mesh, 0), [SendFailure::SessionKilled]);
    assert_eq!(mesh.nodes[0].engine.stage(&lost), None);
    assert_eq!(live_records(&mut mesh, 0), 0, "the initiator keeps no session");
    assert_eq!(told(&mesh, 1, |e| matches!(e, Event::SessionClosed { .. })), 1);
    assert_eq!(told(&mesh, 0, |e| matches!(e, Event::SessionKilled { peer } if *peer == b)), 1);
    let before = told(&mesh, 1, |e| matches!(e, Event::KnockReceived { .. }));
    mesh.send(0, 1, "again").unwrap();
    mesh.run();
    assert_eq!(told(&mesh, 1, |e| matches!(e, Event::KnockReceived { .. })), before + 1);
    assert_eq!(texts(&mesh, 1).last().unwrap(), "\"again\"");
}

#[test]
fn blocked_peer_hears_nothing_and_is_not_heard() {
    let mut mesh = acquainted(803);
    let (a, b) = (mesh.amid(0), mesh.amid(1));
    mesh.disconnect(1);
    mesh.send(1, 0, "waits").unwrap();
    let mark = mesh.wiretap.len();
    order(&mut mesh, 1, CircuitChange::Block(a));
    mesh.restart(1);
    mesh.connect(1);
    assert!(matches!(mesh.send(1, 0, "no"), Err(SendError::PeerBlocked { amid }) if amid == a));
    for text in ["one", "two"] {
        mesh.send(0, 1, text).unwrap();
        mesh.run();
    }
    for _ in 0..5 {
        mesh.advance(61_000);
        mesh.run();
    }
    assert_eq!(failures(&mesh, 1), [SendFailure::PeerBlocked]);
    assert_eq!(texts(&mesh, 1), ["\"hello\""]);
    assert!(sent_since(&mesh, 1, mark).is_empty(), "not even a receipt, a probe or a refusal");
    assert!(dropped(&mesh, 1, DropReason::Blocked) >= 2);
    assert!(mesh.relay[&b].is_empty(), "what is dropped is acked");
    order(&mut mesh, 1, CircuitChange::Unblock(a));
    assert_eq!(mesh.nodes[1].engine.circuit().blocked, []);
    mesh.send(1, 0, "friends again").unwrap();
    mesh.run();
    assert_eq!(texts(&mesh, 0).last().unwrap(), "\"friends again\"");
}

#[test]
fn frames_parked_for_a_blocked_peer_are_dropped_and_acked() {
    let mut mesh = acquainted(804);
    let (a, b) = (mesh.amid(0), mesh.amid(1));
    // A frame of a session that B has lost waits for its handshake.
    mesh.lose_store(1);
    mesh.connect(1);
    mesh.send(0, 1, "of an old session").unwrap();
    let stored = mesh.relay[&b].back().cloned().unwrap();
    let inbound = Inbound { from: a, relay_id: Some(stored.id), frame: stored.frame };
    mesh.feed(1, Input::Frame(inbound)).unwrap();
    assert_eq!(mesh.nodes[1].engine.parked_frames(), 1);
    order(&mut mesh, 1, CircuitChange::Block(a));
    assert_eq!(mesh.nodes[1].engine.parked_frames(), 0);
    assert!(mesh.relay[&b].is_empty());
}

#[test]
fn stopped_agent_ends_every_session_and_stays_stopped_0_2_c4() {
    let mut mesh = acquainted(805);
    let third = mesh.add(EngineConfig::default());
    mesh.send(third, 0, "hello").unwrap();
    mesh.run();
    mesh.disconnect(0);
    mesh.send(0, 1, "queued").unwrap();
    mesh.connect(0);
    order(&mut mesh, 0, CircuitChange::Stop);
    mesh.disconnect(0);
    mesh.run();
    for peer in [1, third] {
        assert_eq!(told(&mesh, peer, |e| matches!(e, Event::SessionClosed { .. })), 1);
    }
    mesh.restart(0);
    let since = mesh.nodes[0].engine.circuit().since;
    assert!(matches!(mesh.send(0, 1, "no"), Err(SendError::Stopped { since: s }) if s == since));
    // Pausing does not wake it; only resuming does.
    order(&mut mesh, 0, CircuitChange::Pause);
    assert_eq!(mesh.nodes[0].engine.circuit_state(), CircuitState::Stopped);
    order(&mut mesh, 0, CircuitChange::Resume);
    mesh.connect(0);
    mesh.send(0, 1, "back").unwrap();
    mesh.run();
    assert_eq!(texts(&mesh, 1).last().unwrap(), "\"back\"");
}

#[test]
fn circuit_change_is_on_disk_before_anything_follows_from_it() {
    use crate::test_utils::mesh::Crash;
    let mut mesh = acquainted(806);
    let a = mesh.amid(0);
    let next = mesh.nodes[1].commits + 1;
    mesh.nodes[1].crash = Some(Crash { commit: next, written: false });
    let mark = mesh.wiretap.len();
    order(&mut mesh, 1, CircuitChange::Kill(a));
    assert!(mesh.has_crashed(1));
    assert!(sent_since(&mesh, 1, mark).is_empty(), "no close without the commit");
    mesh.connect(1);
    mesh.send(0, 1, "still there").unwrap();
    mesh.run();
    assert_eq!(texts(&mesh, 1).last().unwrap(), "\"still there\"");
}

#[test]
fn block_list_has_a_bound() {
    let mut mesh = Mesh::new(1, 807);
    let peer = |n: usize| {
        let mut bytes = [0; 20];
        bytes[..8].copy_from_slice(&n.to_be_bytes());
        Amid::from_bytes(bytes)
    };
    let limit = crate::limits::MAX_BLOCKED_PEERS;
    for n in 0..limit {
        let n0 = &mut mesh.nodes[0];
        let mut rng = crate::test_utils::seeded_rng(1);
        let mut input = Input::Circuit(CircuitChange::Block(peer(n)));
        while let Step::Load(needs, again) = n0.engine.handle(input, mesh.now, &mut rng).unwrap() {
            block_on(n0.engine.fetch(&n0.storage, needs)).unwrap();
            input = again;
        }
    }
    let full = mesh.feed(0, Input::Circuit(CircuitChange::Block(peer(limit))));
    assert_eq!(full, Err(SendError::BlockListFull { limit }));
    mesh.feed(0, Input::Circuit(CircuitChange::Block(peer(1)))).unwrap();
}
