//! Who answers: the trait, its question, its errors.

use std::{fmt::Debug, time::Duration};

use tokio::sync::mpsc;

use crate::{client::platform::BoxFuture, error::errors};

/// Who said something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChatRole {
    /// The service itself.
    System,
    /// Whoever asks.
    User,
    /// The agent.
    Assistant,
}

impl ChatRole {
    /// As models are told.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// One thing that was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatMessage {
    /// By whom.
    pub role: ChatRole,
    /// What.
    pub content: String,
}

/// A conversation that wants an answer: the system's words first, the question last.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChatRequest {
    /// The conversation.
    pub messages: Vec<ChatMessage>,
}

impl ChatRequest {
    pub(super) const fn new(messages: Vec<ChatMessage>) -> Self {
        Self { messages }
    }

    /// What was asked last.
    pub fn question(&self) -> &str {
        self.messages.last().map(|message| message.content.as_str()).unwrap_or_default()
    }
}

/// Where a backend puts pieces of its answer, for clients that want to see them.
#[derive(Debug, Clone)]
pub struct Deltas(pub(super) mpsc::Sender<String>);

impl Deltas {
    /// Shows more text. Waits for a client that reads slowly.
    pub async fn send(&self, text: impl Into<String>) {
        // A session that has ended wants nothing any more; the call is dropped with it.
        let _ = self.0.send(text.into()).await;
    }
}

/// Answers. One future a question; dropping it must end the work, as it happens when a client leaves or cancels.
pub trait ChatBackend: Debug + Send + Sync {
    /// The whole answer. With `deltas`, its pieces as well, as they come.
    fn complete<'a>(
        &'a self,
        request: &'a ChatRequest,
        deltas: Option<&'a Deltas>,
    ) -> BoxFuture<'a, Result<String, ChatError>>;
}

errors! {
    /// Why a backend has no answer. The text goes to the client.
    pub enum ChatError {
        /// The service lacks what it needs to ask the model.
        #[error("{message}")]
        NotConfigured {
            /// What is missing.
            message: String,
        } = "CHAT_NOT_CONFIGURED", Internal, permanent;
        /// The model's service answered with an error.
        #[error("{provider} API error: HTTP {status}{}{message}", separator(.message))]
        Status {
            /// Whose service.
            provider: String,
            /// The HTTP status.
            status: u16,
            /// Its words, cut and scrubbed; empty where they could tell too much.
            message: String,
            /// When it wants to be asked again.
            retry_after_seconds: Option<u64>,
        } = "CHAT_STATUS", Network, retryable;
        /// The model's service answered with success, and an error within.
        #[error("{provider} API error: {message}")]
        Failed {
            /// Whose service.
            provider: String,
            /// Its words, cut and scrubbed.
            message: String,
        } = "CHAT_FAILED", Network, retryable;
        /// The model's service cannot be reached, or broke off.
        #[error("{provider} cannot be reached")]
        Unreachable {
            /// Whose service.
            provider: String,
        } = "CHAT_UNREACHABLE", Network, retryable;
        /// The model said nothing.
        #[error("empty completion")]
        Empty = "CHAT_EMPTY", Protocol, retryable;
        /// The answer is not what such services answer.
        #[error("{provider} answered with something else than a completion")]
        Unreadable {
            /// Whose service.
            provider: String,
        } = "CHAT_UNREADABLE", Protocol, permanent;
        /// The answer is longer than any sensible one.
        #[error("the completion exceeds {limit} bytes")]
        TooLong {
            /// The limit.
            limit: usize,
        } = "CHAT_TOO_LONG", Protocol, permanent;
        /// No answer in time.
        #[error("no answer within {} s", .after.as_secs())]
        Timeout {
            /// The deadline.
            after: Duration,
        } = "CHAT_TIMEOUT", Timeout, retryable;
    }
}

impl ChatError {
    /// What the client is told.
    pub fn for_client(&self) -> String {
        match self {
            // As deployed functions say it.
            Self::NotConfigured { message } => format!("Error: {message}"),
            other => format!("Failed to generate response: {other}"),
        }
    }

    /// When to ask again.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after_seconds: Some(seconds), .. } => {
                Some(Duration::from_secs(*seconds))
            }
            _ => None,
        }
    }
}

const fn separator(message: &str) -> &'static str {
    if message.is_empty() { "" } else { ": " }
}
