//! The embedded database: one writer thread that commits in groups, one reader thread, SQLite in WAL mode with
//! `synchronous=FULL`.
//!
//! Knows rows. Does not know connections, frames or HTTP: the relay is told through a callback what has reached the
//! disk.

pub(crate) mod agents;
pub(crate) mod aiwm;
mod aiwm_tables;
mod commit_queue;
pub(crate) mod messages;
pub(crate) mod nonces;
pub(crate) mod oauth;
pub(crate) mod organizations;
pub(crate) mod prekeys;
mod reader;
pub(crate) mod reputation;
pub(crate) mod revocations;
mod schema;
mod trust_tables;
mod writer;

use std::{
    fs::File,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
};

use rusqlite::Connection;

pub(crate) use commit_queue::{Flushed, Ticket};
pub(crate) use messages::{Head, Row};

use crate::{ServerError, metrics::Metrics};
use commit_queue::{CommitQueue, Op};

/// Why the database did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StoreError {
    /// SQLite failed; the text names no data.
    #[error("database: {0}")]
    Database(String),
    /// The server is going down.
    #[error("database: closed")]
    Closed,
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error.to_string())
    }
}

/// The open database.
#[derive(Debug)]
pub(crate) struct Store {
    queue: Arc<CommitQueue>,
    reader: Option<reader::Reader>,
    writer: Mutex<Option<JoinHandle<()>>>,
    /// Held for its exclusive lock on the data directory.
    lock: Mutex<Option<File>>,
}

impl Store {
    /// Opens or creates the database in `dir`, or one in memory. `on_flushed` is called on the writer's thread after
    /// each transaction that held messages. Returns what the messages table holds, oldest first.
    pub(crate) fn open(
        dir: Option<&Path>,
        metrics: Arc<Metrics>,
        on_flushed: impl Fn(Vec<Flushed>) + Send + 'static,
    ) -> Result<(Self, Vec<Head>), ServerError> {
        let opened = schema::open(dir)?;
        let heads = messages::heads(&opened.writer).map_err(|e| opened.error(&e))?;
        let reader = opened.reader.map(reader::Reader::start).transpose();
        let reader = reader.map_err(ServerError::Start)?;
        let queue = Arc::new(CommitQueue::default());
        let writer = writer::start(opened.writer, Arc::clone(&queue), metrics, on_flushed)
            .map_err(ServerError::Start)?;
        let (writer, lock) = (Mutex::new(Some(writer)), Mutex::new(opened.lock));
        Ok((Self { queue, reader, writer, lock }, heads))
    }

    /// Runs `job` in the next transaction and returns when that is on the disk. If `job` fails, what it wrote is
    /// undone and nothing else.
    pub(crate) async fn write<T, F>(&self, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let (job, done) = commit_queue::job(job);
        self.queue.push(Op::Job(job));
        done.await.map_err(|_| StoreError::Closed)?
    }

    /// Runs `job` beside the writer, on the last committed state.
    pub(crate) async fn read<T, F>(&self, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        match &self.reader {
            Some(reader) => reader.run(job).await,
            None => self.write(job).await,
        }
    }

    /// Puts a message on its way to the disk.
    pub(crate) fn insert(&self, row: Row, ticket: Arc<Ticket>) {
        self.queue.push(Op::Insert(row, ticket));
    }

    /// Puts the end of a message on its way to the disk; nobody waits for it.
    pub(crate) fn delete(&self, seq: u64) {
        self.queue.push(Op::Delete(seq));
    }

    /// Whether senders should wait before they hand over more.
    pub(crate) fn is_busy(&self) -> bool {
        self.queue.is_busy()
    }

    /// Waits until the writer has caught up.
    pub(crate) async fn caught_up(&self) {
        self.queue.caught_up().await;
    }

    /// Writes what is queued, ends both threads and releases the data directory. What comes later is refused.
    pub(crate) async fn close(&self) {
        let reader = self.reader.as_ref().and_then(reader::Reader::close);
        let writer = take(&self.writer);
        // Joining blocks, for one transaction at most. The writer closes last and leaves one file behind.
        let (queue, join) = (Arc::clone(&self.queue), |thread: JoinHandle<()>| thread.join().ok());
        let both = tokio::task::spawn_blocking(move || {
            reader.and_then(join);
            queue.close();
            writer.and_then(join);
        });
        if both.await.is_err() {
            tracing::error!("the store's threads could not be joined");
        }
        drop(take(&self.lock));
    }
}

fn take<T>(slot: &Mutex<Option<T>>) -> Option<T> {
    slot.lock().unwrap_or_else(PoisonError::into_inner).take()
}

impl Drop for Store {
    fn drop(&mut self) {
        self.queue.close();
    }
}

#[cfg(test)]
mod tests;
