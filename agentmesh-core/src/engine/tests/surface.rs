use super::*;
use crate::{
    engine::{
        surface::MAX_TROUBLED,
        tests::{acquainted, failures, texts},
    },
    knock::Decision as Knocked,
    limits::{self, PART_SIZE},
    redaction::Shown,
    test_utils::{mesh::Mesh, seeded_rng},
    time::SECOND,
    wire::plaintext::Payload,
};

#[test]
fn knock_left_for_later_survives_a_restart_and_is_decided_by_the_application() {
    let mut mesh = Mesh::new(2, 200);
    mesh.nodes[1].policy = Knocked::Later;
    let id = mesh.send(0, 1, "may I?").unwrap();
    mesh.run();
    mesh.restart(1);
    mesh.connect(1);
    mesh.run();
    let [knock] = &mesh.nodes[1].engine.knocks()[..] else { panic!("one KNOCK waits") };
    assert_eq!((knock.knock.from, knock.held), (mesh.amid(0), 1));
    let session = knock.session;
    let held = mesh.nodes[1].engine.waiting();
    assert_eq!((held[0].id, held[0].waits_for), (id, Awaited::Decision));
    mesh.feed(1, Input::Decide { session, decision: Knocked::Later }).unwrap();
    assert_eq!(mesh.nodes[1].engine.knocks().len(), 1, "later is no decision");
    mesh.feed(1, Input::Decide { session, decision: Knocked::accept() }).unwrap();
    mesh.run();
    assert_eq!(mesh.handled(1), [id]);
    assert!(mesh.nodes[1].engine.knocks().is_empty() && mesh.nodes[1].engine.waiting().is_empty());
}

#[test]
fn knock_that_nobody_decides_is_rejected_after_96_hours() {
    let mut mesh = Mesh::new(2, 201);
    mesh.nodes[1].policy = Knocked::Later;
    mesh.send(0, 1, "may I?").unwrap();
    mesh.run();
    // Its sender gives the message up before.
    mesh.advance(limits::KNOCK_MAX_AGE);
    assert_eq!(mesh.nodes[1].engine.knocks().len(), 1);
    mesh.advance(1);
    assert!(mesh.nodes[1].engine.knocks().is_empty());
    mesh.run();
    assert_eq!(failures(&mesh, 0), [SendFailure::Unconfirmed]);
    let rejected = |e: &Event| matches!(e, Event::KnockRejected { .. });
    assert!(mesh.nodes[0].events.iter().any(rejected));
}

#[test]
fn initiator_knocks_anew_when_the_granted_time_is_over_and_the_responder_may_still_answer() {
    let mut mesh = Mesh::new(2, 202);
    mesh.nodes[1].policy = Knocked::Accept { ttl_s: Some(300) };
    mesh.send(0, 1, "one").unwrap();
    mesh.run();
    mesh.advance(299 * SECOND);
    mesh.send(0, 1, "two").unwrap();
    mesh.run();
    assert_eq!(mesh.handshakes(), 1);
    mesh.advance(SECOND);
    mesh.restart(0);
    mesh.connect(0);
    mesh.send(1, 0, "an answer").unwrap();
    mesh.run();
    assert_eq!(mesh.handshakes(), 1);
    mesh.send(0, 1, "three").unwrap();
    let large = MessageId::new_v7(mesh.now, &mut seeded_rng(1));
    mesh.send_payload(0, 1, large, Payload::Bytes(vec![1; 2 * PART_SIZE])).unwrap();
    mesh.run();
    assert_eq!(mesh.handshakes(), 2);
    assert_eq!(texts(&mesh, 1).len(), 4);
    assert_eq!(texts(&mesh, 0), ["\"an answer\""]);
}

#[test]
fn outbox_tells_size_attempts_progress_and_what_went_wrong() {
    let mut mesh = acquainted(203);
    mesh.disconnect(1);
    let short = mesh.send(0, 1, "short").unwrap();
    let long = MessageId::new_v7(mesh.now, &mut seeded_rng(1));
    mesh.send_payload(0, 1, long, Payload::Bytes(vec![1; 3 * PART_SIZE])).unwrap();
    let relay_id = mesh.relay[&mesh.amid(1)].iter().find(|s| s.frame.len() < 1000).unwrap().id;
    mesh.nodes[0].engine.note_refusal(&relay_id, "INBOX_FULL");
    mesh.disconnect(0);
    mesh.connect(0);
    let items = mesh.nodes[0].engine.outbox();
    assert_eq!((items[0].id, items[0].attempts, items[0].parts), (short, 1, None));
    assert_eq!(items[0].last_error.as_deref(), Some("INBOX_FULL"));
    assert_eq!(
        (items[1].id, items[1].size, items[1].parts),
        (long, 3 * PART_SIZE as u64, Some((0, 3)))
    );
    mesh.connect(1);
    mesh.deliver_next(1);
    mesh.deliver_next(1);
    let waiting = mesh.nodes[1].engine.waiting();
    assert!(waiting.iter().any(|item| item.waits_for == Awaited::Parts { done: 1, total: 3 }));
    mesh.run();
    assert!(mesh.nodes[0].engine.outbox().is_empty());
}

#[test]
fn what_waits_prints_sizes_only() {
    const TEXT: &str = "open sesame";
    let mut mesh = acquainted(204);
    mesh.nodes[1].handles = false;
    mesh.send(0, 1, TEXT).unwrap();
    mesh.run();
    let waiting = mesh.nodes[1].engine.waiting();
    assert!(matches!(&waiting[0].payload, Some(Payload::Json(text)) if text.contains(TEXT)));
    let mut shown = Shown::default();
    shown.add("InboxItem", &waiting[0]);
    assert!(shown.without(&[TEXT.as_bytes()]).contains("payload: Some(Json(13 bytes))"));
}

