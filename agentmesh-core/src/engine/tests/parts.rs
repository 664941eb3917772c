use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::{
    engine::tests::{acquainted, failures, records, texts},
    keys::kdf,
    limits::{self, PART_SIZE, PART_WINDOW},
    session::Session,
    storage::{RecordKind, Storage},
    test_utils::{
        block_on,
        mesh::{Crash, Mesh},
        seeded_rng,
    },
    wire::plaintext::{MessageType, Part, Payload, Plaintext, Receipt, Stage as ReceiptStage},
};

/// Bytes that no two parts have in common.
fn bytes(n: usize, seed: u64) -> Vec<u8> {
    use rand_core::Rng;
    let mut bytes = vec![0; n];
    seeded_rng(seed).fill_bytes(&mut bytes);
    bytes
}

fn id(mesh: &Mesh, seed: u64) -> MessageId {
    MessageId::new_v7(mesh.now, &mut seeded_rng(seed))
}

fn send(mesh: &mut Mesh, from: usize, to: usize, n: usize, seed: u64) -> (MessageId, String) {
    let id = id(mesh, seed);
    let payload = bytes(n, seed);
    let text = format!("bytes {:?}", kdf::sha256(&[&payload]));
    mesh.send_payload(from, to, id, Payload::Bytes(payload)).unwrap();
    (id, text)
}

fn stored(mesh: &Mesh, node: usize, kind: RecordKind) -> usize {
    block_on(mesh.nodes[node].storage.list(kind, None, 100_000)).unwrap().len()
}

/// The frames at the relay for `node`.
fn waiting(mesh: &Mesh, node: usize) -> usize {
    mesh.relay.get(&mesh.amid(node)).map_or(0, |queue| queue.len())
}

fn progress(mesh: &Mesh, node: usize, of: MessageId, way: Direction) -> Vec<(u32, u32)> {
    let events = mesh.nodes[node].events.iter();
    events
        .filter_map(|e| match e {
            Event::PartProgress { direction, id, done, total, .. }
                if *id == of && *direction == way =>
            {
                Some((*done, *total))
            }
            _ => None,
        })
        .collect()
}

/// A part as a peer of ours may forge it: encrypted in the real session, and nothing else about it is real.
fn forge(mesh: &mut Mesh, from: usize, to: usize, plaintext: &Plaintext) {
    let now = mesh.now;
    let peer = mesh.amid(to);
    // Events grow with every frame: no two have the same randomness.
    let mut rng = seeded_rng(9_000 + mesh.nodes[to].events.len() as u64);
    let engine = &mut mesh.nodes[from].engine;
    let session = engine.sending_session(peer).unwrap();
    let frame = engine.encrypt(session, &plaintext.encode().unwrap(), now, &mut rng).unwrap();
    let sender = mesh.amid(from);
    mesh.inject(to, sender, None, frame);
    mesh.run();
}

fn part_of(mesh: &Mesh, whole: &[u8], group: MessageId, index: u32, count: u32) -> Plaintext {
    let own = MessageId::new_v7(mesh.now, &mut seeded_rng(u64::from(index) + 7_000));
    let mut plaintext = Plaintext::new(own, MessageType::Message, u64::from(index), mesh.now);
    let size = whole.len().div_ceil(count as usize);
    let piece = whole.chunks(size).nth(index as usize).unwrap_or(b"?");
    plaintext.payload = Payload::Bytes(piece.to_vec());
    let sha256 = kdf::sha256(&[whole]);
    plaintext.part = Some(Part { group: *group.as_bytes(), index, count, sha256 });
    plaintext
}

#[test]
fn large_payload_arrives_whole_and_leaves_nothing_behind() {
    let mut mesh = acquainted(100);
    let (id, text) = send(&mut mesh, 0, 1, 10 * PART_SIZE + 17, 1);
    assert_eq!(stored(&mesh, 0, RecordKind::Chunk), 11, "on disk before anything is sent");
    mesh.run();
    assert_eq!(texts(&mesh, 1).last(), Some(&text));
    assert_eq!(mesh.stage(0, id), Some(Stage::Handled));
    for stage in [Stage::StoredByRelay, Stage::Delivered] {
        let event = Event::Progress { to: mesh.amid(1), id, stage };
        assert!(mesh.nodes[0].events.contains(&event), "{stage}");
    }
    for node in 0..2 {
        assert_eq!(stored(&mesh, node, RecordKind::Chunk), 0);
        assert_eq!(stored(&mesh, node, RecordKind::Assembly), 0);
        assert!(mesh.nodes[node].engine.outbox().is_empty());
    }
    assert_eq!(mesh.nodes[1].engine.parts.received_bytes(), 0);
    assert_eq!(progress(&mesh, 0, id, Direction::Sending).last(), Some(&(11, 11)));
    assert_eq!(progress(&mesh, 1, id, Direction::Receiving).last(), Some(&(11, 11)));
}

