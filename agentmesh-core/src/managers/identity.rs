//! Identities by path: what [`Identity::load`] and [`Identity::save`] do.
//!
//! An identity that cannot be read is an error and never a reason to make another one: its AMID would be another, and
//! everybody who knows the agent would lose it. So an identity is never written over another one either.

use super::{ManagerError, SealedStore, store::Slot};
use crate::{
    Error,
    codec::CodecError,
    engine::StoredIdentity,
    error::errors,
    identity::{Amid, Identity, IdentityError},
    storage::Changes,
    values::{KeyValue, SetOptions},
};

/// Longest path.
const MAX_PATH: usize = 256;

errors! {
    /// Why an identity could not be loaded or saved. Nothing has changed.
    pub enum IdentityStoreError {
        /// Nothing was ever saved under that path.
        #[error("{store} holds no identity at {path:?}")]
        NotFound {
            /// The store.
            store: String,
            /// The path.
            path: String,
        } = "IDENTITY_NOT_FOUND", NotFound, permanent;
        /// The store cannot be read, so nobody knows whether an identity is there. Mend the store, or try again; do not
        /// generate another identity.
        #[error("the identity at {path:?} in {store} cannot be read: {source}; do not generate another one, mend the store or try again")]
        LoadFailed {
            /// The store.
            store: String,
            /// The path.
            path: String,
            /// What failed.
            source: Box<Error>,
        } = "IDENTITY_LOAD_FAILED", Storage, retryable;
        /// What is stored is not an identity, or its keys do not go together.
        #[error("what {store} holds at {path:?} is no identity: {source}; restore it from a copy")]
        ImportFailed {
            /// The store.
            store: String,
            /// The path.
            path: String,
            /// What is wrong.
            source: IdentityError,
        } = "IDENTITY_IMPORT_FAILED", Storage, permanent;
        /// Another identity is stored there. It is not overwritten: it may be the only copy.
        #[error("{store} holds another identity, {found}, at {path:?}; load it, or save under another path")]
        Exists {
            /// The store.
            store: String,
            /// The path.
            path: String,
            /// Who is there.
            found: Amid,
        } = "IDENTITY_EXISTS", Conflict, permanent;
        /// A path has 1 to 256 bytes.
        #[error("a path has 1 to 256 bytes, this one {actual}")]
        InvalidPath {
            /// What was given.
            actual: usize,
        } = "IDENTITY_INVALID_PATH", InvalidInput, permanent;
    }
}

