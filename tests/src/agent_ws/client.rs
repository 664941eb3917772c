//! The client against the real server, and against others that are faked here.

use std::time::Duration;

use agentmesh_core::{
    Error, ErrorInfo,
    services::agent_ws::{
        AgentWebSocketError, AgentWebSocketEvent as Event, ClientTimings, Dialect, Part,
        QueryOptions, SecretText,
        service::{Access, AgentWebSocketConfig},
    },
};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinSet,
    time::timeout,
};
use tokio_tungstenite::{accept_async, tungstenite::Message};

use super::{
    PATIENCE, builder, model,
    provider::{Answer, Provider},
    relaxed, server_before, server_with, until_empty,
};

/// Waits that are short enough for tests.
fn quick() -> ClientTimings {
    ClientTimings { pause: Duration::from_millis(50), ..ClientTimings::default() }
}

fn code<T: std::fmt::Debug>(result: Result<T, AgentWebSocketError>) -> &'static str {
    Error::from(result.expect_err("it fails")).code()
}

#[tokio::test]
async fn questions_are_answered_together_and_in_pieces() {
    let server = server_with(relaxed()).await;
    let client = builder(server.agent_websocket_url()).connect().await.unwrap();
    let session = client.session().unwrap();
    assert_eq!((session.dialect, session.correlates), (Dialect::Documented, true));
    assert_eq!(session.session_id.unwrap().len(), 36);
    let (a, b) = tokio::join!(client.query("a"), client.query("b"));
    assert_eq!((a.unwrap().content.as_str(), b.unwrap().content.as_str()), ("a", "b"));
    let mut parts = client.query_stream("one two", QueryOptions::default()).await.unwrap();
    let mut pieces = String::new();
    while let Some(part) = parts.next().await {
        match part.unwrap() {
            Part::Delta(piece) => pieces.push_str(&piece.content),
            Part::Answer(answer) => assert_eq!(answer.content, "one two"),
        }
    }
    assert_eq!(pieces, "one two");
    let mut events = client.events();
    client.command("clear").await.unwrap();
    client.human_feedback("good", Some(json!({"feedbackToken": "t"}))).await.unwrap();
    let heard = async {
        let (mut cleared, mut recorded) = (false, false);
        while !(cleared && recorded) {
            match events.next().await.unwrap() {
                Event::Notification(message) => cleared |= message.content == "History cleared",
                Event::Status(message) => recorded |= message.content == "Feedback recorded",
                _ => {}
            }
        }
    };
    timeout(PATIENCE, heard).await.unwrap();
    client.close().await;
    assert_eq!(code(client.query("x").await), "AGENT_WS_CLOSED");
    until_empty(&server).await;
}

#[tokio::test]
async fn server_that_restarts_gets_a_new_session() {
    let server = server_with(relaxed()).await;
    let addr = server.addr();
    let client = builder(server.agent_websocket_url()).timings(quick()).connect().await.unwrap();
    let mut events = client.events();
    server.shutdown().await;
    let config = agentmesh_server::ServerConfig {
        listen: addr,
        ..agentmesh_server::ServerConfig::for_development()
    };
    let _server = agentmesh_server::Server::start(config).await.unwrap();
    let again = async { while !matches!(events.next().await, Some(Event::NewSession(_))) {} };
    timeout(PATIENCE, again).await.unwrap();
    assert_eq!(client.query("there?").await.unwrap().content, "there?");
}

#[tokio::test]
async fn hanging_model_and_lost_connection_are_errors_of_the_query() {
    let provider = Provider::start([Answer::Hang, Answer::Hang]).await;
    let server = server_before(model(&provider.url)).await;
    let client = builder(server.agent_websocket_url()).timings(quick()).connect().await.unwrap();
    let soon = QueryOptions { deadline: Some(Duration::from_millis(200)) };
    let (late, ()) = tokio::join!(client.query_with("x", soon), provider.hanging(1));
    assert_eq!(code(late), "AGENT_WS_TIMEOUT");
    client.command("cancel").await.unwrap();
    provider.hanging(0).await;
    let mut asked = client.query_stream("y", QueryOptions::default()).await.unwrap();
    provider.hanging(1).await;
    server.shutdown().await;
    let lost = timeout(PATIENCE, asked.next()).await.unwrap().unwrap();
    assert_eq!(code(lost), "AGENT_WS_CONNECTION_LOST");
}

#[tokio::test]
async fn what_cannot_work_is_refused_with_its_code() {
    let access = Access { tokens: vec![SecretText::trimmed("sesame")], ..Access::default() };
    let server = server_with(AgentWebSocketConfig { access, ..relaxed() }).await;
    let url = server.agent_websocket_url();
    let refused = builder(&url).connect().await;
    assert!(
        matches!(&refused, Err(AgentWebSocketError::Refused { status: 401, text }) if text == "Unauthorized"),
        "{refused:?}"
    );
    let client = builder(&url).bearer(SecretText::trimmed("sesame")).connect().await.unwrap();
    assert_eq!(code(client.query(" ").await), "AGENT_WS_EMPTY");
    assert_eq!(code(client.query("x".repeat(70_000)).await), "AGENT_WS_TOO_LONG");

    for url in ["http://127.0.0.1:1", "ws://user@127.0.0.1", "nonsense"] {
        assert_eq!(code(builder(url).start()), "AGENT_WS_CONFIG", "{url}");
    }
    let endless = ClientTimings { ping_every: Duration::ZERO, ..ClientTimings::default() };
    assert_eq!(code(builder(&url).timings(endless).start()), "AGENT_WS_CONFIG");

    let nobody = "ws://127.0.0.1:1/";
    assert_eq!(code(builder(nobody).connect().await), "AGENT_WS_CONNECT");
    let one = ClientTimings { max_waiting: 1, ..ClientTimings::default() };
    let waiting = builder(nobody).timings(one).start().unwrap();
    assert_eq!(code(waiting.command("ping").await), "AGENT_WS_NOT_CONNECTED");
    let mut first = waiting.query_stream("x", QueryOptions::default()).await.unwrap();
    assert_eq!(code(waiting.query("y").await), "AGENT_WS_TOO_MANY_WAITING");
    waiting.close().await;
    assert_eq!(code(first.next().await.unwrap()), "AGENT_WS_CLOSED");
}

