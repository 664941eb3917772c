//! Answers to KNOCKs: whose count and how often, what becomes of one that nobody decides on, and of what waits for it.

use super::*;
use crate::{limits, test_utils::seeded_rng};

/// `node` answers the KNOCK of a session to `peer`, whoever may do that.
fn answer(mesh: &mut Mesh, node: usize, peer: usize, says: &knock::Decision) {
    let (to, now) = (mesh.amid(peer), mesh.now);
    let engine = &mut mesh.nodes[node].engine;
    let id = engine.sending_session(to).unwrap();
    let entry = engine.sessions.get(&id).unwrap();
    let associated_data = *entry.session.as_ref().unwrap().associated_data();
    let answer = knock::Answer::new(says, entry.knock_nonce, now);
    let (kind, signed) = answer.seal(&engine.identity, &associated_data).unwrap();
    let mut rng = seeded_rng(9);
    let mut plaintext = outbound::control(kind, now, &mut rng);
    plaintext.signed = Some(signed);
    assert!(engine.send_control(to, id, &plaintext, now, &mut rng));
    mesh.feed(node, Input::Tick).unwrap();
    mesh.run();
}

/// The second agent was knocked on by the first and has not decided.
fn undecided(seed: u64) -> Mesh {
    let mut mesh = Mesh::new(2, seed);
    mesh.nodes[1].policy = knock::Decision::Later;
    mesh.send(0, 1, "let me in").unwrap();
    mesh.run();
    mesh
}

fn decided(mesh: &Mesh, node: usize) -> usize {
    told(mesh, node, |e| matches!(e, Event::KnockDecided { .. }))
}

#[test]
fn nobody_accepts_a_knock_of_ones_own() {
    let mut mesh = undecided(700);
    answer(&mut mesh, 0, 1, &knock::Decision::accept());
    assert_eq!(mesh.nodes[1].engine.pending_knocks().len(), 1);
    assert!(texts(&mesh, 1).is_empty());
    assert_eq!(told(&mesh, 1, |e| matches!(e, Event::KnockAccepted { .. })), 0);
    // Nor does the application decide on it.
    let session = mesh.nodes[0].engine.sending_session(mesh.amid(1)).unwrap();
    mesh.feed(0, Input::Decide { session, decision: knock::Decision::accept() }).unwrap();
    assert_eq!(decided(&mesh, 0), 0);
}

#[test]
fn first_answer_counts_and_no_other() {
    let mut mesh = acquainted(701);
    answer(&mut mesh, 1, 0, &knock::Decision::reject("not any more"));
    assert_eq!(told(&mesh, 0, |e| matches!(e, Event::KnockRejected { .. })), 0);
    assert!(mesh.nodes[0].engine.sending_session(mesh.amid(1)).is_some());
    // The application that made it is bound to it as well.
    let session = mesh.nodes[1].engine.sending_session(mesh.amid(0)).unwrap();
    mesh.feed(1, Input::Decide { session, decision: knock::Decision::reject("no") }).unwrap();
    assert_eq!(decided(&mesh, 1), 1);
    mesh.send(0, 1, "still here").unwrap();
    mesh.run();
    assert_eq!(texts(&mesh, 1).last().unwrap(), "\"still here\"");
}

#[test]
fn what_was_to_be_said_in_a_session_that_we_reject_goes_with_a_knock_of_ours() {
    let mut mesh = undecided(702);
    let id = mesh.send(1, 0, "not now, but").unwrap();
    mesh.run();
    let [(session, _)] = mesh.nodes[1].engine.pending_knocks()[..] else { panic!("one KNOCK") };
    mesh.feed(1, Input::Decide { session, decision: knock::Decision::reject("busy") }).unwrap();
    mesh.run();
    assert_eq!(mesh.handled(0), [id]);
    assert_eq!(mesh.handshakes(), 2);
    assert!(mesh.nodes[1].engine.outbox().is_empty());
}

