//! The thread that writes: takes everything that waits, one transaction, one fsync, then tells everybody.

use std::{
    mem,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Instant,
};

use rusqlite::Connection;

use super::{
    StoreError,
    commit_queue::{CommitQueue, Flushed, Job, Op},
    messages,
};
use crate::metrics::Metrics;

/// Starts the thread. It ends when the queue is closed and empty.
pub(super) fn start(
    connection: Connection,
    queue: Arc<CommitQueue>,
    metrics: Arc<Metrics>,
    on_flushed: impl Fn(Vec<Flushed>) + Send + 'static,
) -> std::io::Result<JoinHandle<()>> {
    let run = move || {
        let writer = Writer { connection, metrics };
        while let Some(ops) = queue.next_batch() {
            let flushed = writer.write(ops);
            if !flushed.is_empty() {
                on_flushed(flushed);
            }
        }
        // Leaves one file behind instead of a file and its log.
        let _ = writer.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
    };
    thread::Builder::new().name("store-writer".into()).spawn(run)
}

struct Writer {
    connection: Connection,
    metrics: Arc<Metrics>,
}

impl Writer {
    fn write(&self, mut ops: Vec<Op>) -> Vec<Flushed> {
        let start = Instant::now();
        let result = self.transaction(&mut ops).map_err(StoreError::from);
        if let Err(error) = &result {
            self.metrics.commit_failures.increment(1);
            tracing::error!(%error, operations = ops.len(), "a transaction failed");
            if !self.connection.is_autocommit() {
                let _ = self.connection.execute_batch("ROLLBACK");
            }
        }
        self.metrics.commits.increment(1);
        self.metrics.commit_seconds.record(start.elapsed());
        finish(ops, result)
    }

    fn transaction(&self, ops: &mut [Op]) -> rusqlite::Result<()> {
        let connection = &self.connection;
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute(())?;
        let mut written = 0;
        let mut saved = 0;
        for op in ops.iter_mut() {
            match op {
                Op::Insert(row, ticket) if ticket.take() => {
                    messages::insert(connection, row)?;
                    written += 1;
                }
                Op::Insert(..) => saved += 1,
                Op::Delete(seq) => messages::delete(connection, *seq)?,
                Op::Job(job) => in_savepoint(connection, &mut **job)?,
            }
        }
        connection.prepare_cached("COMMIT")?.execute(())?;
        self.metrics.stored.increment(written);
        self.metrics.writes_saved.increment(saved);
        Ok(())
    }
}

fn in_savepoint(connection: &Connection, job: &mut dyn Job) -> rusqlite::Result<()> {
    connection.prepare_cached("SAVEPOINT job")?.execute(())?;
    if !job.run(connection) {
        connection.prepare_cached("ROLLBACK TO job")?.execute(())?;
    }
    connection.prepare_cached("RELEASE job")?.execute(())?;
    Ok(())
}

/// Tells the jobs, and collects what became of the messages.
fn finish(mut ops: Vec<Op>, result: Result<(), StoreError>) -> Vec<Flushed> {
    let durable = result.is_ok();
    let mut flushed = Vec::new();
    for op in mem::take(&mut ops) {
        match op {
            Op::Insert(row, _) => {
                flushed.push(Flushed { recipient: row.recipient, seq: row.seq, durable });
            }
            Op::Job(job) => job.done(result.clone()),
            Op::Delete(_) => {}
        }
    }
    flushed
}
