//! Identities, backups, signatures.

use std::sync::{Mutex, PoisonError};

use agentmesh_facade as facade;
use facade::FacadeError;
use napi::{
    Env,
    bindgen_prelude::{Object, Uint8Array},
};
use napi_derive::napi;

use crate::{
    bridge::call,
    error::{run, thrown},
    managers::SealedStore,
};

/// An identity.
#[napi]
pub struct Identity(pub(crate) facade::Identity);

#[napi]
impl Identity {
    /// A fresh one.
    #[napi(factory)]
    pub fn generate() -> napi::Result<Self> {
        run(|| Ok(Self(facade::Identity::generate())))
    }

    /// Reads the JSON of 0.2.
    #[napi(factory)]
    pub fn from_json(text: String) -> napi::Result<Self> {
        run(|| facade::Identity::from_json(&text).map(Self))
    }

    /// That JSON, with the private keys.
    #[napi]
    pub fn to_json(&self) -> napi::Result<String> {
        run(|| Ok(self.0.to_json().to_string()))
    }

    /// Opens a backup. Blocks for a tenth of a second.
    #[napi(factory)]
    pub fn restore(text: String, passphrase: String) -> napi::Result<Self> {
        run(|| facade::Identity::restore(&text, &passphrase).map(Self))
    }

    /// Seals the identity. Blocks for a tenth of a second.
    #[napi]
    pub fn back_up(&self, passphrase: String) -> napi::Result<String> {
        run(|| self.0.back_up(&passphrase))
    }

    /// Writes the identity under a path.
    #[napi]
    pub fn save<'env>(
        &self,
        env: &'env Env,
        store: &SealedStore,
        path: String,
    ) -> napi::Result<Object<'env>> {
        let (identity, store) = (self.0.clone(), store.shared());
        call(env, None, async move { identity.save(&store, &path).await })
    }

    /// The address.
    #[napi(getter)]
    pub fn amid(&self) -> String {
        self.0.amid()
    }

    /// The DID.
    #[napi(getter)]
    pub fn did(&self) -> String {
        self.0.did()
    }

    /// The public signing key.
    #[napi(getter)]
    pub fn signing_key(&self) -> Uint8Array {
        self.0.signing_key().into()
    }

    /// The public exchange key.
    #[napi(getter)]
    pub fn exchange_key(&self) -> Uint8Array {
        self.0.exchange_key().into()
    }

    /// When it was made, in milliseconds.
    #[napi(getter)]
    #[allow(clippy::cast_precision_loss, reason = "milliseconds fit for 285 000 years")]
    pub fn created_at(&self) -> f64 {
        self.0.created_at() as f64
    }

    /// Digits to read aloud.
    #[napi(getter)]
    pub fn fingerprint(&self) -> String {
        self.0.fingerprint()
    }

    /// Signs bytes.
    #[napi]
    pub fn sign(&self, message: &[u8]) -> napi::Result<Uint8Array> {
        Ok(run(|| self.0.sign(message))?.into())
    }

    /// A timestamp and its signature.
    #[napi]
    pub fn sign_timestamp(&self) -> (String, String) {
        self.0.sign_timestamp()
    }
}

/// The identity under a path.
#[napi]
pub fn load_identity<'env>(
    env: &'env Env,
    store: &SealedStore,
    path: String,
) -> napi::Result<Object<'env>> {
    let store = store.shared();
    call(env, None, async move { Ok(Identity(facade::Identity::load(&store, &path).await?)) })
}

/// The identity under a path, made if there is none.
#[napi]
pub fn load_or_generate_identity<'env>(
    env: &'env Env,
    store: &SealedStore,
    path: String,
) -> napi::Result<Object<'env>> {
    let store = store.shared();
    call(env, None, async move {
        Ok(Identity(facade::Identity::load_or_generate(&store, &path).await?))
    })
}

/// A backup that was opened.
#[napi]
pub struct Backup {
    amid: String,
    backup: Mutex<Option<facade::Backup>>,
}

impl Backup {
    pub(crate) fn take(&self) -> napi::Result<facade::Backup> {
        let mut backup = self.backup.lock().unwrap_or_else(PoisonError::into_inner);
        let used = || thrown(FacadeError::argument("the backup was used for a store before"));
        backup.take().ok_or_else(used)
    }
}

#[napi]
impl Backup {
    /// Opens one. Blocks for a tenth of a second.
    #[napi(factory)]
    pub fn open(text: String, passphrase: String) -> napi::Result<Self> {
        let backup = run(|| facade::Backup::open(&text, &passphrase))?;
        Ok(Self { amid: backup.amid().to_owned(), backup: Mutex::new(Some(backup)) })
    }

    /// Whose.
    #[napi(getter)]
    pub fn amid(&self) -> String {
        self.amid.clone()
    }
}

/// Whether a signature is that of a key.
#[napi]
pub fn verify_signature(key: &[u8], message: &[u8], signature: &[u8]) -> napi::Result<bool> {
    run(|| facade::verify_signature(key, message, signature))
}

/// The safety number of two signing keys.
#[napi]
pub fn safety_number(one: &[u8], other: &[u8]) -> napi::Result<String> {
    run(|| facade::safety_number(one, other))
}
