//! A new exchange key.

use super::*;
use crate::limits;

fn exchange_key(mesh: &Mesh) -> crate::keys::DhPublicKey {
    *mesh.nodes[0].engine.identity().exchange_key()
}

#[test]
fn rotated_exchange_key_is_told_and_kept_and_the_one_after_it_too() {
    let mut mesh = acquainted(680);
    for _ in 0..2 {
        let old = exchange_key(&mesh);
        assert_eq!(mesh.nodes[0].engine.rotation_refusal(), None);
        mesh.feed(0, Input::RotateExchangeKey).unwrap();
        let new = exchange_key(&mesh);
        assert_ne!(new, old);
        assert!(mesh.nodes[0].events.contains(&Event::ExchangeKeyRotated { key: new }));
        mesh.restart(0);
        mesh.connect(0);
        assert_eq!(exchange_key(&mesh), new);
    }
    // Whoever is met from now on uses it.
    let third = mesh.add(EngineConfig::default());
    mesh.send(third, 0, "hello").unwrap();
    mesh.run();
    assert_eq!(texts(&mesh, 0).last().unwrap(), "\"hello\"");
}

#[test]
fn key_is_not_rotated_beyond_the_bundles_that_are_kept() {
    let mut mesh = Mesh::new(1, 681);
    let limit = limits::MAX_RETIRED_BUNDLES;
    for _ in 0..limit {
        assert_eq!(mesh.nodes[0].engine.rotation_refusal(), None);
        mesh.feed(0, Input::RotateExchangeKey).unwrap();
    }
    let refusal = RotationError::TooOften { kept: limit, limit };
    assert_eq!(mesh.nodes[0].engine.rotation_refusal(), Some(refusal));
    let key = exchange_key(&mesh);
    mesh.feed(0, Input::RotateExchangeKey).unwrap();
    assert_eq!(exchange_key(&mesh), key);
}
