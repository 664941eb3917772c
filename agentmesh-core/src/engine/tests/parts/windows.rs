//! How many parts are under way.

use std::collections::HashSet;

use super::*;
use crate::engine::records::OutboxBody;

#[test]
fn window_leaves_room_at_the_relay_and_short_messages_are_not_held_up() {
    let mut mesh = acquainted(102);
    mesh.disconnect(1);
    let (large, _) = send(&mut mesh, 0, 1, 100 * PART_SIZE, 1);
    let (second, _) = send(&mut mesh, 0, 1, 100 * PART_SIZE, 2);
    mesh.run();
    assert_eq!(waiting(&mesh, 1), PART_WINDOW);
    let short = mesh.send(0, 1, "short").unwrap();
    mesh.run();
    assert_eq!(waiting(&mesh, 1), PART_WINDOW + 1);
    // Crashes of the sender put no second copy there, either.
    for _ in 0..3 {
        mesh.restart(0);
        mesh.connect(0);
        mesh.run();
        assert_eq!(waiting(&mesh, 1), PART_WINDOW + 1);
    }
    assert_eq!(mesh.stage_or_outbox(0, large), Some(Stage::Queued));
    mesh.connect(1);
    mesh.run();
    let handled = mesh.handled(1);
    let at = |id| handled.iter().position(|h| *h == id).unwrap();
    assert!(at(short) < at(large) && at(short) < at(second));
    assert_eq!(mesh.stage(0, second), Some(Stage::Handled));
}

#[test]
fn what_is_confirmed_is_not_sent_again_after_a_restart() {
    let mut mesh = acquainted(103);
    let (id, _) = send(&mut mesh, 0, 1, 80 * PART_SIZE, 1);
    for _ in 0..60 {
        mesh.deliver_next(1);
        mesh.deliver_next(0);
        mesh.advance(20);
    }
    let sent = mesh.wiretap.len();
    mesh.restart(0);
    mesh.connect(0);
    let done = progress(&mesh, 0, id, Direction::Sending).last().unwrap().0 as usize;
    assert!(done > 20, "{done}");
    mesh.run();
    let parts = mesh.wiretap[sent..]
        .iter()
        .filter(|(to, s)| *to == mesh.amid(1) && s.frame.len() > PART_SIZE)
        .count();
    assert_eq!(parts, 80 - done, "each missing part once more, and nothing else");
    assert_eq!(mesh.handled(1).last(), Some(&id));
}

/// Parts of a message that were handed to the relay at least once.
fn begun(mesh: &Mesh, id: MessageId) -> u32 {
    mesh.nodes[0].engine.outbox.get(&id).and_then(OutboxEntry::group).unwrap().begun
}

/// Parts that are under way to an agent.
fn under_way(mesh: &Mesh, to: usize) -> usize {
    let to = mesh.amid(to);
    let is_part = |e: &&OutboxEntry| e.to == to && matches!(e.body, OutboxBody::Part { .. });
    mesh.nodes[0].engine.outbox.values().filter(is_part).count()
}

#[test]
fn four_large_messages_to_a_peer_share_its_window_and_more_wait() {
    let mut mesh = acquainted(120);
    mesh.disconnect(1);
    mesh.disconnect(0);
    let ids: Vec<_> = (1..=5).map(|seed| send(&mut mesh, 0, 1, 10 * PART_SIZE, seed).0).collect();
    assert!(!mesh.nodes[0].engine.parts_due(mesh.now), "there is no connection");
    mesh.connect(0);
    mesh.run();
    let shares = |mesh: &Mesh| ids.iter().map(|id| begun(mesh, *id)).collect::<Vec<_>>();
    assert_eq!(shares(&mesh), [8, 8, 8, 8, 0]);
    // After a restart it is these that go again, which the relay has already.
    mesh.restart(0);
    mesh.connect(0);
    mesh.run();
    assert_eq!((shares(&mesh), waiting(&mesh, 1)), (vec![8, 8, 8, 8, 0], PART_WINDOW));
}