#[test]
fn json_is_cut_between_characters_and_opens_a_session_if_there_is_none() {
    let mut mesh = Mesh::new(2, 101);
    let text = format!("\"{}\"", "häßlich 𝄞 ".repeat(20_000));
    let id = id(&mesh, 1);
    mesh.send_payload(0, 1, id, Payload::Json(text.clone())).unwrap();
    // Parts wait for the answer to the KNOCK: before it, the peer would keep few of them.
    assert_eq!(waiting(&mesh, 1), 1);
    mesh.run();
    assert_eq!(texts(&mesh, 1), [text]);
    let broken = Payload::Json("[".repeat(PART_SIZE * 2));
    let refused = mesh.send_payload(0, 1, self::id(&mesh, 2), broken).unwrap_err();
    assert!(matches!(refused, SendError::InvalidJson { .. }), "{refused}");
}

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

#[test]
fn cap_of_the_recipient_refuses_at_the_first_part_and_says_so() {
    let mut mesh = acquainted(104);
    let config = EngineConfig { max_payload: 20 * PART_SIZE, ..EngineConfig::default() };
    mesh.reconfigure(1, config);
    mesh.restart(1);
    mesh.connect(1);
    let (id, _) = send(&mut mesh, 0, 1, 20 * PART_SIZE + 1, 1);
    mesh.deliver_next(1);
    assert_eq!(stored(&mesh, 1, RecordKind::Chunk), 0, "the first part shows how large it is");
    mesh.run();
    let actual = 20 * PART_SIZE as u64 + 1;
    assert_eq!(failures(&mesh, 0), [SendFailure::PayloadTooLargeForPeer { actual }]);
    assert!(!mesh.handled(1).contains(&id));
    assert_eq!(stored(&mesh, 0, RecordKind::Chunk), 0);
    // The limit itself is allowed.
    let (id, _) = send(&mut mesh, 0, 1, 20 * PART_SIZE, 2);
    mesh.run();
    assert_eq!(mesh.stage(0, id), Some(Stage::Handled));
    let too_large = Payload::Bytes(vec![0; limits::MAX_LARGE_PAYLOAD + 1]);
    let refused = mesh.send_payload(0, 1, self::id(&mesh, 3), too_large).unwrap_err();
    let (limit, actual) = (limits::MAX_LARGE_PAYLOAD, limits::MAX_LARGE_PAYLOAD + 1);
    assert_eq!(refused, SendError::PayloadTooLarge { limit, actual });
}

#[test]
fn cancelled_or_expired_payload_leaves_nothing_on_either_side() {
    let mut mesh = acquainted(105);
    mesh.disconnect(1);
    let (id, _) = send(&mut mesh, 0, 1, 50 * PART_SIZE, 1);
    mesh.run();
    mesh.feed(0, Input::Cancel(id)).unwrap();
    let (late, _) = send(&mut mesh, 0, 1, 50 * PART_SIZE, 2);
    assert_eq!(failures(&mesh, 0), [SendFailure::Cancelled]);
    mesh.connect(1);
    for _ in 0..40 {
        mesh.deliver_next(1);
    }
    mesh.disconnect(1);
    assert!(stored(&mesh, 1, RecordKind::Chunk) >= 32);
    mesh.advance(limits::OUTBOX_AGE);
    assert_eq!(failures(&mesh, 0), [SendFailure::Cancelled, SendFailure::Unconfirmed]);
    assert_eq!(stored(&mesh, 0, RecordKind::Chunk), 0);
    mesh.relay.clear();
    mesh.advance(limits::ASSEMBLY_AGE - limits::OUTBOX_AGE + 1);
    assert_eq!(stored(&mesh, 1, RecordKind::Chunk), 0, "nobody waits for {late} any more");
    assert_eq!(mesh.nodes[1].engine.parts.received_bytes(), 0);
    mesh.advance(limits::ASSEMBLY_AGE + 1);
    assert_eq!(stored(&mesh, 1, RecordKind::Assembly), 0);
}

