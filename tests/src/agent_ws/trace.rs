//! What is logged at trace level, by client, server, backend and the libraries below them.

use std::sync::Arc;

use super::{
    KEY, Raw, builder, model,
    provider::{Answer, Provider},
};
use crate::log::Log;
use agentmesh_core::services::agent_ws::{
    SecretText,
    service::{Access, AgentWebSocketConfig},
};
use agentmesh_server::{AgentWsConfig, Server, ServerConfig};
use serde_json::json;

/// One thread runs everything here, so that its subscriber sees everything.
#[tokio::test]
async fn agent_ws_case_25_no_key_token_or_content_is_logged() {
    let log = Log::default();
    let guard = log.everything();
    let refusal = Answer::json(401, &json!({"error": {"message": format!("bad key {KEY}")}}));
    let provider = Provider::start([Answer::text("a secret answer"), refusal]).await;
    let access = Access { tokens: vec![SecretText::trimmed("open-sesame")], ..Access::default() };
    let agent_ws = AgentWsConfig {
        service: Arc::new(AgentWebSocketConfig { access, ..AgentWebSocketConfig::default() }),
        backend: model(&provider.url),
        push_token: Some(Arc::new(SecretText::trimmed("push-sesame"))),
    };
    let config = ServerConfig { agent_ws, ..ServerConfig::for_development() };
    let shown = format!("{config:?}");
    let server = Server::start(config).await.unwrap();
    let url = server.agent_websocket_url();
    let client = builder(url).bearer(SecretText::trimmed("open-sesame")).connect().await.unwrap();
    client.query("a secret question").await.unwrap();
    client.query("another").await.unwrap_err();
    client.close().await;
    drop(Raw::refused(&server, "?token=open-sesame").await);
    server.shutdown().await;
    drop(guard);
    let text = log.text() + &shown;
    assert!(text.contains("agent WebSocket: session begins"), "it was listened to");
    for secret in [KEY, "hush", "open-sesame", "push-sesame"] {
        assert!(!text.contains(secret), "{secret} is in the log");
    }
    // Libraries below show frames at trace level; ours say nothing of content.
    let ours = text.lines().filter(|line| line.contains(" agentmesh"));
    assert!(!ours.clone().any(|line| line.contains("a secret")), "content is in the log");
    assert!(ours.count() > 0);
}
