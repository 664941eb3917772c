//! Relays that acknowledge and relays that do not, and crashes in between.

use super::*;
use crate::test_utils::mesh::Crash;

#[test]
fn nothing_is_handed_twice_to_a_relay_that_does_not_acknowledge() {
    let mut mesh = mesh_of([old(), old()], 13);
    send(&mut mesh, 0, 1, "one");
    mesh.run();
    mesh.feed(0, Input::Connected { acks: false }).unwrap();
    let id = send(&mut mesh, 0, 1, "two");
    let sent = mesh.wiretap.len();
    for _ in 0..3 {
        mesh.feed(0, Input::Connected { acks: false }).unwrap();
    }
    mesh.restart(0);
    mesh.nodes[0].online = true;
    mesh.feed(0, Input::Connected { acks: false }).unwrap();
    assert_eq!(mesh.wiretap.len(), sent, "the same envelope would end a deployed peer's session");
    mesh.run();
    assert_eq!(texts(&mesh, 1), [said("one"), said("two")]);
    assert!(mesh.stage_or_outbox(0, id).is_some());
}

fn knocks(mesh: &Mesh) -> usize {
    wire(mesh).iter().filter(|frame| frame.starts_with(r#"{"version":"#)).count()
}

#[test]
fn knock_goes_again_to_a_relay_that_has_not_acknowledged_it_and_to_no_other() {
    let mut mesh = mesh_of([old(), old()], 21);
    // The relay says nothing of it, and loses it; and something else is written meanwhile.
    mesh.is_silent = true;
    send(&mut mesh, 0, 1, "one");
    send(&mut mesh, 0, 1, "two");
    let peer = mesh.amid(1);
    mesh.relay.get_mut(&peer).unwrap().clear();
    mesh.is_silent = false;
    mesh.disconnect(0);
    mesh.connect(0);
    assert_eq!(knocks(&mesh), 2);
    mesh.run();
    assert_eq!(texts(&mesh, 1), [said("one"), said("two")]);
    mesh.disconnect(0);
    mesh.connect(0);
    assert_eq!(knocks(&mesh), 2);
}

#[test]
fn relay_that_does_not_acknowledge_gets_a_knock_once_there_is_a_connection_and_then_never_again() {
    let mut mesh = mesh_of([old(), old()], 22);
    mesh.feed(0, Input::Connected { acks: false }).unwrap();
    mesh.disconnect(0);
    send(&mut mesh, 0, 1, "one");
    send(&mut mesh, 0, 1, "two");
    assert_eq!(knocks(&mesh), 0);
    for _ in 0..2 {
        mesh.feed(0, Input::Connected { acks: false }).unwrap();
        assert_eq!(knocks(&mesh), 1);
    }
}

#[test]
fn a_crash_at_any_commit_loses_nothing_and_uses_no_key_twice() {
    for victim in 0..2 {
        for commit in 3..40 {
            for written in [false, true] {
                let what = format!("{victim} dies at commit {commit}, written: {written}");
                let mut mesh = mesh_of([old(), old()], 1000 + commit);
                mesh.nodes[victim].crash = Some(Crash { commit, written });
                let mut expected = [Vec::new(), Vec::new()];
                for round in 0..3 {
                    for (from, to) in [(0, 1), (1, 0)] {
                        let text = format!("{from} {round}");
                        let seed = (round * 2 + from) as u64;
                        let id = MessageId::new_v7(mesh.now, &mut seeded_rng(seed));
                        while mesh.stage_or_outbox(from, id).is_none() {
                            let message = message(&mesh, to, &text, id);
                            mesh.feed(from, Input::Send(message)).unwrap();
                            revive(&mut mesh);
                        }
                        expected[to].push(said(&text));
                        settle(&mut mesh);
                    }
                }
                for (node, expected) in expected.iter().enumerate() {
                    let mut seen = texts(&mesh, node);
                    seen.sort();
                    // Whoever died inside the handler sees the message again.
                    seen.dedup();
                    assert_eq!(&seen, expected, "{what}: node {node}");
                }
                no_key_is_used_twice(&mesh, &what);
            }
        }
    }
}

fn revive(mesh: &mut Mesh) {
    for node in 0..mesh.nodes.len() {
        if !mesh.nodes[node].online {
            mesh.connect(node);
        }
    }
}

fn settle(mesh: &mut Mesh) {
    for _ in 0..3 {
        mesh.run();
        revive(mesh);
        mesh.run();
        // Long enough for a KNOCK to be given up.
        mesh.advance(6 * MINUTE);
    }
}

fn no_key_is_used_twice(mesh: &Mesh, what: &str) {
    let mut used = BTreeMap::new();
    for frame in wire(mesh).into_iter().filter(|f| f.contains("\"encrypted\"")) {
        let value: serde_json::Value = serde_json::from_str(&frame).unwrap();
        let header = value["header"].to_string();
        if let Some(other) = used.insert(header, frame.clone()) {
            assert_eq!(other, frame, "{what}: a message key was used for two envelopes");
        }
    }
}
