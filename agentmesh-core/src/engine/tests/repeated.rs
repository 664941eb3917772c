//! Messages that come again, since their sender did not hear that they arrived; and what a full inbox takes all the same.

use super::*;
use crate::{
    engine::records::InboxState,
    limits::PART_SIZE,
    test_utils::seeded_rng,
    wire::{
        frame::NativeFrame,
        plaintext::{MessageType, Part, Payload, Plaintext},
    },
};

/// The first agent sends a message once more, in another frame.
fn again(mesh: &mut Mesh, id: MessageId) {
    let now = mesh.now;
    let engine = &mut mesh.nodes[0].engine;
    engine.recall_one(id);
    engine.transmit(id, now, &mut seeded_rng(5));
    mesh.feed(0, Input::Tick).unwrap();
    mesh.run();
}

/// Something that the second agent has, and the first does not know that.
fn unconfirmed(mesh: &mut Mesh) -> MessageId {
    mesh.loses = Some((mesh.amid(1), 2));
    let id = mesh.send(0, 1, "once").unwrap();
    mesh.run();
    mesh.loses = None;
    assert_eq!(mesh.stage(0, id), Some(Stage::StoredByRelay));
    id
}

#[test]
fn message_that_waits_for_its_handler_is_receipted_again_and_told_once() {
    let mut mesh = acquainted(750);
    mesh.nodes[1].handles = false;
    let id = unconfirmed(&mut mesh);
    // It needs no room: it is there.
    mesh.nodes[1].engine.config.max_inbox_entries = 1;
    again(&mut mesh, id);
    assert_eq!(mesh.stage(0, id), Some(Stage::Delivered));
    let ready = |e: &Event| matches!(e, Event::MessageReady { id: of, .. } if *of == id);
    assert_eq!(told(&mesh, 1, ready), 1);
    assert!(mesh.relay.values().all(|queue| queue.is_empty()));
}

#[test]
fn handled_message_is_receipted_again_and_not_handled_again_although_nothing_finds_room() {
    for restarts in [false, true] {
        let mut mesh = acquainted(751);
        let id = unconfirmed(&mut mesh);
        mesh.nodes[1].handles = false;
        let other = mesh.send(0, 1, "fills the inbox").unwrap();
        mesh.run();
        if restarts {
            mesh.restart(1);
            mesh.nodes[1].engine.config.max_inbox_entries = 1;
            mesh.connect(1);
        }
        mesh.nodes[1].engine.config.max_inbox_entries = 1;
        again(&mut mesh, id);
        assert_eq!(mesh.stage(0, id), Some(Stage::Handled), "restarts: {restarts}");
        assert!(mesh.relay.values().all(|queue| queue.is_empty()));
        mesh.nodes[1].handles = true;
        mesh.run();
        assert_eq!(mesh.handled(1)[1..], [id, other]);
    }
}

/// The sender crashed before it heard, and encrypts the parts again; the recipient has restarted and forgotten nothing.
#[test]
fn payload_in_parts_is_not_handled_again_after_a_restart() {
    let mut mesh = acquainted(752);
    mesh.loses = Some((mesh.amid(1), 2));
    let id = MessageId::new_v7(mesh.now, &mut seeded_rng(1));
    mesh.send_payload(0, 1, id, Payload::Bytes(vec![1; 3 * PART_SIZE])).unwrap();
    mesh.run();
    assert_eq!(mesh.handled(1).last(), Some(&id));
    mesh.loses = None;
    for node in [1, 0] {
        mesh.restart(node);
        mesh.connect(node);
    }
    mesh.run();
    assert_eq!(mesh.handled(1).iter().filter(|handled| **handled == id).count(), 1);
    assert_eq!(mesh.stage(0, id), Some(Stage::Handled));
}

#[test]
fn what_is_no_message_needs_no_room() {
    let mut mesh = acquainted(753);
    mesh.nodes[1].handles = false;
    mesh.send(0, 1, "fills the inbox").unwrap();
    mesh.run();
    mesh.nodes[1].engine.config.max_inbox_entries = 1;
    let id = mesh.send(1, 0, "and this is answered").unwrap();
    mesh.run();
    assert_eq!(mesh.stage(1, id), Some(Stage::Handled));
}

