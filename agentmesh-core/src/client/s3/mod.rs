//! A store in a bucket: Amazon S3, Cloudflare R2, MinIO, and whatever else writes conditionally.
//!
//! ```text
//! PREFIX/head              everything that changed lately, the lease, and which index holds; replaced by each commit
//! PREFIX/index/NAME        where every other record is
//! PREFIX/data/NAME         sealed records, one after another
//! PREFIX/store             says that there is a store
//! ```
//! A commit is one conditional put of `head` (`If-Match` with the ETag of the head that it was computed from): of two
//! writers one is refused, whatever they think of each other. Objects under `index` and `data` are written once, before the
//! head that names them, and deleted after the head that no longer does.
//!
//! `config` is where the bucket is, `bucket` requests and errors, `format` the bytes, `state` and `packing` what is where,
//! `core` commits, `lease` and `open` who may. `docs/decisions/019-a-bucket-has-one-head.md` says why it is so.
//! Spec: `docs/protocol/state.md`, S3.

mod bucket;
mod config;
mod core;
mod format;
mod lease;
mod open;
mod packing;
mod state;
#[cfg(test)]
mod tests;

use std::{path::PathBuf, time::Duration};

use tokio::{runtime::Runtime, sync::oneshot, time::Instant};

pub use self::config::{S3Config, Sharing};
use self::core::Core;
use crate::storage::{
    Answer, Backend, Changes, Durability, Record, RecordId, RecordKind, Storage, StorageError,
    StorageFuture, Worker,
};

/// After a renewal that failed for want of a network, the next one comes so soon.
const RENEW_AGAIN: Duration = Duration::from_secs(2);

/// A store in a bucket. See [`S3Config`] for how to describe one.
///
/// Guarantees what [`Storage`] demands. Only one opening at a time may write ([`Sharing::Lease`]); a process that slept
/// through the end of its lease finds its commits refused with [`StorageError::LeaseLost`], not its ratchets forked. An
/// endpoint that does not write conditionally is refused with [`StorageError::NoConditionalWrites`] before anything is
/// stored. It does not encrypt: records come sealed.
///
/// Requests are made by a thread of its own with a small runtime: its futures may be polled by any executor. Commits
/// made while one is under way share the next request.
#[derive(Debug)]
pub struct S3Storage {
    worker: Worker,
}

impl S3Storage {
    /// Opens the store, or creates it where there is nothing. Makes about six requests.
    ///
    /// # Errors
    /// Nothing is ever created in place of something unreadable.
    /// * [`StorageError::Locked`]: somebody else has it, with whom and since when; for
    ///   [`patience`](S3Config::patience), it was waited.
    /// * [`StorageError::NoConditionalWrites`]: two writers could both succeed there.
    /// * [`StorageError::Corrupt`], [`StorageError::ForeignVersion`], [`StorageError::NotAStore`]: what is there is no
    ///   store, or not whole.
    /// * [`StorageError::PermissionDenied`], [`StorageError::Unreachable`], [`StorageError::Full`]: what the service said.
    /// * [`StorageError::InvalidUrl`]: the settings.
    pub async fn open(config: S3Config) -> Result<Self, StorageError> {
        let name = PathBuf::from(config.name());
        let bucket = config.open()?;
        Self::start(name, bucket, config).await
    }

    async fn start(
        name: PathBuf,
        bucket: bucket::Bucket,
        config: S3Config,
    ) -> Result<Self, StorageError> {
        let io = {
            let name = name.clone();
            move |e: std::io::Error| StorageError::Io {
                operation: "start the thread for",
                path: name,
                message: e.to_string(),
            }
        };
        let (done, opened) = oneshot::channel();
        let started =
            std::thread::Builder::new().name("agentmesh-s3-open".to_owned()).spawn(move || {
                // Whoever asked may be gone; then the store is closed again by dropping it.
                let _ = done.send(Self::start_here(name, bucket, &config));
            });
        started.map_err(io)?;
        opened.await.map_err(|_| StorageError::Crashed {
            reason: "the thread that opened it ended".to_owned(),
        })?
    }

    /// Blocks; not on a thread that has a runtime.
    fn start_here(
        name: PathBuf,
        bucket: bucket::Bucket,
        config: &S3Config,
    ) -> Result<Self, StorageError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("agentmesh-s3")
            .enable_all()
            .build()
            .map_err(|e| StorageError::Io {
                operation: "start the threads for",
                path: name.clone(),
                message: e.to_string(),
            })?;
        let core = runtime.block_on(open::open(bucket, config))?;
        let renewed = Instant::now();
        let backend =
            Store { renew_at: core.tenant.as_ref().map(|t| renewed + t.pace()), core, runtime };
        Ok(Self { worker: Worker::start(name, backend)? })
    }
}

impl Storage for S3Storage {
    fn durability(&self) -> Durability {
        Durability::Synced
    }

    fn load<'a>(&'a self, ids: &'a [RecordId]) -> StorageFuture<'a, Vec<Option<Record>>> {
        self.worker.load(ids)
    }

    fn list(
        &self,
        kind: RecordKind,
        after: Option<[u8; 16]>,
        limit: usize,
    ) -> StorageFuture<'_, Vec<Record>> {
        self.worker.list(kind, after, limit)
    }

    fn commit(&self, changes: Changes) -> StorageFuture<'_, ()> {
        self.worker.commit(changes)
    }

    fn close(&self) -> StorageFuture<'_, ()> {
        self.worker.close()
    }

    fn location(&self) -> String {
        self.worker.path().display().to_string()
    }
}

/// What the store's thread owns.
struct Store {
    core: Core,
    renew_at: Option<Instant>,
    runtime: Runtime,
}

impl Store {
    fn renewed(&mut self) {
        self.renew_at = self.core.tenant.as_ref().map(|tenant| Instant::now() + tenant.pace());
    }
}

impl Backend for Store {
    fn load(&mut self, ids: &[RecordId]) -> Answer<Vec<Option<Record>>> {
        self.runtime.block_on(self.core.load(ids))
    }

    fn list(
        &mut self,
        kind: RecordKind,
        after: Option<[u8; 16]>,
        limit: usize,
    ) -> Answer<Vec<Record>> {
        self.runtime.block_on(self.core.list(kind, after, limit))
    }

    fn commit(&mut self, group: Vec<Changes>) -> Vec<Answer<()>> {
        let sequence = self.core.state.head.sequence;
        let answers = self.runtime.block_on(self.core.commit(&group));
        if self.core.state.head.sequence != sequence {
            self.renewed();
        }
        answers
    }

    fn maintain(&mut self) -> Answer<()> {
        self.runtime.block_on(self.core.collect());
        Ok(())
    }

    fn due_in(&self) -> Option<Duration> {
        self.renew_at.map(|at| at.saturating_duration_since(Instant::now()))
    }

    fn tick(&mut self) -> Answer<()> {
        if self.renew_at.is_none_or(|at| at > Instant::now()) {
            return Ok(());
        }
        match self.runtime.block_on(self.core.renew()) {
            Ok(()) => self.renewed(),
            Err(lost @ StorageError::LeaseLost { .. }) => {
                self.renew_at = None;
                return Err(lost);
            }
            // Whether the lease can still be had will be seen.
            Err(error) => {
                tracing::warn!(target: "agentmesh", %error, "the store's lease was not renewed");
                self.renew_at = Some(Instant::now() + RENEW_AGAIN);
            }
        }
        Ok(())
    }

    fn close(mut self) {
        self.runtime.block_on(async {
            self.core.collect().await;
            self.core.release().await;
        });
    }
}
