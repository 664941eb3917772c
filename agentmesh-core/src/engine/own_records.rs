//! The records of the agent itself, one each: its identity, and its prekeys.

use core::fmt;

use rand_core::CryptoRng;

use crate::{
    identity::Identity,
    prekeys::PreKeys,
    storage::{Changes, RecordId, RecordKind, Storage},
    vault::{Vault, VaultError},
};

use super::LoadError;

pub(super) const IDENTITY: &[u8] = b"identity";
pub(super) const PREKEYS: &[u8] = b"prekeys";

/// Where the identity is stored. It is written again only when its exchange key is rotated.
#[derive(Debug)]
pub(super) struct IdentityRecord {
    pub(super) id: RecordId,
    pub(super) version: u64,
    pub(super) dirty: bool,
}

impl IdentityRecord {
    pub(super) fn seal_into(
        &mut self,
        identity: &Identity,
        vault: &Vault,
        rng: &mut dyn CryptoRng,
        changes: &mut Changes,
    ) -> Result<(), VaultError> {
        if self.dirty {
            let sealed = vault.seal(self.id, self.version + 1, &identity.to_record(), rng)?;
            changes.put(self.id, self.version, sealed);
            self.version += 1;
            self.dirty = false;
        }
        Ok(())
    }
}

/// The prekeys: always in memory, one record.
pub(super) struct PrekeyRecord {
    pub(super) id: RecordId,
    pub(super) version: u64,
    pub(super) value: PreKeys,
    pub(super) dirty: bool,
}

impl fmt::Debug for PrekeyRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrekeyRecord").field("version", &self.version).finish_non_exhaustive()
    }
}

impl PrekeyRecord {
    pub(super) const fn value(&self) -> &PreKeys {
        &self.value
    }

    pub(super) const fn value_mut(&mut self) -> &mut PreKeys {
        self.dirty = true;
        &mut self.value
    }

    pub(super) const fn is_dirty(&self) -> bool {
        self.dirty
    }

    pub(super) fn seal_into(
        &mut self,
        vault: &Vault,
        rng: &mut dyn CryptoRng,
        changes: &mut Changes,
    ) -> Result<(), VaultError> {
        if self.dirty {
            let sealed = vault.seal(self.id, self.version + 1, &self.value.to_record(), rng)?;
            changes.put(self.id, self.version, sealed);
            self.version += 1;
            self.dirty = false;
        }
        Ok(())
    }
}

/// The prekeys in a store, and the version of their record.
pub(super) async fn load_prekeys(
    storage: &dyn Storage,
    vault: &Vault,
) -> Result<Option<(PreKeys, u64)>, LoadError> {
    let id = vault.record_id(RecordKind::Prekeys, PREKEYS);
    let Some(record) = storage.load(&[id]).await?.into_iter().next().flatten() else {
        return Ok(None);
    };
    let plain = vault.open(&record)?;
    let value = PreKeys::from_record(&plain).map_err(|e| LoadError::unreadable("prekeys", e))?;
    Ok(Some((value, record.version)))
}

pub(super) fn new_prekeys(vault: &Vault, value: PreKeys) -> PrekeyRecord {
    let id = vault.record_id(RecordKind::Prekeys, PREKEYS);
    PrekeyRecord { id, version: 0, value, dirty: true }
}
