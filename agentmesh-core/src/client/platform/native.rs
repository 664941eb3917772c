//! The machine itself: tokio's tasks and timers, the system's clock.

use std::{future::Future, time::Duration};

use tokio::task::JoinError;
pub(crate) use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

/// Pauses and deadlines. Tests stop and advance this time.
pub(crate) mod time {
    pub(crate) use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};
}

/// A task that belongs to somebody: it ends when its owner drops it.
pub(crate) type Task<T> = AbortOnDropHandle<T>;

/// Starts a task that its owner ends by dropping the handle.
///
/// Needs a tokio runtime around it, as every asynchronous function of the client does.
#[allow(clippy::disallowed_methods, reason = "the one place that spawns; the handle owns the task")]
pub(crate) fn spawn<F>(future: F) -> Task<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    AbortOnDropHandle::new(tokio::spawn(future.in_current_span()))
}

/// Runs something that blocks or takes long where it disturbs nobody.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JoinError> {
    tokio::task::spawn_blocking(work).await
}

/// The time of day. A clock that stands before 1970 shows 1970.
#[allow(clippy::disallowed_methods, reason = "the one place that reads the clock")]
pub(super) fn since_1970() -> Duration {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default()
}
