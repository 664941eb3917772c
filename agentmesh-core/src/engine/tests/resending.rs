//! What is sent again, and when: handshakes that nobody answered, frames that the relay may not have, and what found no room.

use super::*;
use crate::{
    limits,
    test_utils::seeded_rng,
    time::{HOUR, MINUTE},
    wire::{plaintext::MessageType, relay_frame::RelayMessageType},
};

/// What `node` handed to the relay since `mark`, as recipients and kinds of frames.
fn sent_since(mesh: &Mesh, node: usize, mark: usize) -> Vec<(Amid, u8)> {
    let own = mesh.amid(node);
    let sent = mesh.wiretap[mark..].iter().filter(|(_, s)| s.from == own);
    sent.map(|(to, s)| (*to, s.frame[1])).collect()
}

#[test]
fn handshake_that_nobody_answers_is_sent_again_ever_more_rarely_and_every_hour() {
    let mut mesh = Mesh::new(2, 760);
    mesh.disconnect(1);
    mesh.send(0, 1, "hello").unwrap();
    let mut pauses = Vec::new();
    for _ in 0..8 {
        let due = mesh.nodes[0].engine.next_deadline().unwrap();
        pauses.push(due.since(mesh.now) / MINUTE);
        let mark = mesh.wiretap.len();
        mesh.now = due;
        mesh.feed(0, Input::Tick).unwrap();
        assert_eq!(sent_since(&mesh, 0, mark), [(mesh.amid(1), 1)]);
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
}

#[test]
fn handshake_waits_no_longer_than_its_pause_when_the_clock_is_put_back() {
    for (ahead, due) in [(limits::CLOCK_SKEW, 2 * MINUTE), (limits::CLOCK_SKEW + 1, 0)] {
        let mut mesh = Mesh::new(2, 761);
        mesh.disconnect(1);
        mesh.now = mesh.now.plus_millis(ahead);
        mesh.send(0, 1, "hello").unwrap();
        mesh.now = mesh.now.minus_millis(ahead);
        let now = mesh.now;
        mesh.nodes[0].engine.note_time(now);
        let next = mesh.nodes[0].engine.next_deadline();
        assert_eq!(next, Some(now.plus_millis(due)), "{ahead} ms ahead");
    }
}

#[test]
fn clock_that_stands_still_ends_no_pause() {
    let mut mesh = acquainted(762);
    let (b, now) = (mesh.amid(1), mesh.now);
    let engine = &mut mesh.nodes[0].engine;
    engine.pauses.pause(b, Some(HOUR), now, &mut seeded_rng(1));
    let due = engine.next_deadline().unwrap();
    assert!(due >= now.plus_millis(HOUR));
    engine.note_time(now);
    assert_eq!(engine.next_deadline(), Some(due));
    engine.note_time(now.minus_millis(1));
    assert!(engine.next_deadline().unwrap() < due);
}

/// With a handshake of which the relay said nothing, and one that it has.
#[test]
fn everything_that_the_relay_may_not_have_goes_out_with_the_next_connection() {
    let mut mesh = acquainted(763);
    let [new, heard] = [0, 1].map(|_| mesh.add(EngineConfig::default()));
    let (b, new_amid, heard_amid) = (mesh.amid(1), mesh.amid(new), mesh.amid(heard));
    mesh.disconnect(heard);
    mesh.send(0, heard, "the relay has this").unwrap();
    mesh.is_silent = true;
    mesh.send(0, heard, "and may not have this").unwrap();
    mesh.send(0, new, "nor this").unwrap();
    mesh.send(0, 1, "nor that").unwrap();
    let mark = mesh.wiretap.len();
    mesh.disconnect(0);
    mesh.connect(0);
    let mut sent = sent_since(&mesh, 0, mark);
    sent.sort_unstable();
    // An unanswered handshake goes in any case. What is behind one that the relay may not have waits for its word.
    let mut expected = [(new_amid, 1), (heard_amid, 1), (heard_amid, 2), (b, 2)];
    expected.sort_unstable();
    assert_eq!(sent, expected);
}

#[test]
fn relay_that_says_nothing_gets_what_nobody_confirmed_with_every_connection() {
    let mut mesh = acquainted(769);
    mesh.is_silent = true;
    mesh.send(0, 1, "hello?").unwrap();
    for _ in 0..3 {
        let mark = mesh.wiretap.len();
        mesh.feed(0, Input::Connected { acks: false }).unwrap();
        assert_eq!(sent_since(&mesh, 0, mark), [(mesh.amid(1), 2)]);
    }
}

/// The answer to a KNOCK, and a message behind it, of which the relay says nothing.
fn answered(seed: u64) -> (Mesh, MessageId, MessageId) {
    let mut mesh = Mesh::new(2, seed);
    mesh.is_silent = true;
    mesh.send(0, 1, "hello").unwrap();
    mesh.deliver_next(1);
    let control = mesh.nodes[1].engine.outbox.values().next().unwrap().id;
    let message = mesh.send(1, 0, "hello back").unwrap();
    mesh.disconnect(1);
    (mesh, control, message)
}

#[test]
fn answer_is_kept_until_a_relay_that_says_so_has_it() {
    let (mut mesh, control, message) = answered(764);
    let kept = |mesh: &Mesh| {
        let outbox = &mesh.nodes[1].engine.outbox;
        [control, message].map(|id| outbox.get(&id).is_some())
    };
    mesh.connect(1);
    mesh.send(1, 0, "another commit").unwrap();
    assert_eq!(kept(&mesh), [true, true]);
    let (mut mesh, ..) = answered(764);
    mesh.feed(1, Input::Connected { acks: false }).unwrap();
    mesh.send(1, 0, "another commit").unwrap();
    assert_eq!(kept(&mesh), [false, true]);
}

#[test]
fn word_of_the_relay_tells_of_progress_once_and_never_of_less() {
    let mut mesh = acquainted(765);
    mesh.nodes[1].handles = false;
    mesh.is_silent = true;
    let id = mesh.send(0, 1, "hello").unwrap();
    let relay_id = mesh.wiretap.last().unwrap().1.id;
    assert_eq!(mesh.nodes[0].engine.entry_of(&relay_id), Some(id));
    let stored = |mesh: &Mesh| {
        let stage = Stage::StoredByRelay;
        told(mesh, 0, |e| matches!(e, Event::Progress { stage: s, .. } if *s == stage))
    };
    let before = stored(&mesh);
    for _ in 0..2 {
        mesh.feed(0, Input::RelayAcked(relay_id)).unwrap();
        assert_eq!(stored(&mesh), before + 1);
    }
    let id = mesh.send(0, 1, "of which the peer is faster to tell").unwrap();
    let relay_id = mesh.wiretap.last().unwrap().1.id;
    mesh.run();
    mesh.feed(0, Input::RelayAcked(relay_id)).unwrap();
    assert_eq!(mesh.nodes[0].engine.stage(&id), Some(Stage::Delivered));
    assert_eq!(stored(&mesh), before + 1);
}

/// The mailboxes of two peers are full. One has something in it; for it wait an answer and three messages, one message for
/// the other.
fn full() -> (Mesh, Amid, Vec<Vec<u8>>) {
    let mut mesh = acquainted(766);
    let (b, third) = (mesh.amid(1), mesh.add(EngineConfig::default()));
    mesh.send(0, third, "hello").unwrap();
    mesh.run();
    for node in [1, third] {
        mesh.disconnect(node);
    }
    mesh.send(0, 1, "at the relay").unwrap();
    mesh.inbox_limit = Some(0);
    let ids = ["1", "2", "3"].map(|text| mesh.send(0, 1, text).unwrap());
    mesh.send(0, third, "for another").unwrap();
    let now = mesh.now;
    let engine = &mut mesh.nodes[0].engine;
    let session = engine.sending_session(b).unwrap();
    let mut rng = seeded_rng(1);
    let control = outbound::control(MessageType::Receipt, now, &mut rng);
    assert!(engine.send_control(b, session, &control, now, &mut rng));
    assert!(engine.pauses.is_paused(&b));
    let frame = |id| engine.outbox.get(&id).unwrap().transmission.as_ref().unwrap().frame.clone();
    let frames = ids.map(frame).into();
    (mesh, b, frames)
}

fn refilled(mesh: &mut Mesh, peer: Amid, taken: usize) -> Vec<Vec<u8>> {
    let now = mesh.now;
    let engine = &mut mesh.nodes[0].engine;
    engine.refill(peer, taken, now);
    let sent = core::mem::take(&mut engine.out.outgoing).into_iter();
    sent.inspect(|out| assert_eq!(out.to, peer)).map(|out| out.frame).collect()
}

#[test]
fn as_many_messages_as_found_room_again_go_and_nothing_else() {
    let (mut mesh, b, frames) = full();
    assert_eq!(refilled(&mut mesh, b, 0), [[0; 0]; 0]);
    assert_eq!(refilled(&mut mesh, b, 2), frames[..2]);
    assert!(mesh.nodes[0].engine.pauses.is_paused(&b));
    // Those are on their way.
    assert_eq!(refilled(&mut mesh, b, 2), frames[2..]);
    assert!(!mesh.nodes[0].engine.pauses.is_paused(&b), "there is room left");
    assert_eq!(refilled(&mut mesh, b, 2), [[0; 0]; 0]);
}

#[test]
fn no_room_is_filled_without_a_connection_or_at_a_relay_that_says_nothing() {
    let (mut mesh, b, _) = full();
    mesh.nodes[0].engine.connected = false;
    assert_eq!(refilled(&mut mesh, b, 9), [[0; 0]; 0]);
    assert!(mesh.nodes[0].engine.pauses.is_paused(&b));
    mesh.nodes[0].engine.connected = true;
    mesh.nodes[0].engine.relay_acks = false;
    assert_eq!(refilled(&mut mesh, b, 9), [[0; 0]; 0]);
    assert!(mesh.nodes[0].engine.pauses.is_paused(&b));
}

#[test]
fn handshake_that_found_no_room_goes_when_there_is_some_and_not_before() {
    let mut mesh = Mesh::new(2, 767);
    let b = mesh.amid(1);
    mesh.inbox_limit = Some(0);
    mesh.send(0, 1, "hello").unwrap();
    assert!(mesh.nodes[0].engine.pauses.is_paused(&b));
    assert_eq!(refilled(&mut mesh, b, 0), [[0; 0]; 0]);
    let sent = refilled(&mut mesh, b, 1);
    assert_eq!(sent.iter().map(|frame| frame[1]).collect::<Vec<_>>(), [1]);
}

#[test]
fn what_nobody_keeps_is_sent_with_a_connection_to_peers_that_are_not_blocked() {
    for (connected, blocked) in [(true, false), (true, true), (false, false), (false, true)] {
        let mut mesh = Mesh::new(1, 768);
        let engine = &mut mesh.nodes[0].engine;
        engine.connected = connected;
        if blocked {
            engine.set_blocked([peer(1)]);
        }
        engine.emit_once(peer(1), vec![1], &mut seeded_rng(1));
        let sent = &engine.out.outgoing;
        assert_eq!(sent.len(), usize::from(connected && !blocked), "{connected}, {blocked}");
        assert!(sent.iter().all(|out| out.kind == RelayMessageType::Message));
    }
}
