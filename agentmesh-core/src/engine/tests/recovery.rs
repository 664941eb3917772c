use super::*;
use crate::{
    engine::tests::{acquainted, texts},
    test_utils::mesh::{Mesh, snapshot},
    time::MINUTE,
};

fn settle(mesh: &mut Mesh) {
    for _ in 0..5 {
        mesh.run();
        mesh.advance(1100);
    }
    mesh.run();
}

#[test]
fn recipient_that_lost_its_store_heals_and_gets_unreceipted_messages_with_the_same_ids() {
    let mut mesh = acquainted(20);
    mesh.disconnect(1);
    let ids: Vec<_> = (0..3).map(|i| mesh.send(0, 1, &format!("{i}")).unwrap()).collect();
    mesh.lose_store(1);
    mesh.nodes[1].handled.clear();
    mesh.connect(1);
    settle(&mut mesh);
    assert_eq!(mesh.handled(1), ids);
    assert!(mesh.nodes[0].engine.outbox().is_empty());
    // And the conversation goes on in both directions.
    mesh.send(1, 0, "thanks").unwrap();
    settle(&mut mesh);
    assert_eq!(texts(&mesh, 0).last().unwrap(), "\"thanks\"");
}

#[test]
fn sender_that_rolled_back_heals_and_nothing_is_lost() {
    let mut mesh = acquainted(21);
    let old = snapshot(&mesh.nodes[0].storage).unwrap();
    for i in 0..4 {
        mesh.send(0, 1, &format!("before {i}")).unwrap();
    }
    mesh.run();
    mesh.reopen(0, old);
    mesh.connect(0);
    mesh.advance(MINUTE);
    let ids: Vec<_> = (0..4).map(|i| mesh.send(0, 1, &format!("after {i}")).unwrap()).collect();
    settle(&mut mesh);
    let handled = mesh.handled(1);
    assert!(ids.iter().all(|id| handled.iter().filter(|h| *h == id).count() == 1));
    assert!(mesh.nodes[0].engine.outbox().is_empty());
}

#[test]
fn recipient_that_rolled_back_heals_and_nothing_is_lost() {
    let mut mesh = acquainted(22);
    let old = snapshot(&mesh.nodes[1].storage).unwrap();
    for i in 0..4 {
        mesh.send(0, 1, &format!("a{i}")).unwrap();
        mesh.run();
        mesh.send(1, 0, &format!("b{i}")).unwrap();
        mesh.run();
    }
    mesh.reopen(1, old);
    mesh.connect(1);
    mesh.advance(MINUTE);
    let ids: Vec<_> = (0..4).map(|i| mesh.send(0, 1, &format!("after {i}")).unwrap()).collect();
    settle(&mut mesh);
    let handled = mesh.handled(1);
    assert!(
        ids.iter().all(|id| handled.iter().filter(|h| *h == id).count() == 1),
        "{ids:?} {handled:?}"
    );
    assert!(mesh.nodes[0].engine.outbox().is_empty());
}

#[test]
fn forged_frames_trigger_no_handshake_and_change_no_session() {
    let mut mesh = acquainted(23);
    let honest = mesh.wiretap.iter().rev().find(|(_, s)| s.frame[1] == 2).unwrap().1.frame.clone();
    let (from, handshakes) = (mesh.amid(0), mesh.handshakes());
    for i in 0..10_000u32 {
        let mut frame = honest.clone();
        match i % 4 {
            // A ratchet key that nobody has.
            0 => frame[22..26].copy_from_slice(&i.to_be_bytes()),
            // A session that nobody has.
            1 => frame[2..6].copy_from_slice(&i.to_be_bytes()),
            // Another number.
            2 => frame[56..60].copy_from_slice(&(i + 100).to_be_bytes()),
            // A damaged ciphertext.
            _ => {
                let tag = frame.len() - 16;
                frame[tag..tag + 4].copy_from_slice(&i.to_be_bytes());
            }
        }
        mesh.inject(1, from, Some(RelayMessageId::from_bytes([8; 16])), frame);
        if i % 1000 == 0 {
            mesh.advance(1100);
            mesh.run();
        }
    }
    settle(&mut mesh);
    assert_eq!(mesh.handshakes(), handshakes);
    mesh.send(0, 1, "still here").unwrap();
    mesh.send(1, 0, "me too").unwrap();
    mesh.run();
    assert_eq!(texts(&mesh, 1).last().unwrap(), "\"still here\"");
    assert_eq!(texts(&mesh, 0).last().unwrap(), "\"me too\"");
}

