//! What ends with the sessions of a peer that is killed, blocked or stopped, and what goes on.

use super::*;
use crate::{identity::Amid, knock::Decision as Knocked, test_utils::block_on};

fn order(mesh: &mut Mesh, change: CircuitChange) {
    mesh.feed(0, Input::Circuit(change)).unwrap();
}

fn killed(mesh: &Mesh) -> usize {
    mesh.nodes[0].events.iter().filter(|e| matches!(e, Event::SessionKilled { .. })).count()
}

/// Frames in sessions that the first agent sent since `mark`.
fn spoken(mesh: &Mesh, mark: usize) -> usize {
    let own = mesh.amid(0);
    mesh.wiretap[mark..].iter().filter(|(_, s)| s.from == own && s.frame[1] == 2).count()
}

/// What is under way from the first agent to another.
fn under_way(mesh: &Mesh, to: Amid) -> usize {
    mesh.nodes[0].engine.outbox.values().filter(|e| e.to == to).count()
}

#[test]
fn states_have_names() {
    let names = [CircuitState::Running, CircuitState::Paused, CircuitState::Stopped];
    assert_eq!(names.map(|state| state.to_string()), ["running", "paused", "stopped"]);
}

#[test]
fn status_tells_state_time_and_who_is_blocked() {
    let mut mesh = acquainted(640);
    let (b, at) = (mesh.amid(1), mesh.now);
    assert_eq!(mesh.nodes[0].engine.circuit(), CircuitStatus::default());
    order(&mut mesh, CircuitChange::Pause);
    mesh.advance(1000);
    order(&mut mesh, CircuitChange::Block(b));
    let status = mesh.nodes[0].engine.circuit();
    assert_eq!((status.state, status.since), (CircuitState::Paused, at));
    assert_eq!(status.blocked, [(b, mesh.now)]);
}

#[test]
fn new_block_list_names_who_was_not_on_the_old_one() {
    let mut mesh = Mesh::new(4, 641);
    let mut peers = [1, 2, 3].map(|node| mesh.amid(node));
    peers.sort_unstable();
    let engine = &mut mesh.nodes[0].engine;
    assert_eq!(engine.set_blocked([peers[0]]), [peers[0]]);
    assert_eq!(engine.set_blocked([peers[2], peers[0], peers[1]]), peers[1..]);
    assert_eq!(engine.set_blocked([peers[1]]), []);
    assert!(engine.is_blocked(&peers[1]) && !engine.is_blocked(&peers[0]));
}

#[test]
fn kill_is_told_if_there_was_anything_to_end() {
    let mut mesh = acquainted(642);
    let (b, stranger) = (mesh.amid(1), mesh.add(EngineConfig::default()));
    let stranger_amid = mesh.amid(stranger);
    order(&mut mesh, CircuitChange::Kill(stranger_amid));
    assert_eq!(killed(&mesh), 0);
    order(&mut mesh, CircuitChange::Kill(b));
    assert_eq!(killed(&mesh), 1, "a session in which nothing is under way");
    mesh.disconnect(0);
    mesh.send(0, stranger, "queued").unwrap();
    order(&mut mesh, CircuitChange::Kill(stranger_amid));
    assert_eq!(killed(&mesh), 2, "a message without a session");
    order(&mut mesh, CircuitChange::Kill(stranger_amid));
    assert_eq!(killed(&mesh), 2);
}

#[test]
fn stop_ends_sessions_that_are_not_in_memory() {
    let mut mesh = acquainted(643);
    mesh.restart(0);
    mesh.connect(0);
    let node = &mut mesh.nodes[0];
    block_on(node.engine.load_sessions(&node.storage)).unwrap();
    order(&mut mesh, CircuitChange::Stop);
    mesh.run();
    let closed = |e: &&Event| matches!(e, Event::SessionClosed { .. });
    assert_eq!(mesh.nodes[1].events.iter().filter(closed).count(), 1);
    assert_eq!(mesh.nodes[0].engine.live_sessions(), 0);
}

#[test]
fn peer_is_told_of_the_end_only_of_a_session_that_it_may_know() {
    let mut mesh = Mesh::new(3, 644);
    let (b, c) = (mesh.amid(1), mesh.amid(2));
    mesh.inbox_limit = Some(0);
    mesh.send(0, 1, "the relay takes nothing").unwrap();
    mesh.send(0, 2, "nor this").unwrap();
    assert!(under_way(&mesh, c) > 1, "a handshake and a message");
    let (mark, others) = (mesh.wiretap.len(), under_way(&mesh, c));
    order(&mut mesh, CircuitChange::Kill(b));
    assert_eq!(spoken(&mesh, mark), 0);
    assert_eq!((under_way(&mesh, b), under_way(&mesh, c)), (0, others));
    let mut mesh = Mesh::new(2, 647);
    let b = mesh.amid(1);
    mesh.disconnect(1);
    mesh.send(0, 1, "the relay has it").unwrap();
    let mark = mesh.wiretap.len();
    order(&mut mesh, CircuitChange::Kill(b));
    assert_eq!(spoken(&mesh, mark), 1);
}

/// A relay that takes nothing more has receipts wait in the outbox.
#[test]
fn receipts_for_a_blocked_peer_are_not_kept_and_those_for_others_are() {
    let mut mesh = acquainted(645);
    let third = mesh.add(EngineConfig::default());
    mesh.send(third, 0, "hello").unwrap();
    mesh.run();
    let (b, c) = (mesh.amid(1), mesh.amid(third));
    mesh.send(1, 0, "one").unwrap();
    mesh.send(third, 0, "two").unwrap();
    mesh.inbox_limit = Some(0);
    while mesh.deliver_next(0) {}
    for peer in [b, c] {
        mesh.feed(0, Input::FlushReceipts(peer)).unwrap();
        assert!(under_way(&mesh, peer) > 0);
    }
    order(&mut mesh, CircuitChange::Block(b));
    assert_eq!(under_way(&mesh, b), 0);
    assert!(under_way(&mesh, c) > 0);
}

#[test]
fn what_waits_for_a_decision_goes_with_its_session_and_what_is_ready_stays() {
    let mut mesh = acquainted(646);
    let strangers = [0, 1].map(|_| mesh.add(EngineConfig::default()));
    mesh.nodes[0].handles = false;
    mesh.send(1, 0, "ready").unwrap();
    mesh.nodes[0].policy = Knocked::Later;
    for stranger in strangers {
        mesh.send(stranger, 0, "held").unwrap();
    }
    mesh.run();
    let waits = |mesh: &Mesh| {
        let engine = &mesh.nodes[0].engine;
        (engine.pending_knocks().len(), engine.inbox().len(), engine.inbox_size().0)
    };
    assert_eq!(waits(&mesh), (2, 1, 5));
    let peer = mesh.amid(strangers[0]);
    order(&mut mesh, CircuitChange::Block(peer));
    assert_eq!(waits(&mesh), (1, 1, 3));
    let b = mesh.amid(1);
    order(&mut mesh, CircuitChange::Block(b));
    assert_eq!(waits(&mesh), (1, 1, 3), "it was delivered");
    // A rejected KNOCK takes along what came with it, and nothing else.
    let [(session, _)] = mesh.nodes[0].engine.pending_knocks()[..] else { panic!("one KNOCK") };
    mesh.feed(0, Input::Decide { session, decision: Knocked::reject("no") }).unwrap();
    assert_eq!(waits(&mesh), (0, 1, 1));
}
