use super::*;
use crate::{
    engine::tests::{acquainted, dropped, failures, records, texts},
    limits,
    test_utils::mesh::Mesh,
};

#[test]
fn first_message_leaves_with_the_knock_and_reaches_the_handler() {
    let mut mesh = Mesh::new(2, 1);
    let id = mesh.send(0, 1, "hello").unwrap();
    // Nobody has answered anything yet, and both frames are at the relay.
    assert_eq!(mesh.relay[&mesh.amid(1)].len(), 2);
    assert_eq!(mesh.stage(0, id), Some(Stage::StoredByRelay));
    mesh.run();
    assert_eq!(texts(&mesh, 1), ["\"hello\""]);
    assert_eq!(mesh.stage(0, id), Some(Stage::Handled));
    assert!(mesh.nodes[0].engine.outbox().is_empty());
}

#[test]
fn conversation_goes_both_ways_in_one_session() {
    let mut mesh = acquainted(2);
    for i in 0..50 {
        mesh.send(0, 1, &format!("a{i}")).unwrap();
        mesh.send(1, 0, &format!("b{i}")).unwrap();
        mesh.run();
    }
    assert_eq!(texts(&mesh, 0).len(), 51);
    assert_eq!(texts(&mesh, 1).len(), 51);
    assert_eq!(mesh.handshakes(), 1);
}

#[test]
fn absent_recipient_gets_everything_once_when_it_comes() {
    let mut mesh = Mesh::new(2, 3);
    mesh.disconnect(1);
    let ids: Vec<_> = (0..10).map(|i| mesh.send(0, 1, &format!("{i}")).unwrap()).collect();
    mesh.run();
    assert!(ids.iter().all(|id| mesh.stage(0, *id) == Some(Stage::StoredByRelay)));
    mesh.connect(1);
    mesh.run();
    assert_eq!(mesh.handled(1), ids);
    assert!(ids.iter().all(|id| mesh.stage(0, *id) == Some(Stage::Handled)));
}

#[test]
fn restart_of_either_side_at_any_moment_loses_and_repeats_nothing() {
    // Each round restarts one side after a different number of deliveries.
    for cut in 0..12 {
        for victim in 0..2 {
            let mut mesh = Mesh::new(2, 400 + cut);
            let mut ids: Vec<_> =
                (0..5).map(|i| mesh.send(0, 1, &format!("{i}")).unwrap()).collect();
            for _ in 0..cut {
                let _ = mesh.deliver_next(1) || mesh.deliver_next(0) || mesh.handle_next(1);
            }
            mesh.restart(victim);
            mesh.connect(victim);
            mesh.run();
            let mut handled = mesh.handled(1);
            handled.sort_unstable();
            ids.sort_unstable();
            assert_eq!(handled, ids, "cut {cut}, victim {victim}");
            assert!(mesh.nodes[0].engine.outbox().is_empty(), "cut {cut}, victim {victim}");
            assert_eq!(mesh.handshakes(), 1, "cut {cut}, victim {victim}");
        }
    }
}

#[test]
fn unhandled_message_is_handed_on_again_after_a_restart() {
    let mut mesh = Mesh::new(2, 5);
    mesh.nodes[1].handles = false;
    let id = mesh.send(0, 1, "work").unwrap();
    mesh.run();
    assert_eq!(mesh.stage(0, id), Some(Stage::Delivered));
    mesh.restart(1);
    mesh.connect(1);
    mesh.nodes[1].handles = true;
    mesh.run();
    assert_eq!(mesh.handled(1), [id]);
    assert_eq!(mesh.stage(0, id), Some(Stage::Handled));
}

#[test]
fn duplicate_delivery_changes_nothing_2_1() {
    let mut mesh = acquainted(6);
    let id = mesh.send(0, 1, "once").unwrap();
    let frame = mesh.wiretap.last().unwrap().1.frame.clone();
    mesh.run();
    let before = records(&mesh, 1);
    let from = mesh.amid(0);
    for _ in 0..20 {
        mesh.inject(1, from, Some(RelayMessageId::from_bytes([9; 16])), frame.clone());
    }
    assert_eq!(dropped(&mesh, 1, DropReason::Duplicate), 20);
    assert_eq!(records(&mesh, 1), before);
    mesh.send(0, 1, "next").unwrap();
    mesh.run();
    assert_eq!(texts(&mesh, 1), ["\"hello\"", "\"once\"", "\"next\""]);
    assert_eq!(mesh.handled(1).iter().filter(|seen| **seen == id).count(), 1);
}

