//! What is logged at trace level, by the client and the libraries below it, with a server that wants the token in the
//! query.

use agentmesh_core::services::signaling::{SecretText, SignalingEvent};

use super::{
    Peer, builder,
    fake::{Answer, Fake},
};
use crate::log::Log;

/// One thread runs everything here, so that its subscriber sees everything.
#[tokio::test]
async fn case_25_no_token_credential_key_or_signal_is_logged() {
    let log = Log::default();
    let guard = log.everything();
    let signal = "event: signal\ndata: {\"sender\":\"peer\",\"signal\":\"hush-hush-signal\"}\n\n";
    let body = Answer::joined("me", "hush-hush-token") + signal;
    let fake = Fake::start(move |request, n| match n {
        0 => Answer::Ended(body.clone()),
        1 => Answer::To("302 Found", "https://elsewhere.example/?token=hush-hush-token".into()),
        2 => Answer::json("403 Forbidden", "{}"),
        _ if request.starts_with("POST") => Answer::success(),
        _ => Answer::Stream(Answer::joined("me", "hush-hush-token")),
    })
    .await;
    let start =
        || builder(fake.url.as_str(), "hush-hush-room").join_key(SecretText::new("hush-hush-key"));
    let mut peer = Peer::start(start());
    let mut shown = String::new();
    while let Some(event) = peer.next().await {
        shown += &format!("{event:?} {:?}\n", peer.client);
    }
    assert!(shown.contains("Redirected"), "{shown}");
    let mut peer = Peer::start(start());
    assert!(matches!(peer.next().await, Some(SignalingEvent::Closed { .. })));
    let peer = Peer::of(start()).await;
    peer.client.send("peer", &"hush-hush-signal").await.unwrap();
    peer.client.leave().await;
    drop(guard);
    let text = log.text() + &shown;
    assert!(text.contains("signaling"), "it was listened to");
    for line in text.lines() {
        assert!(!line.to_lowercase().contains("hush-hush"), "{line}");
    }
}
