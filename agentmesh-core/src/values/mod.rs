//! Plain values by name, with a time to live: presence, caches, notes of the application.
//!
//! [`KeyValue`] is what can be done with them. [`Values`] does it over any [`Storage`](crate::storage::Storage), in
//! records of a kind of their own, so that every store offers it and no store has to know of it. A service that is only
//! eventually consistent (Workers KV, a plain bucket) can implement [`KeyValue`] itself, and then holds values and
//! nothing else: it is no `Storage`, so nobody can keep a session in it by mistake.
//!
//! Values are **not secret** unless they are sealed ([`Values::sealed`]). Knows nothing of identities or sessions.
//! `docs/protocol/state.md`, "Values".

#[cfg(any(test, feature = "test-utils"))]
pub mod conformance;
mod record;
mod stored;

use core::{fmt, pin::Pin};
use std::collections::BTreeMap;

pub use stored::Values;

use crate::{
    codec::CodecError,
    error::errors,
    storage::{RecordId, StorageError},
    time::Timestamp,
    vault::VaultError,
};

errors! {
    /// Why a value could not be read or written.
    pub enum KeyValueError {
        /// The name is empty or too long.
        #[error("a name has 1 to {limit} bytes, this one {actual}")]
        InvalidName {
            /// The limit.
            limit: usize,
            /// What was given.
            actual: usize,
        } = "VALUE_INVALID_NAME", InvalidInput, permanent;
        /// The value or its metadata is too large.
        #[error("{what}: {actual} exceeds the limit of {limit}")]
        TooLarge {
            /// Which of them.
            what: &'static str,
            /// The limit.
            limit: usize,
            /// What was given.
            actual: usize,
        } = "VALUE_TOO_LARGE", InvalidInput, permanent;
        /// Others wrote the value again and again while this call tried to.
        #[error("others keep writing this value; try again")]
        Contended = "VALUE_CONTENDED", Conflict, retryable;
        /// A value is there and does not parse: a newer release wrote it, or it is damaged. Delete it if it can be spared.
        #[error("{id} does not parse: {source}")]
        Unreadable {
            /// The record.
            id: RecordId,
            /// Where it stops making sense.
            source: CodecError,
        } = "VALUE_UNREADABLE", Storage, permanent;
        /// The store failed.
        #[error("{source}")]
        Storage {
            /// What it says.
            #[from]
            source: StorageError,
        } = "VALUE_STORAGE", Storage, permanent;
        /// A sealed value does not open with this store key.
        #[error("{source}")]
        Vault {
            /// What the vault says.
            #[from]
            source: VaultError,
        } = "VALUE_VAULT", Storage, permanent;
        /// A service that keeps values failed.
        #[error("{operation}: {message}")]
        Service {
            /// What was being done, such as `set`.
            operation: &'static str,
            /// The service's words.
            message: String,
        } = "VALUE_SERVICE", Storage, retryable;
    }
}

/// The future of a method of [`KeyValue`].
pub type KeyValueFuture<'a, T> =
    Pin<Box<dyn Future<Output = Result<T, KeyValueError>> + Send + 'a>>;

/// How a value is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SetOptions {
    /// Seconds until the value is gone. Default: it stays.
    pub ttl_s: Option<u64>,
    /// Small facts beside the value, readable without parsing it.
    pub metadata: BTreeMap<String, String>,
}

impl SetOptions {
    /// A value that is gone after so many seconds.
    pub fn ttl(seconds: u64) -> Self {
        Self { ttl_s: Some(seconds), ..Self::default() }
    }
}

/// A value and what is known of it. Prints its length only.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// The value.
    pub value: Vec<u8>,
    /// What was stored beside it.
    pub metadata: BTreeMap<String, String>,
    /// When it is gone; never if `None`.
    pub expires_at: Option<Timestamp>,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { value, metadata, expires_at } = self;
        f.debug_struct("Entry")
            .field("value", &format_args!("{} bytes", value.len()))
            .field("metadata", &metadata.len())
            .field("expires_at", expires_at)
            .finish()
    }
}

/// Values by name.
///
/// A value whose time is up is absent for every method, whether or not its bytes are gone already. Of two writes at
/// once the later one stands. Nothing else is promised across names: no transactions, no order.
pub trait KeyValue: fmt::Debug + Send + Sync {
    /// The value with all that is known of it; `None` if there is none.
    ///
    /// # Errors
    /// [`KeyValueError`]. A value that cannot be read is an error, never absent.
    fn entry<'a>(&'a self, name: &'a str) -> KeyValueFuture<'a, Option<Entry>>;

    /// Writes a value over whatever was there.
    ///
    /// # Errors
    /// [`KeyValueError`].
    fn set<'a>(
        &'a self,
        name: &'a str,
        value: &'a [u8],
        options: SetOptions,
    ) -> KeyValueFuture<'a, ()>;

    /// Removes a value; whether there was one.
    ///
    /// # Errors
    /// [`KeyValueError`].
    fn delete<'a>(&'a self, name: &'a str) -> KeyValueFuture<'a, bool>;

    /// The names that begin with `prefix`, all if it is empty, in the order of their bytes.
    ///
    /// # Errors
    /// [`KeyValueError`].
    fn list<'a>(&'a self, prefix: &'a str) -> KeyValueFuture<'a, Vec<String>>;

    /// The value alone.
    ///
    /// # Errors
    /// As [`entry`](Self::entry).
    fn get<'a>(&'a self, name: &'a str) -> KeyValueFuture<'a, Option<Vec<u8>>> {
        Box::pin(async move { Ok(self.entry(name).await?.map(|entry| entry.value)) })
    }

    /// Whether there is a value.
    ///
    /// # Errors
    /// As [`entry`](Self::entry).
    fn exists<'a>(&'a self, name: &'a str) -> KeyValueFuture<'a, bool> {
        Box::pin(async move { Ok(self.entry(name).await?.is_some()) })
    }
}
