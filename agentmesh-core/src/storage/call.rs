//! A call to a store's thread, as a future: one slot for the answer, no runtime.

use super::{
    StorageError,
    queue::{Job, Queue},
};
use core::{
    pin::Pin,
    task::{Context, Poll, Waker},
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a call returns.
pub(crate) type Answer<T> = Result<T, StorageError>;

enum State<T> {
    Waiting(Option<Waker>),
    Answered(Answer<T>),
    Taken,
}

struct Slot<T>(Mutex<State<T>>);

impl<T> Slot<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread's end of a call.
pub(super) struct Reply<T>(Arc<Slot<T>>);

impl<T> Reply<T> {
    /// Answers the call. A caller who has gone away is not told.
    pub(super) fn send(self, answer: Answer<T>) {
        self.set(answer);
    }

    fn set(&self, answer: Answer<T>) {
        let mut state = self.0.lock();
        if let State::Waiting(waker) = &mut *state {
            let waker = waker.take();
            *state = State::Answered(answer);
            // Not while holding the lock: the waker may run the caller right here.
            drop(state);
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}

impl<T> Drop for Reply<T> {
    /// A call that is dropped unanswered, because the thread died, must not wait for ever.
    fn drop(&mut self) {
        self.set(Err(StorageError::Crashed { reason: "the store's thread ended".to_owned() }));
    }
}

/// The caller's end: hands the job over when first polled, then waits for the answer.
pub(super) struct Call<'a, T> {
    queue: &'a Queue,
    job: Option<Job>,
    slot: Arc<Slot<T>>,
}

impl<'a, T> Call<'a, T> {
    /// A call that sends what `job` makes of its reply.
    pub(super) fn new(queue: &'a Queue, job: impl FnOnce(Reply<T>) -> Job) -> Self {
        let slot = Arc::new(Slot(Mutex::new(State::Waiting(None))));
        let job = Some(job(Reply(Arc::clone(&slot))));
        Self { queue, job, slot }
    }
}

// Nothing in it is pinned.
impl<T> Unpin for Call<'_, T> {}

impl<T> Future for Call<'_, T> {
    type Output = Answer<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer<T>> {
        if let Some(job) = self.job.take() {
            match self.queue.push(job, context.waker()) {
                Ok(None) => {}
                Ok(Some(job)) => {
                    self.job = Some(job);
                    return Poll::Pending;
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        let mut state = self.slot.lock();
        match core::mem::replace(&mut *state, State::Taken) {
            State::Answered(answer) => Poll::Ready(answer),
            State::Waiting(_) => {
                *state = State::Waiting(Some(context.waker().clone()));
                Poll::Pending
            }
            State::Taken => Poll::Pending,
        }
    }
}
