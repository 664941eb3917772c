//! The identity in a store: whether there is one, and how it gets there.

use rand_core::CryptoRng;

use crate::{
    identity::Identity,
    prekeys::PreKeys,
    storage::{
        Changes, CopyError, Record, RecordId, RecordKind, Storage, copy, require_consistent,
    },
    time::Timestamp,
    vault::{Vault, passphrase},
};

use super::{
    Continuation, LoadError,
    lookup::{DEFAULT_IDENTITY_KEY, explain_absence, put_key},
    own_records::{IDENTITY, new_prekeys},
};

/// Where a new store's identity comes from: ids of prekeys must not be used twice.
#[derive(Debug, Clone, Copy)]
pub enum Origin<'a> {
    /// It was generated just now.
    New,
    /// It was in use elsewhere, with these numbers if they are known.
    Elsewhere(Option<&'a Continuation>),
}

/// An identity found in a store.
#[derive(Debug)]
pub struct StoredIdentity {
    /// The identity.
    pub identity: Identity,
    pub(super) record: Record,
}

impl StoredIdentity {
    /// Looks for an identity. `None` only if the store is empty: a store with records but without an identity
    /// is an error, and so is an identity that cannot be read.
    ///
    /// # Errors
    /// [`LoadError`]
    pub async fn find(storage: &dyn Storage, vault: &Vault) -> Result<Option<Self>, LoadError> {
        Self::look_for(storage, vault).await.map_err(|e| e.in_store(storage))
    }

    async fn look_for(storage: &dyn Storage, vault: &Vault) -> Result<Option<Self>, LoadError> {
        require_consistent(storage)?;
        copy::require_here(storage).await.map_err(|error| match error {
            CopyError::Storage { source } => LoadError::Storage { source },
            source => LoadError::Copied { source },
        })?;
        let id = vault.record_id(RecordKind::Identity, IDENTITY);
        let loaded = storage.load(&[id]).await?.into_iter().next().flatten();
        let Some(record) = loaded else {
            explain_absence(storage, vault).await?;
            return Ok(None);
        };
        let plain = vault.open(&record)?;
        let identity =
            Identity::from_record(&plain).map_err(|e| LoadError::unreadable("identity", e))?;
        Ok(Some(Self { identity, record }))
    }

    /// Puts an identity and its first prekeys into an empty store.
    ///
    /// # Errors
    /// [`LoadError::IdentityExists`] if there is one, and what the store says.
    pub async fn create(
        storage: &dyn Storage,
        vault: &Vault,
        identity: Identity,
        now: Timestamp,
        rng: &mut (dyn CryptoRng + Send),
    ) -> Result<Self, LoadError> {
        let (key, origin) = (DEFAULT_IDENTITY_KEY, Origin::New);
        Self::create_as(storage, vault, identity, key, origin, now, rng).await
    }

    /// As [`StoredIdentity::create`], for an identity that was in use elsewhere, such as one out of a backup: it goes on
    /// above the numbers in `continuation`; without one, the ids of its first prekeys are at random, far from those
    /// that it used before.
    ///
    /// # Errors
    /// As [`StoredIdentity::create`].
    pub async fn restore(
        storage: &dyn Storage,
        vault: &Vault,
        identity: Identity,
        continuation: Option<&Continuation>,
        now: Timestamp,
        rng: &mut (dyn CryptoRng + Send),
    ) -> Result<Self, LoadError> {
        let (key, origin) = (DEFAULT_IDENTITY_KEY, Origin::Elsewhere(continuation));
        Self::create_as(storage, vault, identity, key, origin, now, rng).await
    }

    /// As [`StoredIdentity::create`] or [`StoredIdentity::restore`], under an identity key of the caller's.
    ///
    /// # Errors
    /// As [`StoredIdentity::create`].
    pub async fn create_as(
        storage: &dyn Storage,
        vault: &Vault,
        identity: Identity,
        key: &str,
        origin: Origin<'_>,
        now: Timestamp,
        rng: &mut (dyn CryptoRng + Send),
    ) -> Result<Self, LoadError> {
        let (prekeys, continuation) = match origin {
            Origin::New => (PreKeys::generate(&identity, now, rng), None),
            Origin::Elsewhere(None) => (PreKeys::recover(&identity, now, rng), None),
            Origin::Elsewhere(Some(from)) => (from.prekeys(&identity, now, rng), Some(from)),
        };
        if Self::find(storage, vault).await?.is_some() {
            return Err(LoadError::IdentityExists { store: storage.location() });
        }
        let id = vault.record_id(RecordKind::Identity, IDENTITY);
        let sealed = vault.seal(id, 1, &identity.to_record(), rng)?;
        let mut changes = Changes::new();
        changes.put(id, 0, sealed.clone());
        put_key(vault, key, rng, &mut changes)?;
        new_prekeys(vault, prekeys).seal_into(vault, rng, &mut changes)?;
        if let Some(continuation) = continuation {
            continuation.put_peers(vault, rng, &mut changes)?;
        }
        storage.commit(changes).await?;
        Ok(Self { identity, record: Record { id, version: 1, sealed } })
    }

    /// Version of the record.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.record.version
    }
}

/// Whether a record is about the store itself rather than about the agent in it.
pub(super) fn is_about_the_store(id: RecordId) -> bool {
    id == passphrase::ID || copy::is_mark(id)
}