#[test]
fn number_of_unfinished_payloads_is_bounded_and_idle_ones_make_room() {
    let mut mesh = acquainted(106);
    let whole = bytes(1000, 9);
    let groups: Vec<_> =
        (0..=limits::ASSEMBLIES_PER_PEER as u64).map(|n| id(&mesh, 500 + n)).collect();
    let (last, others) = groups.split_last().unwrap();
    for group in others {
        let part = part_of(&mesh, &whole, *group, 0, 2);
        forge(&mut mesh, 0, 1, &part);
    }
    let refusals = |mesh: &Mesh, reason: ReceiptStage| {
        let is = |e: &&Event| matches!(e, Event::PartsRefused { reason: r, .. } if *r == reason);
        mesh.nodes[1].events.iter().filter(is).count()
    };
    let first_of_last = part_of(&mesh, &whole, *last, 0, 2);
    forge(&mut mesh, 0, 1, &first_of_last);
    assert_eq!(refusals(&mesh, ReceiptStage::Busy), 1);
    mesh.advance(limits::ASSEMBLY_IDLE);
    let another = part_of(&mesh, &whole, id(&mesh, 600), 0, 2);
    forge(&mut mesh, 0, 1, &another);
    assert_eq!(refusals(&mesh, ReceiptStage::Abandoned), 1);
    assert_eq!(stored(&mesh, 1, RecordKind::Chunk), limits::ASSEMBLIES_PER_PEER);
}

#[test]
fn sender_hears_why_its_payload_was_not_taken() {
    for (stage, reason) in [
        (ReceiptStage::Damaged, SendFailure::PayloadDamaged),
        (ReceiptStage::Abandoned, SendFailure::PayloadAbandoned),
        (ReceiptStage::Busy, SendFailure::PeerBusy),
    ] {
        let mut mesh = acquainted(112);
        // Only the sender is there: what the recipient says comes before it has anything.
        mesh.disconnect(1);
        let (refused, _) = send(&mut mesh, 0, 1, 3 * PART_SIZE, 1);
        let own = id(&mesh, 2);
        let mut receipt = Plaintext::new(own, MessageType::Receipt, 0, mesh.now);
        receipt.receipts = vec![Receipt { id: refused, stage }];
        forge(&mut mesh, 1, 0, &receipt);
        assert_eq!(failures(&mesh, 0), [reason]);
        assert_eq!(stored(&mesh, 0, RecordKind::Chunk), 0);
    }
}

#[test]
fn contradictions_end_the_payload_and_nothing_of_it_is_handed_on() {
    type Forgery = fn(&mut Plaintext);
    let forgeries: [(&str, Forgery); 7] = [
        ("another count", |p| p.part.as_mut().unwrap().count = 4),
        ("another hash", |p| p.part.as_mut().unwrap().sha256 = [1; 32]),
        ("another type", |p| p.kind = MessageType::Request),
        ("text among bytes", |p| p.payload = Payload::Json("1".into())),
        ("no payload", |p| p.payload = Payload::None),
        ("an empty piece", |p| p.payload = Payload::Bytes(Vec::new())),
        ("a number out of order", |p| p.seq += 5),
    ];
    for (what, forgery) in forgeries {
        let mut mesh = acquainted(107);
        let before = mesh.handled(1).len();
        let whole = bytes(3000, 9);
        let group = id(&mesh, 500);
        let first = part_of(&mesh, &whole, group, 0, 3);
        forge(&mut mesh, 0, 1, &first);
        let mut second = part_of(&mesh, &whole, group, 1, 3);
        forgery(&mut second);
        forge(&mut mesh, 0, 1, &second);
        let third = part_of(&mesh, &whole, group, 2, 3);
        forge(&mut mesh, 0, 1, &third);
        assert_eq!(mesh.handled(1).len(), before, "{what}");
        assert_eq!(stored(&mesh, 1, RecordKind::Chunk), 0, "{what}");
        let reason = ReceiptStage::Damaged;
        let refused = Event::PartsRefused { from: mesh.amid(0), id: group, reason };
        assert!(mesh.nodes[1].events.contains(&refused), "{what}");
    }
}

