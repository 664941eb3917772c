//! What happens when servers and networks fail: everything ends, nothing hangs, nothing is said twice.

use std::time::Duration;

use agentmesh_core::{
    client::subscription::Subscription,
    services::user_data::{
        ChannelEvent as Event, ChannelTimings, TurnOptions, TurnPart, UserDataChannel,
        UserDataError,
    },
};
use futures_util::StreamExt;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use super::{
    PATIENCE, channel, client,
    fake::{HttpFake, Peer, SocketFake, answer},
    hasty,
};

async fn opened(fake: &SocketFake) -> (UserDataChannel, Peer, Subscription<Event>) {
    let (opened, peer) = tokio::join!(channel(&fake.url).connect(), fake.ready());
    let channel = opened.unwrap();
    let events = channel.events();
    (channel, peer, events)
}

/// The next event that fits.
async fn event(events: &mut Subscription<Event>, fits: impl Fn(&Event) -> bool) -> Event {
    let found = async {
        loop {
            let event = events.next().await.expect("no such event");
            if fits(&event) {
                return event;
            }
        }
    };
    timeout(PATIENCE, found).await.unwrap()
}

#[tokio::test]
async fn connection_that_is_cut_in_a_turn_is_made_again_and_the_turn_goes_on() {
    let fake = SocketFake::start().await;
    let (channel, mut peer, mut events) = opened(&fake).await;
    let turn = channel.send("x", TurnOptions::default()).await.unwrap();
    peer.expects("message").await;
    peer.says("1", "One. ").await;
    peer.cut();
    let (mut peer, _) = fake.joined().await;
    peer.event("status", json!({"type": "info", "message": "Session resumed"})).await;
    let missed: Vec<_> = [("1", "One. "), ("2", "Two. ")]
        .map(|(uuid, text)| json!({"role": "assistant", "uuid": uuid, "content": text}))
        .into();
    peer.tells_history(&missed).await;
    peer.expects("get_diagnostics").await;
    peer.event("diagnostics", json!({"isQueryRunning": true})).await;
    peer.answers("3", "Three.").await;
    assert_eq!(turn.end().await.unwrap().text, "One. Two. Three.");
    event(&mut events, |event| matches!(event, Event::Disconnected { .. })).await;
    event(&mut events, |event| *event == Event::Resumed).await;
}

#[tokio::test]
async fn server_that_was_killed_and_forgot_the_session_ends_the_turn() {
    let fake = SocketFake::start().await;
    let (channel, mut peer, mut events) = opened(&fake).await;
    let turn = channel.send("x", TurnOptions::default()).await.unwrap();
    peer.expects("message").await;
    peer.cut();
    let mut peer = fake.ready().await;
    assert!(matches!(turn.end().await, Err(UserDataError::SessionLost)));
    event(&mut events, |event| *event == Event::NewSession).await;
    // What was said is not said again, and the channel works.
    let again = channel.send("y", TurnOptions::default()).await.unwrap();
    assert_eq!(peer.expects("message").await["prompt"], "y");
    peer.answers("1", "Yes.").await;
    assert_eq!(again.end().await.unwrap().text, "Yes.");
}

#[tokio::test]
async fn server_that_stays_away_ends_the_channel_after_ten_attempts() {
    let fake = SocketFake::start().await;
    let (channel, peer, mut events) = opened(&fake).await;
    let turn = channel.send("x", TurnOptions::default()).await.unwrap();
    drop(fake);
    peer.cut();
    assert!(matches!(turn.end().await, Err(UserDataError::Connect { .. })));
    let closed = event(&mut events, |event| matches!(event, Event::Closed { .. })).await;
    assert!(matches!(closed, Event::Closed { error: UserDataError::Connect { .. } }));
    assert!(timeout(PATIENCE, events.next()).await.unwrap().is_none());
    assert!(matches!(channel.history().await, Err(UserDataError::Connect { .. })));
}

