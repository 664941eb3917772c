//! Identities and their backups.

use std::sync::{Arc, Mutex, PoisonError};

use agentmesh_facade::{self as facade, Backup, FacadeError, Identity};

use crate::{
    NativeError, NativeSealedStore,
    calls::{blocking, call, run},
};

/// An agent's private identity.
#[derive(uniffi::Object)]
pub struct NativeIdentity(pub(crate) Identity);

/// A timestamp for servers of `agentmesh/0.2`, and its signature.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct NativeSignedTimestamp {
    /// The timestamp.
    pub timestamp: String,
    /// The base64 of its signature.
    pub signature: String,
}

#[uniffi::export]
impl NativeIdentity {
    /// A fresh identity.
    #[uniffi::constructor]
    pub fn generate() -> Result<Arc<Self>, NativeError> {
        run(|| Ok(Arc::new(Self(Identity::generate()))))
    }

    /// Reads the JSON file of `agentmesh/0.2`.
    #[uniffi::constructor]
    pub fn from_json(text: String) -> Result<Arc<Self>, NativeError> {
        run(|| Ok(Arc::new(Self(Identity::from_json(&text)?))))
    }

    /// The identity as that file, **with the private keys in the clear**.
    pub fn to_json(&self) -> Result<String, NativeError> {
        run(|| Ok(self.0.to_json().to_string()))
    }

    /// Seals the identity under a passphrase.
    pub async fn back_up(&self, passphrase: String) -> Result<String, NativeError> {
        let identity = self.0.clone();
        blocking(move || identity.back_up(&passphrase)).await
    }

    /// Writes the identity under a path.
    pub async fn save(
        &self,
        store: Arc<NativeSealedStore>,
        path: String,
    ) -> Result<(), NativeError> {
        let identity = self.0.clone();
        call(async move { identity.save(&store.0, &path).await }).await
    }

    /// The address.
    pub fn amid(&self) -> String {
        self.0.amid()
    }

    /// The DID.
    pub fn did(&self) -> String {
        self.0.did()
    }

    /// The public signing key.
    pub fn signing_key(&self) -> Vec<u8> {
        self.0.signing_key()
    }

    /// The public exchange key.
    pub fn exchange_key(&self) -> Vec<u8> {
        self.0.exchange_key()
    }

    /// When the identity was made, in milliseconds.
    pub fn created_at(&self) -> u64 {
        self.0.created_at()
    }

    /// Six groups of five digits to read aloud.
    pub fn fingerprint(&self) -> String {
        self.0.fingerprint()
    }

    /// Signs bytes of the application's choosing.
    pub fn sign(&self, message: Vec<u8>) -> Result<Vec<u8>, NativeError> {
        run(|| self.0.sign(&message))
    }

    /// A timestamp for servers of `agentmesh/0.2`.
    pub fn sign_timestamp(&self) -> NativeSignedTimestamp {
        let (timestamp, signature) = self.0.sign_timestamp();
        NativeSignedTimestamp { timestamp, signature }
    }
}

/// Opens a backup for the identity alone.
///
/// # Errors
/// `BACKUP_WRONG_PASSPHRASE` and others.
#[uniffi::export]
pub async fn restore_identity(
    backup: String,
    passphrase: String,
) -> Result<Arc<NativeIdentity>, NativeError> {
    blocking(move || Ok(Arc::new(NativeIdentity(Identity::restore(&backup, &passphrase)?)))).await
}

/// The identity that was saved under a path; with `generate`, a new one only if nothing is there.
///
/// # Errors
/// `IDENTITY_NOT_FOUND`
#[uniffi::export]
pub async fn load_identity(
    store: Arc<NativeSealedStore>,
    path: String,
    generate: bool,
) -> Result<Arc<NativeIdentity>, NativeError> {
    call(async move {
        let identity = if generate {
            Identity::load_or_generate(&store.0, &path).await?
        } else {
            Identity::load(&store.0, &path).await?
        };
        Ok(Arc::new(NativeIdentity(identity)))
    })
    .await
}

/// A backup that was opened, for one new store.
#[derive(uniffi::Object)]
pub struct NativeBackup {
    amid: String,
    backup: Mutex<Option<Backup>>,
}

impl NativeBackup {
    pub(crate) fn take(&self) -> Result<Backup, FacadeError> {
        let taken = self.backup.lock().unwrap_or_else(PoisonError::into_inner).take();
        taken.ok_or_else(|| FacadeError::argument("the backup was used"))
    }
}

#[uniffi::export]
impl NativeBackup {
    /// Whose backup it is.
    pub fn amid(&self) -> String {
        self.amid.clone()
    }
}

/// Opens a backup.
///
/// # Errors
/// `BACKUP_WRONG_PASSPHRASE` and others.
#[uniffi::export]
pub async fn open_backup(
    backup: String,
    passphrase: String,
) -> Result<Arc<NativeBackup>, NativeError> {
    blocking(move || {
        let opened = Backup::open(&backup, &passphrase)?;
        let amid = opened.amid().to_owned();
        Ok(Arc::new(NativeBackup { amid, backup: Mutex::new(Some(opened)) }))
    })
    .await
}

/// Whether a signature over a message is that of a key.
///
/// # Errors
/// `KEY_LENGTH` and others for what is no key.
#[uniffi::export]
pub fn verify_signature(
    key: Vec<u8>,
    message: Vec<u8>,
    signature: Vec<u8>,
) -> Result<bool, NativeError> {
    run(|| facade::verify_signature(&key, &message, &signature))
}

/// The safety number of two signing keys.
///
/// # Errors
/// `KEY_LENGTH` and others for what is no key.
#[uniffi::export]
pub fn safety_number(one: Vec<u8>, other: Vec<u8>) -> Result<String, NativeError> {
    run(|| facade::safety_number(&one, &other))
}
