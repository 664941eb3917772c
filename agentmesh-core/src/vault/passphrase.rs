//! A store key under a passphrase, kept in the store itself: whoever knows the passphrase and reaches the store has the agent.
//!
//! The passphrase locks the key, not the records, so changing it rewrites one record. Knows the store and Argon2id; does
//! not know what is in the other records. Spec: `docs/protocol/state.md`, Sealing.
//!
//! ```text
//! kind meta, key "wrapped storekey"
//! 01 | memory in KiB u32 | passes u32 | lanes u32 | salt 16 | nonce 12 | AES-256-GCM(store key) || tag 16
//!   key = Argon2id(passphrase in UTF-8, salt, memory, passes, lanes, 32 bytes)
//!   aad = "agentmesh/0.3 store key" || the first 29 bytes
//! ```

use rand_core::CryptoRng;
use zeroize::{Zeroize, Zeroizing};

use super::StoreKey;
use crate::{
    codec::{CodecError, Reader, Write},
    error::errors,
    keys::{
        aead::{NONCE_LEN, open_in_place, seal_in_place},
        passphrase::{PassphraseCost, derive},
    },
    storage::{Changes, Record, RecordId, RecordKind, Storage, StorageError},
};

const FORMAT: u8 = 1;
const HEADER_LEN: usize = 1 + 3 * 4 + 16;
const AAD: &[u8] = b"agentmesh/0.3 store key";

/// Where the key is. Not derived from the store key, which is not known yet when it is looked for.
pub(crate) const ID: RecordId = RecordId::new(RecordKind::Meta, *b"wrapped storekey");

errors! {
    /// Why a store could not be unlocked with a passphrase, or its passphrase not be changed.
    pub enum PassphraseError {
        /// An empty passphrase protects nothing.
        #[error("the passphrase is empty")]
        Empty = "PASSPHRASE_EMPTY", InvalidInput, permanent;
        /// The passphrase is wrong, or the record with the locked key was changed; nobody can tell which.
        #[error("wrong passphrase, or the locked key was changed")]
        Wrong = "PASSPHRASE_WRONG", Authentication, permanent;
        /// The store has records, but no key under a passphrase: it is sealed under a key that is kept elsewhere.
        #[error("the store is not locked with a passphrase: its key is kept elsewhere, such as in a key file")]
        NotLocked = "PASSPHRASE_NOT_LOCKED", NotFound, permanent;
        /// The store's key is under a passphrase already.
        #[error("the store is locked with a passphrase already: change it instead")]
        AlreadyLocked = "PASSPHRASE_ALREADY_LOCKED", Conflict, permanent;
        /// The store key to be locked is not the one of this store.
        #[error("this is not the key of the store")]
        OtherKey = "PASSPHRASE_OTHER_KEY", InvalidInput, permanent;
        /// The record with the locked key is damaged. Restore the store from a copy.
        #[error("the locked key is damaged: {source}")]
        Damaged {
            /// Where and why.
            #[from]
            source: CodecError,
        } = "PASSPHRASE_DAMAGED", Storage, permanent;
        /// Unlocking would cost more memory or time than it may: somebody changed the record.
        #[error("the cost of unlocking is out of bounds")]
        Cost = "PASSPHRASE_COST", Storage, permanent;
        /// Not enough memory to derive the key.
        #[error("not enough memory to derive the key")]
        OutOfMemory = "PASSPHRASE_OUT_OF_MEMORY", Internal, retryable;
        /// The store failed.
        #[error("{source}")]
        Storage {
            /// What the store says.
            #[from]
            source: StorageError,
        } = "PASSPHRASE_STORAGE", Storage, permanent;
    }
}

