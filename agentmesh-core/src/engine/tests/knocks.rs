use super::*;
use crate::{
    engine::tests::{dropped, failures, texts},
    handshake::Suite,
    identity::Label,
    knock::Decision,
    limits,
    test_utils::mesh::Mesh,
};

#[test]
fn rejected_knock_fails_the_messages_behind_it_and_hands_on_none() {
    let mut mesh = Mesh::new(2, 50);
    mesh.nodes[1].policy = Decision::Reject { reason: "busy".into(), retry_after_s: Some(60) };
    mesh.send(0, 1, "let me in").unwrap();
    mesh.run();
    assert!(texts(&mesh, 1).is_empty());
    assert_eq!(
        failures(&mesh, 0),
        [SendFailure::Rejected { reason: "busy".into(), retry_after_s: Some(60) }]
    );
    assert!(matches!(mesh.send(0, 1, "now?"), Err(SendError::RejectedRecently { .. })));
    mesh.nodes[1].policy = Decision::accept();
    mesh.advance(61_000);
    mesh.send(0, 1, "now").unwrap();
    mesh.run();
    assert_eq!(texts(&mesh, 1), ["\"now\""]);
}

#[test]
fn message_before_the_decision_is_held_not_dropped_agt_2093() {
    let mut mesh = Mesh::new(2, 51);
    for i in 0..3 {
        mesh.send(0, 1, &format!("{i}")).unwrap();
    }
    // Deliver everything before any decision is made.
    let b = mesh.amid(1);
    let queue: Vec<_> = mesh.relay[&b].iter().cloned().collect();
    let now = mesh.now;
    let node = &mut mesh.nodes[1];
    let mut rng = crate::test_utils::seeded_rng(1);
    for stored in queue {
        let inbound = Inbound { from: stored.from, relay_id: Some(stored.id), frame: stored.frame };
        let mut input = Input::Frame(inbound);
        while let Step::Load(needs, again) = node.engine.handle(input, now, &mut rng).unwrap() {
            crate::test_utils::block_on(node.engine.fetch(&node.storage, needs)).unwrap();
            input = again;
        }
    }
    let out = node.engine.finish(false, &mut rng).unwrap();
    assert!(!out.events.iter().any(|e| matches!(e, Event::MessageReady { .. })));
    let Some(Request::DecideKnock { session, .. }) =
        out.requests.iter().find(|r| matches!(r, Request::DecideKnock { .. })).cloned()
    else {
        panic!("no decision was asked for");
    };
    crate::test_utils::block_on(crate::storage::Storage::commit(&node.storage, out.changes))
        .unwrap();
    mesh.relay.get_mut(&b).unwrap().clear();
    // A restart in between forgets neither the KNOCK nor what is held.
    mesh.restart(1);
    assert_eq!(mesh.nodes[1].engine.pending_knocks().len(), 1);
    mesh.connect(1);
    mesh.feed(1, Input::Decide { session, decision: Decision::accept() }).unwrap();
    mesh.run();
    assert_eq!(texts(&mesh, 1), ["\"0\"", "\"1\"", "\"2\""]);
}

#[test]
fn weaker_handshake_from_a_peer_seen_with_a_stronger_suite_is_dropped() {
    let mut mesh = Mesh::new(2, 52);
    mesh.send(0, 1, "hybrid").unwrap();
    mesh.run();
    // The same identity, now with software that only does the weaker suite.
    let weak = EngineConfig { suites: vec![Suite::X25519], ..EngineConfig::default() };
    mesh.reconfigure(0, weak);
    mesh.lose_store(0);
    mesh.connect(0);
    mesh.send(0, 1, "downgraded").unwrap();
    mesh.run();
    assert_eq!(texts(&mesh, 1), ["\"hybrid\""]);
    assert!(dropped(&mesh, 1, DropReason::SuiteDowngrade) > 0);
}

#[test]
fn blocked_peer_is_dropped_unread() {
    let mut mesh = Mesh::new(1, 53);
    let a = mesh.amid(0);
    let wary = mesh.add(EngineConfig { blocked: [a].into(), ..EngineConfig::default() });
    mesh.send(0, wary, "spam").unwrap();
    mesh.run();
    assert!(texts(&mesh, wary).is_empty());
    assert!(dropped(&mesh, wary, DropReason::Blocked) > 0);
    assert_eq!(mesh.nodes[wary].engine.pending_knocks().len(), 0);
}

#[test]
fn replayed_handshake_opens_no_second_session() {
    let mut mesh = Mesh::new(2, 54);
    let b = mesh.amid(1);
    // Once with a one-time prekey, once without any.
    mesh.send(0, 1, "with").unwrap();
    let third = mesh.add(EngineConfig::default());
    {
        let published = mesh.registry.get_mut(&b).unwrap();
        published.one_time.clear();
        published.one_time_kem.clear();
    }
    mesh.send(third, 1, "without").unwrap();
    mesh.run();
    let established = |mesh: &Mesh| {
        mesh.nodes[1]
            .events
            .iter()
            .filter(|e| matches!(e, Event::SessionEstablished { .. }))
            .count()
    };
    assert_eq!(established(&mesh), 2);
    let replays: Vec<_> =
        mesh.wiretap.iter().filter(|(to, s)| *to == b && s.frame[1] == 1).cloned().collect();
    for round in 0..2 {
        for (_, stored) in &replays {
            mesh.inject(1, stored.from, None, stored.frame.clone());
        }
        mesh.run();
        assert_eq!(established(&mesh), 2, "round {round}");
        // Also after the session was closed and only its tombstone is left.
        let (a, c) = (mesh.amid(0), mesh.amid(third));
        mesh.feed(1, Input::CloseSession(a)).unwrap();
        mesh.feed(1, Input::CloseSession(c)).unwrap();
        mesh.run();
    }
    assert_eq!(texts(&mesh, 1).len(), 2);
}

