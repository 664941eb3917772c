//! The thread that reads, so that a search does not wait for an fsync nor an fsync for a search.

use std::{
    sync::{Mutex, PoisonError, mpsc},
    thread::{self, JoinHandle},
};

use rusqlite::Connection;

use super::{
    StoreError,
    commit_queue::{Job, job},
};

/// Handle of the thread; it ends when the handle is closed or dropped.
#[derive(Debug)]
pub(super) struct Reader(Mutex<Option<Running>>);

#[derive(Debug)]
struct Running {
    jobs: mpsc::Sender<Box<dyn Job>>,
    thread: JoinHandle<()>,
}

impl Reader {
    pub(super) fn start(connection: Connection) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel::<Box<dyn Job>>();
        let run = move || {
            while let Ok(mut job) = queue.recv() {
                job.run(&connection);
                job.done(Ok(()));
            }
        };
        let thread = thread::Builder::new().name("store-reader".into()).spawn(run)?;
        Ok(Self(Mutex::new(Some(Running { jobs, thread }))))
    }

    /// Lets the thread finish its work; it has ended when the handle returned is joined.
    pub(super) fn close(&self) -> Option<JoinHandle<()>> {
        let running = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        running.map(|running| running.thread)
    }

    pub(super) async fn run<T, F>(&self, run: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let (job, done) = job(run);
        {
            let running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let jobs = running.as_ref().map(|running| &running.jobs).ok_or(StoreError::Closed)?;
            jobs.send(job).map_err(|_| StoreError::Closed)?;
        }
        done.await.map_err(|_| StoreError::Closed)?
    }
}