/// The KNOCK of the session that it came in first was undecided; that of the one it comes in again is not.
#[test]
fn message_that_was_held_is_released_when_it_comes_in_an_accepted_session() {
    let mut mesh = Mesh::new(1, 754);
    let (now, node) = (mesh.now, &mut mesh.nodes[0]);
    let id = MessageId::new_v7(now, &mut seeded_rng(1));
    let message = Plaintext::new(id, MessageType::Message, 0, now);
    let mut comes = |of: usize, state: InboxState| {
        let bytes = message.encode().unwrap();
        node.engine.store_message(peer(1), session(of), &message, bytes, state, now);
        let ready = |e: &&Event| matches!(e, Event::MessageReady { .. });
        let told = node.engine.out.events.iter().filter(ready).count();
        let kept = node.engine.inbox.get(&(peer(1), id)).unwrap();
        (told, kept.session, node.engine.receipts_due(now.plus_millis(1000)).len())
    };
    assert_eq!(comes(1, InboxState::Held), (0, session(1), 0));
    assert_eq!(comes(2, InboxState::Held), (0, session(2), 0));
    assert_eq!(comes(3, InboxState::Ready).0, 1);
    assert_eq!(comes(3, InboxState::Ready).0, 1);
    assert_eq!(comes(3, InboxState::Held), (1, session(2), 1));
}

/// A part of a payload as the first agent may make it up, in its session with the second.
fn part(mesh: &mut Mesh) -> Vec<u8> {
    let (now, to, mut rng) = (mesh.now, mesh.amid(1), seeded_rng(6));
    let own = MessageId::new_v7(now, &mut rng);
    let group = *MessageId::new_v7(now, &mut rng).as_bytes();
    let mut plaintext = Plaintext::new(own, MessageType::Message, 0, now);
    plaintext.payload = Payload::Bytes(vec![1; 100]);
    plaintext.part = Some(Part { group, index: 0, count: 2, sha256: [0; 32] });
    let engine = &mut mesh.nodes[0].engine;
    let session = engine.sending_session(to).unwrap();
    engine.encrypt(session, &plaintext.encode().unwrap(), now, &mut rng).unwrap()
}

#[test]
fn part_stays_at_the_relay_until_the_knock_is_decided_and_there_is_room() {
    for (undecided, full) in [(false, false), (true, false), (false, true), (true, true)] {
        let mut mesh = Mesh::new(2, 755);
        if undecided {
            mesh.nodes[1].policy = knock::Decision::Later;
        }
        mesh.send(0, 1, "hello").unwrap();
        mesh.run();
        if full {
            mesh.nodes[1].engine.config.max_received_bytes = 99;
        }
        let (from, frame) = (mesh.amid(0), part(&mut mesh));
        let relay_id = Some(RelayMessageId::from_bytes([1; 16]));
        let outcome = outcome_of(&mut mesh, 1, Input::Frame(Inbound { from, relay_id, frame }));
        let engine = &mesh.nodes[1].engine;
        let taken = (outcome.acks.len(), engine.assemblies.values().count());
        let expected = if undecided || full { (0, 0) } else { (1, 1) };
        assert_eq!(taken, expected, "undecided: {undecided}, full: {full}");
        assert_eq!(engine.has_left_frames(), undecided || full);
    }
}

/// Nobody has to be asked about it: whoever holds the session did not write it.
#[test]
fn frame_of_another_suite_is_dropped_without_a_question() {
    let mut mesh = acquainted(756);
    mesh.send(0, 1, "genuine").unwrap();
    let (from, mut frame) = (mesh.amid(0), mesh.wiretap.last().unwrap().1.frame.clone());
    // The suite is what a header begins with, behind prefix and session id.
    assert!(matches!(NativeFrame::parse(frame.clone()), Ok(NativeFrame::Message(_))));
    frame[2 + 16] ^= 1;
    let outcome = outcome_of(&mut mesh, 1, Input::Frame(Inbound { from, relay_id: None, frame }));
    assert_eq!(outcome.outgoing, []);
    let told = [Event::FrameDropped { from, reason: DropReason::Malformed }];
    assert_eq!(outcome.events, told);
}
