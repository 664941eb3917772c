//! Why messages fail for good: each reason brought about the way it happens.

use super::*;
use crate::{
    codec::{Reader, Write},
    error::ErrorInfo,
    handshake::Suite,
    identity::{Amid, Label},
    time::DAY,
};

/// Ends the sessions of `node` with a peer, so that the next message asks the registry again.
fn start_over(mesh: &mut Mesh, node: usize, peer: Amid) {
    mesh.feed(node, Input::Circuit(CircuitChange::Kill(peer))).unwrap();
    mesh.run();
}

/// The bundle of `node` as it would be without ML-KEM, made a second later and signed by `node` itself.
fn weaker_bundle(mesh: &Mesh, node: usize) -> Vec<u8> {
    let blob = &mesh.registry[&mesh.amid(node)].bundle;
    let mut r = Reader::new(blob);
    let mut body = r.bytes(32, "identity").unwrap().to_vec();
    body.put_lp(r.lp(28, "amid").unwrap());
    body.put(r.bytes(32 + 4 + 32, "exchange key and signed prekey").unwrap());
    r.u32("kem id").unwrap();
    r.lp(2000, "kem key").unwrap();
    assert_eq!(r.lp(16, "suites").unwrap(), [2, 3]);
    body.put_u32(0);
    body.put_lp(&[]);
    body.put_lp(&[2]);
    body.put_u64(r.u64("created_at").unwrap() + 1000);
    let signature = mesh.nodes[node].engine.identity().sign_labelled(Label::Bundle, &[&body]);
    body.put(signature.as_bytes());
    body
}

fn serve(mesh: &mut Mesh, node: usize, bundle: Vec<u8>) {
    let amid = mesh.amid(node);
    mesh.registry.get_mut(&amid).unwrap().bundle = bundle;
}

#[test]
fn registry_that_serves_an_older_bundle_is_not_believed() {
    let mut mesh = acquainted(900);
    let b = mesh.amid(1);
    let old = mesh.registry[&b].bundle.clone();
    mesh.advance(8 * DAY);
    assert_ne!(mesh.registry[&b].bundle, old, "the prekeys were rotated");
    start_over(&mut mesh, 0, b);
    mesh.send(0, 1, "with the new bundle").unwrap();
    mesh.run();
    assert_eq!(texts(&mesh, 1).last().unwrap(), "\"with the new bundle\"");
    start_over(&mut mesh, 0, b);
    serve(&mut mesh, 1, old);
    mesh.send(0, 1, "with the old one").unwrap();
    mesh.run();
    let failed = failures(&mesh, 0);
    assert_eq!(failed, [SendFailure::BundleRefused { amid: b, code: "BUNDLE_STALE" }]);
    assert_eq!(failed[0].code(), "SEND_BUNDLE_REFUSED");
    assert_eq!(texts(&mesh, 1).last().unwrap(), "\"with the new bundle\"");
}

#[test]
fn peer_that_was_seen_with_ml_kem_is_not_written_to_without() {
    let mut mesh = acquainted(901);
    let b = mesh.amid(1);
    start_over(&mut mesh, 0, b);
    let weaker = weaker_bundle(&mesh, 1);
    serve(&mut mesh, 1, weaker);
    let handshakes = mesh.handshakes();
    mesh.send(0, 1, "as weak as you wish").unwrap();
    mesh.run();
    assert_eq!(
        failures(&mesh, 0),
        [SendFailure::SuiteDowngrade { amid: b, pinned: 3, offered: 2 }]
    );
    assert_eq!(mesh.handshakes(), handshakes);
    // Who never saw better has no reason to doubt it.
    let stranger = mesh.add(EngineConfig::default());
    mesh.send(stranger, 1, "hello").unwrap();
    mesh.run();
    assert_eq!(failures(&mesh, stranger), []);
}

#[test]
fn peer_without_a_common_suite_is_not_written_to() {
    let mut mesh = Mesh::new(2, 902);
    let strict =
        mesh.add(EngineConfig { suites: vec![Suite::X25519MlKem768], ..EngineConfig::default() });
    let weaker = weaker_bundle(&mesh, 1);
    serve(&mut mesh, 1, weaker);
    mesh.send(strict, 1, "only with ML-KEM").unwrap();
    mesh.run();
    let amid = mesh.amid(1);
    assert_eq!(failures(&mesh, strict), [SendFailure::NativeBundleUnavailable { amid }]);
}

#[test]
fn message_that_the_relay_takes_in_no_size_fails_and_the_next_one_goes() {
    let mut mesh = acquainted(903);
    let b = mesh.amid(1);
    mesh.send(0, 1, "large").unwrap();
    let refused = mesh.relay.get_mut(&b).unwrap().pop_back().unwrap();
    mesh.nodes[0].engine.forget_relay_ack(&refused.id);
    let answer = Input::RelayRefused { relay_id: refused.id, retryable: false, retry_after: None };
    mesh.feed(0, answer).unwrap();
    assert_eq!(failures(&mesh, 0), [SendFailure::TooLarge]);
    let id = mesh.send(0, 1, "small").unwrap();
    mesh.run();
    assert_eq!(mesh.stage(0, id), Some(Stage::Handled));
    assert_eq!(texts(&mesh, 1), ["\"hello\"", "\"small\""]);
}

#[test]
fn message_taken_back_never_leaves() {
    let mut mesh = acquainted(904);
    mesh.disconnect(0);
    let id = mesh.send(0, 1, "better not").unwrap();
    mesh.feed(0, Input::Cancel(id)).unwrap();
    assert_eq!(failures(&mesh, 0), [SendFailure::Cancelled]);
    mesh.connect(0);
    mesh.run();
    assert_eq!(texts(&mesh, 1), ["\"hello\""]);
    assert!(mesh.nodes[0].engine.outbox().is_empty());
    // Cancelled twice, or never sent: nothing to take back.
    mesh.feed(0, Input::Cancel(id)).unwrap();
    assert_eq!(failures(&mesh, 0).len(), 1);
}

#[test]
fn stop_gives_up_what_waits() {
    let mut mesh = acquainted(905);
    mesh.disconnect(0);
    mesh.send(0, 1, "too late").unwrap();
    let node = &mut mesh.nodes[0];
    crate::test_utils::block_on(node.engine.load_sessions(&node.storage)).unwrap();
    mesh.feed(0, Input::Circuit(CircuitChange::Stop)).unwrap();
    assert_eq!(failures(&mesh, 0), [SendFailure::Stopped]);
}

#[test]
fn id_of_a_message_to_somebody_else_is_refused() {
    let mut mesh = Mesh::new(3, 906);
    mesh.disconnect(0);
    let id = mesh.send(0, 1, "for you").unwrap();
    assert_eq!(mesh.send_with_id(0, 2, id, "for her"), Err(SendError::IdInUse { id }));
    assert_eq!(mesh.send_with_id(0, 1, id, "for you, again"), Ok(()));
    assert_eq!(mesh.nodes[0].engine.outbox().len(), 1);
}
