//! Questions and answers with one agent over a plain WebSocket: the asking side.

use std::{fmt, sync::Arc, time::Duration};

use agentmesh_core::services::agent_ws::{
    AgentWebSocketClient as CoreClient, AgentWebSocketEvent, ClientTimings, Dialect, Message, Part,
    QueryOptions, SecretText, SessionInfo,
};
use futures_util::StreamExt;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Item, ItemStream, millis};
use crate::{FacadeError, owned::Owned};

/// How to reach an agent, without the token.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AgentWebSocketSettings {
    /// `ws` or `wss`.
    pub url: String,
    /// For a connection, TLS and the upgrade.
    pub open_timeout_ms: Option<u64>,
    /// For a welcome; without one the server is used all the same.
    pub welcome_timeout_ms: Option<u64>,
    /// For the answer to a query.
    pub query_timeout_ms: Option<u64>,
    /// Before the first attempt to connect again.
    pub pause_ms: Option<u64>,
    /// Queries that wait or are under way, at most.
    pub max_waiting: Option<usize>,
    /// Connects again even after the server closed for inactivity.
    pub reconnect_on_timeout: bool,
    /// So many questions and answers are told to a new session.
    pub replay_context: usize,
}

/// A conversation with an agent. A clone shares it; it is broken off when the last one is dropped.
#[derive(Clone)]
pub struct AgentWebSocketClient(Arc<Owned<CoreClient>>);

impl fmt::Debug for AgentWebSocketClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentWebSocketClient").finish_non_exhaustive()
    }
}

impl AgentWebSocketClient {
    /// Connects. With `wait`, returns when there is a session, or with why there is none; without, at once, and tries on.
    ///
    /// # Errors
    /// `AGENT_WS_CONFIG` and, with `wait`, whatever the first attempt failed with.
    pub async fn connect(
        settings: AgentWebSocketSettings,
        bearer: Option<SecretText>,
        wait: bool,
    ) -> Result<Self, FacadeError> {
        let timings = settings.timings();
        let mut builder = CoreClient::builder(settings.url).timings(timings);
        if let Some(token) = bearer {
            builder = builder.bearer(token);
        }
        let client = if wait { builder.connect().await? } else { builder.start()? };
        Ok(Self(Arc::new(Owned::new(client))))
    }

    /// Asks, and waits for the answer: a message.
    ///
    /// # Errors
    /// As the core's `AgentWebSocketClient::query`.
    pub async fn query(
        &self,
        content: String,
        deadline: Option<Duration>,
    ) -> Result<Value, FacadeError> {
        let answer = self.0.get()?.query_with(content, QueryOptions { deadline }).await?;
        Ok(message_value(&answer))
    }

    /// Asks; the answer comes piece by piece (`delta`), and whole at the end (`answer`).
    ///
    /// # Errors
    /// `AGENT_WS_CLOSED`; everything else comes out of the stream.
    pub async fn query_stream(
        &self,
        content: String,
        deadline: Option<Duration>,
    ) -> Result<ItemStream, FacadeError> {
        let parts = self.0.get()?.query_stream(content, QueryOptions { deadline }).await?;
        Ok(ItemStream::new(parts.map(|part| {
            Ok(match part? {
                Part::Delta(message) => Item::new("delta", message_value(&message)),
                Part::Answer(message) => Item::new("answer", message_value(&message)),
            })
        })))
    }

    /// Sends a command, ahead of queries that wait.
    ///
    /// # Errors
    /// `AGENT_WS_COMMANDS_UNKNOWN`, `AGENT_WS_NOT_CONNECTED`
    pub async fn command(&self, command: String) -> Result<(), FacadeError> {
        Ok(self.0.get()?.command(command).await?)
    }

    /// Sends what a person thinks of an answer, with JSON that belongs to it.
    ///
    /// # Errors
    /// As [`command`](Self::command).
    pub async fn human_feedback(
        &self,
        content: String,
        metadata: Option<&str>,
    ) -> Result<(), FacadeError> {
        let metadata = metadata.map(serde_json::from_str).transpose()?;
        Ok(self.0.get()?.human_feedback(content, metadata).await?)
    }

    /// What happens besides answers. The first to ask gets everything since the start.
    ///
    /// # Errors
    /// `BINDING_FORKED`, as every method below.
    pub fn events(&self) -> Result<ItemStream, FacadeError> {
        Ok(ItemStream::events(self.0.get()?.events(), item))
    }

    /// The session, if there is one now.
    ///
    /// # Errors
    /// `BINDING_FORKED`
    pub fn session(&self) -> Result<Option<Value>, FacadeError> {
        Ok(self.0.get()?.session().map(|session| session_value(&session)))
    }

    /// Gives up what waits and takes leave, in at most three seconds. Again is fine.
    ///
    /// # Errors
    /// `BINDING_FORKED`
    pub async fn close(&self) -> Result<(), FacadeError> {
        self.0.get()?.close().await;
        Ok(())
    }
}

impl AgentWebSocketSettings {
    fn timings(&self) -> ClientTimings {
        let default = ClientTimings::default();
        let or = |ms: Option<u64>, default| ms.map_or(default, Duration::from_millis);
        let pause = or(self.pause_ms, default.pause);
        ClientTimings {
            open: or(self.open_timeout_ms, default.open),
            welcome: or(self.welcome_timeout_ms, default.welcome),
            query: or(self.query_timeout_ms, default.query),
            pause,
            longest_pause: default.longest_pause.max(pause),
            max_waiting: self.max_waiting.unwrap_or(default.max_waiting),
            reconnect_on_timeout: self.reconnect_on_timeout,
            replay_context: self.replay_context,
            ..default
        }
    }
}

fn message_value(message: &Message) -> Value {
    json!({
        "kind": message.kind.as_str(),
        "content": message.content,
        "timestamp_ms": message.timestamp.as_millis(),
        "sender": message.sender,
        "correlation_id": message.correlation_id,
        "session_id": message.session_id,
        "retry_after_ms": message.retry_after.map(millis),
        "index": message.index,
    })
}

fn session_value(session: &SessionInfo) -> Value {
    let dialect = match session.dialect {
        Dialect::Documented => "documented",
        Dialect::Deployed => "deployed",
        _ => "unknown",
    };
    json!({
        "dialect": dialect,
        "session_id": session.session_id,
        "agent": session.agent,
        "correlates": session.correlates,
    })
}

fn item(event: AgentWebSocketEvent) -> Item {
    use AgentWebSocketEvent as E;
    let said = |kind, message: &Message| Item::new(kind, message_value(message));
    match event {
        E::Connected(session) => Item::new("connected", session_value(&session)),
        E::NewSession(session) => Item::new("new_session", session_value(&session)),
        E::Status(message) => said("status", &message),
        E::Notification(message) => said("notification", &message),
        E::Unmatched(message) => said("unmatched", &message),
        E::Other(message) => said("other", &message),
        E::Unreadable { reason } => Item::new("unreadable", json!({"reason": reason})),
        E::Disconnected { error, retry_in } => Item::new(
            "disconnected",
            json!({"error": FacadeError::from(error).to_value(), "retry_in_ms": millis(retry_in)}),
        ),
        E::Closed { error } => {
            Item::new("closed", json!({"error": FacadeError::from(error).to_value()}))
        }
        E::Lagged { missed } => Item::new("lagged", json!({"missed": missed})),
        _ => Item::new("unknown", json!({})),
    }
}
