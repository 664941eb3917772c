//! When something is due, and what happens because time has passed.

use super::*;
use crate::{
    limits,
    test_utils::{block_on, mesh::START},
    time::{DAY, SECOND},
    wire::plaintext::{Headers, MessageType, Payload},
};

/// Something to say to an agent, for those who do without [`Mesh::send`].
pub(super) fn message(mesh: &Mesh, to: usize) -> NewMessage {
    NewMessage {
        id: MessageId::new_v7(mesh.now, &mut crate::test_utils::seeded_rng(1)),
        to: mesh.amid(to),
        kind: MessageType::Message,
        in_reply_to: None,
        payload: Payload::Json("1".into()),
        headers: Headers::NONE,
        knock_request: None,
        expires_in: None,
    }
}

fn sweep(mesh: &mut Mesh, node: usize) {
    let (now, node) = (mesh.now, &mut mesh.nodes[node]);
    block_on(node.engine.sweep(&node.storage, now)).unwrap();
}

fn changes_of_prekeys(mesh: &Mesh, node: usize, of: PrekeyChange) -> usize {
    let is = |e: &&Event| matches!(e, Event::PrekeysChanged { change } if *change == of);
    mesh.nodes[node].events.iter().filter(is).count()
}

#[test]
fn nothing_is_due_where_nothing_waits() {
    let mesh = acquainted(620);
    for node in &mesh.nodes {
        assert_eq!(node.engine.next_deadline(), None);
        assert_eq!(node.engine.next_receipt(), None);
        assert_eq!(node.engine.bundle_created_at(), START);
    }
}

#[test]
fn frame_of_an_unknown_session_is_due_a_second_after_it_came_and_only_with_a_connection() {
    let mut mesh = acquainted(621);
    mesh.send(0, 1, "again, please").unwrap();
    mesh.disconnect(0);
    mesh.lose_store(1);
    mesh.connect(1);
    mesh.run();
    assert_eq!(mesh.nodes[1].engine.parked_frames(), 1);
    let due = mesh.now.plus_millis(SECOND);
    assert_eq!(mesh.nodes[1].engine.next_deadline(), Some(due));
    mesh.disconnect(1);
    assert_eq!(mesh.nodes[1].engine.next_deadline(), None);
}

#[test]
fn what_the_relay_did_not_take_is_due_again_unless_it_never_says_so() {
    let mut mesh = acquainted(622);
    // Without the mesh, which would ack it.
    let (message, now) = (message(&mesh, 1), mesh.now);
    let mut rng = crate::test_utils::seeded_rng(1);
    let engine = &mut mesh.nodes[0].engine;
    assert!(matches!(engine.handle(Input::Send(message), now, &mut rng), Ok(Step::Done)));
    assert!(!engine.has_sent_all());
    assert!(engine.next_deadline().is_some_and(|at| at > now));
    engine.relay_acks = false;
    assert_eq!(engine.next_deadline(), None);
}

#[test]
fn receipt_waits_for_company_as_long_as_is_configured() {
    let mut mesh = acquainted(623);
    mesh.send(0, 1, "hello").unwrap();
    mesh.deliver_next(1);
    let delay = EngineConfig::default().receipt_delay;
    assert_eq!(mesh.nodes[1].engine.next_receipt(), Some(mesh.now.plus_millis(delay)));
    mesh.run();
    assert_eq!(mesh.nodes[1].engine.next_receipt(), None);
}

#[test]
fn receipt_that_waits_when_the_clock_is_put_back_waits_no_longer() {
    let mut mesh = acquainted(630);
    mesh.send(0, 1, "hello").unwrap();
    mesh.deliver_next(1);
    mesh.now = mesh.now.minus_millis(DAY);
    mesh.feed(1, Input::Tick).unwrap();
    let delay = EngineConfig::default().receipt_delay;
    assert_eq!(mesh.nodes[1].engine.next_receipt(), Some(mesh.now.plus_millis(delay)));
}

#[test]
fn not_everything_is_sent_while_a_message_is_queued() {
    let mut mesh = acquainted(624);
    mesh.disconnect(0);
    mesh.send(0, 1, "waits").unwrap();
    assert!(!mesh.nodes[0].engine.has_sent_all());
    mesh.connect(0);
    assert!(mesh.nodes[0].engine.has_sent_all());
}