#[test]
fn whole_that_is_not_what_its_hash_says_is_not_handed_on() {
    let mut mesh = acquainted(108);
    let before = mesh.handled(1).len();
    let whole = bytes(3000, 9);
    let group = id(&mesh, 500);
    for index in 0..3 {
        let mut part = part_of(&mesh, &whole, group, index, 3);
        if let Payload::Bytes(bytes) = &mut part.payload {
            bytes[0] ^= u8::from(index == 1);
        }
        forge(&mut mesh, 0, 1, &part);
    }
    assert_eq!(mesh.handled(1).len(), before);
    assert_eq!(stored(&mesh, 1, RecordKind::Chunk), 0);
    // An index that came before counts once, whatever it holds the second time.
    let group = id(&mesh, 501);
    for index in [0, 0, 1, 1, 2, 2] {
        let mut part = part_of(&mesh, &whole, group, index, 3);
        part.id = MessageId::new_v7(mesh.now, &mut seeded_rng(mesh.wiretap.len() as u64));
        forge(&mut mesh, 0, 1, &part);
    }
    assert_eq!(mesh.handled(1).iter().filter(|id| **id == group).count(), 1);
}

#[test]
fn part_before_the_decision_on_its_knock_stays_at_the_relay() {
    let mut mesh = Mesh::new(2, 109);
    mesh.send(0, 1, "knock").unwrap();
    let before = records(&mesh, 1);
    let session = |mesh: &Mesh| -> Option<bool> {
        let engine = &mesh.nodes[0].engine;
        let id = engine.sending_session(mesh.amid(1))?;
        engine
            .sessions
            .get(&id)?
            .session
            .as_ref()
            .map(|s: &Session| s.needs_new_handshake(mesh.now))
    };
    assert_eq!(session(&mesh), Some(false));
    let (id, _) = send(&mut mesh, 0, 1, 3 * PART_SIZE, 1);
    assert_eq!(waiting(&mesh, 1), 2, "KNOCK and message");
    assert_eq!(records(&mesh, 1), before);
    mesh.run();
    assert_eq!(mesh.stage(0, id), Some(Stage::Handled));
}

/// One payload of a few parts and a message before and behind it, until all is handled.
fn exchange(mesh: &mut Mesh) -> Vec<(usize, MessageId)> {
    let mut sent = Vec::new();
    for (n, (from, to)) in [(0usize, 1usize), (1, 0)].into_iter().enumerate() {
        for (i, size) in [20, 4 * PART_SIZE, 20].into_iter().enumerate() {
            let id = MessageId::new_v7(mesh.now, &mut seeded_rng((10 * n + i) as u64));
            let payload = Payload::Bytes(bytes(size, i as u64));
            while mesh.stage_or_outbox(from, id).is_none() {
                mesh.send_payload(from, to, id, payload.clone()).unwrap();
                revive(mesh);
            }
            sent.push((to, id));
        }
        mesh.run();
        revive(mesh);
        mesh.run();
    }
    for _ in 0..3 {
        revive(mesh);
        mesh.run();
        mesh.advance(1100);
        mesh.run();
    }
    sent
}

fn revive(mesh: &mut Mesh) {
    for node in 0..mesh.nodes.len() {
        if !mesh.nodes[node].online {
            mesh.connect(node);
        }
    }
}

