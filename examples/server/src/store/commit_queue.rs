//! What waits for the next transaction. Whoever comes while one is being written joins the next, so the number of
//! fsyncs does not grow with the number of messages.

use std::{
    fmt, mem,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    time::{Duration, Instant},
};

use rusqlite::Connection;
use tokio::sync::{Notify, oneshot};

use super::{Row, StoreError};

/// Deletions are not waited for; on their own they are written so much later.
const LAZY: Duration = Duration::from_millis(50);
/// Bytes beyond which senders wait.
const BUSY_BYTES: usize = 32 * 1024 * 1024;
/// What an operation takes beside a message.
const OP_BYTES: usize = 256;

/// Decides between the writer, who is about to write a message, and the recipient, who acknowledges it and so makes
/// that unnecessary. Exactly one of them wins.
#[derive(Debug, Default)]
pub(crate) struct Ticket(AtomicU8);

const OPEN: u8 = 0;
const TAKEN: u8 = 1;
const CANCELLED: u8 = 2;

impl Ticket {
    /// For a message that is on the disk.
    pub(crate) fn taken() -> Self {
        Self(AtomicU8::new(TAKEN))
    }

    /// The writer's claim; false if the message need not be written.
    pub(super) fn take(&self) -> bool {
        self.0.compare_exchange(OPEN, TAKEN, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// The recipient's claim; false if the message was or is being written and must be deleted.
    pub(crate) fn cancel(&self) -> bool {
        self.0.compare_exchange(OPEN, CANCELLED, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

/// A message whose transaction has ended.
#[derive(Debug)]
pub(crate) struct Flushed {
    /// Its recipient.
    pub(crate) recipient: Arc<str>,
    /// Its number.
    pub(crate) seq: u64,
    /// Whether it is on the disk.
    pub(crate) durable: bool,
}

/// One piece of work for the writer.
pub(super) enum Op {
    Insert(Row, Arc<Ticket>),
    Delete(u64),
    Job(Box<dyn Job>),
}

impl Op {
    fn size(&self) -> usize {
        match self {
            Self::Insert(row, _) => row.envelope.size() + OP_BYTES,
            Self::Delete(_) | Self::Job(_) => OP_BYTES,
        }
    }
}

/// A closure with somebody waiting for its result.
pub(super) trait Job: Send {
    /// Runs it and keeps the result; false if what it wrote has to be undone.
    fn run(&mut self, connection: &Connection) -> bool;
    /// Hands the result over, or says that the transaction failed.
    fn done(self: Box<Self>, committed: Result<(), StoreError>);
}

struct Closure<T, F> {
    run: Option<F>,
    result: Result<T, StoreError>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Job for Closure<T, F>
where
    T: Send,
    F: FnOnce(&Connection) -> rusqlite::Result<T> + Send,
{
    fn run(&mut self, connection: &Connection) -> bool {
        if let Some(run) = self.run.take() {
            self.result = run(connection).map_err(StoreError::from);
        }
        self.result.is_ok()
    }

    fn done(self: Box<Self>, committed: Result<(), StoreError>) {
        let result = self.result;
        // The caller may have given up.
        let _ = self.reply.send(committed.and(result));
    }
}

/// A job and where its result will be.
pub(super) fn job<T, F>(run: F) -> (Box<dyn Job>, oneshot::Receiver<Result<T, StoreError>>)
where
    T: Send + 'static,
    F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
{
    let (reply, done) = oneshot::channel();
    let job = Closure { run: Some(run), result: Err(StoreError::Closed), reply };
    (Box::new(job), done)
}

#[derive(Default)]
struct State {
    ops: Vec<Op>,
    bytes: usize,
    /// Somebody waits for one of the operations.
    urgent: bool,
    /// When the first of the operations came.
    since: Option<Instant>,
    writer_sleeps: bool,
    closed: bool,
}

/// The queue between everybody and the writer.
#[derive(Default)]
pub(super) struct CommitQueue {
    state: Mutex<State>,
    wake: Condvar,
    caught_up: Notify,
}

impl fmt::Debug for CommitQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommitQueue").field("ops", &self.lock().ops.len()).finish_non_exhaustive()
    }
}

impl CommitQueue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, op: Op) {
        let mut state = self.lock();
        if state.closed {
            // Dropping a job tells its caller.
            return;
        }
        state.bytes += op.size();
        state.urgent |= !matches!(op, Op::Delete(_));
        let first = state.since.is_none();
        state.since.get_or_insert_with(Instant::now);
        state.ops.push(op);
        if state.writer_sleeps && (first || state.urgent) {
            state.writer_sleeps = false;
            drop(state);
            self.wake.notify_one();
        }
    }

    pub(super) fn is_busy(&self) -> bool {
        self.lock().bytes >= BUSY_BYTES
    }

    pub(super) async fn caught_up(&self) {
        loop {
            let caught_up = self.caught_up.notified();
            tokio::pin!(caught_up);
            // Registers before looking, so that no notification falls in between.
            caught_up.as_mut().enable();
            if !self.is_busy() {
                return;
            }
            caught_up.await;
        }
    }

    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.wake.notify_all();
        self.caught_up.notify_waiters();
    }

    /// The writer's side: blocks until there is something to write. `None` when closed and empty.
    pub(super) fn next_batch(&self) -> Option<Vec<Op>> {
        let mut state = self.lock();
        loop {
            let age = state.since.map(|since| since.elapsed());
            if state.urgent || state.closed || age.is_some_and(|age| age >= LAZY) {
                break;
            }
            state.writer_sleeps = true;
            state = match age {
                None => self.wake.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(age) => {
                    let wait = LAZY.saturating_sub(age);
                    let woken = self.wake.wait_timeout(state, wait);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
            };
            state.writer_sleeps = false;
        }
        let ops = mem::take(&mut state.ops);
        state.bytes = 0;
        state.urgent = false;
        state.since = None;
        drop(state);
        self.caught_up.notify_waiters();
        if ops.is_empty() { None } else { Some(ops) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticket_goes_to_exactly_one() {
        let first = Ticket::default();
        assert!(first.take() && !first.cancel() && !first.take());
        let second = Ticket::default();
        assert!(second.cancel() && !second.take());
        assert!(!Ticket::taken().cancel());
    }

    #[test]
    fn closed_queue_gives_what_is_left_and_then_nothing() {
        let queue = CommitQueue::default();
        queue.push(Op::Delete(1));
        queue.push(Op::Delete(2));
        queue.close();
        queue.push(Op::Delete(3));
        assert_eq!(queue.next_batch().map(|ops| ops.len()), Some(2));
        assert!(queue.next_batch().is_none());
    }

    #[test]
    fn deletions_alone_wait_a_little_for_company() {
        let queue = CommitQueue::default();
        queue.push(Op::Delete(1));
        let before = Instant::now();
        assert_eq!(queue.next_batch().map(|ops| ops.len()), Some(1));
        assert!(before.elapsed() >= LAZY / 2);
    }
}