#[test]
fn delivered_message_that_nobody_handles_is_forgotten_without_a_failure() {
    let mut mesh = acquainted(625);
    mesh.nodes[1].handles = false;
    let id = mesh.send(0, 1, "hello").unwrap();
    mesh.run();
    assert_eq!(mesh.nodes[0].engine.stage(&id), Some(Stage::Delivered));
    mesh.advance(limits::OUTBOX_AGE - 1);
    assert_eq!(mesh.nodes[0].engine.stage(&id), Some(Stage::Delivered));
    mesh.advance(1);
    assert_eq!(mesh.nodes[0].engine.stage(&id), None);
    assert_eq!(failures(&mesh, 0), []);
}

#[test]
fn handled_ids_are_remembered_for_seven_days() {
    let mut mesh = acquainted(626);
    let remembered = |mesh: &mut Mesh, age: u64| {
        let now = mesh.now.plus_millis(age);
        mesh.nodes[1].engine.expire_seen(now);
        mesh.nodes[1].engine.seen.values().count()
    };
    assert_eq!(remembered(&mut mesh, limits::SEEN_AGE), 1);
    assert_eq!(remembered(&mut mesh, limits::SEEN_AGE + 1), 0);
}

#[test]
fn superseded_session_ends_when_its_time_is_over() {
    let mut mesh = Mesh::new(2, 627);
    mesh.nodes[1].policy = knock::Decision::Accept { ttl_s: Some(300) };
    mesh.send(0, 1, "one").unwrap();
    mesh.run();
    mesh.advance(300 * SECOND);
    mesh.send(0, 1, "two").unwrap();
    mesh.run();
    let sessions =
        |mesh: &Mesh| mesh.nodes[0].engine.peers.get(&mesh.amid(1)).unwrap().sessions().count();
    assert_eq!(sessions(&mesh), 2);
    mesh.now = mesh.now.plus_millis(limits::RECEIVE_ONLY_AGE - 1);
    sweep(&mut mesh, 0);
    assert_eq!(sessions(&mesh), 2);
    mesh.now = mesh.now.plus_millis(1);
    sweep(&mut mesh, 0);
    assert_eq!(sessions(&mesh), 1);
}

/// Or a handshake that is sent again would open it once more.
#[test]
fn answered_handshake_is_remembered_as_long_as_its_prekey_and_a_session_longer() {
    let mut mesh = acquainted(628);
    let a = mesh.amid(0);
    mesh.feed(1, Input::CloseSession(a)).unwrap();
    sweep(&mut mesh, 1);
    assert_eq!(mesh.nodes[1].engine.sessions.values().count(), 1, "a tombstone");
    let mut mesh = acquainted(629);
    let signed = mesh.nodes[1].engine.prekeys().signed_ids().last().unwrap();
    for _ in 0..60 {
        mesh.advance(DAY);
        mesh.feed(1, Input::QueueDrained).unwrap();
    }
    assert!(mesh.nodes[1].engine.prekeys().signed(signed).is_none());
    sweep(&mut mesh, 1);
    assert_eq!(mesh.nodes[1].engine.sessions.values().count(), 1, "a session");
}

#[test]
fn application_hears_which_prekeys_are_new_and_of_no_others() {
    let mut mesh = Mesh::new(1, 630);
    let told = |mesh: &Mesh| {
        [PrekeyChange::Rotated, PrekeyChange::Generated].map(|of| changes_of_prekeys(mesh, 0, of))
    };
    let begun = told(&mesh);
    let mut days = 0;
    while told(&mesh) == begun {
        mesh.advance(DAY);
        days += 1;
        assert!(days < 60, "never rotated");
    }
    assert_eq!(told(&mesh), [begun[0] + 1, begun[1]]);
}

/// Before, a handshake for it may still come.
#[test]
fn old_prekey_goes_after_the_queue_was_read_to_its_end() {
    let mut mesh = Mesh::new(1, 631);
    mesh.feed(0, Input::QueueDrained).unwrap();
    let commits = mesh.nodes[0].commits;
    mesh.feed(0, Input::QueueDrained).unwrap();
    assert_eq!(mesh.nodes[0].commits, commits, "there is one prekey");
    while mesh.nodes[0].engine.prekeys().signed_ids().count() < 2 {
        mesh.advance(DAY);
    }
    let commits = mesh.nodes[0].commits;
    let peer = mesh.amid(0);
    mesh.nodes[0].engine.leave_message(peer, super::super::left_behind::Until::Room);
    mesh.feed(0, Input::QueueDrained).unwrap();
    assert_eq!(mesh.nodes[0].commits, commits, "what was left may be a handshake");
    mesh.nodes[0].engine.forget_left_frames();
    mesh.feed(0, Input::QueueDrained).unwrap();
    assert_eq!(mesh.nodes[0].commits, commits + 1);
}
