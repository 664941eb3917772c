//! The audit log as files: a directory, one writer, a thread of its own, so that logging never waits for the disk.
//!
//! `writer` owns the files, `files` knows their names, `reader` reads them again. What is in the lines is
//! [`crate::audit`]'s. `docs/audit.md` describes both.

mod files;
mod options;
mod reader;
mod writer;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{SyncSender, TrySendError},
    },
    thread::JoinHandle,
};

use tokio::sync::oneshot;

pub use options::{AuditOptions, AuditOwner, Fsync};
pub use reader::AuditReader;

use crate::{
    audit::{
        Anchor, AuditEntry, AuditError, AuditFields, AuditKey, AuditQuery, AuditReport, AuditType,
        Severity,
    },
    client::platform::Clock,
    identity::Amid,
    keys::VerifyingKey,
    rng::SystemRng,
    wire::id::MessageId,
};
use writer::{Order, Writer};

/// An audit log that is open for writing.
///
/// Logging never waits: an event goes into a bounded queue, and a thread writes it. If the queue is full or the disk
/// refuses, the event is lost, and the log says how many were, in an `AUDIT_DROPPED` line, as soon as it can. Call
/// [`flush`](Self::flush) to know that everything is on disk; dropping the last handle waits for it.
///
/// ```
/// use agentmesh_core::{
///     audit::{AuditFields, AuditQuery, AuditType, Severity},
///     client::{AuditLog, AuditOptions, AuditOwner},
///     identity::Amid,
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), agentmesh_core::Error> {
/// # let dir = std::env::temp_dir().join(format!("agentmesh-audit-doc-{}", std::process::id()));
/// let options = AuditOptions::default().min_severity(Severity::Debug);
/// let owner = AuditOwner::new(Amid::from_bytes([7; 20]));
/// let log = AuditLog::open(&dir, owner, options)?;
/// let peer = Amid::from_bytes([8; 20]);
/// let fields = AuditFields::new().peer(peer).with("bytes", 120);
/// log.log(AuditType::MessageReceived, Severity::Debug, "Received message", fields);
/// assert_eq!(log.query(AuditQuery::all().peer(peer)).await?.len(), 1);
/// log.verify(None).await?;
/// # drop(log);
/// # std::fs::remove_dir_all(dir).ok();
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct AuditLog {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    directory: PathBuf,
    amid: Amid,
    key: Option<AuditKey>,
    agent: Option<VerifyingKey>,
    min_severity: Severity,
    clock: Clock,
    /// Events that found the queue full since the writer last looked.
    dropped: Arc<AtomicU64>,
    /// `None` once the log is being closed.
    orders: Mutex<Option<SyncSender<Order>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl AuditLog {
    /// Opens the log in a directory, or begins one. The end of a log that a crash left incomplete is cut off, and an
    /// `AUDIT_REPAIRED` line says how much it was.
    ///
    /// # Errors
    /// [`AuditError`]: the directory cannot be written, the log belongs to another writer at the moment, is encrypted
    /// with another key, or of a newer release.
    pub fn open(
        directory: impl AsRef<Path>,
        owner: AuditOwner,
        options: AuditOptions,
    ) -> Result<Self, AuditError> {
        let directory = directory.as_ref().to_path_buf();
        let dropped = Arc::new(AtomicU64::new(0));
        let (amid, clock, min_severity) = (owner.amid, options.clock, options.min_severity);
        let key = owner.key.as_ref().map(AuditKey::duplicate);
        let agent = owner.signer.as_ref().map(|identity| *identity.signing_key());
        let (sender, receiver) = std::sync::mpsc::sync_channel(options.queue.max(1));
        let writer = Writer::open(directory.clone(), owner, options, Arc::clone(&dropped))?;
        let thread = std::thread::Builder::new()
            .name("agentmesh-audit".to_owned())
            .spawn(move || writer.run(&receiver))
            .map_err(|error| files::io_error(&directory, &error))?;
        let (orders, thread) = (Mutex::new(Some(sender)), Mutex::new(Some(thread)));
        let shared =
            Shared { directory, amid, key, agent, min_severity, clock, dropped, orders, thread };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Logs an event, unless it is less grave than the log wants. Never waits and never fails; see [`AuditLog`].
    pub fn log(
        &self,
        kind: impl Into<AuditType>,
        severity: Severity,
        message: impl Into<String>,
        fields: AuditFields,
    ) {
        if !self.wants(severity) {
            return;
        }
        let now = self.shared.clock.now();
        let id = MessageId::new_v7(now, &mut SystemRng);
        let entry =
            AuditEntry::new(id, now, self.shared.amid, kind.into(), severity, message, fields);
        if !self.order(Order::Log(Box::new(entry))) {
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether an event of this severity is logged.
    pub fn wants(&self, severity: Severity) -> bool {
        severity >= self.shared.min_severity
    }

    /// Where the log is.
    pub fn directory(&self) -> &Path {
        &self.shared.directory
    }

    /// Returns when everything logged before is on disk.
    ///
    /// # Errors
    /// [`AuditError::Io`] with the last thing that went wrong, if it still does.
    pub async fn flush(&self) -> Result<(), AuditError> {
        let (reply, done) = oneshot::channel();
        self.wait(Order::Flush(reply)).await?;
        done.await.map_err(|_| AuditError::Closed)?
    }

    /// Writes what is left, signs the end, and lets another writer in. What is logged after that is not; reading still
    /// works. An agent that is closed closes its log.
    ///
    /// # Errors
    /// As [`flush`](Self::flush). Closing twice is fine.
    pub async fn close(&self) -> Result<(), AuditError> {
        let flushed = match self.flush().await {
            Err(AuditError::Closed) => Ok(()),
            flushed => flushed,
        };
        let shared = Arc::clone(&self.shared);
        blocking(move || {
            shared.end();
            Ok(())
        })
        .await?;
        flushed
    }

    /// Signs the end of the log. Kept where the log's disk is not, it shows later that nothing was cut off or
    /// rewritten up to here.
    ///
    /// # Errors
    /// [`AuditError::Closed`] if the log has no identity to sign with, or is closed.
    pub async fn anchor(&self) -> Result<Anchor, AuditError> {
        let (reply, done) = oneshot::channel();
        self.wait(Order::Anchor(reply)).await?;
        done.await.map_err(|_| AuditError::Closed)?
    }

    /// The events that match, oldest first.
    ///
    /// # Errors
    /// [`AuditError`]: the log cannot be read, or is broken.
    pub async fn query(&self, query: AuditQuery) -> Result<Vec<AuditEntry>, AuditError> {
        self.settle().await?;
        let reader = self.reader();
        blocking(move || reader.query(&query)).await
    }

    /// Checks the whole log; with an anchor, also that it still has what the anchor says.
    ///
    /// # Errors
    /// [`AuditError`], with the first line that is wrong.
    pub async fn verify(&self, anchor: Option<Anchor>) -> Result<AuditReport, AuditError> {
        self.settle().await?;
        let reader = self.reader();
        blocking(move || reader.verify(anchor)).await
    }

    /// So that a reader finds what was logged before.
    async fn settle(&self) -> Result<(), AuditError> {
        match self.flush().await {
            Err(AuditError::Closed) => Ok(()),
            settled => settled,
        }
    }

    fn reader(&self) -> AuditReader {
        let Shared { directory, key, agent, .. } = &*self.shared;
        AuditReader::new(directory, key.as_ref().map(AuditKey::duplicate), *agent)
    }

    fn order(&self, order: Order) -> bool {
        let orders = self.shared.orders.lock().unwrap_or_else(PoisonError::into_inner);
        orders.as_ref().is_some_and(|sender| sender.try_send(order).is_ok())
    }

    /// Hands an order to the writer, however long its queue is.
    async fn wait(&self, order: Order) -> Result<(), AuditError> {
        let mut order = order;
        loop {
            let sent = {
                let orders = self.shared.orders.lock().unwrap_or_else(PoisonError::into_inner);
                orders.as_ref().ok_or(AuditError::Closed)?.try_send(order)
            };
            match sent {
                Ok(()) => return Ok(()),
                Err(TrySendError::Disconnected(_)) => return Err(AuditError::Closed),
                Err(TrySendError::Full(back)) => order = back,
            }
            crate::client::platform::sleep(std::time::Duration::from_millis(1)).await;
        }
    }
}

impl Shared {
    /// Waits until the writer has written what it has.
    fn end(&self) {
        // It ends when there are no more orders.
        drop(self.orders.lock().unwrap_or_else(PoisonError::into_inner).take());
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.end();
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, AuditError> + Send + 'static,
) -> Result<T, AuditError> {
    crate::client::platform::blocking(work).await.map_err(|_| AuditError::Closed)?
}

#[cfg(test)]
mod tests;
