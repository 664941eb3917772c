//! Which store, as text: `sqlite:PATH`, `file:DIR`, `s3://BUCKET/PREFIX`.
//!
//! Knows the stores that this build has; does not know what is in them.

use std::{fmt, path::PathBuf, str::FromStr, sync::Arc};

use crate::storage::{FileStorage, Storage, StorageError};

/// Names a store. Its text never has credentials in it: those of S3 come from the environment.
///
/// ```
/// use agentmesh_core::client::StoreUrl;
///
/// let url: StoreUrl = "s3://bucket/agents/anna".parse()?;
/// assert_eq!(url.to_string(), "s3://bucket/agents/anna");
/// # Ok::<(), agentmesh_core::storage::StorageError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreUrl {
    /// `sqlite:PATH`: one SQLite file.
    Sqlite(PathBuf),
    /// `file:DIR`: a directory with a file a record.
    File(PathBuf),
    /// `s3://BUCKET/PREFIX`: a bucket. Where and with which credentials, the `AWS_` variables say.
    S3(String),
}

impl FromStr for StoreUrl {
    type Err = StorageError;

    fn from_str(text: &str) -> Result<Self, StorageError> {
        let invalid = |hint: &str| StorageError::InvalidUrl { hint: hint.to_owned() };
        // `file:///x` and `file:/x` and `file:x` are all in use.
        let path = |rest: &str| PathBuf::from(rest.strip_prefix("//").unwrap_or(rest));
        match text.split_once(':') {
            Some(("sqlite" | "file", "" | "//")) => Err(invalid("it names no path")),
            Some(("sqlite", rest)) => Ok(Self::Sqlite(path(rest))),
            Some(("file", rest)) => Ok(Self::File(path(rest))),
            #[cfg(feature = "s3")]
            Some(("s3", _)) => Ok(Self::S3(super::s3::S3Config::from_url(text)?.name())),
            #[cfg(not(feature = "s3"))]
            Some(("s3", _)) => Err(invalid("this program was built without S3")),
            _ => Err(invalid("known are sqlite:PATH, file:DIR and s3://BUCKET/PREFIX")),
        }
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::S3(url) => f.write_str(url),
        }
    }
}

impl StoreUrl {
    /// Opens the store, or creates it where there is nothing.
    ///
    /// # Errors
    /// What the store says; [`StorageError::InvalidUrl`] if this build does not have it.
    pub async fn open(&self) -> Result<Arc<dyn Storage>, StorageError> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(path) => Ok(Arc::new(crate::storage::SqliteStorage::open(path)?)),
            Self::File(path) => Ok(Arc::new(FileStorage::open(path)?)),
            #[cfg(feature = "s3")]
            Self::S3(url) => {
                let config = super::s3::S3Config::from_url(url)?;
                Ok(Arc::new(super::s3::S3Storage::open(config).await?))
            }
            #[allow(unreachable_patterns, reason = "reached in builds without one of the stores")]
            other => Err(StorageError::InvalidUrl {
                hint: format!("this program was built without the store of {other}"),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_the_three_kinds_of_stores() {
        let parse = |text: &str| text.parse::<StoreUrl>();
        assert_eq!(parse("sqlite:a/b.db"), Ok(StoreUrl::Sqlite("a/b.db".into())));
        assert_eq!(parse("sqlite:///a/b.db"), Ok(StoreUrl::Sqlite("/a/b.db".into())));
        assert_eq!(parse("file:/a b"), Ok(StoreUrl::File("/a b".into())));
        #[cfg(feature = "s3")]
        assert_eq!(parse("s3://b/p/"), Ok(StoreUrl::S3("s3://b/p".into())));
        for bad in ["", "agent.db", "sqlite:", "file://", "s3:", "https://x", "s3://a:b@c/d"] {
            let refused = parse(bad).unwrap_err();
            assert!(matches!(refused, StorageError::InvalidUrl { .. }), "{bad}: {refused}");
            assert!(!refused.to_string().contains("a:b@"), "{refused}");
        }
    }

    #[tokio::test]
    async fn an_opened_store_is_the_one_named() {
        let dir = tempfile::tempdir().unwrap();
        for url in [
            StoreUrl::File(dir.path().join("files")),
            #[cfg(feature = "sqlite")]
            StoreUrl::Sqlite(dir.path().join("agent.db")),
        ] {
            let reparsed: StoreUrl = url.to_string().parse().unwrap();
            let store = reparsed.open().await.unwrap();
            let again = url.open().await;
            assert!(matches!(again, Err(StorageError::Locked { .. })), "{again:?}");
            store.close().await.unwrap();
        }
    }
}
