//! Questions about sessions: that they reach the peer in the end, and at what cost.

use super::*;
use crate::{
    test_utils::mesh::snapshot,
    time::{HOUR, MINUTE},
};

/// The second agent's store went back in time, and a message of the first cannot be opened there. Probes and answers of
/// `loses` are lost. Returns the message.
fn message_that_does_not_open(mesh: &mut Mesh, loses: Option<(usize, u8)>) -> MessageId {
    let old = snapshot(&mesh.nodes[1].storage).unwrap();
    for i in 0..2 {
        mesh.send(0, 1, &format!("a{i}")).unwrap();
        mesh.run();
        mesh.send(1, 0, &format!("b{i}")).unwrap();
        mesh.run();
    }
    mesh.reopen(1, old);
    mesh.connect(1);
    mesh.run();
    mesh.advance(MINUTE);
    mesh.loses = loses.map(|(node, kind)| (mesh.amid(node), kind));
    let id = mesh.send(0, 1, "does not open").unwrap();
    mesh.run();
    assert!(dropped(mesh, 1, DropReason::Undecryptable) > 0);
    assert!(!mesh.handled(1).contains(&id));
    mesh.loses = None;
    id
}

fn pass(mesh: &mut Mesh, minutes: u64) {
    for _ in 0..minutes {
        mesh.advance(MINUTE);
        mesh.run();
    }
}

fn times_handled(mesh: &Mesh, id: MessageId) -> usize {
    mesh.handled(1).iter().filter(|handled| **handled == id).count()
}

#[test]
fn question_that_was_lost_is_asked_again() {
    for (seed, loses) in [(600, (1, 3)), (601, (0, 4))] {
        let mut mesh = acquainted(seed);
        let id = message_that_does_not_open(&mut mesh, Some(loses));
        pass(&mut mesh, 5);
        assert_eq!(times_handled(&mesh, id), 1, "frames of kind {} were lost", loses.1);
        assert!(mesh.nodes[0].engine.outbox().is_empty());
        assert!(mesh.relay.values().all(|queue| queue.is_empty()));
    }
}

#[test]
fn question_survives_a_crash_before_its_answer() {
    let mut mesh = acquainted(602);
    let id = message_that_does_not_open(&mut mesh, Some((1, 3)));
    mesh.restart(1);
    mesh.connect(1);
    pass(&mut mesh, 5);
    assert_eq!(times_handled(&mesh, id), 1);
    assert!(mesh.relay.values().all(|queue| queue.is_empty()));
}

#[test]
fn frame_in_question_is_told_of_once_and_stays_until_the_answer() {
    let mut mesh = acquainted(603);
    message_that_does_not_open(&mut mesh, Some((1, 3)));
    let told = dropped(&mesh, 1, DropReason::Undecryptable);
    let kept = |mesh: &Mesh| mesh.relay[&mesh.amid(1)].len();
    assert_eq!(kept(&mesh), 1);
    mesh.disconnect(1);
    mesh.connect(1);
    mesh.run();
    assert_eq!(dropped(&mesh, 1, DropReason::Undecryptable), told);
    pass(&mut mesh, 5);
    assert_eq!(kept(&mesh), 0);
}

#[test]
fn peer_that_is_away_is_asked_ever_more_rarely_and_not_for_ever() {
    let mut mesh = acquainted(604);
    message_that_does_not_open(&mut mesh, Some((1, 3)));
    let probes = |mesh: &Mesh| mesh.wiretap.iter().filter(|(_, s)| s.frame[1] == 3).count();
    mesh.disconnect(0);
    for _ in 0..96 * 6 {
        mesh.advance(10 * MINUTE);
    }
    let asked = probes(&mesh);
    assert!((8..=16).contains(&asked), "{asked} probes in four days");
    mesh.advance(24 * HOUR);
    mesh.advance(24 * HOUR);
    assert_eq!(probes(&mesh), asked);
    assert!(mesh.relay[&mesh.amid(1)].is_empty(), "and nothing stays at the relay");
}

/// A mailbox that is full of frames of a session without its handshake has room for neither that nor an answer.
#[test]
fn frame_in_question_makes_room_for_what_else_waits() {
    let mut mesh = acquainted(605);
    message_that_does_not_open(&mut mesh, Some((1, 3)));
    let (a, b) = (mesh.amid(0), mesh.amid(1));
    mesh.disconnect(0);
    let mut unknown = mesh.wiretap.iter().rev().find(|(to, _)| *to == b).unwrap().1.frame.clone();
    unknown[1] = 2;
    unknown[2..18].fill(9);
    mesh.inject(1, a, Some(RelayMessageId::from_bytes([9; 16])), unknown);
    assert_eq!(mesh.nodes[1].engine.parked_frames(), 1);
    assert_eq!(mesh.relay[&b].len(), 1);
    pass(&mut mesh, 2);
    assert!(mesh.relay[&b].is_empty());
}

#[test]
fn questions_that_began_at_once_are_not_asked_again_at_once() {
    let mut probes = Probes::default();
    let now = Timestamp::from_millis(1);
    for peer in 0..100 {
        let (amid, session) = (Amid::from_bytes([peer; 20]), SessionId::from_bytes([1; 16]));
        probes.want_answer(amid, session, now);
        probes.asked(amid, session, [peer.wrapping_mul(97); 16], now);
    }
    let due = |ms| probes.due(now.plus_millis(ms)).len();
    assert_eq!(due(MINUTE - 1), 0);
    assert!((25..75).contains(&due(MINUTE * 5 / 4)), "{} of 100", due(MINUTE * 5 / 4));
    assert_eq!(due(MINUTE * 3 / 2), 100);
}

#[test]
fn questions_are_bounded() {
    use crate::engine::{inbound::Source, probes::Kept};
    let mut probes = Probes::default();
    let now = Timestamp::from_millis(1);
    let amid = |i: u32| {
        let mut bytes = [0; 20];
        bytes[..4].copy_from_slice(&i.to_be_bytes());
        Amid::from_bytes(bytes)
    };
    let relay_id = Some(RelayMessageId::from_bytes([1; 16]));
    let mut kept = 0;
    for peer in 0..2000 {
        for session in 0..20 {
            let session = SessionId::from_bytes([session; 16]);
            probes.want_answer(amid(peer), session, now);
            let source = Source { from: amid(peer), relay_id };
            kept += usize::from(probes.keep(session, source) == Kept::Yes);
        }
    }
    assert_eq!(probes.due(now).len(), 1000);
    assert_eq!(kept, 16);
    let asked = (0..20).filter(|_| {
        let due = probes.due(now).into_iter().find(|(peer, _)| *peer == amid(0));
        due.is_some_and(|(peer, session)| {
            probes.asked(peer, session, [0; 16], Timestamp::ZERO);
            true
        })
    });
    assert!(asked.count() <= 6, "sessions of one peer");
}
