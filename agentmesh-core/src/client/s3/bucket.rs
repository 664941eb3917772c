//! One prefix of one bucket: objects in and out, with typed errors that show no credentials.
//!
//! Knows `object_store` and paths; does not know what is in the objects, nor leases.

use std::{fmt, path::PathBuf, sync::Arc};

use bytes::Bytes;
use futures_util::StreamExt;
use object_store::{
    GetOptions, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, UpdateVersion,
    path::Path,
};
use zeroize::Zeroizing;

use super::format::ObjectName;
use crate::{client::http::reasons, storage::StorageError};

/// Characters of a server's words that go into an error.
const MAX_MESSAGE: usize = 300;

/// A version of an object, as the server names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tag(UpdateVersion);

/// What a conditional put ended with.
#[derive(Debug)]
pub(super) enum Put {
    /// It is written.
    Done(Tag),
    /// It is not: the object is there already, or has another version.
    Refused,
    /// Nobody can tell; look at the object.
    Unknown(StorageError),
}

/// See the module.
pub(super) struct Bucket {
    objects: Arc<dyn ObjectStore>,
    prefix: Path,
    name: PathBuf,
    /// What must not appear in a message.
    secrets: Vec<Zeroizing<String>>,
}

impl Bucket {
    pub(super) fn new(
        objects: Arc<dyn ObjectStore>,
        prefix: &str,
        name: String,
        secrets: Vec<Zeroizing<String>>,
    ) -> Self {
        Self { objects, prefix: Path::from(prefix), name: name.into(), secrets }
    }

    /// The store's name in messages: `s3://bucket/prefix`.
    pub(super) const fn name(&self) -> &PathBuf {
        &self.name
    }

    /// An object's name in messages.
    pub(super) fn name_of(&self, key: &str) -> PathBuf {
        self.name.join(key)
    }

    fn path(&self, key: &str) -> Path {
        key.split('/').fold(self.prefix.clone(), |path, part| path.join(part))
    }

    /// The object and its version; `None` if it is not there.
    pub(super) async fn get(&self, key: &str) -> Result<Option<(Bytes, Tag)>, StorageError> {
        let got = match self.objects.get_opts(&self.path(key), GetOptions::default()).await {
            Ok(got) => got,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(self.failed("read", key, &error)),
        };
        let tag = self.tag(got.meta.e_tag.clone(), got.meta.version.clone())?;
        let bytes = got.bytes().await.map_err(|e| self.failed("read", key, &e))?;
        Ok(Some((bytes, tag)))
    }

    /// Parts of an object, neighbours in one request; `None` if it is not there.
    pub(super) async fn get_ranges(
        &self,
        key: &str,
        ranges: &[std::ops::Range<u64>],
    ) -> Result<Option<Vec<Bytes>>, StorageError> {
        match self.objects.get_ranges(&self.path(key), ranges).await {
            Ok(parts) => Ok(Some(parts)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed("read", key, &error)),
        }
    }

    /// How long an object is; `None` if it is not there.
    pub(super) async fn length(&self, key: &str) -> Result<Option<u64>, StorageError> {
        match self.objects.head(&self.path(key)).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed("read", key, &error)),
        }
    }

    /// Writes an object that nobody else writes, under a name that nobody else uses.
    pub(super) async fn put(&self, key: &str, bytes: Bytes) -> Result<(), StorageError> {
        let put = self.objects.put(&self.path(key), PutPayload::from_bytes(bytes)).await;
        put.map(drop).map_err(|e| self.failed("write", key, &e))
    }

    /// Writes the object if it is absent.
    pub(super) async fn create(&self, key: &str, bytes: Bytes) -> Put {
        self.put_if(key, bytes, PutMode::Create).await
    }

    /// Writes the object if it is still at that version.
    pub(super) async fn replace(&self, key: &str, bytes: Bytes, tag: &Tag) -> Put {
        self.put_if(key, bytes, PutMode::Update(tag.0.clone())).await
    }

    async fn put_if(&self, key: &str, bytes: Bytes, mode: PutMode) -> Put {
        use object_store::Error as E;
        let payload = PutPayload::from_bytes(bytes);
        match self.objects.put_opts(&self.path(key), payload, PutOptions::from(mode)).await {
            Ok(done) => match self.tag(done.e_tag, done.version) {
                Ok(tag) => Put::Done(tag),
                Err(error) => Put::Unknown(error),
            },
            Err(E::AlreadyExists { .. } | E::Precondition { .. } | E::NotModified { .. }) => {
                Put::Refused
            }
            Err(error) => Put::Unknown(self.failed("write", key, &error)),
        }
    }

    fn tag(&self, e_tag: Option<String>, version: Option<String>) -> Result<Tag, StorageError> {
        if e_tag.is_none() {
            return Err(self.unconditional("it names no versions (ETag)"));
        }
        Ok(Tag(UpdateVersion { e_tag, version }))
    }

    /// The error of an endpoint on which two writers could both succeed.
    pub(super) fn unconditional(&self, found: &str) -> StorageError {
        StorageError::NoConditionalWrites { path: self.name.clone(), found: found.to_owned() }
    }

    /// Deletes an object; no error if it is not there.
    pub(super) async fn delete(&self, key: &str) -> Result<(), StorageError> {
        match self.objects.delete(&self.path(key)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failed("delete", key, &error)),
        }
    }

    /// At most `limit` objects below a folder, by name.
    pub(super) async fn names(
        &self,
        folder: &str,
        limit: usize,
    ) -> Result<Vec<ObjectName>, StorageError> {
        let listed = self.keys(Some(folder), limit).await?;
        Ok(listed.iter().filter_map(|key| ObjectName::parse(key.rsplit('/').next()?)).collect())
    }

    /// At most `limit` objects, by their whole keys.
    pub(super) async fn keys(
        &self,
        folder: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, StorageError> {
        let below = folder.map_or_else(|| self.prefix.clone(), |folder| self.path(folder));
        let mut found = self.objects.list(Some(&below)).take(limit);
        let mut keys = Vec::new();
        while let Some(object) = found.next().await {
            let object = object.map_err(|e| self.failed("list", folder.unwrap_or(""), &e))?;
            keys.push(object.location.to_string());
        }
        Ok(keys)
    }

    fn failed(
        &self,
        operation: &'static str,
        key: &str,
        error: &object_store::Error,
    ) -> StorageError {
        use object_store::Error as E;
        let path = self.name_of(key);
        match error {
            E::PermissionDenied { .. } | E::Unauthenticated { .. } => {
                StorageError::PermissionDenied { operation, path }
            }
            E::NotImplemented { .. } | E::NotSupported { .. } => {
                self.unconditional("it does not know such requests")
            }
            error => self.unreachable(operation, path, &reasons(error)),
        }
    }

    fn unreachable(&self, operation: &'static str, path: PathBuf, words: &str) -> StorageError {
        const FULL: [&str; 3] = ["XMinioStorageFull", "QuotaExceeded", "507 Insufficient Storage"];
        if FULL.iter().any(|full| words.contains(full)) {
            return StorageError::Full { path };
        }
        StorageError::Unreachable { operation, path, message: self.clean(words) }
    }

    /// On one line, cut, and without what must not be shown.
    fn clean(&self, words: &str) -> String {
        let mut text = words.to_owned();
        for secret in self.secrets.iter().filter(|secret| !secret.is_empty()) {
            text = text.replace(secret.as_str(), "[redacted]");
        }
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_MESSAGE).collect()
    }
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bucket({})", self.name.display())
    }
}
