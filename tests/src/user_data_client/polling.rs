//! The channel where no WebSocket is let through.

use std::time::Duration;

use agentmesh_core::services::user_data::{
    ChannelEvent as Event, HookAnswer, HookPolicy, HookRequest, TurnOptions, TurnPart,
    UserDataError,
};
use futures_util::StreamExt;
use serde_json::json;
use tokio::time::timeout;

use super::{
    PATIENCE, builder,
    cases::{Service, event},
    channel,
    fake::{Answer, HttpFake, Sockets, Wire, answer},
    hasty,
};

#[tokio::test]
async fn user_data_client_case_18_and_19_a_turn_comes_in_parts_by_polling() {
    for sockets in [Sockets::Refused, Sockets::Swallowed] {
        let service = Service::start().await;
        let wire = Wire::through(service.server.addr(), sockets).await;
        let client = builder(&wire.url).build().unwrap();
        let mut timings = hasty();
        if sockets == Sockets::Swallowed {
            // What is waited for in vain.
            timings.open = Duration::from_secs(2);
        }
        let hooks = HookPolicy::allow_tools(["Read"]);
        let channel = client.channel("s").user("u").hooks(hooks).timings(timings);
        let channel = channel.connect().await.unwrap();
        let mut turn = channel.send("Help me debug", TurnOptions::default()).await.unwrap();
        let mut deltas = String::new();
        let mut end = None;
        while let Some(part) = timeout(PATIENCE, turn.next()).await.unwrap() {
            match part.unwrap() {
                TurnPart::Delta { content, .. } => deltas.push_str(&content),
                TurnPart::End(ended) => end = Some(ended.text),
                _ => {}
            }
        }
        assert_eq!((deltas.as_str(), end.as_deref()), ("Help me debug", Some("Help me debug")));
        for (tool, did) in [("Read", "ran"), ("Bash", "did not run")] {
            let end = channel.ask(format!("/tool {tool}")).await.unwrap();
            assert!(end.text.starts_with(&format!("{tool} {did}")), "{}", end.text);
        }
        let long = "long ".repeat(100_000);
        assert_eq!(channel.ask(long.as_str()).await.unwrap().text, long);
        let history = channel.history().await.unwrap();
        let mut uuids: Vec<_> = history.iter().filter_map(|one| one.uuid.clone()).collect();
        let all = uuids.len();
        uuids.sort();
        uuids.dedup();
        assert!(all >= 8 && uuids.len() == all, "{history:?}");
        timeout(PATIENCE, channel.close()).await.unwrap();
    }
}

#[tokio::test]
async fn user_data_client_case_22_a_polling_channel_that_was_cut_is_resumed() {
    let service = Service::start().await;
    let wire = Wire::through(service.server.addr(), Sockets::Refused).await;
    let client = builder(&wire.url).build().unwrap();
    let hooks =
        HookPolicy::default().ask(|_: HookRequest| std::future::pending::<Option<HookAnswer>>());
    let mut timings = hasty();
    timings.hook = PATIENCE * 10;
    let channel = client.channel("s").hooks(hooks).timings(timings).connect().await.unwrap();
    let mut events = channel.events();
    let turn = channel.send("/tool Bash", TurnOptions::default()).await.unwrap();
    while channel.diagnostics().await.unwrap()["isQueryRunning"] != true {}
    wire.cut();
    event(&mut events, |event| matches!(event, Event::Disconnected { .. })).await;
    event(&mut events, |event| *event == Event::Resumed).await;
    // The server notices the first connection's end when the second takes over, and releases the hook.
    let end = timeout(PATIENCE, turn.end()).await.unwrap().unwrap();
    assert!(end.text.contains("Bash"), "{}", end.text);
    assert_eq!(channel.ask("after").await.unwrap().text, "after");
}

/// What a WebSocket gets, then what polling gets.
async fn failure(polled: Answer) -> (UserDataError, Vec<String>) {
    let fake = HttpFake::start(vec![answer(403, &json!({})), polled]).await;
    let error = timeout(PATIENCE, channel(&fake.url).connect()).await.unwrap().unwrap_err();
    let asked = fake.asked();
    for asked in &asked {
        assert!(asked.headers.get("authorization").is_none(), "the key stays here");
    }
    (error, asked.into_iter().map(|asked| asked.target).collect())
}

#[tokio::test]
async fn answers_that_are_no_handshake_are_refusals_and_busy_servers_are_not() {
    let text = |status, body: &str| Answer(status, vec![], body.to_owned());
    let elsewhere = Answer(307, vec![("location", "http://127.0.0.1:9/".into())], String::new());
    for (polled, refused) in [
        (text(200, "<html>Please log in</html>"), true),
        (text(200, ""), true),
        (text(200, "0{}"), true),
        (text(200, &"\u{1e}".repeat(100_000)), true),
        (text(403, "no"), true),
        (elsewhere, true),
        (text(429, "later"), false),
        (text(502, "<html>Bad gateway</html>"), false),
    ] {
        let body = polled.2.chars().take(30).collect::<String>();
        let (error, targets) = failure(polled).await;
        match (&error, refused) {
            (UserDataError::Refused { .. }, true) | (UserDataError::Connect { .. }, false) => {}
            other => panic!("{body}: {other:?}"),
        }
        let path = "/socket.io/?EIO=4&transport=polling&sessionId=session-1";
        assert_eq!(targets[1..], [path], "{body}");
    }
}

/// As a server that was killed: it knows neither sessions nor their tokens any more.
#[tokio::test]
async fn channel_whose_token_was_forgotten_is_set_up_again() {
    for sockets in [Sockets::Pass, Sockets::Refused] {
        let (first, second) = (Service::start().await, Service::start().await);
        let wire = Wire::through(first.server.addr(), sockets).await;
        let client = builder(&wire.url).build().unwrap();
        client.put_skill("alice", "a.md", "x").await.unwrap();
        let channel = client.channel("s").user("alice").timings(hasty()).connect().await.unwrap();
        let mut events = channel.events();
        assert_eq!(channel.ask("before").await.unwrap().text, "before");
        wire.lead_to(second.server.addr());
        event(&mut events, |event| *event == Event::NewSession).await;
        assert_eq!(channel.ask("after").await.unwrap().text, "after");
        assert_eq!(channel.history().await.unwrap().len(), 2);
        channel.close().await;
    }
}
