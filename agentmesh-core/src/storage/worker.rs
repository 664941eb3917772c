//! The thread behind a store whose calls block: it owns the files, and commits together what came together.
//!
//! Knows jobs and a [`Backend`]; does not know what the back end writes to. While one group of commits is being
//! made durable the next callers queue up, so that a disk's slow `fsync` is shared by all who wait for it. Calls
//! that overlap have no order among themselves (see [`Storage`](super::Storage)), so reads go first.

use super::{
    Changes, Record, RecordId, RecordKind, StorageError, StorageFuture,
    call::{Answer, Call, Reply},
    queue::{Job, Queue},
};
use core::{fmt, time::Duration};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    thread::{self, JoinHandle},
};

/// Bytes after which a group of commits is not joined by another.
const MAX_GROUP: usize = 8 * 1024 * 1024;

/// Blocking access to one open store, by one thread.
pub(crate) trait Backend: Send + 'static {
    /// As [`Storage::load`](super::Storage::load).
    fn load(&mut self, ids: &[RecordId]) -> Answer<Vec<Option<Record>>>;
    /// As [`Storage::list`](super::Storage::list).
    fn list(
        &mut self,
        kind: RecordKind,
        after: Option<[u8; 16]>,
        limit: usize,
    ) -> Answer<Vec<Record>>;
    /// Commits each batch as if alone, durable together; one answer a batch, in order.
    fn commit(&mut self, group: Vec<Changes>) -> Vec<Answer<()>>;
    /// Housekeeping after the callers have their answers. An error ends the use of the store.
    fn maintain(&mut self) -> Answer<()>;
    /// After how much idleness [`tick`](Self::tick) is due.
    fn due_in(&self) -> Option<Duration> {
        None
    }
    /// Called after that, and now and then. An error ends the use of the store.
    fn tick(&mut self) -> Answer<()> {
        Ok(())
    }
    /// Releases everything. What was committed stays committed whatever happens here.
    fn close(self);
}

/// A store's thread. Dropping it waits until the thread has closed the store.
pub(crate) struct Worker {
    queue: Arc<Queue>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts the thread that serves `backend`, the open store at `path`.
    pub(crate) fn start(path: PathBuf, backend: impl Backend) -> Result<Self, StorageError> {
        let queue = Arc::new(Queue::new(path));
        let server = Server { queue: Arc::clone(&queue), crashed: None };
        let thread = thread::Builder::new()
            .name("agentmesh-store".to_owned())
            .spawn(move || server.run(backend))
            .map_err(|e| super::disk_error("start the thread for", queue.path(), &e))?;
        Ok(Self { queue, thread: Some(thread) })
    }

    pub(crate) fn load(&self, ids: &[RecordId]) -> StorageFuture<'_, Vec<Option<Record>>> {
        let ids = ids.to_vec();
        Box::pin(Call::new(&self.queue, |reply| Job::Load(ids, reply)))
    }

    pub(crate) fn list(
        &self,
        kind: RecordKind,
        after: Option<[u8; 16]>,
        limit: usize,
    ) -> StorageFuture<'_, Vec<Record>> {
        Box::pin(Call::new(&self.queue, |reply| Job::List { kind, after, limit, reply }))
    }

    pub(crate) fn commit(&self, changes: Changes) -> StorageFuture<'_, ()> {
        Box::pin(Call::new(&self.queue, |reply| Job::Commit(changes, reply)))
    }

    pub(crate) fn close(&self) -> StorageFuture<'_, ()> {
        Box::pin(Call::new(&self.queue, Job::Close))
    }

    /// The store's place.
    pub(crate) fn path(&self) -> &Path {
        self.queue.path()
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { queue, thread: _ } = self;
        fmt::Debug::fmt(queue.path(), f)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // In a forked child there is no thread to wait for, and the queue's mutex may never be free.
        if self.queue.is_forked() {
            return;
        }
        self.queue.close();
        // No call is under way, since calls borrow the store: this waits for `close` and nothing else. A waker
        // that drops the last handle runs on the thread itself, which cannot wait for its own end.
        if let Some(thread) =
            self.thread.take().filter(|t| t.thread().id() != thread::current().id())
        {
            let _ = thread.join();
        }
    }
}

