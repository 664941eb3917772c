//! The endpoint, as any WebSocket client sees it.

use std::sync::Arc;

use agentmesh_core::{
    Timestamp,
    services::agent_ws::{
        SecretText,
        service::{Access, AgentWebSocketConfig, OpenAiBackend, OpenAiConfig},
    },
};
use agentmesh_server::{AgentWsConfig, Server, ServerConfig};
use bytes::Bytes;
use futures_util::SinkExt;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Message, client::IntoClientRequest},
};

use super::{Raw, relaxed, server_before, server_with, until_empty};

fn http_url(server: &Server) -> String {
    server.agent_websocket_url().replace("ws://", "http://")
}

/// Opens with more headers; the refusal's status if it is refused.
async fn open_with(
    server: &Server,
    query: &str,
    headers: &[(&'static str, &str)],
) -> Result<Option<String>, u16> {
    let url = format!("{}{query}", server.agent_websocket_url());
    let mut request = url.into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    match connect_async(request).await {
        Ok((_, response)) => {
            let chosen = response.headers().get("sec-websocket-protocol");
            Ok(chosen.map(|value| value.to_str().unwrap().to_owned()))
        }
        Err(tokio_tungstenite::tungstenite::Error::Http(response)) => {
            Err(response.status().as_u16())
        }
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn agent_ws_case_01_request_without_upgrade_is_refused() {
    let server = server_with(relaxed()).await;
    let response = reqwest::get(http_url(&server)).await.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert_eq!(response.text().await.unwrap(), "Expected WebSocket request");
    let client = reqwest::Client::builder().build().unwrap();
    let response = client.post(http_url(&server)).body("x").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(response.headers()["allow"], "GET");
}

#[tokio::test]
async fn agent_ws_case_02_and_04_welcome_thinking_answer() {
    let server = server_with(relaxed()).await;
    let mut raw = Raw::open(&server).await;
    let welcome = raw.next().await;
    let id = welcome["content"].as_str().unwrap();
    let id = id.strip_prefix("Connected to Agent WebSocket. Session ID: ").unwrap();
    assert!(
        id.len() == 36
            && id.chars().all(|c| c == '-' || c.is_ascii_hexdigit() && !c.is_ascii_uppercase())
    );
    raw.query("hi").await;
    for (kind, content) in [("status", "Thinking..."), ("response", "hi")] {
        let frame = raw.next().await;
        assert_eq!((&frame["type"], &frame["content"]), (&json!(kind), &json!(content)));
        assert!(Timestamp::parse_rfc3339(frame["timestamp"].as_str().unwrap()).is_some());
    }
    raw.0.close(None).await.unwrap();
    until_empty(&server).await;
}

#[tokio::test]
async fn agent_ws_case_03_connections_know_nothing_of_each_other() {
    let server = server_with(relaxed()).await;
    let (mut a, mut b) = (Raw::open(&server).await, Raw::open(&server).await);
    assert_ne!(a.next().await["sessionId"], b.next().await["sessionId"]);
    a.query("mine").await;
    assert_eq!(a.answer().await["content"], "mine");
    for (raw, count) in [(&mut a, 2), (&mut b, 0)] {
        raw.send(json!({"type": "command", "content": "history"}).to_string()).await;
        assert_eq!(raw.next().await["content"], format!("{{\"count\":{count}}}"));
    }
}

#[tokio::test]
async fn upgrade_may_be_spelled_as_it_likes() {
    let server = server_with(relaxed()).await;
    let mut tcp = TcpStream::connect(server.addr()).await.unwrap();
    let request = "GET /functions/v1/agent_websocket HTTP/1.1\r\nHost: x\r\nUpgrade: WebSocket\r\n\
                   connection: keep-alive, UPGRADE\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                   Sec-WebSocket-Version: 13\r\n\r\n";
    tcp.write_all(request.as_bytes()).await.unwrap();
    let mut head = [0; 12];
    tcp.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 101");
}

#[tokio::test]
async fn agent_ws_case_23_oversized_frames_end_only_their_own_session() {
    let server = server_with(relaxed()).await;
    let (mut bad, mut good) = (Raw::begun(&server).await, Raw::begun(&server).await);
    bad.send("x".repeat(70 * 1024)).await;
    assert_eq!(bad.next().await["content"], "Message too large");
    assert_eq!(bad.closed().await.0, 1009);
    good.query("and I?").await;
    assert_eq!(good.answer().await["content"], "and I?");

    // Fragments without an end.
    let mut tcp = Raw::begun(&server).await;
    let io = tcp.0.get_mut();
    let mut frame = vec![0x01, 0x80 | 126, 0x40, 0x00, 0, 0, 0, 0];
    frame.resize(8 + 0x4000, b'x');
    for _ in 0..5 {
        io.write_all(&frame).await.unwrap();
        frame[0] = 0x00;
    }
    io.flush().await.unwrap();
    assert_eq!(tcp.next().await["content"], "Message too large");
    assert_eq!(tcp.closed().await.0, 1009);
}

#[tokio::test]
async fn binary_frames_are_answered_and_broken_text_ends_the_connection() {
    let server = server_with(relaxed()).await;
    let mut raw = Raw::begun(&server).await;
    raw.0.send(Message::Binary(Bytes::from_static(b"{}"))).await.unwrap();
    assert_eq!(raw.next().await["content"], "Binary messages are not supported");
    // A text frame of two bytes that are no UTF-8.
    raw.0.get_mut().write_all(&[0x81, 0x82, 0, 0, 0, 0, 0xff, 0xfe]).await.unwrap();
    raw.0.get_mut().flush().await.unwrap();
    assert_eq!(raw.closed().await.0, 1007);
}

#[tokio::test]
async fn flood_is_ended_with_1008() {
    let server = server_with(AgentWebSocketConfig::default()).await;
    let mut raw = Raw::begun(&server).await;
    for _ in 0..15 {
        raw.send(json!({"type": "command", "content": "ping"}).to_string()).await;
    }
    for n in 0..15 {
        let content = if n < 10 { "pong" } else { "Rate limit exceeded" };
        assert_eq!(raw.next().await["content"], content, "{n}");
    }
    assert_eq!(raw.closed().await.0, 1008);
}

#[tokio::test]
async fn tokens_are_taken_from_header_subprotocol_and_where_allowed_the_query() {
    let access = |token_in_query| AgentWebSocketConfig {
        access: Access {
            tokens: vec![SecretText::trimmed("sesame")],
            token_in_query,
            origins: vec!["https://page.example".into()],
        },
        ..relaxed()
    };
    let server = server_with(access(false)).await;
    let bearer = ("authorization", "Bearer sesame");
    assert_eq!(open_with(&server, "", &[]).await, Err(401));
    assert_eq!(open_with(&server, "", &[("authorization", "Bearer wrong")]).await, Err(401));
    assert_eq!(open_with(&server, "?token=sesame", &[]).await, Err(401));
    assert_eq!(open_with(&server, "", &[bearer]).await, Ok(None));
    let protocol = ("sec-websocket-protocol", "bearer.sesame");
    assert_eq!(open_with(&server, "", &[protocol]).await, Ok(Some("bearer.sesame".into())));
    assert_eq!(
        open_with(&server, "", &[bearer, ("origin", "https://evil.example")]).await,
        Err(403)
    );
    assert_eq!(
        open_with(&server, "", &[bearer, ("origin", "https://page.example")]).await,
        Ok(None)
    );
    let server = server_with(access(true)).await;
    assert_eq!(open_with(&server, "?token=sesame", &[]).await, Ok(None));
    assert_eq!(open_with(&server, "?token=wrong", &[]).await, Err(401));
    // Whoever needs no token may have one all the same.
    let server = server_with(relaxed()).await;
    assert_eq!(open_with(&server, "", &[protocol]).await, Ok(Some("bearer.sesame".into())));
    assert_eq!(open_with(&server, "", &[bearer]).await, Ok(None));
}

#[tokio::test]
async fn sessions_are_counted_in_all_and_by_address() {
    for config in [
        AgentWebSocketConfig { max_sessions: 1, ..relaxed() },
        AgentWebSocketConfig { max_sessions_per_ip: 1, ..relaxed() },
    ] {
        let server = server_with(config).await;
        let raw = Raw::begun(&server).await;
        assert_eq!(open_with(&server, "", &[]).await, Err(503));
        drop(raw);
        until_empty(&server).await;
        assert_eq!(open_with(&server, "", &[]).await, Ok(None));
    }
}

#[tokio::test]
async fn without_a_key_every_query_is_answered_with_the_reason() {
    let backend = OpenAiBackend::new(OpenAiConfig::openrouter(None)).unwrap();
    let server = server_before(Arc::new(backend)).await;
    let mut raw = Raw::begun(&server).await;
    for _ in 0..2 {
        raw.query("x").await;
        assert_eq!(
            raw.answer().await["content"],
            "Error: OpenRouter API key is not configured. Please set the OPENROUTER_API_KEY environment variable."
        );
    }
}

#[tokio::test]
async fn notifications_are_pushed_by_who_has_the_token() {
    let push_token = Some(Arc::new(SecretText::trimmed("push")));
    let agent_ws = AgentWsConfig { push_token, ..AgentWsConfig::default() };
    let server =
        Server::start(ServerConfig { agent_ws, ..ServerConfig::for_development() }).await.unwrap();
    let mut raw = Raw::open(&server).await;
    let id = raw.next().await["sessionId"].as_str().unwrap().to_owned();
    let client = reqwest::Client::builder().build().unwrap();
    let push = |token: &'static str, body: String| {
        let url = format!("{}/functions/v1/notify_websocket", server.url());
        let request = client.post(url).bearer_auth(token).body(body);
        async move {
            let response = request.send().await.unwrap();
            (response.status().as_u16(), response.json::<Value>().await.unwrap())
        }
    };
    let body = |id: &str| json!({"sessionId": id, "message": "news"}).to_string();
    assert_eq!(push("wrong", body(&id)).await.0, 401);
    assert_eq!(push("push", "{".into()).await.0, 400);
    assert_eq!(push("push", "x".repeat(70_000)).await.0, 413);
    assert_eq!(push("push", body("nobody")).await, (404, json!({"error": "Session not found"})));
    assert_eq!(push("push", body(&id)).await, (200, json!({"success": true})));
    let frame = raw.next().await;
    assert_eq!((&frame["type"], &frame["content"]), (&json!("notification"), &json!("news")));

    let server = server_with(relaxed()).await;
    let url = format!("{}/functions/v1/notify_websocket", server.url());
    assert_eq!(client.post(url).send().await.unwrap().status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn shutdown_is_announced() {
    let server = server_with(relaxed()).await;
    let mut raw = Raw::begun(&server).await;
    let told = async {
        assert_eq!(raw.next().await["content"], "Server shutting down");
        assert_eq!(raw.closed().await.0, 1001);
        drop(raw);
    };
    tokio::join!(server.shutdown(), told);
}

#[tokio::test]
async fn client_that_does_not_read_holds_up_nobody_else() {
    let server = server_with(relaxed()).await;
    let mut slow = Raw::begun(&server).await;
    let big = json!({"type": "query", "content": "x".repeat(60_000)}).to_string();
    // Far more than the sockets hold; what cannot be sent any more is the sender's problem.
    let mut flooding = JoinSet::new();
    flooding.spawn(async move {
        for _ in 0..400 {
            if slow.0.send(Message::text(big.clone())).await.is_err() {
                return;
            }
        }
    });
    let mut good = Raw::begun(&server).await;
    for n in 0..20 {
        good.query(&n.to_string()).await;
        assert_eq!(good.answer().await["content"], n.to_string());
    }
    drop(good);
    // The slow one loses its session within the ten seconds that a write may take.
    until_empty(&server).await;
}