impl Identity {
    /// The identity that was saved under `path`, or the one of the agent that lives in this store, if `path` is its
    /// identity key.
    ///
    /// ```
    /// # #[cfg(feature = "getrandom")] {
    /// use agentmesh_core::{
    ///     Context, Timestamp, identity::Identity, managers::SealedStore, storage::MemoryStorage,
    ///     rng::SystemRng, vault::StoreKey,
    /// };
    ///
    /// # async fn example() -> Result<(), agentmesh_core::Error> {
    /// # let context = Context::with_clock(|| Timestamp::from_millis(1_770_206_400_000));
    /// let key = StoreKey::generate(&mut SystemRng);
    /// let store = SealedStore::new(MemoryStorage::new(), &key, context);
    /// let identity = Identity::load_or_generate(&store, "session-identity").await?;
    /// assert_eq!(Identity::load(&store, "session-identity").await?.amid(), identity.amid());
    /// # Ok(())
    /// # }
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`IdentityStoreError::NotFound`] only if nothing is there; [`IdentityStoreError::LoadFailed`],
    /// [`IdentityStoreError::ImportFailed`].
    pub async fn load(store: &SealedStore, path: &str) -> Result<Self, IdentityStoreError> {
        let failed = |source: Error| IdentityStoreError::LoadFailed {
            store: store.storage().location(),
            path: path.to_owned(),
            source: Box::new(source),
        };
        if let Some(identity) = slot(store, path).await?.value {
            return Ok(identity);
        }
        store.check_key().await.map_err(failed)?;
        match StoredIdentity::peek(store.storage(), store.vault()).await {
            Ok(Some((identity, key))) if key == path => Ok(identity),
            Ok(_) => Err(IdentityStoreError::NotFound {
                store: store.storage().location(),
                path: path.to_owned(),
            }),
            Err(error) => Err(failed(error.into())),
        }
    }

    /// Writes the identity under `path`. The same identity may be saved again, with another exchange key for instance.
    ///
    /// # Errors
    /// [`IdentityStoreError::Exists`] if another identity is there, what [`load`](Self::load) says if what is there cannot
    /// be read, and [`Error::Storage`].
    pub async fn save(&self, store: &SealedStore, path: &str) -> Result<(), Error> {
        let mut slot = slot(store, path).await?;
        let exists = |found| IdentityStoreError::Exists {
            store: store.storage().location(),
            path: path.to_owned(),
            found,
        };
        if let Some(found) = slot.value.as_ref().map(Self::amid).filter(|a| *a != self.amid()) {
            return Err(exists(found).into());
        }
        if slot.value.is_none() {
            let agent = StoredIdentity::peek(store.storage(), store.vault()).await?;
            match agent.filter(|(_, key)| key == path).map(|(identity, _)| identity.amid()) {
                Some(found) if found != self.amid() => return Err(exists(found).into()),
                // The agent's own record is the agent's business.
                Some(_) => return Ok(()),
                None => {}
            }
        }
        slot.value = None;
        let mut changes = Changes::new();
        store.put(&mut changes, &slot, |out| {
            crate::codec::Write::put(out, &self.to_record());
        })?;
        store.commit(changes).await
    }

    /// Loads the identity at `path`; makes one and saves it only if nothing is there.
    ///
    /// # Errors
    /// As [`load`](Self::load), but for `NotFound`, and as [`save`](Self::save).
    pub async fn load_or_generate(store: &SealedStore, path: &str) -> Result<Self, Error> {
        match Self::load(store, path).await {
            Err(IdentityStoreError::NotFound { .. }) => {}
            loaded => return Ok(loaded?),
        }
        let context = store.context();
        let now = context.now();
        let identity = context.with_rng(|rng| Self::generate(now, rng));
        identity.save(store, path).await?;
        Ok(identity)
    }

    /// The identity file of `agentmesh/0.2` at `identity/<path>` among plain values, as deployed SDKs keep it.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub async fn load_json(values: &dyn KeyValue, path: &str) -> Result<Self, IdentityStoreError> {
        let (store, name) = ("the key-value store".to_owned(), json_name(path)?);
        let found = values.get(&name).await.map_err(|source| IdentityStoreError::LoadFailed {
            store: store.clone(),
            path: path.to_owned(),
            source: Box::new(source.into()),
        })?;
        let Some(bytes) = found.map(zeroize::Zeroizing::new) else {
            return Err(IdentityStoreError::NotFound { store, path: path.to_owned() });
        };
        let parsed = core::str::from_utf8(&bytes)
            .map_err(|_| IdentityError::MalformedJson { line: 1, column: 1 })
            .and_then(Self::from_json);
        parsed.map_err(|source| IdentityStoreError::ImportFailed {
            store,
            path: path.to_owned(),
            source,
        })
    }

    /// Writes the identity file of `agentmesh/0.2` to `identity/<path>`.
    ///
    /// **This puts the private keys into the clear**, for SDKs that read nothing else: whoever reads these values is the agent.
    ///
    /// # Errors
    /// As [`save`](Self::save).
    pub async fn save_json(&self, values: &dyn KeyValue, path: &str) -> Result<(), Error> {
        match Self::load_json(values, path).await {
            Ok(found) if found.amid() != self.amid() => {
                return Err(IdentityStoreError::Exists {
                    store: "the key-value store".to_owned(),
                    path: path.to_owned(),
                    found: found.amid(),
                }
                .into());
            }
            Ok(_) | Err(IdentityStoreError::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let json = self.to_json();
        Ok(values.set(&json_name(path)?, json.as_bytes(), SetOptions::default()).await?)
    }
}

fn json_name(path: &str) -> Result<String, IdentityStoreError> {
    check_path(path)?;
    Ok(format!("identity/{path}"))
}

const fn check_path(path: &str) -> Result<(), IdentityStoreError> {
    match path.len() {
        1..=MAX_PATH => Ok(()),
        actual => Err(IdentityStoreError::InvalidPath { actual }),
    }
}

async fn slot(store: &SealedStore, path: &str) -> Result<Slot<Identity>, IdentityStoreError> {
    check_path(path)?;
    let loaded = store.load(format!("identity/{path}"), |body| {
        Identity::from_record(body).map_err(|error| match error {
            IdentityError::Record { source } => source,
            _ => CodecError::InvalidValue { field: "identity" },
        })
    });
    let location = || store.storage().location();
    loaded.await.map_err(|error| match error {
        Error::Manager(ManagerError::Undecodable { source, .. }) => {
            IdentityStoreError::ImportFailed {
                store: location(),
                path: path.to_owned(),
                source: IdentityError::Record { source },
            }
        }
        error => IdentityStoreError::LoadFailed {
            store: location(),
            path: path.to_owned(),
            source: Box::new(error),
        },
    })
}
