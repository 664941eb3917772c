//! The answering side of agent WebSockets: a listener in this process, and a queue of questions for the application.

use std::sync::Arc;

use agentmesh_facade::{
    AgentWebSocketService, ChatCall, ChatCalls, SecretText, ServiceSettings, from_json,
};

use crate::{
    NativeError,
    calls::{call, json, run},
};

/// A service that listens. It ends when it is shut down or the last reference is dropped.
#[derive(uniffi::Object)]
pub struct NativeAgentWebSocketService {
    service: AgentWebSocketService,
    calls: Arc<ChatCalls>,
}

/// Listens. Settings are the facade's `ServiceSettings`.
///
/// # Errors
/// `AGENT_WS_CONFIG`; `BINDING_SERVER` if the address cannot be listened on.
#[uniffi::export]
pub async fn start_agent_web_socket_service(
    settings: String,
    tokens: Vec<String>,
) -> Result<Arc<NativeAgentWebSocketService>, NativeError> {
    let settings: ServiceSettings = run(|| from_json(&settings))?;
    let tokens = tokens.into_iter().map(SecretText::new).collect();
    call(async move {
        let (service, calls) = AgentWebSocketService::start(settings, tokens).await?;
        Ok(Arc::new(NativeAgentWebSocketService { service, calls: Arc::new(calls) }))
    })
    .await
}

#[uniffi::export]
impl NativeAgentWebSocketService {
    /// What clients take as the agent's URL, on this machine.
    pub fn url(&self) -> String {
        self.service.url().to_owned()
    }

    /// The next conversation that wants an answer, nothing once the service is gone. Safe to cancel.
    pub async fn next(&self) -> Result<Option<Arc<NativeChatCall>>, NativeError> {
        let calls = Arc::clone(&self.calls);
        call(async move {
            Ok(calls.next().await?.map(|call| Arc::new(NativeChatCall(Arc::new(call)))))
        })
        .await
    }

    /// Shows a notification to the client of a session.
    pub fn notify(&self, session: String, message: String) -> Result<(), NativeError> {
        run(|| self.service.notify(&session, message))
    }

    /// What it has done so far: an object of numbers.
    pub fn stats(&self) -> Result<String, NativeError> {
        run(|| Ok(self.service.stats()?.to_string()))
    }

    /// Admits nobody any more, and waits for the end of every session. Again is fine.
    pub async fn shutdown(&self) -> Result<(), NativeError> {
        let service = self.service.clone();
        call(async move { service.shutdown().await }).await
    }
}

/// A conversation that wants an answer. Dropped without, its client is told that there is none.
#[derive(uniffi::Object)]
pub struct NativeChatCall(Arc<ChatCall>);

#[uniffi::export]
impl NativeChatCall {
    /// The system's words first, the question last: a JSON array of objects with `role` and `content`.
    pub fn messages(&self) -> Result<String, NativeError> {
        run(|| json(&self.0.messages))
    }

    /// Whether the client wants to see the answer as it comes.
    pub fn wants_deltas(&self) -> bool {
        self.0.wants_deltas
    }

    /// Shows more of the answer.
    pub async fn delta(&self, text: String) -> Result<(), NativeError> {
        let chat = Arc::clone(&self.0);
        call(async move { chat.delta(text).await }).await
    }

    /// The whole answer. Again is an error.
    pub fn answer(&self, text: String) -> Result<(), NativeError> {
        run(|| self.0.answer(text))
    }

    /// There is no answer.
    pub fn fail(&self, message: String) -> Result<(), NativeError> {
        run(|| self.0.fail(&message))
    }

    /// Waits until nobody waits for the answer any more, or it was given.
    pub async fn gone(&self) -> Result<(), NativeError> {
        let gone = self.0.gone();
        call(async move {
            gone.await;
            Ok(())
        })
        .await
    }
}
