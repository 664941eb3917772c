//! Tasks on the host's executor, with the ends that tokio's have: dropping a handle ends its task.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::{
    StreamExt,
    future::{AbortHandle, Abortable},
    stream::FuturesUnordered,
};
use tokio::sync::oneshot;
use tracing::Instrument;

use super::host;

/// A task was ended before it was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the task was ended")]
pub(crate) struct TaskEnded;

/// A task that belongs to somebody: it ends when its owner drops it.
#[derive(Debug)]
pub(crate) struct Task<T> {
    result: oneshot::Receiver<T>,
    abort: AbortHandle,
}

impl<T> Task<T> {
    /// Ends the task the next time it would run.
    pub(crate) fn abort(&self) {
        self.abort.abort();
    }
}

impl<T> Future for Task<T> {
    type Output = Result<T, TaskEnded>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.result).poll(cx).map_err(|_| TaskEnded)
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.abort.abort();
    }
}

/// Starts a task that its owner ends by dropping the handle.
pub(crate) fn spawn<F>(future: F) -> Task<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let (done, result) = oneshot::channel();
    let (abort, registration) = AbortHandle::new_pair();
    let future = future.in_current_span();
    let task = Abortable::new(
        async move {
            // An owner that is gone waits for nothing.
            let _ = done.send(future.await);
        },
        registration,
    );
    host().spawn(Box::pin(async move {
        let _ = task.await;
    }));
    Task { result, abort }
}

/// Runs something that takes long. There is no other thread: everything else waits meanwhile.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, TaskEnded> {
    Ok(work())
}

/// Tasks that belong to one owner.
pub(crate) struct JoinSet<T>(FuturesUnordered<Task<T>>);

impl<T: Send + 'static> JoinSet<T> {
    pub(crate) fn new() -> Self {
        Self(FuturesUnordered::new())
    }

    pub(crate) fn spawn<F>(&mut self, future: F)
    where
        F: Future<Output = T> + Send + 'static,
    {
        self.0.push(spawn(future));
    }

    /// The next result; `None` if there are no tasks. Safe to cancel.
    pub(crate) async fn join_next(&mut self) -> Option<Result<T, TaskEnded>> {
        self.0.next().await
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn abort_all(&mut self) {
        self.0 = FuturesUnordered::new();
    }
}