#[test]
fn closed_session_is_followed_by_a_new_knock() {
    let mut mesh = Mesh::new(2, 55);
    mesh.send(0, 1, "one").unwrap();
    mesh.run();
    let b = mesh.amid(1);
    mesh.feed(0, Input::CloseSession(b)).unwrap();
    mesh.run();
    mesh.send(1, 0, "two").unwrap();
    mesh.run();
    assert_eq!(texts(&mesh, 0), ["\"two\""]);
    assert_eq!(mesh.handshakes(), 2);
}

#[test]
fn session_is_replaced_after_30_days() {
    let mut mesh = Mesh::new(2, 56);
    mesh.send(0, 1, "one").unwrap();
    mesh.run();
    for _ in 0..31 {
        mesh.advance(crate::time::DAY);
        mesh.run();
    }
    mesh.send(0, 1, "two").unwrap();
    mesh.run();
    assert_eq!(texts(&mesh, 1), ["\"one\"", "\"two\""]);
    assert_eq!(mesh.handshakes(), 2);
    let _ = limits::SESSION_AGE;
}

/// A pin on what only the peer speaks would turn the peer's own handshakes away.
#[test]
fn suite_of_a_later_version_is_not_pinned() {
    let mut mesh = Mesh::new(2, 95);
    let b = mesh.amid(1);
    mesh.run();
    let blob = mesh.registry[&b].bundle.clone();
    let (body, _) = blob.split_at(blob.len() - 64);
    // ... | lp(02 03) | created_at
    let (start, end) = body.split_at(body.len() - 8 - 6);
    let later = [start, &[0, 0, 0, 3, 2, 3, 9], &end[6..]].concat();
    let signature = mesh.nodes[1].engine.identity.sign_labelled(Label::Bundle, &[&later]);
    mesh.registry.get_mut(&b).unwrap().bundle = [&later[..], signature.as_bytes()].concat();

    let first = mesh.send(0, 1, "from a").unwrap();
    mesh.run();
    assert_eq!(mesh.handled(1), [first]);
    // With nothing left, the other side knocks: in the strongest suite that both speak.
    mesh.lose_store(1);
    mesh.connect(1);
    let answer = mesh.send(1, 0, "from b").unwrap();
    mesh.run();
    assert!(mesh.handled(0).contains(&answer), "{:?}", mesh.nodes[0].events);
    assert_eq!(dropped(&mesh, 0, DropReason::SuiteDowngrade), 0);
}

#[test]
fn agent_that_opens_only_the_weaker_suite_can_still_be_reached() {
    let mut mesh = Mesh::new(1, 57);
    let weak = EngineConfig { suites: vec![Suite::X25519], ..EngineConfig::default() };
    let weak = mesh.add(weak);
    mesh.send(0, weak, "hybrid").unwrap();
    mesh.run();
    assert_eq!(texts(&mesh, weak), ["\"hybrid\""]);
    let other = mesh.add(EngineConfig::default());
    mesh.send(weak, other, "classical").unwrap();
    mesh.run();
    assert_eq!(texts(&mesh, other), ["\"classical\""]);
}

#[test]
fn lost_accept_holds_the_peers_messages_up_for_five_minutes_and_not_for_ever() {
    let mut mesh = Mesh::new(2, 59);
    let (a, b) = (mesh.amid(0), mesh.amid(1));
    mesh.send(0, 1, "hello").unwrap();
    mesh.disconnect(0);
    mesh.run();
    // The ACCEPT, and the receipts that came with it, were too long at the relay.
    mesh.relay.get_mut(&a).unwrap().clear();
    let id = mesh.send(1, 0, "are you there").unwrap();
    mesh.restart(0);
    mesh.connect(0);
    mesh.run();
    assert!(texts(&mesh, 0).is_empty());
    mesh.restart(0);
    mesh.connect(0);
    mesh.advance(limits::ACCEPT_PATIENCE - 1);
    mesh.run();
    assert!(texts(&mesh, 0).is_empty());
    mesh.advance(1);
    mesh.run();
    assert_eq!(texts(&mesh, 0), ["\"are you there\""]);
    assert_eq!(mesh.stage(1, id), Some(Stage::Handled));
    // From now on they do not wait.
    mesh.send(1, 0, "again").unwrap();
    mesh.run();
    assert_eq!(texts(&mesh, 0).len(), 2);
    let accepted = |e: &Event| matches!(e, Event::KnockAccepted { peer, .. } if *peer == b);
    assert_eq!(mesh.nodes[0].events.iter().filter(|e| accepted(e)).count(), 1);
}

/// They may have been parked, left at the relay, or sent again before there was a session.
#[test]
fn messages_held_for_a_knock_are_handed_on_in_the_order_in_which_they_were_sent() {
    let mut mesh = Mesh::new(2, 640);
    mesh.nodes[1].policy = Decision::Later;
    mesh.disconnect(1);
    let ids: Vec<_> = (0..3).map(|i| mesh.send(0, 1, &i.to_string()).unwrap()).collect();
    let to = mesh.amid(1);
    mesh.relay.get_mut(&to).unwrap().make_contiguous()[1..].rotate_left(1);
    mesh.connect(1);
    mesh.run();
    let [(session, _)] = mesh.nodes[1].engine.pending_knocks()[..] else { panic!("one KNOCK") };
    mesh.feed(1, Input::Decide { session, decision: Decision::accept() }).unwrap();
    mesh.run();
    assert_eq!(mesh.handled(1), ids);
}
