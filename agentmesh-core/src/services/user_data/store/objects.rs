//! One prefix of one object store: objects in and out, in order, with typed errors that show no credentials.
//!
//! Knows `object_store`, and that stores in a directory need care; does not know what the objects are.

use std::{collections::BTreeMap, fmt, sync::Arc};

use bytes::Bytes;
use futures_util::StreamExt;
use object_store::{
    Attribute, AttributeValue, Attributes, ObjectStore, ObjectStoreExt, PutOptions, PutPayload,
    path::Path,
};
use zeroize::Zeroizing;

use super::{UserDataStoreError, disk::Disk};
use crate::{Timestamp, client::http::reasons};

/// Characters of a store's words that go into an error.
const MAX_MESSAGE: usize = 300;

type Answer<T> = Result<T, UserDataStoreError>;

/// An object as it was read.
pub(super) struct Object {
    pub(super) bytes: Bytes,
    pub(super) modified: Timestamp,
    /// Custom metadata by name, for those stores that keep it.
    attributes: Attributes,
}

impl Object {
    /// Names travel in headers, which have no case.
    pub(super) fn metadata(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find_map(|(key, value)| match key {
            Attribute::Metadata(key) if key.eq_ignore_ascii_case(name) => Some(value.as_ref()),
            _ => None,
        })
    }
}

/// An object as it was listed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Listed {
    pub(super) size: u64,
    pub(super) modified: Timestamp,
}

/// See the module.
pub(super) struct Objects {
    inner: Arc<dyn ObjectStore>,
    prefix: String,
    disk: Option<Disk>,
    /// What must not appear in a message.
    secrets: Vec<Zeroizing<String>>,
}

impl Objects {
    pub(super) fn new(
        inner: Arc<dyn ObjectStore>,
        prefix: &str,
        disk: Option<Disk>,
        secrets: Vec<Zeroizing<String>>,
    ) -> Self {
        let prefix = match prefix.trim_matches('/') {
            "" => String::new(),
            prefix => format!("{prefix}/"),
        };
        Self { inner, prefix, disk, secrets }
    }

    /// Whether an object cannot be where the folder of another is.
    pub(super) const fn is_disk(&self) -> bool {
        self.disk.is_some()
    }

    /// The object; `None` if it is not there.
    pub(super) async fn get(
        &self,
        key: &str,
        what: &'static str,
        limit: u64,
    ) -> Answer<Option<Object>> {
        let path = self.path(key).await?;
        let found = match self.inner.get(&path).await {
            Ok(found) => found,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(self.failed("read", &error)),
        };
        if found.meta.size > limit {
            return Err(UserDataStoreError::TooLarge { what, limit });
        }
        let (attributes, modified) =
            (found.attributes.clone(), time(found.meta.last_modified.timestamp_millis()));
        match found.bytes().await {
            Ok(bytes) => Ok(Some(Object { bytes, modified, attributes })),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(self.failed("read", &error)),
        }
    }

    pub(super) async fn exists(&self, key: &str) -> Answer<bool> {
        let path = self.path(key).await?;
        match self.inner.head(&path).await {
            Ok(_) => Ok(true),
            Err(error) if is_absent(&error) => Ok(false),
            Err(error) => Err(self.failed("read", &error)),
        }
    }