#[test]
fn same_id_is_handled_once_even_in_a_new_frame() {
    let mut mesh = acquainted(7);
    let id = mesh.send(0, 1, "idempotent").unwrap();
    mesh.run();
    let to = mesh.amid(1);
    let again = NewMessage {
        id,
        to,
        kind: crate::wire::plaintext::MessageType::Message,
        in_reply_to: None,
        payload: "\"idempotent\"".into(),
        headers: Default::default(),
        knock_request: None,
        expires_in: None,
    };
    mesh.feed(0, Input::Send(again)).unwrap();
    mesh.run();
    assert_eq!(mesh.handled(1).iter().filter(|seen| **seen == id).count(), 1);
    assert!(mesh.nodes[0].engine.outbox().is_empty(), "the second one was receipted, too");
}

#[test]
fn unknown_recipient_fails_at_once_instead_of_pretending() {
    let mut mesh = Mesh::new(2, 8);
    let hidden = mesh.amid(1);
    mesh.hidden.insert(hidden);
    mesh.send(0, 1, "anybody there").unwrap();
    mesh.run();
    assert_eq!(failures(&mesh, 0), [SendFailure::UnknownRecipient { amid: hidden }]);
    assert!(mesh.nodes[0].engine.outbox().is_empty());
}

#[test]
fn unconfirmed_message_fails_after_72_hours() {
    let mut mesh = Mesh::new(2, 9);
    mesh.disconnect(1);
    mesh.send(0, 1, "late").unwrap();
    mesh.advance(limits::OUTBOX_AGE - 1);
    assert!(failures(&mesh, 0).is_empty());
    mesh.advance(1);
    assert_eq!(failures(&mesh, 0), [SendFailure::Unconfirmed]);
}

#[test]
fn full_inbox_at_the_relay_pauses_and_loses_nothing() {
    let mut mesh = acquainted(10);
    let peer = mesh.amid(1);
    let id = mesh.send(0, 1, "no room").unwrap();
    let stored = mesh.relay.get_mut(&peer).unwrap().pop_back().unwrap();
    let relay_id = stored.id;
    // The relay takes its word back: it had no room after all.
    mesh.nodes[0].engine.forget_relay_ack(&relay_id);
    mesh.feed(0, Input::RelayRefused { relay_id, retryable: true, retry_after: Some(5000) })
        .unwrap();
    mesh.send(0, 1, "waits behind").unwrap();
    mesh.run();
    assert_eq!(texts(&mesh, 1), ["\"hello\""]);
    mesh.advance(8000);
    mesh.run();
    assert_eq!(texts(&mesh, 1), ["\"hello\"", "\"no room\"", "\"waits behind\""]);
    assert_eq!(mesh.stage(0, id), Some(Stage::Handled));
}

#[test]
fn full_inbox_here_leaves_frames_at_the_relay() {
    let mut mesh = Mesh::new(1, 11);
    let small = mesh.add(EngineConfig { max_inbox_entries: 3, ..EngineConfig::default() });
    mesh.nodes[small].handles = false;
    let ids: Vec<_> = (0..8).map(|i| mesh.send(0, small, &format!("{i}")).unwrap()).collect();
    mesh.run();
    assert!(mesh.nodes[small].engine.inbox_size().0 <= 3);
    mesh.nodes[small].handles = true;
    for _ in 0..8 {
        mesh.run();
        mesh.connect(small);
    }
    mesh.run();
    assert_eq!(mesh.handled(small), ids);
}

