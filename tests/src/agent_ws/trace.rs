//! What is logged at trace level, by client, server, backend and the libraries below them.

use std::{
    io,
    sync::{Arc, Mutex},
};

use super::{
    KEY, Raw, builder, model,
    provider::{Answer, Provider},
};
use agentmesh_core::services::agent_ws::{
    Credential,
    service::{Access, AgentWebSocketConfig},
};
use agentmesh_server::{AgentWsConfig, Server, ServerConfig};
use serde_json::json;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One thread runs everything here, so that its subscriber sees everything.
#[tokio::test]
async fn agent_ws_case_25_no_key_token_or_content_is_logged() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let refusal = Answer::json(401, &json!({"error": {"message": format!("bad key {KEY}")}}));
    let provider = Provider::start([Answer::text("a secret answer"), refusal]).await;
    let access = Access { tokens: vec![Credential::new("open-sesame")], ..Access::default() };
    let agent_ws = AgentWsConfig {
        service: Arc::new(AgentWebSocketConfig { access, ..AgentWebSocketConfig::default() }),
        backend: model(&provider.url),
        push_token: Some(Arc::new(Credential::new("push-sesame"))),
    };
    let config = ServerConfig { agent_ws, ..ServerConfig::for_development() };
    let shown = format!("{config:?}");
    let server = Server::start(config).await.unwrap();
    let url = server.agent_websocket_url();
    let client = builder(url).bearer(Credential::new("open-sesame")).connect().await.unwrap();
    client.query("a secret question").await.unwrap();
    client.query("another").await.unwrap_err();
    client.close().await;
    drop(Raw::refused(&server, "?token=open-sesame").await);
    server.shutdown().await;
    drop(guard);
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap() + &shown;
    assert!(text.contains("agent WebSocket: session begins"), "it was listened to");
    for secret in [KEY, "hush", "open-sesame", "push-sesame"] {
        assert!(!text.contains(secret), "{secret} is in the log");
    }
    // Libraries below show frames at trace level; ours say nothing of content.
    let ours = text.lines().filter(|line| line.contains(" agentmesh"));
    assert!(!ours.clone().any(|line| line.contains("a secret")), "content is in the log");
    assert!(ours.count() > 0);
}
