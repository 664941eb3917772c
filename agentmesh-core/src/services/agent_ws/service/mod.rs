//! The side that is asked: sessions over WebSockets, in front of whatever answers ([`ChatBackend`]).
//!
//! `admission` decides who gets in, `session` is one conversation as a state machine in virtual time, `connection` gives
//! it a socket, and a backend answers: [`EchoBackend`] offline, [`OpenAiBackend`] at OpenRouter or whatever has the same
//! interface. Knows no HTTP server: hand it a socket that was upgraded, and a [`Seat`].

mod admission;
mod backend;
mod config;
mod connection;
mod echo;
mod openai;
mod session;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::mpsc,
    time::Instant,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::protocol::{Role, WebSocketConfig},
};
use tokio_util::sync::CancellationToken;

pub use self::{
    admission::{Access, Refusal, Seat, UpgradeRequest},
    backend::{ChatBackend, ChatError, ChatMessage, ChatRequest, ChatRole, Deltas},
    config::{AgentWebSocketConfig, FeedbackMode, MessageRate},
    echo::EchoBackend,
    openai::{OpenAiBackend, OpenAiConfig},
};
use super::AgentWebSocketError;
use crate::{client::platform::Clock, maps::HashMap};

/// Notifications that wait for one session.
const PUSHES: usize = 16;
/// How long sessions get to end when the service does.
const DRAIN: Duration = Duration::from_secs(5);

/// Why a notification was not delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PushError {
    /// There is no such session.
    #[error("Session not found")]
    NotFound,
    /// The session takes nothing at the moment.
    #[error("Session is busy")]
    Busy,
}

/// What a service has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ServiceStats {
    /// Sessions now.
    pub sessions: usize,
    /// Sessions since the start.
    pub sessions_total: u64,
    /// Messages that came in.
    pub messages: u64,
    /// Error messages that went out.
    pub errors: u64,
    /// Calls of the backend that were answered, and how long they took together.
    pub answers: u64,
    /// See `answers`.
    pub answer_time: Duration,
}

/// An agent that can be asked over WebSockets. Cloning it shares the sessions.
#[derive(Clone)]
pub struct AgentWebSocketService(Arc<Inner>);

pub(super) struct Inner {
    config: Arc<AgentWebSocketConfig>,
    backend: Arc<dyn ChatBackend>,
    clock: Clock,
    started: Instant,
    sessions: Mutex<HashMap<String, Entry>>,
    stopping: CancellationToken,
    counters: Counters,
}

/// A session as others see it.
struct Entry {
    ip: Option<IpAddr>,
    pushes: mpsc::Sender<String>,
}

#[derive(Debug, Default)]
struct Counters {
    open: AtomicUsize,
    sessions: AtomicU64,
    messages: AtomicU64,
    errors: AtomicU64,
    answers: AtomicU64,
    answer_ms: AtomicU64,
}

impl AgentWebSocketService {
    /// A service that answers with `backend`. Needs a tokio runtime around it.
    ///
    /// # Errors
    /// [`AgentWebSocketError::Config`] for settings that cannot work.
    pub fn new(
        config: impl Into<Arc<AgentWebSocketConfig>>,
        backend: Arc<dyn ChatBackend>,
    ) -> Result<Self, AgentWebSocketError> {
        Self::with_clock(config, backend, Clock::system())
    }

    /// The same with another time of day.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_clock(
        config: impl Into<Arc<AgentWebSocketConfig>>,
        backend: Arc<dyn ChatBackend>,
        clock: Clock,
    ) -> Result<Self, AgentWebSocketError> {
        let config = config.into();
        config.check()?;
        Ok(Self(Arc::new(Inner {
            config,
            backend,
            clock,
            started: Instant::now(),
            sessions: Mutex::default(),
            stopping: CancellationToken::new(),
            counters: Counters::default(),
        })))
    }

    /// Decides about a request for a WebSocket. With the seat that it gives, answer 101 (naming
    /// [`Seat::subprotocol`] if there is one) and call [`Self::serve`].
    ///
    /// # Errors
    /// [`Refusal`]: what to answer instead.
    pub fn admit(&self, request: &UpgradeRequest<'_>) -> Result<Seat, Refusal> {
        admission::admit(&self.0, request)
    }

    /// Runs a session over an upgraded connection until it ends. `read` is what was read of it already, after the
    /// request. Dropping the future breaks the session off and its call with it.
    pub async fn serve<S>(&self, io: S, read: Vec<u8>, seat: Seat)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let limit = Some(self.0.config.max_message);
        let config = WebSocketConfig::default()
            .read_buffer_size(8 * 1024)
            .write_buffer_size(8 * 1024)
            .max_message_size(limit)
            .max_frame_size(limit);
        let socket =
            WebSocketStream::from_partially_read(io, read, Role::Server, Some(config)).await;
        connection::run(&self.0, socket, seat).await;
    }

    /// Shows a notification to the client of a session. Not end-to-end: whoever can call this can write to it.
    ///
    /// # Errors
    /// [`PushError`].
    pub fn notify(&self, session_id: &str, message: impl Into<String>) -> Result<(), PushError> {
        let sessions = self.0.lock();
        let entry = sessions.get(session_id).ok_or(PushError::NotFound)?;
        entry.pushes.try_send(message.into()).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => PushError::Busy,
            mpsc::error::TrySendError::Closed(_) => PushError::NotFound,
        })
    }

    /// What it has done so far.
    pub fn stats(&self) -> ServiceStats {
        let counters = &self.0.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ServiceStats {
            sessions: counters.open.load(Ordering::Relaxed),
            sessions_total: read(&counters.sessions),
            messages: read(&counters.messages),
            errors: read(&counters.errors),
            answers: read(&counters.answers),
            answer_time: Duration::from_millis(read(&counters.answer_ms)),
        }
    }

    /// The settings.
    pub fn config(&self) -> &AgentWebSocketConfig {
        &self.0.config
    }

    /// Admits nobody any more, and tells every session to come back later (close code 1001).
    pub fn stop(&self) {
        self.0.stopping.cancel();
    }

    /// The same, and waits until all sessions have ended, at most five seconds.
    pub async fn shutdown(&self) {
        self.stop();
        let all_ended = async {
            while self.stats().sessions > 0 {
                crate::client::platform::sleep(Duration::from_millis(10)).await;
            }
        };
        if tokio::time::timeout(DRAIN, all_ended).await.is_err() {
            tracing::warn!(target: "agentmesh", "some sessions did not end in time");
        }
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        // Nothing below a lock can panic half way.
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for AgentWebSocketService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentWebSocketService")
            .field("config", &self.0.config)
            .field("backend", &self.0.backend)
            .finish_non_exhaustive()
    }
}
