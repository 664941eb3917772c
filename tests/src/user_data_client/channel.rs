//! Conversations over a WebSocket.

use std::time::Duration;

use agentmesh_core::services::user_data::{
    AgentOptions, ChannelAuth, ChannelEvent, ChannelTimings, HookAnswer, HookPolicy, SecretText,
    TurnOptions, TurnPart, UserDataError,
};
use futures_util::StreamExt;
use serde_json::{Value, json};

use super::{
    KEY, channel, client,
    fake::{HttpFake, SocketFake, answer},
    hasty,
};

#[tokio::test]
async fn channel_is_opened_with_the_session_and_closed_with_leave() {
    let fake = SocketFake::start().await;
    let url = format!("{}/prefix", fake.url);
    let builder = client(&url).channel("sess ion&1").without_setup().timings(hasty());
    let server = async {
        let (mut peer, target) = fake.accept().await;
        let expected = "/prefix/socket.io/?EIO=4&transport=websocket&sessionId=sess+ion%261";
        assert_eq!(target, expected);
        peer.open().await;
        assert_eq!(peer.next().await, "40");
        peer.send(r#"40{"sid":"s"}"#).await;
        peer.expects("get_history").await;
        peer.send("2").await;
        assert_eq!(peer.next().await, "3");
        peer
    };
    let (opened, mut peer) = tokio::join!(builder.connect(), server);
    let channel = opened.unwrap();
    assert!(channel.is_connected() && channel.setup().is_none());
    let server = async {
        assert_eq!(peer.next().await, "41");
        assert_eq!(peer.try_next().await, None);
    };
    tokio::join!(channel.close(), server);
    assert!(matches!(channel.ask("x").await, Err(UserDataError::Closed { .. })));
    let mut events = channel.events();
    let mut last = None;
    while let Some(event) = events.next().await {
        last = Some(event);
    }
    assert!(matches!(last, Some(ChannelEvent::Closed { .. })), "{last:?}");
}

#[tokio::test]
async fn turn_is_a_stream_of_parts_and_questions_are_answered() {
    let fake = SocketFake::start().await;
    let (opened, mut peer) = tokio::join!(channel(&fake.url).connect(), fake.ready());
    let channel = opened.unwrap();
    let mut turn = channel.send("hi", TurnOptions::default()).await.unwrap();
    assert_eq!(peer.expects("message").await, json!({"prompt": "hi", "options": {}}));
    peer.answers("1", "Hello.").await;
    let mut parts = Vec::new();
    while let Some(part) = turn.next().await {
        parts.push(part.unwrap());
    }
    let [
        TurnPart::Delta { .. },
        TurnPart::Delta { .. },
        TurnPart::Message(message),
        TurnPart::End(end),
    ] = parts.as_slice()
    else {
        panic!("{parts:?}")
    };
    assert_eq!((message.text().as_str(), end.text.as_str()), ("Hello.", "Hello."));
    assert_eq!(channel.conversation().as_deref(), Some("c1"));

    let server = async {
        let options = peer.expects("start").await;
        assert_eq!(options, json!({"maxTurns": 50, "resume": "c1"}));
        peer.event("status", json!({"type": "info", "message": "Session initialized"})).await;
        peer.expects("get_history").await;
        peer.event(
            "history",
            json!({"messages": [{"role": "user", "content": "hi", "timestamp": 1}]}),
        )
        .await;
        peer.expects("get_diagnostics").await;
        peer.event("diagnostics", json!({"historyLength": 1})).await;
        assert_eq!(peer.expects("interrupt").await, json!({"threadId": "c1", "reason": "enough"}));
        peer.event("interrupt_complete", json!({"success": true})).await;
        peer.expects("clear").await;
        peer.event("cleared", json!({"type": "info"})).await;
    };
    let questions = async {
        let mut options = AgentOptions::default();
        options.max_turns = Some(50);
        channel.start(options).await.unwrap();
        let history = channel.history().await.unwrap();
        assert_eq!((history.len(), history[0].text()), (1, "hi".to_owned()));
        assert_eq!(channel.diagnostics().await.unwrap()["historyLength"], 1);
        channel.interrupt(Some("enough")).await.unwrap();
        channel.clear().await.unwrap();
    };
    tokio::join!(server, questions);
    assert_eq!(channel.conversation(), None);
}

#[tokio::test]
async fn skills_and_setup_come_first_and_tokens_go_with_the_channel() {
    let socket = SocketFake::start().await;
    let http = HttpFake::start(vec![
        answer(200, &json!({"key": "k"})),
        answer(
            200,
            &json!({"sessionId": "s", "userId": "u", "setupMethod": "r2_load_dev",
            "skillsLoaded": ["/workspace/.claude/skills/a.md"], "sessionToken": "issued"}),
        ),
    ])
    .await;
    // This server has no channel. That the token which a setup issues opens one is tested with a real server.
    let channel = client(&http.url).channel("s").user("u").skill("a.md", "text").timings(hasty());
    let error = channel.connect().await.unwrap_err();
    assert!(matches!(error, UserDataError::Refused { .. }), "{error}");
    let targets: Vec<_> = http.asked().into_iter().map(|asked| asked.target).collect();
    assert_eq!(targets[..2], ["/users/u/skills", "/setup/s?userId=u"]);
    assert!(targets[2].starts_with("/socket.io/?EIO=4"));

    for (auth, join) in [
        (ChannelAuth::SessionToken, "40".to_owned()),
        (ChannelAuth::None, "40".to_owned()),
        (ChannelAuth::ApiKey, format!(r#"40{{"token":"{KEY}"}}"#)),
        (ChannelAuth::Token(SecretText::trimmed("mine")), r#"40{"token":"mine"}"#.to_owned()),
    ] {
        let (opened, (_, joined)) =
            tokio::join!(self::channel(&socket.url).auth(auth).connect(), socket.joined());
        opened.unwrap();
        assert_eq!(joined, join);
    }
}

#[tokio::test]
async fn hooks_are_answered_by_policy_by_somebody_and_when_nobody_answers() {
    let fake = SocketFake::start().await;
    let hooks = HookPolicy::allow_tools(["Read"]).ask(
        |request: agentmesh_core::services::user_data::HookRequest| async move {
            match request.tool_name() {
                Some("Bash") => Some(HookAnswer::deny("not that")),
                Some("Hang") => std::future::pending().await,
                Some("Panic") => panic!("a handler's own fault"),
                _ => None,
            }
        },
    );
    let timings = ChannelTimings { hook: Duration::from_millis(200), ..hasty() };
    let builder = channel(&fake.url).hooks(hooks).timings(timings);
    let (opened, mut peer) = tokio::join!(builder.connect(), fake.ready());
    let channel = opened.unwrap();
    let mut events = channel.events();
    for (ack, tool) in ["Bash", "Read", "Write", "Panic", "Hang"].iter().enumerate() {
        let asked = json!(["hook_request", {"event": "PreToolUse", "data": {"tool_name": tool}}]);
        peer.send(format!("42{ack}{asked}")).await;
        let reply = peer.next().await;
        let reply = reply.strip_prefix(&format!("43{ack}")).unwrap_or_else(|| panic!("{reply}"));
        let reply: Value = serde_json::from_str(reply).unwrap();
        let expected = if *tool == "Read" { "continue" } else { "deny" };
        assert_eq!(reply[0]["action"], expected, "{tool}");
    }
    let mut late = Vec::new();
    while late.len() < 5 {
        if let Some(ChannelEvent::HookAnswered { too_late, .. }) = events.next().await {
            late.push(too_late);
        }
    }
    assert_eq!(late, [false, false, false, false, true]);
}

#[tokio::test]
async fn dropping_the_channel_ends_the_connection() {
    let fake = SocketFake::start().await;
    let (opened, mut peer) = tokio::join!(channel(&fake.url).connect(), fake.ready());
    let channel = opened.unwrap();
    let turn = channel.send("x", TurnOptions::default()).await.unwrap();
    peer.expects("message").await;
    drop(channel);
    assert_eq!(peer.try_next().await, None);
    assert!(matches!(turn.end().await, Err(UserDataError::Closed { .. })));
}