#[test]
fn who_rejects_a_knock_and_has_nothing_to_say_asks_for_no_bundle() {
    let mut mesh = undecided(703);
    let [(session, _)] = mesh.nodes[1].engine.pending_knocks()[..] else { panic!("one KNOCK") };
    let decision = knock::Decision::reject("busy");
    let outcome = outcome_of(&mut mesh, 1, Input::Decide { session, decision });
    assert_eq!(outcome.requests, []);
    assert_eq!(outcome.outgoing.len(), 1, "the answer");
}

#[test]
fn knock_is_asked_about_again_after_a_restart_and_rejected_when_it_is_too_old() {
    let mut mesh = Mesh::new(2, 704);
    mesh.nodes[1].policy = knock::Decision::Later;
    mesh.send(0, 1, "let me in").unwrap();
    // Whether or not something came with it.
    mesh.relay.get_mut(&mesh.nodes[1].engine.identity().amid()).unwrap().truncate(1);
    mesh.run();
    mesh.restart(1);
    mesh.connect(1);
    mesh.now = mesh.now.plus_millis(limits::KNOCK_MAX_AGE);
    mesh.feed(1, Input::Tick).unwrap();
    assert_eq!((mesh.nodes[1].engine.pending_knocks().len(), decided(&mesh, 1)), (1, 0));
    let mut asked = undecided(705);
    asked.restart(1);
    asked.nodes[1].policy = knock::Decision::accept();
    asked.connect(1);
    asked.run();
    assert_eq!(texts(&asked, 1), ["\"let me in\""]);
    mesh.advance(1);
    mesh.run();
    assert_eq!((mesh.nodes[1].engine.pending_knocks().len(), decided(&mesh, 1)), (0, 1));
    assert_eq!(told(&mesh, 0, |e| matches!(e, Event::KnockRejected { .. })), 1);
}

/// It would be undecided for ever, since there is no session to answer in; and after a hundred of those nobody could knock
/// any more.
#[test]
fn knock_whose_session_made_room_for_later_ones_waits_for_no_decision() {
    let mut mesh = Mesh::new(2, 706);
    mesh.nodes[1].policy = knock::Decision::Later;
    for i in 0..2 + limits::RECEIVE_ONLY_SESSIONS {
        mesh.lose_store(0);
        mesh.connect(0);
        mesh.send(0, 1, &i.to_string()).unwrap();
        mesh.run();
    }
    let pending = mesh.nodes[1].engine.pending_knocks();
    assert_eq!(pending.len(), 1 + limits::RECEIVE_ONLY_SESSIONS);
    for (session, _) in pending {
        mesh.feed(1, Input::Decide { session, decision: knock::Decision::accept() }).unwrap();
    }
    assert_eq!(mesh.nodes[1].engine.pending_knocks(), []);
    mesh.run();
    assert_eq!(mesh.nodes[1].engine.inbox_size(), (0, 0));
}

#[test]
fn knock_asks_for_what_the_first_message_says() {
    use crate::{knock::KnockRequest, wire::plaintext::Payload};
    let wanted = KnockRequest::new("travel", "book");
    let usual = EngineConfig::default().default_knock_request;
    for (size, intent) in [(10, Some(&wanted)), (2 * limits::PART_SIZE, Some(&wanted)), (10, None)]
    {
        let mut mesh = Mesh::new(2, 707);
        mesh.nodes[1].policy = knock::Decision::Later;
        let message = NewMessage {
            payload: Payload::Bytes(vec![1; size]),
            knock_request: intent.cloned(),
            ..schedule::message(&mesh, 1)
        };
        mesh.feed(0, Input::Send(message)).unwrap();
        mesh.run();
        let [knock] = &mesh.nodes[1].engine.knocks()[..] else { panic!("one KNOCK") };
        assert_eq!(&knock.knock.request, intent.unwrap_or(&usual), "{size} bytes");
    }
}
