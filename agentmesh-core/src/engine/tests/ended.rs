//! Sessions that ended: what of them is kept, what is counted, and what goes along with them.

use super::*;
use crate::{knock::Decision as Knocked, test_utils::block_on};

/// Undecided KNOCKs, messages for the handler, and all that is in the inbox of the first agent.
fn waits(mesh: &Mesh) -> (usize, usize, usize) {
    let engine = &mesh.nodes[0].engine;
    (engine.pending_knocks().len(), engine.inbox().len(), engine.inbox_size().0)
}

fn session_of(mesh: &Mesh, node: usize, peer: usize) -> SessionId {
    mesh.nodes[node].engine.sending_session(mesh.amid(peer)).unwrap()
}

/// Ends a session of the first agent with another.
type End = fn(&mut Mesh, usize);

/// Whoever ends it.
#[test]
fn what_waits_for_a_decision_goes_with_its_own_session() {
    let ends: [(&str, End); 4] = [
        ("the peer, whose KNOCK we have not decided on", |mesh, stranger| {
            let own = mesh.amid(0);
            mesh.feed(stranger, Input::CloseSession(own)).unwrap();
        }),
        ("we, who reject it", |mesh, stranger| {
            let (session, decision) = (session_of(mesh, stranger, 0), Knocked::reject("no"));
            mesh.feed(0, Input::Decide { session, decision }).unwrap();
        }),
        ("we, who block the peer", |mesh, stranger| {
            let peer = mesh.amid(stranger);
            mesh.feed(0, Input::Circuit(CircuitChange::Block(peer))).unwrap();
        }),
        ("we, who close it", |mesh, stranger| {
            let peer = mesh.amid(stranger);
            mesh.feed(0, Input::CloseSession(peer)).unwrap();
        }),
    ];
    for (who, end) in ends {
        let mut mesh = acquainted(710);
        let strangers = [0, 1].map(|_| mesh.add(EngineConfig::default()));
        mesh.nodes[0].handles = false;
        mesh.send(1, 0, "ready").unwrap();
        mesh.nodes[0].policy = Knocked::Later;
        for stranger in strangers {
            mesh.send(stranger, 0, "held").unwrap();
        }
        mesh.run();
        assert_eq!(waits(&mesh), (2, 1, 5));
        // Or the stranger would knock again at once, for what it has to say.
        let own = mesh.amid(0);
        mesh.hidden.insert(own);
        end(&mut mesh, strangers[0]);
        mesh.run();
        assert_eq!(waits(&mesh), (1, 1, 3), "{who}");
    }
}

#[test]
fn what_a_peer_wrote_before_it_rejected_our_knock_goes_with_that_session() {
    let mut mesh = acquainted(711);
    let [other, wary] = [0, 1].map(|_| mesh.add(EngineConfig::default()));
    mesh.nodes[0].handles = false;
    mesh.nodes[0].policy = Knocked::Later;
    mesh.nodes[wary].policy = Knocked::Later;
    mesh.send(1, 0, "ready").unwrap();
    mesh.send(other, 0, "held").unwrap();
    mesh.send(0, wary, "let me in").unwrap();
    mesh.run();
    mesh.send(wary, 0, "who is there?").unwrap();
    mesh.run();
    assert_eq!(waits(&mesh), (1, 1, 4));
    // It never comes again: with the KNOCK that it would need, nothing could be told.
    let (registered, session) = (mesh.amid(0), session_of(&mesh, 0, wary));
    mesh.hidden.insert(registered);
    mesh.feed(wary, Input::Decide { session, decision: Knocked::reject("no") }).unwrap();
    mesh.run();
    assert_eq!(waits(&mesh), (1, 1, 3));
}

#[test]
fn who_opened_a_session_counts_it_as_well() {
    let mut mesh = acquainted(712);
    let b = mesh.amid(1);
    assert_eq!(mesh.nodes.iter().map(|n| n.engine.live_sessions()).collect::<Vec<_>>(), [1, 1]);
    mesh.feed(0, Input::CloseSession(b)).unwrap();
    mesh.run();
    assert_eq!(mesh.nodes.iter().map(|n| n.engine.live_sessions()).collect::<Vec<_>>(), [0, 0]);
}

#[test]
fn answered_handshakes_are_counted_when_they_end_and_after_a_restart() {
    let mut mesh = acquainted(713);
    let third = mesh.add(EngineConfig::default());
    mesh.send(third, 1, "hello").unwrap();
    mesh.run();
    for (n, peer) in [0, third].into_iter().enumerate() {
        let amid = mesh.amid(peer);
        mesh.feed(1, Input::CloseSession(amid)).unwrap();
        assert_eq!(mesh.nodes[1].engine.tombstones, n + 1);
    }
    mesh.restart(1);
    let (now, node) = (mesh.now, &mut mesh.nodes[1]);
    block_on(node.engine.sweep(&node.storage, now)).unwrap();
    assert_eq!(node.engine.tombstones, 2);
}

/// With neither a session nor an answer of the registry.
#[test]
fn kill_gives_up_what_only_waits_or_is_only_wanted() {
    let mut mesh = Mesh::new(2, 714);
    let b = mesh.amid(1);
    let kill = || Input::Circuit(CircuitChange::Kill(b));
    let killed = |outcome: &Outcome| outcome.events.contains(&Event::SessionKilled { peer: b });
    let message = schedule::message(&mesh, 1);
    outcome_of(&mut mesh, 0, Input::Send(message));
    assert!(killed(&outcome_of(&mut mesh, 0, kill())), "a message");
    mesh.nodes[0].engine.wanted.insert(b);
    assert!(killed(&outcome_of(&mut mesh, 0, kill())), "a session that is wanted");
    assert!(!killed(&outcome_of(&mut mesh, 0, kill())));
}

#[test]
fn kill_forgets_what_is_owed_to_the_peer() {
    let mut mesh = acquainted(715);
    mesh.send(0, 1, "hello").unwrap();
    mesh.deliver_next(1);
    assert!(mesh.nodes[1].engine.next_receipt().is_some());
    let a = mesh.amid(0);
    outcome_of(&mut mesh, 1, Input::Circuit(CircuitChange::Kill(a)));
    assert_eq!(mesh.nodes[1].engine.next_receipt(), None);
}

/// The relay has not taken the handshake with another.
#[test]
fn kill_is_said_to_a_peer_whose_handshake_the_relay_has() {
    let mut mesh = Mesh::new(3, 716);
    let (b, c) = (mesh.amid(1), mesh.amid(2));
    for node in [1, 2] {
        mesh.disconnect(node);
    }
    mesh.send(0, 1, "the relay has it").unwrap();
    mesh.is_silent = true;
    mesh.send(0, 2, "and says nothing of this").unwrap();
    for (peer, said) in [(b, 1), (c, 0)] {
        let outcome = outcome_of(&mut mesh, 0, Input::Circuit(CircuitChange::Kill(peer)));
        assert_eq!(outcome.outgoing.len(), said);
    }
}
