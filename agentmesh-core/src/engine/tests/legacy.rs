//! Agents that speak only 0.2, and agents that may: who talks to whom, and what a crash or a forger can do.

use super::*;
use crate::{
    handshake::Suite,
    identity::Identity,
    knock::KnockRequest,
    legacy::{LegacyKnock, LegacySession, X3dhMessage},
    limits,
    test_utils::{
        mesh::{Crash, START},
        seeded_rng,
    },
    time::MINUTE,
    wire::plaintext::{MessageType, Payload},
};

/// Only 0.2.
fn old() -> EngineConfig {
    EngineConfig { suites: vec![Suite::Legacy02], allow_legacy: true, ..EngineConfig::default() }
}

/// Native, and 0.2 where there is nothing else.
fn tolerant() -> EngineConfig {
    EngineConfig { allow_legacy: true, ..EngineConfig::default() }
}

fn mesh_of(configs: [EngineConfig; 2], seed: u64) -> Mesh {
    let mut mesh = Mesh::new(0, seed);
    for config in configs {
        mesh.add(config);
    }
    mesh
}

fn message(mesh: &Mesh, to: usize, text: &str, id: MessageId) -> NewMessage {
    NewMessage {
        id,
        to: mesh.amid(to),
        kind: MessageType::Message,
        in_reply_to: None,
        payload: Payload::Json(format!("{{\"text\":{text:?}}}")),
        headers: Default::default(),
        knock_request: None,
        expires_in: None,
    }
}

fn send(mesh: &mut Mesh, from: usize, to: usize, text: &str) -> MessageId {
    let seed = mesh.wiretap.len() as u64 * 2 + from as u64;
    let id = MessageId::new_v7(mesh.now, &mut seeded_rng(seed + 77));
    let message = message(mesh, to, text, id);
    mesh.feed(from, Input::Send(message)).unwrap();
    id
}

fn said(text: &str) -> String {
    format!("{{\"text\":{text:?}}}")
}

fn wire(mesh: &Mesh) -> Vec<String> {
    mesh.wiretap.iter().map(|(_, s)| String::from_utf8_lossy(&s.frame).into_owned()).collect()
}

#[test]
fn two_agents_of_0_2_talk_and_no_stage_is_claimed_that_nobody_confirmed() {
    let mut mesh = mesh_of([old(), old()], 1);
    let first = send(&mut mesh, 0, 1, "hello");
    // Nothing leaves before the other side has handed its ratchet key over.
    assert_eq!(mesh.stage(0, first), None);
    mesh.run();
    let back = send(&mut mesh, 1, 0, "hello back");
    mesh.run();
    for i in 0..10 {
        send(&mut mesh, i % 2, 1 - i % 2, &format!("{i}"));
        mesh.run();
    }
    assert_eq!(texts(&mesh, 1)[0], said("hello"));
    assert_eq!(texts(&mesh, 0)[0], said("hello back"));
    assert_eq!((texts(&mesh, 0).len(), texts(&mesh, 1).len()), (6, 6));
    for (node, id) in [(0, first), (1, back)] {
        assert_eq!(mesh.stage(node, id), Some(Stage::StoredByRelay));
        let last = |e: &&Event| matches!(e, Event::NotConfirmable { id: of, .. } if *of == id);
        assert_eq!(mesh.nodes[node].events.iter().filter(last).count(), 1);
        // The last one leaves with the next commit.
        assert!(mesh.nodes[node].engine.outbox().len() <= 1);
        assert_eq!(failures(&mesh, node), []);
    }
    let established =
        |e: &&Event| matches!(e, Event::SessionEstablished { suite: Suite::Legacy02, .. });
    assert_eq!(mesh.nodes[0].events.iter().filter(established).count(), 1);
    assert!(wire(&mesh).iter().all(|frame| frame.starts_with('{')));
}