#[test]
fn outbox_says_what_a_message_takes_until_it_is_delivered() {
    let mut mesh = acquainted(208);
    mesh.nodes[1].handles = false;
    mesh.disconnect(1);
    let id = mesh.send(0, 1, "hello").unwrap();
    let [item] = &mesh.nodes[0].engine.outbox()[..] else { panic!("one message waits") };
    assert_eq!((item.id, item.parts), (id, None));
    assert!(item.size > 5, "{} bytes", item.size);
    mesh.connect(1);
    mesh.run();
    let [item] = &mesh.nodes[0].engine.outbox()[..] else { panic!("it is not handled yet") };
    assert_eq!((item.stage, item.size), (Stage::Delivered, 0));
}

#[test]
fn large_message_is_shown_with_its_parts_until_it_is_handled() {
    let mut mesh = acquainted(209);
    mesh.nodes[1].handles = false;
    mesh.disconnect(1);
    let id = MessageId::new_v7(mesh.now, &mut seeded_rng(1));
    mesh.send_payload(0, 1, id, Payload::Bytes(vec![1; 3 * PART_SIZE])).unwrap();
    // What is said of a part is said of the message.
    let part = mesh.relay[&mesh.amid(1)].back().unwrap().id;
    mesh.nodes[0].engine.note_refusal(&part, "INBOX_FULL");
    let [item] = &mesh.nodes[0].engine.outbox()[..] else { panic!("one message waits") };
    assert_eq!((item.id, item.last_error.as_deref()), (id, Some("INBOX_FULL")));
    mesh.connect(1);
    mesh.run();
    let [item] = &mesh.nodes[0].engine.outbox()[..] else { panic!("it is not handled yet") };
    assert_eq!((item.stage, item.size, item.parts), (Stage::Delivered, 0, Some((3, 3))));
}

#[test]
fn message_that_is_sent_again_after_it_was_taken_back_was_not_tried_before() {
    let mut mesh = acquainted(210);
    mesh.disconnect(1);
    let id = mesh.send(0, 1, "hello").unwrap();
    let relay_id = mesh.relay[&mesh.amid(1)].back().unwrap().id;
    mesh.nodes[0].engine.note_refusal(&relay_id, "INBOX_FULL");
    mesh.feed(0, Input::Cancel(id)).unwrap();
    mesh.send_with_id(0, 1, id, "hello").unwrap();
    let [item] = &mesh.nodes[0].engine.outbox()[..] else { panic!("one message waits") };
    assert_eq!((item.id, item.attempts, &item.last_error), (id, 1, &None));
}

#[test]
fn each_knock_is_shown_with_what_is_held_for_it() {
    let mut mesh = Mesh::new(3, 211);
    mesh.nodes[2].policy = Knocked::Later;
    for (from, count) in [(0, 1), (1, 3)] {
        for _ in 0..count {
            mesh.send(from, 2, "may I?").unwrap();
        }
        mesh.run();
    }
    let knocks = mesh.nodes[2].engine.knocks();
    let held: Vec<_> = knocks.iter().map(|k| (k.knock.from, k.held)).collect();
    assert_eq!(held, [(mesh.amid(0), 1), (mesh.amid(1), 3)]);
}

/// What went wrong last with the newest message to each agent that something waits for.
fn troubles(mesh: &Mesh) -> Vec<Option<String>> {
    mesh.nodes[0].engine.outbox().into_iter().map(|item| item.last_error).collect()
}

#[test]
fn peer_that_could_not_be_reached_shows_at_what_has_not_left_until_it_can() {
    let mut mesh = acquainted(212);
    let peer = mesh.amid(1);
    mesh.disconnect(0);
    mesh.send(0, 1, "one").unwrap();
    assert_eq!(troubles(&mesh), [None]);
    mesh.nodes[0].engine.note_trouble(peer, "REGISTRY_DOWN");
    assert_eq!(troubles(&mesh), [Some("REGISTRY_DOWN".into())]);
    mesh.disconnect(1);
    mesh.connect(0);
    assert_eq!(troubles(&mesh), [None], "the relay has it");
    mesh.disconnect(0);
    mesh.send(0, 1, "two").unwrap();
    assert_eq!(troubles(&mesh), [None, Some("REGISTRY_DOWN".into())]);
    let bundle = Box::new(mesh.fetch(&peer).unwrap().unwrap());
    mesh.feed(0, Input::Bundle { peer, bundle }).unwrap();
    assert_eq!(troubles(&mesh), [None, None]);
}

#[test]
fn trouble_is_remembered_of_so_many_peers_and_the_newest_of_each() {
    let mut mesh = acquainted(213);
    let third = mesh.add(EngineConfig::default());
    mesh.send(0, third, "hello").unwrap();
    mesh.run();
    mesh.disconnect(0);
    for to in [1, third] {
        mesh.send(0, to, "waits").unwrap();
    }
    let (last, beyond) = (mesh.amid(1), mesh.amid(third));
    let engine = &mut mesh.nodes[0].engine;
    (1..MAX_TROUBLED).for_each(|n| engine.note_trouble(peer(n), "DOWN"));
    for (who, code) in [(last, "DOWN"), (beyond, "DOWN"), (last, "STILL_DOWN")] {
        engine.note_trouble(who, code);
    }
    assert_eq!(troubles(&mesh), [Some("STILL_DOWN".into()), None]);
}
