//! Identities and their backups. Private keys leave this crate only sealed under a passphrase, or when the JSON file of
//! `agentmesh/0.2` is asked for by name.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use agentmesh_core::{
    Context,
    identity::{
        Fingerprint, Identity as CoreIdentity, SafetyNumber,
        backup::{self, Restored},
    },
    keys::{Signature, VerifyingKey, passphrase::PassphraseCost},
    rng::SystemRng,
};
use zeroize::Zeroizing;

use crate::{FacadeError, Storage, managers::SealedStore};

/// An agent's private identity. A clone is the same one.
#[derive(Clone)]
pub struct Identity(Arc<CoreIdentity>);

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.0.amid())
    }
}

impl Identity {
    /// A fresh identity.
    pub fn generate() -> Self {
        Self(Arc::new(CoreIdentity::generate(Context::system().now(), &mut SystemRng)))
    }

    /// Reads the JSON file of `agentmesh/0.2`.
    ///
    /// # Errors
    /// `IDENTITY_MALFORMED_JSON` and others.
    pub fn from_json(text: &str) -> Result<Self, FacadeError> {
        Ok(Self(Arc::new(CoreIdentity::from_json(text)?)))
    }

    /// The identity as that file, **with the private keys in the clear**.
    pub fn to_json(&self) -> Zeroizing<String> {
        self.0.to_json()
    }

    /// Seals the identity under a passphrase. Takes a tenth of a second.
    ///
    /// # Errors
    /// `BACKUP_EMPTY_PASSPHRASE`
    pub fn back_up(&self, passphrase: &str) -> Result<String, FacadeError> {
        let cost = PassphraseCost::DEFAULT;
        Ok(backup::seal(&self.0, passphrase, cost, &mut SystemRng)?)
    }

    /// Opens a backup for the identity alone. Takes a tenth of a second.
    ///
    /// # Errors
    /// `BACKUP_WRONG_PASSPHRASE` and others.
    pub fn restore(text: &str, passphrase: &str) -> Result<Self, FacadeError> {
        Ok(Self(Arc::new(backup::open(text, passphrase)?)))
    }

    /// The identity that was saved under a path, or that of the agent in this store.
    ///
    /// # Errors
    /// `IDENTITY_NOT_FOUND` only if nothing is there.
    pub async fn load(store: &SealedStore, path: &str) -> Result<Self, FacadeError> {
        Ok(Self(Arc::new(CoreIdentity::load(store.core()?, path).await?)))
    }

    /// Loads the identity at a path; makes one and saves it only if nothing is there.
    ///
    /// # Errors
    /// As [`load`](Self::load) and [`save`](Self::save).
    pub async fn load_or_generate(store: &SealedStore, path: &str) -> Result<Self, FacadeError> {
        Ok(Self(Arc::new(CoreIdentity::load_or_generate(store.core()?, path).await?)))
    }

    /// Writes the identity under a path.
    ///
    /// # Errors
    /// `IDENTITY_EXISTS` if another one is there.
    pub async fn save(&self, store: &SealedStore, path: &str) -> Result<(), FacadeError> {
        Ok(self.0.save(store.core()?, path).await?)
    }

    /// The address.
    pub fn amid(&self) -> String {
        self.0.amid().to_string()
    }

    /// The DID.
    pub fn did(&self) -> String {
        self.0.amid().did()
    }

    /// The public signing key.
    pub fn signing_key(&self) -> Vec<u8> {
        self.0.signing_key().as_bytes().to_vec()
    }

    /// The public exchange key.
    pub fn exchange_key(&self) -> Vec<u8> {
        self.0.exchange_key().as_bytes().to_vec()
    }

    /// When the identity was made, in milliseconds.
    pub fn created_at(&self) -> u64 {
        self.0.created_at().as_millis()
    }

    /// Six groups of five digits to read aloud.
    pub fn fingerprint(&self) -> String {
        Fingerprint::of(self.0.signing_key()).to_string()
    }

