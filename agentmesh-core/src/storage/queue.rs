//! The bounded queue between the callers of a store and its thread.
//!
//! A caller waits for its answer before it calls again, so the queue is as long as there are callers; the bound
//! is for those who give up waiting, whose jobs stay.

use super::{Changes, Record, RecordId, RecordKind, StorageError, call::Reply};
use core::{task::Waker, time::Duration};
use std::{
    collections::VecDeque,
    path::PathBuf,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

/// Jobs that wait at most; further callers wait for a place.
const MAX_QUEUED: usize = 1024;

/// Something to do for a caller.
pub(super) enum Job {
    Load(Vec<RecordId>, Reply<Vec<Option<Record>>>),
    List { kind: RecordKind, after: Option<[u8; 16]>, limit: usize, reply: Reply<Vec<Record>> },
    Commit(Changes, Reply<()>),
    Close(Reply<()>),
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    /// Callers that found the queue full.
    waiting: Vec<Waker>,
    /// Set by `close` and by dropping the store: no new jobs.
    closing: bool,
    /// Set when the thread has let go of everything: what to tell those who come later.
    ended: Option<StorageError>,
}

/// See the module.
pub(super) struct Queue {
    path: PathBuf,
    opened_by: u32,
    state: Mutex<State>,
    filled: Condvar,
}

impl Queue {
    /// An empty queue for the store at `path`.
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            opened_by: std::process::id(),
            state: Mutex::default(),
            filled: Condvar::new(),
        }
    }

    /// The store.
    pub(super) fn path(&self) -> &PathBuf {
        &self.path
    }

    /// Whether this process is a forked child: the thread that would answer stayed in the parent, and the mutex
    /// may be locked for ever.
    pub(super) fn is_forked(&self) -> bool {
        std::process::id() != self.opened_by
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a job to the thread; gives it back if the queue is full, and wakes `waker` when it no longer is.
    pub(super) fn push(&self, job: Job, waker: &Waker) -> Result<Option<Job>, StorageError> {
        if self.is_forked() {
            let (path, opened_by) = (self.path.clone(), self.opened_by);
            return Err(StorageError::Forked { path, opened_by });
        }
        let mut state = self.lock();
        match job {
            Job::Close(reply) if state.ended.is_some() => {
                // The reply must not be dropped under the lock, nor unanswered.
                drop(state);
                reply.send(Ok(()));
                return Ok(None);
            }
            Job::Close(_) => state.closing = true,
            _ if state.closing => {
                return Err(state.ended.clone().unwrap_or(StorageError::Closed));
            }
            _ if state.jobs.len() >= MAX_QUEUED => {
                state.waiting.push(waker.clone());
                return Ok(Some(job));
            }
            _ => {}
        }
        state.jobs.push_back(job);
        drop(state);
        self.filled.notify_one();
        Ok(None)
    }

    /// Ends the thread when it has done what is queued.
    pub(super) fn close(&self) {
        self.lock().closing = true;
        self.filled.notify_one();
    }

    /// Every job that waits, in order; none if none came in `patience`, `None` once there will be no more.
    pub(super) fn take(&self, patience: Option<Duration>) -> Option<VecDeque<Job>> {
        let mut state = self.lock();
        let idle = |state: &mut State| state.jobs.is_empty() && !state.closing;
        state = match patience {
            None => self.filled.wait_while(state, idle).unwrap_or_else(PoisonError::into_inner),
            Some(patience) => {
                let waited = self.filled.wait_timeout_while(state, patience, idle);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        if !state.closing && state.jobs.is_empty() {
            return Some(VecDeque::new());
        }
        let jobs = core::mem::take(&mut state.jobs);
        let waiting = core::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
        (!jobs.is_empty()).then_some(jobs)
    }

    #[cfg(test)]
    pub(super) fn has_jobs(&self) -> bool {
        !self.lock().jobs.is_empty()
    }

    /// Says that the thread is gone, and why; gives back the jobs that came too late.
    pub(super) fn end(&self, why: StorageError) -> VecDeque<Job> {
        let mut state = self.lock();
        state.closing = true;
        state.ended.get_or_insert(why);
        let waiting = core::mem::take(&mut state.waiting);
        let jobs = core::mem::take(&mut state.jobs);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
        jobs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forked_child_is_told_at_once() {
        let mut queue = Queue::new("/a/store".into());
        queue.opened_by += 1;
        let expected = StorageError::Forked { path: "/a/store".into(), opened_by: queue.opened_by };
        // Even while the parent's thread holds the lock, for ever.
        let _locked = queue.lock();
        let list = super::super::call::Call::new(&queue, |reply| Job::List {
            kind: RecordKind::Meta,
            after: None,
            limit: 1,
            reply,
        });
        assert_eq!(crate::test_utils::block_on(list), Err(expected));
    }
}