#[tokio::test]
async fn half_open_connection_is_noticed_by_its_silence() {
    let fake = SocketFake::start().await;
    let server = async {
        let (mut peer, _) = fake.accept().await;
        peer.open_with(100, 100).await;
        peer.next().await;
        peer.send(r#"40{"sid":"s"}"#).await;
        peer
    };
    let (opened, peer) = tokio::join!(channel(&fake.url).connect(), server);
    let mut events = opened.as_ref().unwrap().events();
    // The peer holds the connection open and says nothing.
    let lost = event(&mut events, |event| matches!(event, Event::Disconnected { .. })).await;
    let Event::Disconnected { error: UserDataError::ConnectionLost { reason }, .. } = lost else {
        panic!("{lost:?}")
    };
    assert!(reason.contains("silent"), "{reason}");
    fake.ready().await;
    drop(peer);
}

#[tokio::test]
async fn frames_that_break_the_rules_cost_the_connection_and_not_the_channel() {
    let fake = SocketFake::start().await;
    let (channel, mut peer, mut events) = opened(&fake).await;
    let huge = format!(r#"42["message","{}"]"#, "x".repeat(8 * 1024 * 1024));
    // The client hangs up before it has all of it.
    timeout(PATIENCE, peer.tries_to_send(huge)).await.unwrap();
    let lost = event(&mut events, |event| matches!(event, Event::Disconnected { .. })).await;
    assert!(format!("{lost:?}").contains("8388608"), "{lost:?}");

    let mut peer = fake.ready().await;
    peer.send_bytes(b"picture").await;
    let lost = event(&mut events, |event| matches!(event, Event::Disconnected { .. })).await;
    assert!(format!("{lost:?}").contains("binary"), "{lost:?}");

    let mut peer = fake.ready().await;
    peer.send(r#"451-["image",{"_placeholder":true,"num":0}]"#).await;
    event(&mut events, |event| matches!(event, Event::Disconnected { .. })).await;

    let mut peer = fake.ready().await;
    let turn = channel.send("x", TurnOptions::default()).await.unwrap();
    peer.expects("message").await;
    peer.answers("1", "Fine.").await;
    assert_eq!(turn.end().await.unwrap().text, "Fine.");
}

#[tokio::test]
async fn session_that_another_takes_over_is_not_fought_for() {
    let fake = SocketFake::start().await;
    let (channel, mut peer, _) = opened(&fake).await;
    let turn = channel.send("x", TurnOptions::default()).await.unwrap();
    peer.event("status", json!({"type": "warning", "message": "Session taken over"})).await;
    peer.send("41").await;
    assert!(matches!(turn.end().await, Err(UserDataError::TakenOver)));
    assert!(timeout(Duration::from_millis(200), fake.tcp()).await.is_err(), "it came back");
}

#[tokio::test]
async fn turns_that_cannot_be_or_are_given_up_say_why() {
    let fake = SocketFake::start().await;
    let timings = ChannelTimings {
        turn: Duration::from_millis(50),
        call: Duration::from_millis(50),
        ..hasty()
    };
    let (opened, mut peer) =
        tokio::join!(channel(&fake.url).timings(timings).connect(), fake.ready());
    let channel = opened.unwrap();
    assert!(matches!(channel.ask(" ").await, Err(UserDataError::Invalid { .. })));
    let huge = "x".repeat(1_000_001);
    assert!(matches!(channel.ask(huge).await, Err(UserDataError::TooLarge { .. })));
    let silent = channel.send("x", TurnOptions::default()).await.unwrap();
    assert!(matches!(channel.ask("y").await, Err(UserDataError::TurnRunning)));
    assert!(matches!(silent.end().await, Err(UserDataError::TurnTimeout { .. })));
    assert!(matches!(channel.diagnostics().await, Err(UserDataError::Timeout { .. })));
    peer.expects("message").await;
    peer.expects("get_diagnostics").await;
    peer.event("result", json!({})).await;
    let failing = channel.send("x", TurnOptions::default()).await.unwrap();
    peer.expects("message").await;
    peer.event("error", json!({"message": "Agent not ready - please try again"})).await;
    assert!(matches!(failing.end().await, Err(UserDataError::Agent { .. })));
}

#[tokio::test]
async fn interrupted_turn_says_so() {
    let fake = SocketFake::start().await;
    let (channel, mut peer, _) = opened(&fake).await;
    let turn = channel.send("x", TurnOptions::default()).await.unwrap();
    let server = async {
        peer.expects("message").await;
        peer.expects("interrupt").await;
        peer.event("status", json!({"type": "info", "message": "Interrupted"})).await;
    };
    let (interrupted, ()) = tokio::join!(channel.interrupt(None), server);
    interrupted.unwrap();
    assert!(matches!(turn.end().await, Err(UserDataError::Interrupted)));
}

#[tokio::test]
async fn questions_that_were_under_way_are_lost_with_the_connection() {
    let fake = SocketFake::start().await;
    let (channel, mut peer, _) = opened(&fake).await;
    let server = async {
        peer.expects("clear").await;
        peer.cut();
    };
    let (cleared, ()) = tokio::join!(channel.clear(), server);
    assert!(matches!(cleared, Err(UserDataError::ConnectionLost { .. })), "{cleared:?}");
    // Nobody answers now.
    assert!(matches!(channel.clear().await, Err(UserDataError::NotConnected)));
}

#[tokio::test]
async fn first_failure_is_told_and_not_tried_again() {
    for (status, refused) in
        [(200, true), (301, true), (401, true), (404, true), (429, false), (503, false)]
    {
        let fake = HttpFake::start(vec![answer(status, &json!({"error": "words"}))]).await;
        let error = channel(&fake.url).connect().await.unwrap_err();
        match (&error, refused) {
            (UserDataError::Refused { .. }, true) | (UserDataError::Connect { .. }, false) => {}
            other => panic!("{status}: {other:?}"),
        }
        assert_eq!(fake.asked().len(), 1);
    }
    let error = client("http://127.0.0.1:1").channel("s").without_setup().connect().await;
    assert!(matches!(error, Err(UserDataError::Connect { .. })));
    let error = channel("http://127.0.0.1:1").namespace("ws").connect().await;
    assert!(matches!(error, Err(UserDataError::Config { .. })));

    let fake = SocketFake::start().await;
    let server = async {
        let (mut peer, _) = fake.accept().await;
        peer.open().await;
        peer.next().await;
        peer.send(r#"44{"message":"sessionId required"}"#).await;
        assert_eq!(peer.try_next().await, None);
    };
    let (error, ()) = tokio::join!(channel(&fake.url).connect(), server);
    assert!(
        matches!(error, Err(UserDataError::Refused { message }) if message == "sessionId required")
    );
}

#[tokio::test]
async fn reader_that_is_slow_is_told_what_it_missed_and_holds_nobody_up() {
    let fake = SocketFake::start().await;
    let (channel, mut peer, mut events) = opened(&fake).await;
    let mut turn = channel.send("x", TurnOptions::default()).await.unwrap();
    peer.expects("message").await;
    for n in 0..1000 {
        peer.event("status", json!({"type": "info", "message": format!("{n}")})).await;
        peer.event("stream", json!({"type": "text", "content": "piece "})).await;
    }
    peer.answers("1", "All of it.").await;
    // Nobody has read anything so far, and the channel still answers.
    let server = async {
        peer.expects("get_diagnostics").await;
        peer.event("diagnostics", json!({})).await;
        peer
    };
    let (asked, mut peer) = tokio::join!(channel.diagnostics(), server);
    asked.unwrap();
    let mut parts = 0;
    let end = loop {
        match timeout(PATIENCE, turn.next()).await.unwrap().unwrap().unwrap() {
            TurnPart::End(end) => break end,
            _ => parts += 1,
        }
    };
    assert_eq!(end.text, "All of it.");
    assert!(parts <= 256 && parts + end.missed == 1003, "{parts} and {} missed", end.missed);
    while events.try_next().is_some() {}
    peer.event("status", json!({"type": "info", "message": "one more"})).await;
    let missed = event(&mut events, |event| matches!(event, Event::Lagged { .. })).await;
    assert!(matches!(missed, Event::Lagged { missed } if missed >= 1000 - 128), "{missed:?}");
}

#[tokio::test]
async fn storm_of_429_pages_and_redirects_at_a_channel_that_was_open_is_counted_and_ends() {
    let answers: [(&[u8], usize); 4] = [
        (b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\n\r\n", 3),
        // By a WebSocket and by polling, each time.
        (b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 13\r\n\r\n<html></html>", 6),
        // A page or another host instead of the server is the end at once.
        (b"HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\n<html></html>", 1),
        (b"HTTP/1.1 307 X\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 0\r\n\r\n", 1),
    ];
    for (answer, times) in answers {
        let fake = SocketFake::start().await;
        let timings = ChannelTimings { attempts: 3, ..hasty() };
        let (opened, peer) =
            tokio::join!(channel(&fake.url).timings(timings).connect(), fake.ready());
        let channel = opened.unwrap();
        let turn = channel.send("x", TurnOptions::default()).await.unwrap();
        peer.cut();
        let mut asked = 0;
        let storm = async {
            loop {
                let mut tcp = fake.tcp().await;
                let mut request = [0; 4096];
                let _ = tcp.read(&mut request).await;
                asked += 1;
                let _ = tcp.write_all(answer).await;
            }
        };
        let ended = tokio::select! {
            ended = timeout(PATIENCE, turn.end()) => ended.unwrap(),
            () = storm => panic!("a storm without an end"),
        };
        let error = ended.unwrap_err();
        match (&error, times) {
            (UserDataError::Refused { .. }, 1) | (UserDataError::Connect { .. }, 2..) => {}
            other => panic!("{other:?}"),
        }
        assert_eq!(asked, times, "{error}");
        assert!(!channel.is_connected());
    }
}

#[tokio::test]
async fn server_that_takes_the_connection_and_says_nothing_is_given_up() {
    let fake = SocketFake::start().await;
    let timings = ChannelTimings { open: Duration::from_millis(100), ..hasty() };
    let server = async {
        let mut tcp = fake.tcp().await;
        let mut request = [0; 4096];
        let _ = tcp.read(&mut request).await;
        // Half a line of an answer.
        let _ = tcp.write_all(b"HTTP/1.1 10").await;
        tcp
    };
    let (error, _tcp) = tokio::join!(channel(&fake.url).timings(timings).connect(), server);
    assert!(matches!(error, Err(UserDataError::Connect { .. })), "{error:?}");
}