#[test]
fn crash_at_every_single_write_of_a_payload_in_parts_loses_and_repeats_nothing() {
    let total: Vec<u64> = {
        let mut mesh = Mesh::new(2, 110);
        exchange(&mut mesh);
        mesh.nodes.iter().map(|n| n.commits).collect()
    };
    for (node, total) in total.into_iter().enumerate() {
        for commit in 1..=total {
            for written in [false, true] {
                let mut mesh = Mesh::new(2, 110);
                if commit <= mesh.nodes[node].commits {
                    continue;
                }
                mesh.nodes[node].crash = Some(Crash { commit, written });
                let sent = exchange(&mut mesh);
                let what = format!("agent {node} dies at commit {commit}, written: {written}");
                assert!(mesh.has_crashed(node), "{what}");
                for (to, id) in &sent {
                    let seen = mesh.handled(*to).iter().filter(|handled| *handled == id).count();
                    let died_inside = mesh.nodes[*to].crash.is_some();
                    assert!(seen == 1 || (died_inside && seen == 2), "{what}: {id} {seen} times");
                }
                for node in 0..2 {
                    assert!(mesh.nodes[node].engine.outbox().is_empty(), "{what}");
                    assert_eq!(stored(&mesh, node, RecordKind::Chunk), 0, "{what}");
                    assert_eq!(stored(&mesh, node, RecordKind::Assembly), 0, "{what}");
                }
                mesh.check_keys(&what);
            }
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Deliver(usize),
    Restart(usize),
    Disconnect(usize),
    Connect(usize),
    Duplicate(usize),
    Reorder(usize, usize),
    Lose(usize),
    Short(usize),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0..2usize).prop_map(Step::Deliver),
        1 => (0..2usize).prop_map(Step::Restart),
        1 => (0..2usize).prop_map(Step::Disconnect),
        2 => (0..2usize).prop_map(Step::Connect),
        1 => (0..2usize).prop_map(Step::Duplicate),
        2 => (0..2usize, 1..8usize).prop_map(|(node, by)| Step::Reorder(node, by)),
        1 => (0..2usize).prop_map(Step::Lose),
        1 => (0..2usize).prop_map(Step::Short),
        1 => (1..5000u64).prop_map(Step::Pass),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_schedule_delivers_each_payload_once_and_whole(
        seed in 0u64..1_000_000,
        sizes in prop::collection::vec(1..6 * PART_SIZE, 1..4),
        steps in prop::collection::vec(step(), 10..100),
    ) {
        let mut mesh = Mesh::new(2, seed);
        let mut sent = Vec::new();
        for (n, size) in sizes.into_iter().enumerate() {
            let from = n % 2;
            let (id, text) = send(&mut mesh, from, 1 - from, size, seed + n as u64);
            sent.push((1 - from, id, text));
        }
        for step in steps {
            match step {
                Step::Deliver(node) => {
                    mesh.deliver_next(node);
                }
                Step::Restart(node) => mesh.restart(node),
                Step::Disconnect(node) => mesh.disconnect(node),
                Step::Connect(node) => mesh.connect(node),
                Step::Duplicate(node) => {
                    let to = mesh.amid(node);
                    let again = mesh.wiretap.iter().rev().find(|(t, _)| *t == to).cloned();
                    if let Some((_, stored)) = again && mesh.nodes[node].online {
                        mesh.inject(node, stored.from, None, stored.frame);
                    }
                }
                Step::Reorder(node, by) => {
                    let to = mesh.amid(node);
                    if let Some(queue) = mesh.relay.get_mut(&to) && !queue.is_empty() {
                        let by = by % queue.len();
                        queue.rotate_left(by);
                    }
                }
                // Dropped on its way to the recipient; it comes again on the next connection.
                Step::Lose(node) => {
                    let to = mesh.amid(node);
                    if let Some(first) = mesh.relay.get_mut(&to).and_then(|q| q.front_mut()) {
                        first.delivered = true;
                    }
                }
                Step::Short(node) => {
                    let id = mesh.send(node, 1 - node, "short").unwrap();
                    sent.push((1 - node, id, "\"short\"".to_owned()));
                }
                Step::Pass(ms) => mesh.advance(ms),
            }
        }
        for _ in 0..4 {
            for node in 0..2 {
                mesh.connect(node);
            }
            mesh.run();
            mesh.advance(61_000);
            mesh.run();
        }
        for (to, id, text) in &sent {
            let seen: Vec<_> = mesh.nodes[*to].handled.iter().filter(|(_, h, _)| h == id).collect();
            prop_assert_eq!(seen.len(), 1, "message {} at {}", id, to);
            prop_assert_eq!(&seen[0].2, text);
        }
        let handled: usize = mesh.nodes.iter().map(|n| n.handled.len()).sum();
        prop_assert_eq!(handled, sent.iter().map(|(_, id, _)| id).collect::<HashSet<_>>().len());
        for node in 0..2 {
            prop_assert!(mesh.nodes[node].engine.outbox().is_empty());
            prop_assert_eq!(stored(&mesh, node, RecordKind::Chunk), 0);
            prop_assert_eq!(stored(&mesh, node, RecordKind::Assembly), 0);
        }
        mesh.check_keys("schedule");
    }
}