#[test]
fn a_tolerant_agent_speaks_0_2_only_where_there_is_nothing_else() {
    let mut mesh = mesh_of([tolerant(), old()], 2);
    let native = mesh.add(tolerant());
    send(&mut mesh, 0, 1, "to the old one");
    send(&mut mesh, 0, native, "to the new one");
    mesh.run();
    assert_eq!(texts(&mesh, 1), [said("to the old one")]);
    assert_eq!(texts(&mesh, native), [said("to the new one")]);
    send(&mut mesh, 1, 0, "and back");
    send(&mut mesh, 1, native, "and to the other");
    mesh.run();
    assert_eq!(texts(&mesh, 0), [said("and back")]);
    assert_eq!(texts(&mesh, native)[1..], [said("and to the other")]);
    let to_native =
        |e: &&Event| matches!(e, Event::SessionEstablished { suite, .. } if suite.is_native());
    assert_eq!(mesh.nodes[0].events.iter().filter(to_native).count(), 1);
}

#[test]
fn where_0_2_is_not_allowed_both_sides_are_told_and_nothing_is_said() {
    let mut mesh = mesh_of([EngineConfig::default(), old()], 3);
    send(&mut mesh, 0, 1, "x");
    mesh.run();
    let amid = mesh.amid(1);
    assert_eq!(failures(&mesh, 0), [SendFailure::NativeBundleUnavailable { amid }]);

    // The other way round there is what peers of 0.2 read, but nobody who opens.
    let before = records(&mesh, 0);
    let id = send(&mut mesh, 1, 0, "y");
    mesh.run();
    assert_eq!(dropped(&mesh, 0, DropReason::Legacy), 1);
    assert_eq!(records(&mesh, 0), before);
    assert_eq!(mesh.stage(1, id), None);
    mesh.advance(limits::OUTBOX_AGE);
    assert_eq!(failures(&mesh, 1), [SendFailure::Unconfirmed]);
    assert_eq!(texts(&mesh, 0), texts(&mesh, 1));
}

/// A KNOCK by `from`, made with its keys and what it would find of `to`.
fn knock_on(mesh: &Mesh, to: usize, from: usize) -> (Amid, LegacyKnock) {
    knock_at(mesh, to, from, mesh.now, |_| {})
}

fn knock_at(
    mesh: &Mesh,
    to: usize,
    from: usize,
    now: Timestamp,
    change: impl FnOnce(&mut X3dhMessage),
) -> (Amid, LegacyKnock) {
    let rng = &mut seeded_rng(5);
    let own = mesh.nodes[from].engine.identity();
    let published = &mesh.registry[&mesh.amid(to)];
    let bundle = &published.legacy.as_ref().unwrap().bundle;
    let peer = bundle.peer(&published.key);
    let (_, mut x3dh) = LegacySession::initiate(own, &peer, bundle, now, rng).unwrap();
    change(&mut x3dh);
    let request = KnockRequest::new("*", "message");
    let knock = LegacyKnock::sign(own, mesh.amid(to), &request, Some(&x3dh), now, rng).unwrap();
    (own.amid(), knock)
}

