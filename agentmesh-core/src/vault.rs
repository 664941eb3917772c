//! Typed records to sealed records and back: the only door between key material and a store.
//!
//! Knows the store key and record ids; does not know what a record contains, nor which store keeps it.
//! Spec: `docs/protocol/native.md` §9, `docs/protocol/state.md`.
//!
//! ```text
//! id key   = HKDF(salt "agentmesh/0.3 store", store key, "record id")
//! seal key = HKDF(salt "agentmesh/0.3 store", store key, "record seal")
//! record key (the opaque one) = HMAC(id key, u8 kind || logical name), first 16 bytes
//!
//! binding = u8 kind || key 16 || u64 version
//! sealed  = 01 || salt 16 || nonce 12 || AES-256-GCM(k, nonce, aad, plaintext) || tag 16
//!   k     = HMAC(seal key, binding || salt)
//!   aad   = "agentmesh/0.3 record" || binding
//! ```
//!
//! Every write has a key of its own, so that neither the number of writes nor a store that is rolled back and written
//! again comes near the bounds of AES-GCM. A record moved to another id or version does not open. What the
//! seal cannot notice is a store that returns an *older record together with its older version*; sessions
//! recover from that by themselves (§7.7).

pub mod encrypted;
pub mod passphrase;

use crate::{
    codec::Write,
    error::errors,
    keys::{
        Secret,
        aead::{NONCE_LEN, TAG_LEN, open_in_place, seal_in_place},
        kdf::{HmacKey, hkdf_sha256},
    },
    storage::{Record, RecordId, RecordKind},
};
use core::fmt;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

/// Bytes that sealing adds to a record.
pub const SEAL_OVERHEAD: usize = PREFIX_LEN + TAG_LEN;

const FORMAT: u8 = 1;
const SALT_LEN: usize = 16;
const PREFIX_LEN: usize = 1 + SALT_LEN + NONCE_LEN;
const AAD_LABEL: &[u8; 20] = b"agentmesh/0.3 record";
const KDF_SALT: &[u8] = b"agentmesh/0.3 store";

errors! {
    /// Why a stored record could not be sealed or opened.
    pub enum VaultError {
        /// The record was sealed with another store key, belongs to another id or version, or was altered. If all
        /// records fail, the store key is the wrong one.
        #[error("{id} does not open with this store key, or was altered")]
        Unreadable {
            /// The record.
            id: RecordId,
        } = "VAULT_UNREADABLE", Authentication, permanent;
        /// The record was sealed in a format that this build does not know, by a newer release.
        #[error("{id} is sealed in format {version}: use a newer release")]
        UnknownVersion {
            /// The record.
            id: RecordId,
            /// The format found.
            version: u8,
        } = "VAULT_UNKNOWN_VERSION", Storage, permanent;
        /// The content is longer than AES-GCM can seal.
        #[error("{id} is too long to be sealed")]
        TooLong {
            /// The record.
            id: RecordId,
        } = "VAULT_TOO_LONG", InvalidInput, permanent;
    }
}

/// The key that seals a store. Whoever has it and the store has the agent.
///
/// Keep it where the store is not: a key chain, a secret of the platform, an environment variable. Lost keys cannot be
/// replaced; the identity survives only in a backup.
#[derive(Debug, PartialEq, Eq)]
pub struct StoreKey(Secret<32>);

impl StoreKey {
    /// A new key.
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        Self(Secret::random(rng))
    }

    /// The key that was saved. The caller wipes its own copy.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Secret::new(bytes))
    }

    /// A copy, visible in the source.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self(self.0.duplicate())
    }

    /// The bytes, to be saved in a safe place.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

/// Seals and opens the records of one store.
///
/// ```
/// # #[cfg(feature = "getrandom")] {
/// use agentmesh_core::{
///     rng::SystemRng,
///     storage::{Record, RecordKind},
///     vault::{StoreKey, Vault},
/// };
///
/// let mut rng = SystemRng;
/// let vault = Vault::new(&StoreKey::generate(&mut rng));
/// let id = vault.record_id(RecordKind::Session, b"session 5 with anna");
/// let sealed = vault.seal(id, 1, b"secret state", &mut rng)?;
/// let record = Record { id, version: 1, sealed };
/// assert_eq!(*vault.open(&record)?, b"secret state");
/// # }
/// # Ok::<(), agentmesh_core::vault::VaultError>(())
/// ```
pub struct Vault {
    id_key: HmacKey,
    seal_key: HmacKey,
}

impl Vault {
    /// Derives the vault's keys.
    pub fn new(key: &StoreKey) -> Self {
        let derive = |purpose: &[u8]| {
            HmacKey::new(hkdf_sha256::<32>(KDF_SALT, &[key.as_bytes()], &[purpose]).as_bytes())
        };
        Self { id_key: derive(b"record id"), seal_key: derive(b"record seal") }
    }