#[test]
fn each_part_that_is_confirmed_makes_room_for_one() {
    let mut mesh = acquainted(121);
    // It reads when it is told to.
    mesh.nodes[1].online = false;
    let (id, _) = send(&mut mesh, 0, 1, 40 * PART_SIZE, 1);
    mesh.run();
    for confirmed in 1..=3 {
        mesh.nodes[1].online = true;
        assert!(mesh.deliver_next(1));
        mesh.nodes[1].online = false;
        // By then the receipt is due.
        mesh.advance(20);
        mesh.deliver_next(0);
        assert_eq!(begun(&mesh, id) as usize, PART_WINDOW + confirmed);
        assert_eq!((under_way(&mesh, 1), waiting(&mesh, 1)), (PART_WINDOW, PART_WINDOW));
    }
}

#[test]
fn parts_of_a_session_that_ended_go_again_in_the_next_one() {
    let mut mesh = acquainted(122);
    mesh.disconnect(1);
    let (id, text) = send(&mut mesh, 0, 1, 3 * PART_SIZE, 1);
    assert_eq!(under_way(&mesh, 1), 3);
    let peer = mesh.amid(1);
    // What the relay had of it is lost.
    mesh.relay.get_mut(&peer).unwrap().clear();
    mesh.feed(0, Input::CloseSession(peer)).unwrap();
    assert_eq!(under_way(&mesh, 1), 0);
    mesh.connect(1);
    mesh.run();
    assert_eq!(texts(&mesh, 1).last(), Some(&text));
    assert_eq!(mesh.stage(0, id), Some(Stage::Handled));
}

#[test]
fn parts_that_are_taken_back_are_that_peers_and_go_again_under_another_name() {
    let mut mesh = Mesh::new(3, 123);
    for to in [1, 2] {
        mesh.send(0, to, "hello").unwrap();
        mesh.run();
        mesh.disconnect(to);
    }
    let short = mesh.send(0, 1, "short").unwrap();
    for to in [1, 2] {
        send(&mut mesh, 0, to, 3 * PART_SIZE, to as u64);
    }
    let peer = mesh.amid(1);
    for _ in 0..2 {
        mesh.nodes[0].engine.recall_parts(peer, |_| true);
        assert_eq!((under_way(&mesh, 1), under_way(&mesh, 2)), (0, 3));
        mesh.feed(0, Input::Parts).unwrap();
        assert_eq!(under_way(&mesh, 1), 3);
    }
    assert_eq!(mesh.nodes[0].engine.stage(&short), Some(Stage::StoredByRelay));
    let to_peer = mesh.wiretap.iter().filter(|(to, s)| *to == peer && s.frame.len() > PART_SIZE);
    let names: HashSet<_> = to_peer.map(|(_, s)| s.id).collect();
    assert_eq!(
        names.len(),
        9,
        "the relay may have each of them, and would take it for the one before"
    );
    mesh.connect(1);
    mesh.run();
    assert_eq!(texts(&mesh, 1).len(), 3);
}

#[test]
fn relay_that_has_all_parts_is_heard_of_once() {
    let mut mesh = acquainted(124);
    mesh.disconnect(1);
    let (id, _) = send(&mut mesh, 0, 1, 3 * PART_SIZE, 1);
    let relay_id = mesh.relay[&mesh.amid(1)].back().unwrap().id;
    mesh.feed(0, Input::RelayAcked(relay_id)).unwrap();
    let event = Event::Progress { to: mesh.amid(1), id, stage: Stage::StoredByRelay };
    assert_eq!(mesh.nodes[0].events.iter().filter(|e| **e == event).count(), 1);
}

#[test]
fn relay_without_room_gets_no_more_parts_until_it_is_asked_again() {
    let mut mesh = acquainted(127);
    mesh.disconnect(1);
    mesh.inbox_limit = Some(3);
    let ids = [1, 2].map(|seed| send(&mut mesh, 0, 1, 5 * PART_SIZE, seed).0);
    assert_eq!(ids.map(|id| begun(&mesh, id)), [5, 0]);
    mesh.inbox_limit = None;
    mesh.advance(1500);
    mesh.run();
    assert_eq!(ids.map(|id| begun(&mesh, id)), [5, 5]);
    mesh.connect(1);
    mesh.run();
    assert!(ids.iter().all(|id| mesh.stage(0, *id) == Some(Stage::Handled)));
}