#[test]
fn a_peer_that_was_seen_natively_never_gets_0_2_again_even_after_a_restart() {
    let mut mesh = mesh_of([tolerant(), tolerant()], 4);
    mesh.send(0, 1, "native").unwrap();
    mesh.run();
    mesh.send(1, 0, "native, too").unwrap();
    mesh.run();
    let amid = mesh.amid(1);
    // A registry that hides the native bundle, and a session that is no more.
    mesh.registry.get_mut(&amid).unwrap().legacy.as_mut().unwrap().only = true;
    mesh.feed(0, Input::CloseSession(amid)).unwrap();
    mesh.restart(0);
    mesh.connect(0);
    mesh.run();
    send(&mut mesh, 0, 1, "x");
    mesh.run();
    assert!(
        matches!(failures(&mesh, 0)[..], [SendFailure::SuiteDowngrade { offered: 1, .. }]),
        "{:?}",
        failures(&mesh, 0)
    );
    // Nor is anything taken from it.
    let before = records(&mesh, 0);
    let (from, knock) = knock_on(&mesh, 0, 1);
    mesh.inject(0, from, None, knock.to_json().into_bytes());
    mesh.inject(0, from, None, br#"{"type":"chat","text":"it is me"}"#.to_vec());
    assert_eq!(dropped(&mesh, 0, DropReason::SuiteDowngrade), 2);
    assert_eq!(records(&mesh, 0), before);
}

#[test]
fn plain_json_is_never_a_message() {
    let mut mesh = mesh_of([old(), old()], 5);
    let from = mesh.amid(1);
    for payload in [
        r#"{"type":"chat","from_amid":"x","text":"hi","timestamp":1}"#,
        r#"{"type":"close","reason":"bye"}"#,
        r#"{"text":"unencrypted"}"#,
        r#"{"type":7}"#,
    ] {
        mesh.inject(0, from, None, payload.as_bytes().to_vec());
        let expected = Event::Unauthenticated { from, payload: payload.to_owned() };
        assert_eq!(mesh.nodes[0].events.last(), Some(&expected));
    }
    for malformed in ["{", "{}{}", r#"{"type":"encrypted"}"#] {
        mesh.inject(0, from, None, malformed.as_bytes().to_vec());
    }
    assert_eq!(dropped(&mesh, 0, DropReason::Malformed), 3);
    assert!(texts(&mesh, 0).is_empty());
    assert!(mesh.nodes[0].engine.inbox().is_empty());
}

#[test]
fn knocks_that_are_not_what_they_seem_leave_no_trace() {
    let mut mesh = mesh_of([old(), old()], 6);
    let before = records(&mesh, 0);
    let other = crate::keys::DhSecretKey::from_bytes([9; 32]);
    let swap = |x3dh: &mut X3dhMessage| x3dh.identity_key = *other.public_key();
    let (from, genuine) = knock_on(&mesh, 0, 1);
    let forged = genuine.to_json().replace("\"message\"", "\"massage\"");
    let (_, stale) = knock_at(&mesh, 0, 1, START.minus_millis(6 * MINUTE), |_| {});
    let (_, to_itself) = knock_on(&mesh, 1, 1);
    for knock in [forged, stale.to_json(), to_itself.to_json()] {
        mesh.inject(0, from, None, knock.into_bytes());
    }
    assert_eq!(dropped(&mesh, 0, DropReason::Rejected), 3);
    assert_eq!(records(&mesh, 0), before);
    // Under a name that is not its signer's.
    let stranger = Identity::generate(START, &mut seeded_rng(3)).amid();
    mesh.inject(0, stranger, None, genuine.to_json().into_bytes());
    assert_eq!(records(&mesh, 0), before);

    // Properly signed, with an exchange key that the registry does not have of it: a session is not made.
    let (_, swapped) = knock_at(&mesh, 0, 1, mesh.now, swap);
    mesh.inject(0, from, None, swapped.to_json().into_bytes());
    assert_eq!(dropped(&mesh, 0, DropReason::Rejected), 4);
    let established = |e: &Event| matches!(e, Event::SessionEstablished { .. });
    assert!(!mesh.nodes[0].events.iter().any(established));
}

#[test]
fn a_knock_counts_once_whatever_happens_in_between() {
    let mut mesh = mesh_of([old(), old()], 7);
    let (from, knock) = knock_on(&mesh, 0, 1);
    let knock = knock.to_json().into_bytes();
    mesh.inject(0, from, None, knock.clone());
    let knocks = |mesh: &Mesh| {
        let knock = |e: &&Event| matches!(e, Event::KnockReceived { .. });
        mesh.nodes[0].events.iter().filter(knock).count()
    };
    assert_eq!(knocks(&mesh), 1);
    mesh.inject(0, from, None, knock.clone());
    mesh.restart(0);
    mesh.connect(0);
    mesh.inject(0, from, None, knock.clone());
    mesh.advance(4 * MINUTE);
    mesh.inject(0, from, None, knock);
    assert_eq!(knocks(&mesh), 1);
    assert_eq!(dropped(&mesh, 0, DropReason::Duplicate), 3);
}

#[test]
fn a_rejected_knock_fails_what_waits_for_it() {
    let mut mesh = mesh_of([old(), old()], 8);
    mesh.nodes[1].policy = knock::Decision::reject("not today");
    send(&mut mesh, 0, 1, "x");
    mesh.run();
    let reason = "not today".to_owned();
    let failure = SendFailure::Rejected { reason, retry_after_s: None };
    assert_eq!(failures(&mesh, 0), [failure]);
    assert!(texts(&mesh, 1).is_empty());
    mesh.nodes[1].policy = knock::Decision::accept();
    send(&mut mesh, 0, 1, "again");
    mesh.run();
    assert_eq!(texts(&mesh, 1), [said("again")]);
}

#[test]
fn an_unanswered_knock_is_made_anew_once_nobody_would_believe_it() {
    let mut mesh = mesh_of([old(), old()], 9);
    mesh.disconnect(1);
    send(&mut mesh, 0, 1, "x");
    mesh.run();
    let lost = mesh.amid(1);
    mesh.relay.get_mut(&lost).unwrap().clear();
    mesh.connect(1);
    mesh.advance(MINUTE);
    mesh.run();
    assert!(texts(&mesh, 1).is_empty());
    mesh.advance(5 * MINUTE);
    mesh.run();
    assert_eq!(texts(&mesh, 1), [said("x")]);
}

#[test]
fn two_that_knock_at_once_end_up_in_one_session() {
    let mut mesh = mesh_of([old(), old()], 10);
    mesh.disconnect(0);
    mesh.disconnect(1);
    send(&mut mesh, 0, 1, "a");
    send(&mut mesh, 1, 0, "b");
    mesh.connect(0);
    mesh.connect(1);
    mesh.run();
    send(&mut mesh, 0, 1, "c");
    send(&mut mesh, 1, 0, "d");
    mesh.run();
    assert_eq!(texts(&mesh, 1), [said("a"), said("c")]);
    assert_eq!(texts(&mesh, 0), [said("b"), said("d")]);
}

#[test]
fn what_0_2_cannot_carry_fails_by_itself() {
    let mut mesh = mesh_of([old(), old()], 11);
    mesh.send(0, 1, "a string is no object").unwrap();
    send(&mut mesh, 0, 1, "an object");
    mesh.run();
    let amid = mesh.amid(1);
    assert_eq!(failures(&mesh, 0), [SendFailure::NotForLegacy { amid }]);
    assert_eq!(texts(&mesh, 1), [said("an object")]);
    let long = "x".repeat(40_000);
    send(&mut mesh, 0, 1, &long);
    mesh.run();
    assert_eq!(texts(&mesh, 1).len(), 2);
}

#[test]
fn a_closed_or_killed_session_is_over_on_our_side_and_the_next_message_knocks() {
    for kill in [false, true] {
        let mut mesh = mesh_of([old(), old()], 12);
        send(&mut mesh, 0, 1, "one");
        mesh.run();
        let peer = mesh.amid(1);
        let order = if kill {
            Input::Circuit(CircuitChange::Kill(peer))
        } else {
            Input::CloseSession(peer)
        };
        mesh.feed(0, order).unwrap();
        mesh.run();
        // Not authenticated, so the peer is told and decides for itself.
        let told = |e: &Event| matches!(e, Event::Unauthenticated { payload, .. } if payload.contains("close"));
        assert!(mesh.nodes[1].events.iter().any(told));
        send(&mut mesh, 0, 1, "two");
        mesh.run();
        assert_eq!(texts(&mesh, 1), [said("one"), said("two")]);
    }
}

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