    /// Writes an object as a whole, over what was there.
    pub(super) async fn put(
        &self,
        key: &str,
        bytes: Bytes,
        content_type: &'static str,
        metadata: &[(&'static str, &str)],
    ) -> Answer<()> {
        let path = self.path(key).await?;
        let mut options = PutOptions::default();
        // Files have none: what is in it follows from the key and the time of the last change.
        if !self.is_disk() {
            options.attributes.insert(Attribute::ContentType, content_type.into());
            for (name, value) in metadata {
                let value = AttributeValue::from(in_ascii(value));
                options.attributes.insert(Attribute::Metadata((*name).into()), value);
            }
        }
        let put = self.inner.put_opts(&path, PutPayload::from_bytes(bytes), options).await;
        put.map(drop).map_err(|error| self.failed("write", &error))
    }

    /// No error if it is not there.
    pub(super) async fn delete(&self, key: &str) -> Answer<()> {
        let path = self.path(key).await?;
        match self.inner.delete(&path).await {
            Ok(()) => Ok(()),
            Err(error) if is_absent(&error) => Ok(()),
            Err(error) => Err(self.failed("delete", &error)),
        }
    }

    /// The first `limit` names in a folder after `after`, in order, and whether there are more. `name` reads them out
    /// of keys without the folder, and passes over strangers. However many objects there are, no more are kept.
    pub(super) async fn list(
        &self,
        folder: &str,
        after: Option<&str>,
        limit: usize,
        name: impl Fn(&str) -> Option<String> + Send,
    ) -> Answer<(BTreeMap<String, Listed>, bool)> {
        let below = self.path(folder).await?;
        let mut objects = match after {
            // Not in a directory, where names are encoded, and come in no order anyway.
            Some(after) if !self.is_disk() => {
                let offset = self.path(&format!("{folder}{after}")).await?;
                self.inner.list_with_offset(Some(&below), &offset)
            }
            _ => self.inner.list(Some(&below)),
        };
        let whole = format!("{}{folder}", self.prefix);
        let mut found = BTreeMap::new();
        let mut more = false;
        while let Some(object) = objects.next().await {
            let object = match object {
                Ok(object) => object,
                Err(error) if is_absent(&error) => continue,
                Err(error) => return Err(self.failed("list", &error)),
            };
            let location = object.location.as_ref();
            let decoded = match &self.disk {
                Some(_) => Disk::decode(location),
                None => Some(location.to_owned()),
            };
            let named = decoded.as_deref().and_then(|key| name(key.strip_prefix(&whole)?));
            let Some(named) = named.filter(|named| after.is_none_or(|after| **named > *after))
            else {
                continue;
            };
            if self.disk.as_ref().is_some_and(|disk| disk.check(location).is_err()) {
                continue;
            }
            let listed = Listed {
                size: object.size,
                modified: time(object.last_modified.timestamp_millis()),
            };
            found.insert(named, listed);
            if found.len() > limit {
                found.pop_last();
                more = true;
            }
        }
        Ok((found, more))
    }

    /// The object's path, after a look for links on the way there.
    async fn path(&self, key: &str) -> Answer<Path> {
        let key = format!("{}{key}", self.prefix);
        let text = match &self.disk {
            None => key,
            Some(disk) => {
                let (disk, encoded) = (disk.clone(), disk.encode(&key));
                let checked = tokio::task::spawn_blocking(move || {
                    disk.check(&encoded)?;
                    Ok(encoded)
                });
                checked.await.map_err(|error| UserDataStoreError::Unavailable {
                    operation: "read",
                    message: error.to_string(),
                })??
            }
        };
        Path::parse(text).map_err(|error| UserDataStoreError::Unavailable {
            operation: "read",
            message: error.to_string(),
        })
    }

    fn failed(&self, operation: &'static str, error: &object_store::Error) -> UserDataStoreError {
        let mut text = reasons(error);
        for secret in self.secrets.iter().filter(|secret| !secret.is_empty()) {
            text = text.replace(secret.as_str(), "[redacted]");
        }
        let clean = |c: char| if c.is_control() { ' ' } else { c };
        let message = text.chars().map(clean).take(MAX_MESSAGE).collect();
        UserDataStoreError::Unavailable { operation, message }
    }
}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Objects").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

/// In a directory, also what lies below a file.
fn is_absent(error: &object_store::Error) -> bool {
    use std::{error::Error, io};
    if matches!(error, object_store::Error::NotFound { .. }) {
        return true;
    }
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return matches!(
                error.kind(),
                io::ErrorKind::NotFound
                    | io::ErrorKind::NotADirectory
                    | io::ErrorKind::IsADirectory
            );
        }
        source = error.source();
    }
    false
}

/// Metadata travels in headers.
fn in_ascii(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        if (b' '..=b'~').contains(&byte) && byte != b'%' {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

fn time(millis: i64) -> Timestamp {
    Timestamp::from_millis(u64::try_from(millis).unwrap_or(0))
}