    /// The opaque id of the record with that logical name, such as an AMID or a session id.
    ///
    /// The same in every process with the same store key; says nothing to anyone without. It cannot be turned back, so
    /// whoever needs the logical name later writes it into the record.
    pub fn record_id(&self, kind: RecordKind, logical: &[u8]) -> RecordId {
        let mac = self.id_key.mac(&[&[kind.as_u8()], logical]);
        RecordId { kind, key: copied(mac.as_bytes()) }
    }

    /// Seals `plaintext` to be stored as that version of that record.
    ///
    /// # Errors
    /// [`VaultError::TooLong`] beyond 64 GiB.
    pub fn seal(
        &self,
        id: RecordId,
        version: u64,
        plaintext: &[u8],
        rng: &mut dyn CryptoRng,
    ) -> Result<Vec<u8>, VaultError> {
        let mut buf = Zeroizing::new(Vec::with_capacity(plaintext.len() + SEAL_OVERHEAD));
        self.seal_into(&mut buf, id, version, rng, |buf| buf.put(plaintext))
    }

    /// As [`seal`](Self::seal), of what `write` appends to the buffer it gets: saves the copy of the plaintext.
    ///
    /// # Errors
    /// As [`seal`](Self::seal).
    pub fn seal_with(
        &self,
        id: RecordId,
        version: u64,
        rng: &mut dyn CryptoRng,
        write: impl FnOnce(&mut Zeroizing<Vec<u8>>),
    ) -> Result<Vec<u8>, VaultError> {
        // Enough for a fresh session, so that the usual record is written without growing.
        let mut buf = Zeroizing::new(Vec::with_capacity(1024));
        self.seal_into(&mut buf, id, version, rng, write)
    }

    fn seal_into(
        &self,
        buf: &mut Zeroizing<Vec<u8>>,
        id: RecordId,
        version: u64,
        rng: &mut dyn CryptoRng,
        write: impl FnOnce(&mut Zeroizing<Vec<u8>>),
    ) -> Result<Vec<u8>, VaultError> {
        let mut random = [0; SALT_LEN + NONCE_LEN];
        rng.fill_bytes(&mut random);
        let (salt, nonce) = split_random(&random);
        buf.put_u8(FORMAT);
        buf.put(&random);
        write(buf);
        let binding = Binding::new(id, version);
        let key = self.seal_key.mac(&[binding.bytes(), &salt]);
        // Room for the tag without a reallocation that would leave the plaintext behind.
        let len = buf.len();
        buf.put(&[0; TAG_LEN]);
        buf.truncate(len);
        seal_in_place(&key, &nonce, &binding.0, buf, PREFIX_LEN)
            .map_err(|_| VaultError::TooLong { id })?;
        Ok(core::mem::take(&mut **buf))
    }

    /// Opens a record that [`seal`](Self::seal) made for the same id and version.
    ///
    /// # Errors
    /// [`VaultError::Unreadable`] or [`VaultError::UnknownVersion`]. Neither may be taken for an absent record.
    pub fn open(&self, record: &Record) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let Record { id, version, sealed } = record;
        let unreadable = VaultError::Unreadable { id: *id };
        let (random, ciphertext) = match sealed.split_first() {
            None => return Err(unreadable),
            Some((&FORMAT, rest)) => rest.split_first_chunk().ok_or_else(|| unreadable.clone())?,
            Some((&version, _)) => return Err(VaultError::UnknownVersion { id: *id, version }),
        };
        let (salt, nonce) = split_random(random);
        let binding = Binding::new(*id, *version);
        let key = self.seal_key.mac(&[binding.bytes(), &salt]);
        let mut plaintext = Zeroizing::new(ciphertext.to_vec());
        open_in_place(&key, &nonce, &binding.0, &mut plaintext).map_err(|_| unreadable)?;
        Ok(plaintext)
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id_key: _, seal_key: _ } = self;
        f.write_str("Vault([redacted])")
    }
}

/// The associated data of a record: the label, then what the record is bound to.
struct Binding(Vec<u8>);

impl Binding {
    fn new(id: RecordId, version: u64) -> Self {
        // As long as it gets.
        let mut bytes = Vec::with_capacity(45);
        bytes.put(AAD_LABEL);
        bytes.put_u8(id.kind.as_u8());
        bytes.put(&id.key);
        bytes.put_u64(version);
        Self(bytes)
    }

    /// Without the label.
    fn bytes(&self) -> &[u8] {
        self.0.get(AAD_LABEL.len()..).unwrap_or_default()
    }
}

fn split_random(random: &[u8; SALT_LEN + NONCE_LEN]) -> ([u8; SALT_LEN], [u8; NONCE_LEN]) {
    let (salt, nonce) = random.split_at(SALT_LEN);
    (copied(salt), copied(nonce))
}

/// The first `N` bytes; what `from` lacks stays zero.
fn copied<const N: usize>(from: &[u8]) -> [u8; N] {
    let mut bytes = [0; N];
    for (to, from) in bytes.iter_mut().zip(from) {
        *to = *from;
    }
    bytes
}

#[cfg(test)]
mod tests;
