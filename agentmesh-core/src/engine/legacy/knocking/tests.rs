use super::*;
use crate::{
    engine::{EngineConfig, tests::session},
    identity::Identity,
    test_utils::{
        mesh::{Mesh, START},
        seeded_rng,
    },
};

/// A KNOCK with this request, as it is believed.
fn verified(to: Amid, request: &KnockRequest) -> VerifiedLegacyKnock {
    let rng = &mut seeded_rng(1);
    let own = Identity::generate(START, rng);
    let knock = LegacyKnock::sign(&own, to, request, None, START, rng).unwrap();
    knock.verify(&to, own.signing_key(), START).unwrap()
}

#[test]
fn policy_is_told_what_the_knock_asks_for() {
    let to = crate::engine::tests::peer(1);
    for asked in [SessionType::OneShot, SessionType::Streaming, SessionType::Persistent] {
        let request = KnockRequest::new("market/lookup", "search").with_session_type(asked);
        let knock = verified(to, &request);
        let info = knock_info(&knock, session(1)).unwrap();
        assert_eq!(info.request.session_type, asked);
        assert_eq!(info.request.intent, request.intent);
        assert_eq!((info.from, info.suite), (knock.from, Suite::Legacy02));
    }
}

#[test]
fn so_many_knocks_wait_for_a_decision_and_then_they_stay_at_the_relay() {
    let mut mesh = Mesh::new(0, 40);
    let allow_legacy = true;
    mesh.add(EngineConfig { allow_legacy, ..EngineConfig::default() });
    let to = mesh.amid(0);
    let engine = &mut mesh.nodes[0].engine;
    let knock = verified(to, &KnockRequest::new("*", "message"));
    for n in 0..HELD_PEERS {
        assert!(engine.has_room_for_legacy_knocks(), "{n}");
        engine.legacy.undecided.insert(session(n), (knock.clone(), START));
    }
    assert!(!engine.has_room_for_legacy_knocks());
}
