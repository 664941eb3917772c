//! Questions and answers with one agent over a plain WebSocket: the asking side.

use std::{sync::Arc, time::Duration};

use agentmesh_facade::{AgentWebSocketClient, AgentWebSocketSettings, from_json};

use super::secret;
use crate::{
    NativeError, NativeItems,
    calls::{call, run},
};

/// A conversation with an agent. It is broken off when the last reference is dropped.
#[derive(uniffi::Object)]
pub struct NativeAgentWebSocketClient(AgentWebSocketClient);

/// Connects. With `wait`, returns when there is a session, or with why there is none; without, at once, and tries on. Settings
/// are the facade's `AgentWebSocketSettings`.
///
/// # Errors
/// `AGENT_WS_CONFIG` and, with `wait`, whatever the first attempt failed with.
#[uniffi::export]
pub async fn connect_agent_web_socket(
    settings: String,
    bearer: Option<String>,
    wait: bool,
) -> Result<Arc<NativeAgentWebSocketClient>, NativeError> {
    let settings: AgentWebSocketSettings = run(|| from_json(&settings))?;
    call(async move {
        let client = AgentWebSocketClient::connect(settings, secret(bearer), wait).await?;
        Ok(Arc::new(NativeAgentWebSocketClient(client)))
    })
    .await
}

#[uniffi::export]
impl NativeAgentWebSocketClient {
    /// Asks, and waits for the answer: a message.
    pub async fn query(
        &self,
        content: String,
        deadline_ms: Option<u64>,
    ) -> Result<String, NativeError> {
        let client = self.0.clone();
        let deadline = deadline_ms.map(Duration::from_millis);
        call(async move { Ok(client.query(content, deadline).await?.to_string()) }).await
    }

    /// Asks; the answer comes piece by piece (`delta`), and whole at the end (`answer`).
    pub async fn query_stream(
        &self,
        content: String,
        deadline_ms: Option<u64>,
    ) -> Result<Arc<NativeItems>, NativeError> {
        let client = self.0.clone();
        let deadline = deadline_ms.map(Duration::from_millis);
        call(async move { Ok(NativeItems::new(client.query_stream(content, deadline).await?)) })
            .await
    }

    /// Sends a command, ahead of queries that wait.
    pub async fn command(&self, command: String) -> Result<(), NativeError> {
        let client = self.0.clone();
        call(async move { client.command(command).await }).await
    }

    /// Sends what a person thinks of an answer, with JSON that belongs to it.
    pub async fn human_feedback(
        &self,
        content: String,
        metadata: Option<String>,
    ) -> Result<(), NativeError> {
        let client = self.0.clone();
        call(async move { client.human_feedback(content, metadata.as_deref()).await }).await
    }

    /// What happens besides answers. The first to ask gets everything since the start.
    pub fn events(&self) -> Result<Arc<NativeItems>, NativeError> {
        run(|| Ok(NativeItems::new(self.0.events()?)))
    }

    /// The session, if there is one now.
    pub fn session(&self) -> Result<Option<String>, NativeError> {
        run(|| Ok(self.0.session()?.map(|session| session.to_string())))
    }

    /// Gives up what waits and takes leave. Again is fine.
    pub async fn close(&self) -> Result<(), NativeError> {
        let client = self.0.clone();
        call(async move { client.close().await }).await
    }
}
