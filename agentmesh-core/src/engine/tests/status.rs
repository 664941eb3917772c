//! Statuses: told once, in the session that there is.

use super::*;
use crate::{
    limits,
    wire::plaintext::{Headers, Payload},
};

fn tell(
    mesh: &mut Mesh,
    to: usize,
    in_reply_to: Option<MessageId>,
    payload: Payload,
) -> Result<(), SendError> {
    let status = NewStatus { to: mesh.amid(to), in_reply_to, payload, headers: Headers::NONE };
    let told = mesh.feed(0, Input::SendStatus(status));
    mesh.run();
    told
}

fn heard(mesh: &Mesh, node: usize) -> Vec<(Option<MessageId>, Payload)> {
    mesh.nodes[node]
        .events
        .iter()
        .filter_map(|e| match e {
            Event::Status { in_reply_to, payload, .. } => Some((*in_reply_to, payload.clone())),
            _ => None,
        })
        .collect()
}

#[test]
fn status_that_says_something_is_heard_by_whoever_we_speak_with() {
    let mut mesh = acquainted(670);
    let about = Some(MessageId::new_v7(mesh.now, &mut crate::test_utils::seeded_rng(1)));
    let said = Payload::Json("1".into());
    for status in [(about, said.clone()), (about, Payload::None), (None, said)] {
        tell(&mut mesh, 1, status.0, status.1.clone()).unwrap();
        assert_eq!(heard(&mesh, 1).last(), Some(&status));
    }
    tell(&mut mesh, 1, None, Payload::None).unwrap();
    assert_eq!(heard(&mesh, 1).len(), 3, "it said nothing");
    assert!(texts(&mesh, 1).len() == 1 && mesh.nodes[0].engine.outbox().is_empty());
}

#[test]
fn status_has_a_recipient_a_session_and_a_bound() {
    let mut mesh = acquainted(671);
    let stranger = mesh.add(EngineConfig::default());
    let said = || Payload::Json("1".into());
    assert_eq!(tell(&mut mesh, 0, None, said()), Err(SendError::ToSelf));
    assert_eq!(tell(&mut mesh, stranger, None, said()), Err(SendError::NoSession));
    let limit = limits::MAX_PAYLOAD;
    let actual = limit + 1;
    let long = |len| Payload::Bytes(vec![0; len]);
    let refused = Err(SendError::PayloadTooLarge { limit, actual });
    assert_eq!(tell(&mut mesh, 1, None, long(actual)), refused);
    tell(&mut mesh, 1, None, long(limit)).unwrap();
    assert_eq!(heard(&mesh, 1).len(), 1);
}

#[test]
fn peer_whose_knock_is_undecided_is_not_heard() {
    let mut mesh = Mesh::new(2, 672);
    mesh.nodes[1].policy = knock::Decision::Later;
    mesh.send(0, 1, "may I?").unwrap();
    mesh.run();
    tell(&mut mesh, 1, None, Payload::Json("1".into())).unwrap();
    assert_eq!(heard(&mesh, 1), []);
}
