//! Why an agent could not be opened, and of which store that is said.

use core::fmt;

use crate::{
    codec::CodecError,
    error::errors,
    storage::{CopyError, RecordId, Storage, StorageError},
    vault::VaultError,
};

errors! {
    /// Why an agent's state could not be opened or created. Nothing is ever created in place of it.
    pub enum LoadError {
        /// The store failed.
        #[error("{source}")]
        Storage {
            /// What the store says.
            #[from]
            source: StorageError,
        } = "STATE_STORAGE", Storage, permanent;
        /// The store was moved elsewhere, or is a copy that is not complete.
        #[error("{source}")]
        Copied {
            /// Which of the two.
            #[from]
            source: CopyError,
        } = "STATE_COPIED", Conflict, permanent;
        /// A record cannot be unsealed although others can: it is damaged.
        #[error("{store}: {source}; restore the store from a copy")]
        Vault {
            /// The store.
            store: String,
            /// What the vault says.
            source: VaultError,
        } = "STATE_VAULT", Storage, permanent;
        /// Nothing in the store opens with this key: it is the key of another store.
        #[error("{store} is sealed with another store key; use the key that it was made with")]
        WrongStoreKey {
            /// The store.
            store: String,
        } = "STATE_WRONG_STORE_KEY", Storage, permanent;
        /// A record was unsealed but does not parse: a newer release wrote it, or a bug.
        #[error("{store}: record {id} does not parse: {source}; use the release that wrote it")]
        Undecodable {
            /// The store.
            store: String,
            /// The record.
            id: RecordId,
            /// Where it stops making sense.
            source: CodecError,
        } = "STATE_UNDECODABLE", Storage, permanent;
        /// The identity or prekey record does not parse.
        #[error("{store}: the {what} record does not parse: {detail}; use the release that wrote it, or restore the store from a copy")]
        Unreadable {
            /// The store.
            store: String,
            /// Which one.
            what: &'static str,
            /// What is wrong, without content.
            detail: String,
        } = "STATE_UNREADABLE", Storage, permanent;
        /// There are records but no identity among them: part of the store was lost.
        #[error("{store} holds records but no identity; restore it from a copy of the whole store, or restore the identity from a backup into a new one")]
        IdentityMissing {
            /// The store.
            store: String,
        } = "STATE_IDENTITY_MISSING", Storage, permanent;
        /// The store already holds an identity.
        #[error("{store} already holds an identity; open it, or use another store")]
        IdentityExists {
            /// The store.
            store: String,
        } = "STATE_IDENTITY_EXISTS", Conflict, permanent;
    }
}

/// What an error says of the store until somebody names it.
const UNNAMED: &str = "the store";

impl From<VaultError> for LoadError {
    fn from(source: VaultError) -> Self {
        Self::Vault { store: UNNAMED.to_owned(), source }
    }
}

impl LoadError {
    pub(super) fn undecodable(id: RecordId, source: CodecError) -> Self {
        Self::Undecodable { store: UNNAMED.to_owned(), id, source }
    }

    pub(super) fn unreadable(what: &'static str, detail: impl fmt::Display) -> Self {
        Self::Unreadable { store: UNNAMED.to_owned(), what, detail: detail.to_string() }
    }

    /// Names the store. Errors of stores name theirs themselves.
    #[must_use]
    pub fn in_store(mut self, storage: &dyn Storage) -> Self {
        match &mut self {
            Self::Storage { .. } | Self::Copied { .. } => {}
            Self::Vault { store, .. }
            | Self::WrongStoreKey { store }
            | Self::Undecodable { store, .. }
            | Self::Unreadable { store, .. }
            | Self::IdentityMissing { store }
            | Self::IdentityExists { store } => *store = storage.location(),
        }
        self
    }
}
