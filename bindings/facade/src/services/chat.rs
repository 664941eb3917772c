//! An agent that is written in another language: a queue of conversations that want an answer.
//!
//! A call that is dropped without an answer fails; so do all later ones once the queue is dropped. When nobody waits for the
//! answer any more (the client left, sent `cancel`, or the time is up), [`ChatCall::gone`] says so.

use std::{
    future::Future,
    sync::{Arc, Mutex, PoisonError},
};

use agentmesh_core::{
    client::platform::BoxFuture,
    services::agent_ws::service::{ChatBackend, ChatError, ChatMessage, ChatRequest, Deltas},
};
use serde::Serialize;
use tokio::sync::{Mutex as AsyncMutex, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::{FacadeError, owned::Owned};

/// Calls that wait for an application that does not read them, at most; beyond, clients wait.
const CALLS: usize = 64;
/// Bytes of an application's own words in an error.
const MAX_WORDS: usize = 500;

/// One thing that was said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Said {
    /// `system`, `user` or `assistant`.
    pub role: &'static str,
    /// What.
    pub content: String,
}

type Reply = oneshot::Sender<Result<String, ChatError>>;

/// A conversation that wants an answer.
pub struct ChatCall {
    /// The system's words first, the question last.
    pub messages: Vec<Said>,
    /// Whether the client wants to see the answer as it comes.
    pub wants_deltas: bool,
    deltas: Option<Deltas>,
    reply: Mutex<Option<Reply>>,
    gone: CancellationToken,
}

/// What people ask is not for logs.
impl std::fmt::Debug for ChatCall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChatCall").field("messages", &self.messages.len()).finish_non_exhaustive()
    }
}

impl ChatCall {
    /// Shows more of the answer, if the client wants to see it as it comes. Waits for one that reads slowly.
    ///
    /// # Errors
    /// `BINDING_USED` once nobody waits for the answer any more.
    pub async fn delta(&self, text: String) -> Result<(), FacadeError> {
        let Some(deltas) = &self.deltas else { return Ok(()) };
        tokio::select! {
            biased;
            () = self.gone.cancelled() => Err(FacadeError::used("the question")),
            () = deltas.send(text) => Ok(()),
        }
    }

    /// The whole answer. Again is an error.
    ///
    /// # Errors
    /// `BINDING_USED`
    pub fn answer(&self, text: String) -> Result<(), FacadeError> {
        self.end(Ok(text))
    }

    /// There is no answer; the client is told `message`.
    ///
    /// # Errors
    /// `BINDING_USED`
    pub fn fail(&self, message: &str) -> Result<(), FacadeError> {
        let message = message.chars().take(MAX_WORDS).collect();
        self.end(Err(ChatError::Failed { provider: "Agent".to_owned(), message }))
    }

    fn end(&self, outcome: Result<String, ChatError>) -> Result<(), FacadeError> {
        let reply = self.reply.lock().unwrap_or_else(PoisonError::into_inner).take();
        let sent = reply.map(|reply| reply.send(outcome).is_ok());
        if sent == Some(true) { Ok(()) } else { Err(FacadeError::used("the question")) }
    }

    /// Waits until nobody waits for the answer any more, or it was given.
    pub fn gone(&self) -> impl Future<Output = ()> + Send + 'static {
        self.gone.clone().cancelled_owned()
    }
}

/// Calls for an application.
#[derive(Debug)]
pub struct ChatCalls(Owned<AsyncMutex<mpsc::Receiver<ChatCall>>>);

impl ChatCalls {
    /// The next call, `None` once the service is gone. Safe to cancel.
    ///
    /// # Errors
    /// `BINDING_FORKED`
    pub async fn next(&self) -> Result<Option<ChatCall>, FacadeError> {
        Ok(self.0.get()?.lock().await.recv().await)
    }
}

/// The service's end.
#[derive(Debug)]
pub(super) struct ForeignChat(mpsc::Sender<ChatCall>);

pub(super) fn foreign_chat() -> (Arc<ForeignChat>, ChatCalls) {
    let (sender, receiver) = mpsc::channel(CALLS);
    (Arc::new(ForeignChat(sender)), ChatCalls(Owned::new(AsyncMutex::new(receiver))))
}

impl ChatBackend for ForeignChat {
    fn complete<'a>(
        &'a self,
        request: &'a ChatRequest,
        deltas: Option<&'a Deltas>,
    ) -> BoxFuture<'a, Result<String, ChatError>> {
        Box::pin(async move {
            let gone = CancellationToken::new();
            // Dropped with this future, whatever ends it.
            let _tells = gone.clone().drop_guard();
            let (reply, answer) = oneshot::channel();
            let said = |message: &ChatMessage| Said {
                role: message.role.as_str(),
                content: message.content.clone(),
            };
            let call = ChatCall {
                messages: request.messages.iter().map(said).collect(),
                wants_deltas: deltas.is_some(),
                deltas: deltas.cloned(),
                reply: Mutex::new(Some(reply)),
                gone,
            };
            let no_answer = || ChatError::Failed {
                provider: "Agent".to_owned(),
                message: "gave no answer".to_owned(),
            };
            self.0.send(call).await.map_err(|_| no_answer())?;
            answer.await.unwrap_or_else(|_| Err(no_answer()))
        })
    }
}
