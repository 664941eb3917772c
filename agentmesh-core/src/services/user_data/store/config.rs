//! Where user data are kept, in which layout, and how much of them.

use std::{path::PathBuf, sync::Arc};

use object_store::{ObjectStore, local::LocalFileSystem, memory::InMemory};

use super::{UserDataStoreError, disk::Disk, keys::SkillLayout, objects::Objects};
use crate::client::s3::S3Config;

/// What is kept of one user at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserDataLimits {
    /// Bytes of a skill. Default: 1 MiB.
    pub skill_bytes: u64,
    /// Bytes of a conversation. Default: 10 MiB.
    pub conversation_bytes: u64,
    /// Bytes of a settings document. Default: 256 KiB.
    pub settings_bytes: u64,
    /// Skills of a user. Default: 1,000.
    pub skills: usize,
}

impl Default for UserDataLimits {
    fn default() -> Self {
        Self {
            skill_bytes: 1 << 20,
            conversation_bytes: 10 << 20,
            settings_bytes: 256 << 10,
            skills: 1000,
        }
    }
}

/// Describes a store. Printing it shows no credentials.
///
/// ```
/// # async fn example() -> Result<(), agentmesh_core::services::user_data::store::UserDataStoreError> {
/// use agentmesh_core::{
///     client::s3::S3Config,
///     services::user_data::store::{UserDataStore, UserDataStoreConfig},
/// };
///
/// // A bucket of Cloudflare R2, as a deployed service uses it:
/// let bucket = S3Config::new("claude-agent-user-data", "")
///     .endpoint("https://<account>.r2.cloudflarestorage.com")
///     .region("auto");
/// let store = UserDataStore::open(UserDataStoreConfig::s3(bucket))?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct UserDataStoreConfig {
    place: Place,
    pub(super) layout: SkillLayout,
    pub(super) limits: UserDataLimits,
}

#[derive(Debug, Clone)]
enum Place {
    Memory,
    Directory(PathBuf),
    Bucket(Box<S3Config>),
    Other { objects: Arc<dyn ObjectStore>, prefix: String },
}

impl UserDataStoreConfig {
    /// In memory: gone with the store.
    pub fn memory() -> Self {
        Self::at(Place::Memory)
    }

    /// In a directory, which is made if it is absent.
    pub fn directory(dir: impl Into<PathBuf>) -> Self {
        Self::at(Place::Directory(dir.into()))
    }

    /// In a bucket of S3, R2, MinIO or whatever speaks their language. Any number of processes may use it at a time; what
    /// `bucket` says of leases does not matter here.
    pub fn s3(bucket: S3Config) -> Self {
        Self::at(Place::Bucket(Box::new(bucket)))
    }

    /// In any object store, below a prefix.
    pub fn over(objects: Arc<dyn ObjectStore>, prefix: impl Into<String>) -> Self {
        Self::at(Place::Other { objects, prefix: prefix.into() })
    }

    /// Reads `memory:`, `file:DIR` or `s3://BUCKET/PREFIX`.
    ///
    /// # Errors
    /// [`UserDataStoreError::Config`] for anything else.
    pub fn from_url(url: &str) -> Result<Self, UserDataStoreError> {
        let wrong = |problem: String| UserDataStoreError::Config { setting: "store", problem };
        match url.split_once(':') {
            Some(("memory", "")) => Ok(Self::memory()),
            Some(("file", rest)) if !rest.trim_start_matches("//").is_empty() => {
                Ok(Self::directory(rest.strip_prefix("//").unwrap_or(rest)))
            }
            Some(("s3", _)) => {
                S3Config::from_url(url).map(Self::s3).map_err(|error| wrong(error.to_string()))
            }
            _ => Err(wrong("known are memory:, file:DIR and s3://BUCKET/PREFIX".to_owned())),
        }
    }

    /// Where skills are written; both layouts are read. Default: flat.
    #[must_use]
    pub const fn layout(mut self, layout: SkillLayout) -> Self {
        self.layout = layout;
        self
    }

    /// What is kept of one user at most.
    #[must_use]
    pub const fn limits(mut self, limits: UserDataLimits) -> Self {
        self.limits = limits;
        self
    }

    fn at(place: Place) -> Self {
        Self { place, layout: SkillLayout::default(), limits: UserDataLimits::default() }
    }

    pub(super) fn open(&self) -> Result<Objects, UserDataStoreError> {
        let wrong = |problem: String| UserDataStoreError::Config { setting: "store", problem };
        Ok(match &self.place {
            Place::Memory => Objects::new(Arc::new(InMemory::new()), "", None, Vec::new()),
            Place::Directory(dir) => {
                let cannot =
                    |error: &dyn std::error::Error| wrong(format!("{}: {error}", dir.display()));
                let disk = Disk::open(dir).map_err(|error| cannot(&error))?;
                let files = LocalFileSystem::new_with_prefix(disk.root());
                let files = files.map_err(|error| cannot(&error))?;
                // A directory that was a skill's in the other layout must not be in the way.
                let files = files.with_fsync(true).with_automatic_cleanup(true);
                Objects::new(Arc::new(files), "", Some(disk), Vec::new())
            }
            Place::Bucket(config) => {
                let (objects, secrets) =
                    config.objects().map_err(|error| wrong(error.to_string()))?;
                Objects::new(objects, config.prefix(), None, secrets)
            }
            Place::Other { objects, prefix } => {
                Objects::new(Arc::clone(objects), prefix, None, Vec::new())
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_the_three_kinds_of_stores() {
        let place = |url: &str| format!("{:?}", UserDataStoreConfig::from_url(url).unwrap().place);
        assert_eq!(place("memory:"), "Memory");
        assert_eq!(place("file:a/b"), r#"Directory("a/b")"#);
        assert_eq!(place("file:///a/b"), r#"Directory("/a/b")"#);
        assert!(place("s3://bucket/prefix").contains("s3://bucket/prefix"));
        for bad in ["", "memory:x", "file:", "file://", "s3:", "https://x", "s3://a:b@c/d"] {
            let refused = UserDataStoreConfig::from_url(bad).unwrap_err();
            assert!(matches!(refused, UserDataStoreError::Config { .. }), "{bad}: {refused}");
            assert!(!refused.to_string().contains("a:b@"), "{refused}");
        }
    }
}
