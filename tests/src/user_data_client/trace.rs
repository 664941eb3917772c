//! Nothing secret in any log, at the level at which everything is logged.

use agentmesh_core::services::user_data::{ChannelAuth, SecretText, TurnOptions};
use serde_json::json;

use super::{
    KEY, channel, client,
    fake::{HttpFake, SocketFake, answer},
};
use crate::log::Log;

/// One thread runs everything here, so that its subscriber sees everything.
#[tokio::test]
async fn key_token_session_and_what_is_said_are_in_no_log() {
    let log = Log::default();
    let _guard = log.everything();
    let setup = json!({"sessionId": "s", "userId": "u", "setupMethod": "r2_mount", "sessionToken": "token-issued"});
    let fake = HttpFake::start(vec![
        answer(200, &json!({"key": "k"})),
        answer(500, &json!({"error": "x"})),
        answer(200, &setup),
    ])
    .await;
    let http = client(&fake.url);
    http.put_skill("u", "s", "content-of-a-skill").await.unwrap();
    http.setup("s", None).await.unwrap();
    http.skill("u", "s").await.unwrap_err();

    let socket = SocketFake::start().await;
    let auth = ChannelAuth::Token(SecretText::trimmed("token-for-the-channel"));
    let (opened, mut peer) =
        tokio::join!(channel(&socket.url).auth(auth).connect(), socket.ready());
    let channel = opened.unwrap();
    let turn = channel.send("of-one-syllable", TurnOptions::default()).await.unwrap();
    peer.expects("message").await;
    peer.answers("1", "answered-in-kind").await;
    turn.end().await.unwrap();

    let text = log.text();
    for secret in [
        KEY,
        "token-issued",
        "token-for-the-channel",
        "content-of-a-skill",
        "of-one-syllable",
        "answered-in-kind",
    ] {
        let line = text.lines().find(|line| line.contains(secret));
        assert!(line.is_none(), "{secret}: {line:?}");
    }
    assert!(text.contains("user data request"), "nothing was logged: {text}");
}
