//! Two connections of one agent: the newer one counts, from its first moment to its last.

use agentmesh_core::wire::{
    relay_error::RelayErrorCode,
    relay_features::Features,
    relay_frame::{ClientFrame, ServerFrame},
};

use crate::support::*;

#[tokio::test]
async fn older_connection_is_told_that_it_was_replaced_and_closed_with_4006() {
    let server = start().await;
    let alice = identity();
    for features in [ACK, Features::NONE] {
        let mut first = connect(&server, &alice, features).await;
        let mut second = connect(&server, &alice, features).await;
        first.error(RelayErrorCode::Replaced).await;
        first.closed(4006).await;
        second.is_alive().await;
        second.drop_it();
    }
}

#[tokio::test]
async fn end_of_the_older_connection_does_not_unregister_the_newer_one() {
    let server = start().await;
    let (alice, bob) = (identity(), identity());
    let mut a = connect(&server, &alice, ACK).await;
    let mut b = connect(&server, &bob, ACK).await;
    for n in 0..10 {
        let newer = connect(&server, &bob, ACK).await;
        // The older one ends in every way: by our close, or at once.
        if n % 2 == 0 {
            b.error(RelayErrorCode::Replaced).await;
            b.closed(4006).await;
        }
        b.drop_it();
        b = newer;
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        a.send(&message_with_id(&bob, "hello", id(n))).await;
        assert_eq!(b.receive().await.message_id, Some(id(n)));
        b.ack(&alice, id(n)).await;
        a.acked(id(n)).await;
        a.send(&ClientFrame::PresenceQuery { amid: bob.amid().to_string() }).await;
        let ServerFrame::PresenceResponse { status, .. } = a.next().await else { panic!() };
        assert_eq!(status.as_str(), "online");
        b.is_alive().await;
    }
}

#[tokio::test]
async fn newer_connection_gets_what_the_older_one_did_not_ack() {
    let server = start().await;
    let (alice, bob) = (identity(), identity());
    let mut a = connect(&server, &alice, ACK).await;
    let mut older = connect(&server, &bob, ACK).await;
    a.send(&message_with_id(&bob, "hello", id(1))).await;
    older.receive().await;
    a.acked(id(1)).await;
    let (mut newer, pending) = connect_pending(&server, &bob, ACK).await;
    assert_eq!(pending, 1);
    assert_eq!(newer.receive().await.encrypted_payload, "hello");
}

#[tokio::test]
async fn replaced_connection_can_do_nothing_any_more() {
    let server = start().await;
    let (alice, bob) = (identity(), identity());
    let mut older = connect(&server, &alice, ACK).await;
    let mut newer = connect(&server, &alice, ACK).await;
    older.error(RelayErrorCode::Replaced).await;
    // Written before the close is noticed.
    older.send(&message_with_id(&bob, "from the grave", id(1))).await;
    older.closed(4006).await;
    newer.is_alive().await;
    assert_eq!(connect_pending(&server, &bob, ACK).await.1, 0);
}
