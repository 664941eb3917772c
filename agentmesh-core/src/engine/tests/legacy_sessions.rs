//! Sessions of 0.2 among the others: what counts, and who needs no native one.

use super::*;
use crate::handshake::Suite;

/// Agents that speak only 0.2; the first has spoken with both others.
fn old(seed: u64) -> Mesh {
    let mut mesh = Mesh::new(0, seed);
    for _ in 0..3 {
        let config = EngineConfig {
            suites: vec![Suite::Legacy02],
            allow_legacy: true,
            ..EngineConfig::default()
        };
        mesh.add(config);
    }
    for peer in [1, 2] {
        let message = schedule::message(&mesh, peer);
        let payload = crate::wire::plaintext::Payload::Json("{\"text\":\"hello\"}".into());
        let id = MessageId::new_v7(mesh.now, &mut crate::test_utils::seeded_rng(peer as u64 + 50));
        mesh.feed(0, Input::Send(NewMessage { id, payload, ..message })).unwrap();
        mesh.run();
        assert_eq!(texts(&mesh, peer).len(), 1);
    }
    mesh
}

#[test]
fn sessions_of_0_2_are_counted_by_peer_as_others_are() {
    let mut mesh = old(790);
    let [own, one, two] = [0, 1, 2].map(|node| mesh.amid(node));
    let counts =
        |mesh: &Mesh| [own, one, two].map(|peer| mesh.nodes[0].engine.sessions_besides(&peer));
    assert_eq!(counts(&mesh), [2, 1, 1]);
    mesh.feed(0, Input::CloseSession(one)).unwrap();
    assert_eq!(counts(&mesh), [1, 1, 0]);
}

#[test]
fn peer_with_a_session_of_0_2_is_asked_for_no_bundle_unless_a_native_one_is_wanted() {
    let mut mesh = old(791);
    let one = mesh.amid(1);
    let engine = &mut mesh.nodes[0].engine;
    engine.request_bundle(one);
    assert_eq!(engine.out.requests, []);
    engine.wanted.insert(one);
    engine.request_bundle(one);
    engine.request_bundle(one);
    assert_eq!(engine.out.requests, [Request::Bundle(one)]);
}