#[test]
fn replayed_probes_and_replies_trigger_nothing() {
    let mut mesh = acquainted(24);
    let honest = mesh.wiretap.iter().rev().find(|(_, s)| s.frame[1] == 2).unwrap().1.frame.clone();
    let (a, b) = (mesh.amid(0), mesh.amid(1));
    let mut damaged = honest;
    let tag = damaged.len() - 16;
    damaged[tag] ^= 1;
    mesh.inject(1, a, None, damaged);
    settle(&mut mesh);
    let control: Vec<_> =
        mesh.wiretap.iter().filter(|(_, s)| matches!(s.frame[1], 3 | 4)).cloned().collect();
    assert!(control.iter().any(|(_, s)| s.frame[1] == 3), "a probe went out");
    assert!(control.iter().any(|(_, s)| s.frame[1] == 4), "and was answered");
    let (frames, handshakes) = (mesh.wiretap.len(), mesh.handshakes());
    for i in 0..10_000 {
        let (to, stored) = &control[i % control.len()];
        let node = usize::from(*to == b);
        mesh.inject(node, stored.from, None, stored.frame.clone());
    }
    settle(&mut mesh);
    assert_eq!(mesh.handshakes(), handshakes);
    assert_eq!(mesh.wiretap.len(), frames, "nothing was answered");
}

#[test]
fn handshake_against_a_deleted_prekey_is_refused_and_tried_anew() {
    let mut mesh = Mesh::new(2, 25);
    // The registry hands out a key that the recipient used up long ago.
    let b = mesh.amid(1);
    let spent = mesh.registry[&b].one_time[0].clone();
    let first = mesh.add(EngineConfig::default());
    mesh.send(first, 1, "takes the key").unwrap();
    mesh.run();
    mesh.registry.get_mut(&b).unwrap().one_time.push_front(spent);
    let id = mesh.send(0, 1, "hello").unwrap();
    settle(&mut mesh);
    assert_eq!(mesh.stage(0, id), Some(Stage::Handled));
    assert!(mesh.wiretap.iter().any(|(_, s)| s.frame[1] == 5), "a refusal went out");
}

#[test]
fn peer_is_probed_at_most_once_a_minute() {
    let mut mesh = acquainted(26);
    let honest = mesh.wiretap.iter().rev().find(|(_, s)| s.frame[1] == 2).unwrap().1.frame.clone();
    let a = mesh.amid(0);
    let mut damaged = honest;
    for i in 0..600u32 {
        let at = damaged.len() - 16;
        damaged[at..at + 4].copy_from_slice(&i.to_be_bytes());
        mesh.inject(1, a, None, damaged.clone());
        mesh.advance(1000);
        mesh.run();
    }
    let probes = mesh.wiretap.iter().filter(|(_, s)| s.frame[1] == 3).count();
    assert!(probes <= 11, "{probes} probes in ten minutes");
}

/// Both knock, and the sender's key is the lower one, so by the keys alone it would stay with a session that the
/// recipient never gets: its clock turns the handshake away, say, or the relay loses it.
#[test]
fn who_was_asked_about_a_session_that_the_peer_cannot_get_goes_on_in_the_peers() {
    let mut mesh = Mesh::new(2, 27);
    let key = |node: usize| *mesh.nodes[node].engine.identity.signing_key().as_bytes();
    let (low, high) = if key(0) < key(1) { (0, 1) } else { (1, 0) };
    mesh.loses = Some((mesh.amid(low), 1));
    let ids: Vec<_> = (0..3).map(|i| mesh.send(low, high, &i.to_string()).unwrap()).collect();
    for _ in 0..10 {
        mesh.run();
        mesh.advance(MINUTE);
    }
    assert_eq!(mesh.handled(high), ids);
    assert!(mesh.nodes[low].engine.outbox().is_empty());
    mesh.loses = None;
    mesh.send(high, low, "and back").unwrap();
    mesh.run();
    assert_eq!(texts(&mesh, low), ["\"and back\""]);
}