/// A server of one connection after another that `serve` gives frames to.
async fn fake(frames: fn(Value) -> Vec<Value>, welcome: Option<Value>) -> (String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let mut task = JoinSet::new();
    task.spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let mut socket = accept_async(tcp).await.unwrap();
            if let Some(welcome) = &welcome {
                socket.send(Message::text(welcome.to_string())).await.unwrap();
            }
            'connection: while let Some(Ok(message)) = socket.next().await {
                let Message::Text(text) = message else { continue };
                for frame in frames(serde_json::from_str(&text).unwrap()) {
                    // Clients break off what is too long; the next connection follows.
                    if socket.send(Message::text(frame.to_string())).await.is_err() {
                        break 'connection;
                    }
                }
            }
        }
    });
    (url, task)
}

#[tokio::test]
async fn agent_ws_case_17_deployed_function_is_understood() {
    let welcome = json!({"type": "status", "content": "Connected to x WebSocket server",
        "sender": "x", "timestamp": 1_700_000_000_000_u64});
    let answers = |query: Value| {
        vec![
            json!({"type": "response", "content": format!("re: {}", query["content"].as_str().unwrap()),
            "sender": "x", "timestamp": 1_700_000_000_001_u64, "correlationId": query["id"]}),
        ]
    };
    let (url, _task) = fake(answers, Some(welcome)).await;
    let client = builder(url).connect().await.unwrap();
    assert_eq!(client.session().unwrap().dialect, Dialect::Deployed);
    let (a, b) = tokio::join!(client.query("a"), client.query("b"));
    assert_eq!((a.unwrap().content.as_str(), b.unwrap().content.as_str()), ("re: a", "re: b"));
}

#[tokio::test]
async fn documented_server_that_answers_without_ids_is_understood() {
    let welcome = json!({"type": "notification", "timestamp": "2023-01-01T00:00:00.000Z",
        "content": "Connected to Agent WebSocket. Session ID: 01234567-89ab-4def-8123-456789abcdef"});
    let answers = |query: Value| {
        let at = "2023-01-01T00:00:00.000Z";
        let content = query["content"].as_str().unwrap();
        let answer = if content == "bad" {
            json!({"type": "error", "content": "Failed to generate response: no", "timestamp": at})
        } else {
            json!({"type": "response", "content": content, "timestamp": at})
        };
        vec![json!({"type": "status", "content": "Thinking...", "timestamp": at}), answer]
    };
    let (url, _task) = fake(answers, Some(welcome)).await;
    let client = builder(url).connect().await.unwrap();
    assert_eq!(code(client.command("clear").await), "AGENT_WS_COMMANDS_UNKNOWN");
    let (a, b, c) = tokio::join!(client.query("a"), client.query("bad"), client.query("c"));
    assert_eq!((a.unwrap().content.as_str(), c.unwrap().content.as_str()), ("a", "c"));
    assert_eq!(code(b), "AGENT_WS_AGENT");
}

#[tokio::test]
async fn pages_of_html_redirects_and_busy_servers_are_told_apart() {
    for (answer, expected) in [
        (
            "HTTP/1.1 404 Not Found\r\ncontent-type: text/html\r\ncontent-length: 13\r\n\r\n<html></html>",
            "AGENT_WS_REFUSED",
        ),
        (
            "HTTP/1.1 302 Found\r\nlocation: ws://evil.example/\r\ncontent-length: 0\r\n\r\n",
            "AGENT_WS_REFUSED",
        ),
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi", "AGENT_WS_REFUSED"),
        ("HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n", "AGENT_WS_CONNECT"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/", listener.local_addr().unwrap());
        let mut task = JoinSet::new();
        task.spawn(async move {
            let (mut tcp, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let _ = tcp.read(&mut request).await;
            tcp.write_all(answer.as_bytes()).await.unwrap();
            let _ = tcp.read(&mut request).await;
        });
        let result = builder(url).connect().await;
        assert!(!format!("{result:?}").contains("html"), "{result:?}");
        assert_eq!(code(result), expected, "{answer}");
    }
}

#[tokio::test]
async fn oversized_answer_costs_the_connection_and_not_the_client() {
    let answers = |query: Value| match query["content"].as_str() {
        Some("flood") => vec![json!({"type": "response", "content": "x".repeat(2_000_000)})],
        _ => vec![json!({"type": "response", "content": "fine", "correlationId": query["id"]})],
    };
    let welcome = json!({"type": "status", "content": "hi", "timestamp": 1});
    let (url, _task) = fake(answers, Some(welcome)).await;
    let client = builder(url).timings(quick()).connect().await.unwrap();
    assert_eq!(code(client.query("flood").await), "AGENT_WS_CONNECTION_LOST");
    assert_eq!(client.query("and now?").await.unwrap().content, "fine");
}