struct Server {
    queue: Arc<Queue>,
    /// Why the store can no longer be used.
    crashed: Option<StorageError>,
}

impl Server {
    fn run(mut self, mut backend: impl Backend) {
        // Also when the back end panics, which would be a bug: nobody may wait for ever.
        let _end = End(Arc::clone(&self.queue));
        let mut closing = Vec::new();
        while let Some(jobs) = self.queue.take(self.due_in(&backend)) {
            let mut commits = Vec::new();
            for job in jobs {
                match job {
                    Job::Load(ids, reply) => {
                        reply.send(self.unless_crashed().and_then(|()| backend.load(&ids)));
                    }
                    Job::List { kind, after, limit, reply } => reply.send(
                        self.unless_crashed().and_then(|()| backend.list(kind, after, limit)),
                    ),
                    Job::Commit(changes, reply) => commits.push((changes, reply)),
                    Job::Close(reply) => closing.push(reply),
                }
            }
            self.commit(&mut backend, commits);
            if self.crashed.is_none() {
                let ticked = backend.tick();
                self.note(&ticked);
            }
        }
        backend.close();
        end(&self.queue, &StorageError::Closed);
        closing.into_iter().for_each(|reply| reply.send(Ok(())));
    }

    fn unless_crashed(&self) -> Result<(), StorageError> {
        self.crashed.clone().map_or(Ok(()), Err)
    }

    fn due_in(&self, backend: &impl Backend) -> Option<Duration> {
        if self.crashed.is_some() { None } else { backend.due_in() }
    }

    fn commit(&mut self, backend: &mut impl Backend, commits: Vec<(Changes, Reply<()>)>) {
        let mut commits = commits.into_iter().peekable();
        while commits.peek().is_some() {
            let (mut group, mut replies, mut bytes) = (Vec::new(), Vec::new(), 0);
            while bytes < MAX_GROUP
                && let Some((changes, reply)) = commits.next()
            {
                bytes +=
                    changes.iter().filter_map(|c| c.value.as_ref()).map(Vec::len).sum::<usize>();
                group.push(changes);
                replies.push(reply);
            }
            if let Err(crashed) = self.unless_crashed() {
                replies.into_iter().for_each(|reply| reply.send(Err(crashed.clone())));
                continue;
            }
            for (answer, reply) in backend.commit(group).into_iter().zip(replies) {
                self.note(&answer);
                reply.send(answer);
            }
            if self.crashed.is_none() {
                let maintained = backend.maintain();
                self.note(&maintained);
            }
        }
    }

    /// After an error that leaves open what is on the disk, only opening again can tell.
    fn note(&mut self, answer: &Answer<()>) {
        if let Err(error) = answer
            && !error.leaves_store_usable()
        {
            self.crashed.get_or_insert_with(|| match error {
                // Says what happened each time.
                StorageError::LeaseLost { .. } => error.clone(),
                error => StorageError::Crashed { reason: error.to_string() },
            });
        }
    }
}

/// Ends the queue, and answers those who came too late.
fn end(queue: &Queue, why: &StorageError) {
    for job in queue.end(why.clone()) {
        match job {
            Job::Load(_, reply) => reply.send(Err(why.clone())),
            Job::List { reply, .. } => reply.send(Err(why.clone())),
            Job::Commit(_, reply) => reply.send(Err(why.clone())),
            Job::Close(reply) => reply.send(Ok(())),
        }
    }
}

/// Ends the queue also when the thread ends otherwise than it should.
struct End(Arc<Queue>);

impl Drop for End {
    fn drop(&mut self) {
        let reason = "the store's thread panicked, which is a bug".to_owned();
        end(&self.0, &StorageError::Crashed { reason });
    }
}

#[cfg(test)]
mod tests;
