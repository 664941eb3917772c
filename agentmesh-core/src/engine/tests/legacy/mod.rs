//! Agents that speak only 0.2, and agents that may: who talks to whom, and what a crash or a forger can do.

mod among_others;
mod knocks;
mod relays;
mod sessions;

use super::*;
use crate::{
    handshake::Suite,
    identity::Identity,
    knock::KnockRequest,
    legacy::{LegacyKnock, LegacySession, X3dhMessage},
    limits,
    test_utils::{block_on, mesh::START, seeded_rng},
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
        r#"{"type":"ACCEPT"}"#,
        r#"{"type":"PERHAPS","knockNonce":"00"}"#,
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
fn payload_of_0_2_is_printed_as_its_length() {
    let (from, text) = (peer(1), "open sesame".to_owned());
    let mut shown = crate::redaction::Shown::default();
    shown.add("LegacyInbound", &LegacyInbound { from, relay_id: None, text: text.clone() });
    assert!(shown.without(&[text.as_bytes()]).contains("bytes: 11"));
}