    /// Signs bytes of the application's choosing.
    ///
    /// # Errors
    /// `IDENTITY_RESERVED_INPUT` for bytes that the protocol signs.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, FacadeError> {
        Ok(self.0.sign(message)?.as_bytes().to_vec())
    }

    /// A timestamp for servers of `agentmesh/0.2`, and the base64 of its signature.
    pub fn sign_timestamp(&self) -> (String, String) {
        self.0.sign_timestamp(Context::system().now())
    }

    pub(crate) fn core(&self) -> Arc<CoreIdentity> {
        Arc::clone(&self.0)
    }

    /// A copy for an agent, which owns its identity.
    pub(crate) fn duplicate(&self) -> Result<CoreIdentity, FacadeError> {
        Ok(CoreIdentity::from_record(&self.0.to_record())?)
    }
}

/// Whether a signature over a message is that of a key.
///
/// # Errors
/// `KEY_LENGTH` and others for what is no key.
pub fn verify_signature(key: &[u8], message: &[u8], signature: &[u8]) -> Result<bool, FacadeError> {
    let key = VerifyingKey::from_slice(key)?;
    let Ok(signature) = Signature::from_slice(signature) else { return Ok(false) };
    Ok(key.verify(message, &signature).is_ok())
}

/// The safety number of two signing keys: the same whoever computes it.
///
/// # Errors
/// `KEY_LENGTH` and others for what is no key.
pub fn safety_number(one: &[u8], other: &[u8]) -> Result<String, FacadeError> {
    let (one, other) = (VerifyingKey::from_slice(one)?, VerifyingKey::from_slice(other)?);
    Ok(SafetyNumber::of(&one, &other).to_string())
}

/// A backup that was opened, for one new store.
#[derive(Debug)]
pub struct Backup {
    amid: String,
    restored: Mutex<Option<Restored>>,
}

impl Backup {
    /// Opens a backup. Takes a tenth of a second.
    ///
    /// # Errors
    /// `BACKUP_WRONG_PASSPHRASE` and others.
    pub fn open(text: &str, passphrase: &str) -> Result<Self, FacadeError> {
        let restored = backup::open_with(text, passphrase)?;
        let amid = restored.identity.amid().to_string();
        Ok(Self { amid, restored: Mutex::new(Some(restored)) })
    }

    /// Whose backup it is.
    pub fn amid(&self) -> &str {
        &self.amid
    }

    /// What it holds, once: two agents of one identity would take over from each other for ever.
    pub(crate) fn take(&self) -> Result<Restored, FacadeError> {
        let mut restored = self.restored.lock().unwrap_or_else(PoisonError::into_inner);
        restored.take().ok_or_else(|| FacadeError::used("the backup"))
    }
}

impl Storage {
    /// This store, sealed with a key: what the managers work on.
    ///
    /// # Errors
    /// `BINDING_ARGUMENT` unless the key has 32 bytes.
    pub fn sealed(&self, key: &[u8]) -> Result<SealedStore, FacadeError> {
        SealedStore::new(self, key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backups_restore_the_identity_and_debug_shows_no_key() {
        let identity = Identity::generate();
        let text = identity.back_up("correct horse").unwrap();
        assert_eq!(Identity::restore(&text, "correct horse").unwrap().amid(), identity.amid());
        let wrong = Identity::restore(&text, "wrong").unwrap_err();
        assert_eq!((wrong.code, wrong.kind), ("BACKUP_WRONG_PASSPHRASE", "authentication"));
        assert_eq!(format!("{identity:?}"), format!("Identity({})", identity.amid()));
        let backup = Backup::open(&text, "correct horse").unwrap();
        assert!(backup.take().is_ok());
        assert_eq!(backup.take().unwrap_err().code, "BINDING_USED");
    }

    #[test]
    fn signatures_verify_and_reserved_input_is_refused() {
        let identity = Identity::generate();
        let signature = identity.sign(b"hello").unwrap();
        assert!(verify_signature(&identity.signing_key(), b"hello", &signature).unwrap());
        assert!(!verify_signature(&identity.signing_key(), b"hallo", &signature).unwrap());
        assert!(verify_signature(b"short", b"hello", &signature).is_err());
        assert_eq!(identity.duplicate().unwrap().amid().to_string(), identity.amid());
    }
}
