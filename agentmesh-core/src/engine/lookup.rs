//! Looking at an agent's records without opening the agent: who lives in a store, under which identity key, and with which
//! prekeys.

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::{
    codec::{CodecError, Reader, Write},
    identity::{Amid, Identity},
    prekeys::PreKeys,
    storage::{Changes, Record, RecordId, RecordKind, Storage},
    vault::{Vault, VaultError},
};

use super::{
    LoadError,
    own_records::{IDENTITY, PREKEYS},
    stored_identity::{StoredIdentity, is_about_the_store},
};

/// What an identity is called in its store if nobody says otherwise.
pub const DEFAULT_IDENTITY_KEY: &str = "agent-identity";

/// Longest identity key.
const MAX_KEY: usize = 256;
const KEY_VERSION: u8 = 1;
/// Logical name of the record that holds it.
const KEY: &[u8] = b"identity-key";

impl StoredIdentity {
    /// The agent's identity, if one lives here, and its identity key. Unlike [`find`](Self::find) this says nothing about
    /// the rest of the store.
    ///
    /// # Errors
    /// [`LoadError`] if it is there and cannot be read.
    pub async fn peek(
        storage: &dyn Storage,
        vault: &Vault,
    ) -> Result<Option<(Identity, String)>, LoadError> {
        let ids = [vault.record_id(RecordKind::Identity, IDENTITY), key_id(vault)];
        let mut found = storage.load(&ids).await?.into_iter();
        let (identity, key) = (found.next().flatten(), found.next().flatten());
        let Some(record) = identity else { return Ok(None) };
        let plain = vault.open(&record)?;
        let identity =
            Identity::from_record(&plain).map_err(|e| LoadError::unreadable("identity", e))?;
        let key = match key {
            None => DEFAULT_IDENTITY_KEY.to_owned(),
            Some(record) => decode_key(vault, &record)?,
        };
        Ok(Some((identity, key)))
    }
}

fn key_id(vault: &Vault) -> RecordId {
    vault.record_id(RecordKind::Meta, KEY)
}

fn decode_key(vault: &Vault, record: &Record) -> Result<String, LoadError> {
    let plain = vault.open(record)?;
    let read = || {
        let mut r = Reader::new(&plain);
        let version = r.u8("version")?;
        if version != KEY_VERSION {
            return Err(CodecError::UnknownVersion { what: "identity key", version });
        }
        let key = r.text(MAX_KEY, "identity key")?.to_owned();
        r.finish("identity key")?;
        Ok(key)
    };
    read().map_err(|source| LoadError::undecodable(record.id, source))
}

/// Notes what a new identity is called. The default is not written down.
pub(super) fn put_key(
    vault: &Vault,
    key: &str,
    rng: &mut dyn CryptoRng,
    changes: &mut Changes,
) -> Result<(), VaultError> {
    if key != DEFAULT_IDENTITY_KEY {
        let id = key_id(vault);
        let sealed = vault.seal_with(id, 1, rng, |out| {
            out.put_u8(KEY_VERSION);
            out.put_lp(key.as_bytes());
        })?;
        changes.put(id, 0, sealed);
    }
    Ok(())
}

/// Records looked at to tell a wrong key from a damaged record.
const SAMPLE: usize = 8;

/// Says why there is no identity where this key would have put it: nothing is wrong if nothing of an agent is there.
pub(super) async fn explain_absence(storage: &dyn Storage, vault: &Vault) -> Result<(), LoadError> {
    let (mut lost, mut opened, mut closed) = (false, false, false);
    for kind in RecordKind::ALL {
        for record in storage.list(kind, None, SAMPLE).await? {
            // What is not sealed is the application's, and may be there before the agent; a locked key and the mark of
            // a copy say nothing of one either.
            let is_plain = kind == RecordKind::Value && record.sealed.first() == Some(&0);
            if is_plain || is_about_the_store(record.id) {
                continue;
            }
            match vault.open(&record) {
                Ok(_) => opened = true,
                Err(VaultError::Unreadable { .. }) => closed = true,
                Err(error) => return Err(error.into()),
            }
            // So are sealed values and what the managers keep.
            lost |= !matches!(kind, RecordKind::Value | RecordKind::Managed);
        }
    }
    let store = storage.location();
    match (opened, closed, lost) {
        (false, true, _) => Err(LoadError::WrongStoreKey { store }),
        (_, _, true) => Err(LoadError::IdentityMissing { store }),
        _ => Ok(()),
    }
}

/// Where an agent keeps its prekeys, for those who manage them while it does not run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AgentPrekeys {
    id: RecordId,
    version: u64,
}

impl AgentPrekeys {
    /// The prekeys of the agent in this store, if it is `amid` and has any.
    pub(crate) async fn find(
        storage: &dyn Storage,
        vault: &Vault,
        amid: Amid,
    ) -> Result<Option<(Self, PreKeys)>, LoadError> {
        if StoredIdentity::peek(storage, vault).await?.is_none_or(|(i, _)| i.amid() != amid) {
            return Ok(None);
        }
        let id = vault.record_id(RecordKind::Prekeys, PREKEYS);
        let Some(record) = storage.load(&[id]).await?.into_iter().next().flatten() else {
            return Ok(None);
        };
        let prekeys = PreKeys::from_record(&vault.open(&record)?)
            .map_err(|e| LoadError::unreadable("prekeys", e))?;
        Ok(Some((Self { id, version: record.version }, prekeys)))
    }

    /// Notes that they become `record`.
    pub(crate) fn put(
        &self,
        vault: &Vault,
        record: &Zeroizing<Vec<u8>>,
        rng: &mut dyn CryptoRng,
        changes: &mut Changes,
    ) -> Result<(), VaultError> {
        let sealed = vault.seal(self.id, self.version + 1, record, rng)?;
        changes.put(self.id, self.version, sealed);
        Ok(())
    }
}
