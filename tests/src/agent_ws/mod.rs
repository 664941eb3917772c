//! Agent WebSocket over real sockets: the client and the server with each other, and each with others that are faked
//! here. The cases that need no sockets are beside the state machines in the core. Numbers are those of
//! docs/conformance.md.

mod backend;
mod client;
mod codes;
mod guide;
pub(crate) mod provider;
mod server;
mod trace;

use std::{sync::Arc, time::Duration};

use agentmesh_core::{
    client::proxy::ProxyConfig,
    services::agent_ws::{
        AgentWebSocketBuilder, AgentWebSocketClient, SecretText,
        service::{AgentWebSocketConfig, ChatBackend, OpenAiBackend, OpenAiConfig},
    },
};
use agentmesh_server::{AgentWsConfig, Server, ServerConfig};
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};

/// Longer than anything here takes on a slow machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// What must never be seen anywhere.
pub(crate) const KEY: &str = "sk-or-v1-hush-hush-hush";

pub(crate) fn relaxed() -> AgentWebSocketConfig {
    AgentWebSocketConfig { rate: None, ..AgentWebSocketConfig::default() }
}

pub(crate) async fn server_with(service: AgentWebSocketConfig) -> Server {
    let agent_ws = AgentWsConfig { service: Arc::new(service), ..AgentWsConfig::default() };
    Server::start(ServerConfig { agent_ws, ..ServerConfig::for_development() }).await.unwrap()
}

pub(crate) async fn server_before(backend: Arc<dyn ChatBackend>) -> Server {
    let service = Arc::new(relaxed());
    let agent_ws = AgentWsConfig { service, backend, push_token: None };
    Server::start(ServerConfig { agent_ws, ..ServerConfig::for_development() }).await.unwrap()
}

pub(crate) fn model_config(base_url: &str) -> OpenAiConfig {
    let openrouter = OpenAiConfig::openrouter(Some(SecretText::trimmed(KEY)));
    OpenAiConfig { base_url: base_url.to_owned(), proxies: ProxyConfig::none(), ..openrouter }
}

pub(crate) fn model(base_url: &str) -> Arc<OpenAiBackend> {
    Arc::new(OpenAiBackend::new(model_config(base_url)).unwrap())
}

pub(crate) fn builder(url: impl Into<String>) -> AgentWebSocketBuilder {
    AgentWebSocketClient::builder(url).proxies(ProxyConfig::none())
}

/// A socket without any client around it.
pub(crate) struct Raw(pub(crate) WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Raw {
    pub(crate) async fn open(server: &Server) -> Self {
        Self(connect_async(server.agent_websocket_url()).await.unwrap().0)
    }

    /// Asks in vain.
    pub(crate) async fn refused(
        server: &Server,
        query: &str,
    ) -> tokio_tungstenite::tungstenite::Error {
        connect_async(format!("{}{query}", server.agent_websocket_url())).await.unwrap_err()
    }

    /// Past the welcome.
    pub(crate) async fn begun(server: &Server) -> Self {
        let mut raw = Self::open(server).await;
        assert_eq!(raw.next().await["type"], "notification");
        raw
    }

    pub(crate) async fn send(&mut self, text: impl Into<String>) {
        self.0.send(Message::text(text.into())).await.unwrap();
    }

    pub(crate) async fn query(&mut self, content: &str) {
        self.send(serde_json::json!({"type": "query", "content": content}).to_string()).await;
    }

    pub(crate) async fn message(&mut self) -> Message {
        loop {
            let message = timeout(PATIENCE, self.0.next()).await.unwrap().unwrap().unwrap();
            if !matches!(message, Message::Ping(_) | Message::Pong(_)) {
                return message;
            }
        }
    }

    pub(crate) async fn next(&mut self) -> Value {
        match self.message().await {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// The next frame that is no `Thinking...`.
    pub(crate) async fn answer(&mut self) -> Value {
        loop {
            let frame = self.next().await;
            if frame["type"] != "status" {
                return frame;
            }
        }
    }

    /// The close code and reason that come next.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        match self.message().await {
            Message::Close(Some(frame)) => (frame.code.into(), frame.reason.to_string()),
            other => panic!("{other:?}"),
        }
    }
}

/// Waits until no session is left.
pub(crate) async fn until_empty(server: &Server) {
    let url = format!("{}/health", server.url());
    let empty = async {
        loop {
            let health: Value = reqwest::get(&url).await.unwrap().json().await.unwrap();
            if health["agent_websocket"]["sessions"] == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, empty).await.unwrap();
}