#[test]
fn outbox_is_bounded() {
    let mut mesh = Mesh::new(1, 12);
    let sender = mesh.add(EngineConfig { max_outbox_entries: 5, ..EngineConfig::default() });
    mesh.disconnect(sender);
    let to = mesh.amid(0);
    mesh.hidden.insert(to);
    let mut refused = 0;
    mesh.hidden.clear();
    for i in 0..10 {
        refused += usize::from(matches!(
            mesh.send(sender, 0, &format!("{i}")),
            Err(SendError::OutboxFull { .. })
        ));
    }
    assert!(refused >= 5);
}

#[test]
fn oversized_and_invalid_payloads_are_refused_without_effect() {
    let mut mesh = Mesh::new(2, 13);
    let before = records(&mesh, 0);
    let big = "x".repeat(limits::MAX_LARGE_PAYLOAD);
    assert!(matches!(mesh.send(0, 1, &big), Err(SendError::PayloadTooLarge { .. })));
    assert!(matches!(mesh.send(0, 0, "me"), Err(SendError::ToSelf)));
    assert_eq!(records(&mesh, 0), before);
}

#[test]
fn largest_payload_fits_one_frame() {
    let mut mesh = acquainted(14);
    let text = "x".repeat(limits::MAX_PAYLOAD - 2);
    let id = mesh.send(0, 1, &text).unwrap();
    mesh.run();
    assert_eq!(mesh.stage(0, id), Some(Stage::Handled));
    assert!(mesh.wiretap.iter().all(|(_, s)| s.frame.len() <= limits::MAX_FRAME));
}

#[test]
fn frame_that_the_relay_never_acked_goes_out_again_with_the_same_id() {
    let mut mesh = acquainted(15);
    let peer = mesh.amid(1);
    let id = mesh.send(0, 1, "lost on the way").unwrap();
    // The relay never had it, and so never acked it.
    let lost = mesh.relay.get_mut(&peer).unwrap().pop_back().unwrap();
    mesh.nodes[0].engine.forget_relay_ack(&lost.id);
    mesh.advance(14_000);
    assert!(mesh.relay[&peer].is_empty());
    mesh.advance(2_000);
    assert_eq!(mesh.relay[&peer].front().map(|s| (s.id, &s.frame)), Some((lost.id, &lost.frame)));
    mesh.run();
    assert_eq!(mesh.stage(0, id), Some(Stage::Handled));
}

#[test]
fn full_inbox_at_the_relay_is_filled_again_as_it_empties() {
    let mut mesh = acquainted(90);
    mesh.inbox_limit = Some(10);
    let all: Vec<_> = (0..100).map(|i| format!("\"{i}\"")).collect();
    for i in 0..100 {
        mesh.send(0, 1, &i.to_string()).unwrap();
    }
    // No time passes: what the recipient takes is what brings the next ones on their way.
    mesh.run();
    assert_eq!(texts(&mesh, 1)[1..], all);
    // Who takes nothing is left alone until the pause is over.
    mesh.disconnect(1);
    for i in 0..30 {
        mesh.send(0, 1, &i.to_string()).unwrap();
    }
    mesh.run();
    let sent = mesh.wiretap.len();
    mesh.advance(100);
    mesh.run();
    assert_eq!(mesh.wiretap.len(), sent);
    mesh.connect(1);
    mesh.run();
    assert_eq!(texts(&mesh, 1)[101..], all[..30]);
}

/// Without its handshake, nothing of a session is ever taken out of an inbox; so that must not fill before.
#[test]
fn handshake_finds_room_in_an_inbox_that_its_messages_fill() {
    let mut mesh = Mesh::new(2, 520);
    mesh.inbox_limit = Some(3);
    mesh.disconnect(0);
    mesh.disconnect(1);
    let ids: Vec<_> = (0..5).map(|i| mesh.send(0, 1, &i.to_string()).unwrap()).collect();
    mesh.connect(0);
    for _ in 0..3 {
        mesh.run();
        mesh.advance(1100);
    }
    mesh.connect(1);
    for _ in 0..5 {
        mesh.run();
        mesh.advance(61_000);
    }
    assert_eq!(mesh.handled(1), ids);
    assert!(mesh.nodes[0].engine.outbox().is_empty());
}