/// Whether the store holds nothing, or nothing but a locked key.
///
/// # Errors
/// What the store says.
pub async fn is_unused(storage: &dyn Storage) -> Result<bool, StorageError> {
    for kind in RecordKind::ALL {
        let found = storage.list(kind, None, 2).await?;
        if found.iter().any(|record| record.id != ID) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether the store's key is under a passphrase.
///
/// # Errors
/// What the store says.
pub async fn is_locked(storage: &dyn Storage) -> Result<bool, StorageError> {
    Ok(stored(storage).await?.is_some())
}

async fn stored(storage: &dyn Storage) -> Result<Option<Record>, StorageError> {
    Ok(storage.load(&[ID]).await?.pop().flatten())
}

/// Makes a key for an empty store and locks it; the store then holds the locked key and nothing else. Takes as long as
/// `cost` says.
///
/// # Errors
/// [`PassphraseError::AlreadyLocked`], [`PassphraseError::NotLocked`] if the store is in use.
pub async fn create(
    storage: &dyn Storage,
    passphrase: &str,
    cost: PassphraseCost,
    rng: &mut (dyn CryptoRng + Send),
) -> Result<StoreKey, PassphraseError> {
    if stored(storage).await?.is_some() {
        return Err(PassphraseError::AlreadyLocked);
    }
    if !is_unused(storage).await? {
        return Err(PassphraseError::NotLocked);
    }
    let key = StoreKey::generate(rng);
    put(storage, &key, passphrase, cost, 0, rng).await?;
    Ok(key)
}

/// The store's key. Takes as long as its parameters say, which are bounded.
///
/// # Errors
/// [`PassphraseError::Wrong`], [`PassphraseError::NotLocked`] and so on; nothing is changed.
pub async fn unlock(storage: &dyn Storage, passphrase: &str) -> Result<StoreKey, PassphraseError> {
    let record = stored(storage).await?.ok_or(PassphraseError::NotLocked)?;
    open(&record.sealed, passphrase)
}

/// Locks the key of a store that is in use, which so far was kept elsewhere. It stays what it is: a key file that holds it
/// still opens the store until it is deleted.
///
/// # Errors
/// [`PassphraseError::AlreadyLocked`]; [`PassphraseError::OtherKey`] if the key opens no record of the store.
pub async fn lock(
    storage: &dyn Storage,
    key: &StoreKey,
    passphrase: &str,
    cost: PassphraseCost,
    rng: &mut (dyn CryptoRng + Send),
) -> Result<(), PassphraseError> {
    if stored(storage).await?.is_some() {
        return Err(PassphraseError::AlreadyLocked);
    }
    let vault = super::Vault::new(key);
    for record in storage.list(RecordKind::Identity, None, 1).await? {
        vault.open(&record).map_err(|_| PassphraseError::OtherKey)?;
    }
    put(storage, key, passphrase, cost, 0, rng).await
}

/// Replaces the passphrase. The key and all records stay as they are: who copied the store before can still open the copy
/// with the old passphrase.
///
/// # Errors
/// [`PassphraseError::Wrong`] if `old` is not the passphrase; then nothing is changed.
pub async fn change(
    storage: &dyn Storage,
    old: &str,
    new: &str,
    cost: PassphraseCost,
    rng: &mut (dyn CryptoRng + Send),
) -> Result<(), PassphraseError> {
    let record = stored(storage).await?.ok_or(PassphraseError::NotLocked)?;
    let key = open(&record.sealed, old)?;
    put(storage, &key, new, cost, record.version, rng).await
}

async fn put(
    storage: &dyn Storage,
    key: &StoreKey,
    passphrase: &str,
    cost: PassphraseCost,
    version: u64,
    rng: &mut (dyn CryptoRng + Send),
) -> Result<(), PassphraseError> {
    let sealed = seal(key, passphrase, cost, rng)?;
    let mut changes = Changes::new();
    changes.put(ID, version, sealed);
    Ok(storage.commit(changes).await?)
}

fn seal(
    key: &StoreKey,
    passphrase: &str,
    cost: PassphraseCost,
    rng: &mut dyn CryptoRng,
) -> Result<Vec<u8>, PassphraseError> {
    if passphrase.is_empty() {
        return Err(PassphraseError::Empty);
    }
    let (mut salt, mut nonce) = ([0; 16], [0; NONCE_LEN]);
    rng.fill_bytes(&mut salt);
    rng.fill_bytes(&mut nonce);
    let wrapping = derive(passphrase, &salt, cost).map_err(|_| PassphraseError::OutOfMemory)?;
    // All at once: growing would leave the key behind in freed memory.
    let mut out = Vec::with_capacity(128);
    out.put_u8(FORMAT);
    out.put_u32(cost.memory_kib());
    out.put_u32(cost.passes());
    out.put_u32(cost.lanes());
    out.put(&salt);
    let aad = [AAD, &out].concat();
    out.put(&nonce);
    let from = out.len();
    out.put(key.as_bytes());
    if seal_in_place(&wrapping, &nonce, &aad, &mut out, from).is_err() {
        out.zeroize();
        return Err(PassphraseError::OutOfMemory);
    }
    Ok(out)
}

fn open(sealed: &[u8], passphrase: &str) -> Result<StoreKey, PassphraseError> {
    if passphrase.is_empty() {
        return Err(PassphraseError::Empty);
    }
    let mut r = Reader::new(sealed);
    let version = r.u8("version")?;
    if version != FORMAT {
        return Err(CodecError::UnknownVersion { what: "locked store key", version }.into());
    }
    let (memory, passes, lanes) = (r.u32("memory")?, r.u32("passes")?, r.u32("lanes")?);
    let salt = r.array("salt")?;
    let nonce = r.array("nonce")?;
    let cost = PassphraseCost::new(memory, passes, lanes).map_err(|_| PassphraseError::Cost)?;
    let wrapping = derive(passphrase, &salt, cost).map_err(|_| PassphraseError::OutOfMemory)?;
    let aad = [AAD, sealed.get(..HEADER_LEN).unwrap_or_default()].concat();
    let mut key = Zeroizing::new(r.rest().to_vec());
    open_in_place(&wrapping, &nonce, &aad, &mut key).map_err(|_| PassphraseError::Wrong)?;
    let mut bytes = Zeroizing::new([0; 32]);
    if key.len() != bytes.len() {
        return Err(CodecError::InvalidValue { field: "store key" }.into());
    }
    bytes.copy_from_slice(&key);
    Ok(StoreKey::from_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        storage::MemoryStorage,
        test_utils::{block_on, seeded_rng},
        vault::Vault,
    };

    fn cheap() -> PassphraseCost {
        PassphraseCost::new(8192, 1, 1).unwrap()
    }

    #[test]
    fn a_passphrase_unlocks_the_key_and_changing_it_rewrites_nothing_else() {
        let (store, mut rng) = (MemoryStorage::new(), seeded_rng(1));
        assert!(block_on(is_unused(&store)).unwrap() && !block_on(is_locked(&store)).unwrap());
        let key = block_on(create(&store, "correct horse", cheap(), &mut rng)).unwrap();
        assert!(block_on(is_unused(&store)).unwrap() && block_on(is_locked(&store)).unwrap());
        let vault = Vault::new(&key);
        let id = vault.record_id(RecordKind::Session, b"s");
        let mut changes = Changes::new();
        changes.put(id, 0, vault.seal(id, 1, b"state", &mut rng).unwrap());
        block_on(store.commit(changes)).unwrap();
        let before = block_on(store.load(&[id])).unwrap();

        assert!(block_on(unlock(&store, "correct horse")).unwrap() == key);
        let wrong = block_on(unlock(&store, "correct horsf")).unwrap_err();
        assert_eq!(wrong, PassphraseError::Wrong);
        let wrong = block_on(change(&store, "nonsense", "new", cheap(), &mut rng)).unwrap_err();
        assert_eq!(wrong, PassphraseError::Wrong);
        block_on(change(&store, "correct horse", "new", cheap(), &mut rng)).unwrap();
        assert_eq!(block_on(unlock(&store, "correct horse")).unwrap_err(), PassphraseError::Wrong);
        assert!(block_on(unlock(&store, "new")).unwrap() == key);
        assert_eq!(block_on(store.load(&[id])).unwrap(), before);
        assert!(!block_on(is_unused(&store)).unwrap());
    }

    #[test]
    fn a_store_gets_no_second_key() {
        let (store, mut rng) = (MemoryStorage::new(), seeded_rng(2));
        block_on(create(&store, "first", cheap(), &mut rng)).unwrap();
        let again = block_on(create(&store, "second", cheap(), &mut rng)).unwrap_err();
        assert_eq!(again, PassphraseError::AlreadyLocked);

        // One that has a key elsewhere can be locked with that key, and with no other.
        let (store, key) = (MemoryStorage::new(), StoreKey::from_bytes([1; 32]));
        let vault = Vault::new(&key);
        let id = vault.record_id(RecordKind::Identity, b"identity");
        let mut changes = Changes::new();
        changes.put(id, 0, vault.seal(id, 1, b"identity", &mut rng).unwrap());
        block_on(store.commit(changes)).unwrap();
        assert_eq!(block_on(unlock(&store, "x")).unwrap_err(), PassphraseError::NotLocked);
        let refused = block_on(create(&store, "x", cheap(), &mut rng)).unwrap_err();
        assert_eq!(refused, PassphraseError::NotLocked);
        let other = StoreKey::from_bytes([2; 32]);
        let refused = block_on(lock(&store, &other, "x", cheap(), &mut rng)).unwrap_err();
        assert_eq!(refused, PassphraseError::OtherKey);
        block_on(lock(&store, &key, "x", cheap(), &mut rng)).unwrap();
        assert!(block_on(unlock(&store, "x")).unwrap() == key);
        let again = block_on(lock(&store, &key, "y", cheap(), &mut rng)).unwrap_err();
        assert_eq!(again, PassphraseError::AlreadyLocked);
        assert_eq!(block_on(unlock(&store, "")).unwrap_err(), PassphraseError::Empty);
        block_on(store.close()).unwrap();
        let closed = block_on(unlock(&store, "x")).unwrap_err();
        assert_eq!(closed, PassphraseError::Storage { source: StorageError::Closed });
    }

    #[test]
    fn every_changed_byte_is_noticed_and_no_parameter_is_taken_on_trust() {
        let mut rng = seeded_rng(3);
        let key = StoreKey::from_bytes([3; 32]);
        let sealed = seal(&key, "p", cheap(), &mut rng).unwrap();
        assert_eq!(sealed.len(), HEADER_LEN + NONCE_LEN + 32 + 16);
        // Within the parameters, one byte each: more would take minutes.
        for at in [0, 1, 4, 5, 12, 13, 28, 29, 40, 41, 72, 88] {
            let mut changed = sealed.clone();
            changed[at] ^= 0x80;
            let refused = open(&changed, "p").unwrap_err();
            match at {
                0 => assert!(matches!(refused, PassphraseError::Damaged { .. }), "{refused}"),
                1..=12 => assert!(
                    matches!(refused, PassphraseError::Cost | PassphraseError::Wrong),
                    "{refused}"
                ),
                _ => assert_eq!(refused, PassphraseError::Wrong),
            }
        }
        let mut dear = sealed.clone();
        dear[1..5].fill(0xff);
        assert_eq!(open(&dear, "p").unwrap_err(), PassphraseError::Cost);
        for cut in [0, 1, 12, 28, 40] {
            let refused = open(&sealed[..cut], "p").unwrap_err();
            assert!(matches!(refused, PassphraseError::Damaged { .. }), "{cut}: {refused}");
        }
        assert_eq!(open(&sealed[..60], "p").unwrap_err(), PassphraseError::Wrong);
    }
}
