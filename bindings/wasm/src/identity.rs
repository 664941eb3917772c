//! Identities, backups, signatures.

use std::sync::{Mutex, PoisonError};

use agentmesh_facade as facade;
use facade::FacadeError;
use js_sys::Promise;
use wasm_bindgen::prelude::*;

use crate::{
    bridge::{Value, call},
    error::{run, thrown},
    managers::SealedStore,
};

/// An identity.
#[wasm_bindgen]
pub struct Identity(pub(crate) facade::Identity);

#[wasm_bindgen]
impl Identity {
    /// A fresh one.
    #[wasm_bindgen]
    pub fn generate() -> Result<Self, JsValue> {
        run(|| Ok(Self(facade::Identity::generate())))
    }

    /// Reads the JSON of 0.2.
    #[wasm_bindgen(js_name = fromJson)]
    pub fn from_json(text: String) -> Result<Self, JsValue> {
        run(|| facade::Identity::from_json(&text).map(Self))
    }

    /// That JSON, with the private keys.
    #[wasm_bindgen(js_name = toJson)]
    pub fn to_json(&self) -> Result<String, JsValue> {
        run(|| Ok(self.0.to_json().to_string()))
    }

    /// Opens a backup. Blocks for a tenth of a second.
    #[wasm_bindgen]
    pub fn restore(text: String, passphrase: String) -> Result<Self, JsValue> {
        run(|| facade::Identity::restore(&text, &passphrase).map(Self))
    }

    /// Seals the identity. Blocks for a tenth of a second.
    #[wasm_bindgen(js_name = backUp)]
    pub fn back_up(&self, passphrase: String) -> Result<String, JsValue> {
        run(|| self.0.back_up(&passphrase))
    }

    /// Writes the identity under a path.
    #[wasm_bindgen]
    pub fn save(&self, store: &SealedStore, path: String) -> Result<Promise, JsValue> {
        let (identity, store) = (self.0.clone(), store.shared());
        call(None, async move { identity.save(&store, &path).await })
    }

    /// The address.
    #[wasm_bindgen(getter)]
    pub fn amid(&self) -> String {
        self.0.amid()
    }

    /// The DID.
    #[wasm_bindgen(getter)]
    pub fn did(&self) -> String {
        self.0.did()
    }

    /// The public signing key.
    #[wasm_bindgen(getter, js_name = signingKey)]
    pub fn signing_key(&self) -> Vec<u8> {
        self.0.signing_key()
    }

    /// The public exchange key.
    #[wasm_bindgen(getter, js_name = exchangeKey)]
    pub fn exchange_key(&self) -> Vec<u8> {
        self.0.exchange_key()
    }

    /// When it was made, in milliseconds.
    #[wasm_bindgen(getter, js_name = createdAt)]
    #[allow(clippy::cast_precision_loss, reason = "milliseconds fit for 285 000 years")]
    pub fn created_at(&self) -> f64 {
        self.0.created_at() as f64
    }

    /// Digits to read aloud.
    #[wasm_bindgen(getter)]
    pub fn fingerprint(&self) -> String {
        self.0.fingerprint()
    }

    /// Signs bytes.
    #[wasm_bindgen]
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, JsValue> {
        run(|| self.0.sign(message))
    }

    /// A timestamp and its signature.
    #[wasm_bindgen(js_name = signTimestamp)]
    pub fn sign_timestamp(&self) -> JsValue {
        self.0.sign_timestamp().js()
    }
}

/// The identity under a path.
#[wasm_bindgen(js_name = loadIdentity)]
pub fn load_identity(store: &SealedStore, path: String) -> Result<Promise, JsValue> {
    let store = store.shared();
    call(None, async move { Ok(Identity(facade::Identity::load(&store, &path).await?)) })
}

/// The identity under a path, made if there is none.
#[wasm_bindgen(js_name = loadOrGenerateIdentity)]
pub fn load_or_generate_identity(store: &SealedStore, path: String) -> Result<Promise, JsValue> {
    let store = store.shared();
    call(
        None,
        async move { Ok(Identity(facade::Identity::load_or_generate(&store, &path).await?)) },
    )
}

/// A backup that was opened.
#[wasm_bindgen]
pub struct Backup {
    amid: String,
    backup: Mutex<Option<facade::Backup>>,
}

impl Backup {
    pub(crate) fn take(&self) -> Result<facade::Backup, JsValue> {
        let mut backup = self.backup.lock().unwrap_or_else(PoisonError::into_inner);
        let used = || thrown(FacadeError::argument("the backup was used for a store before"));
        backup.take().ok_or_else(used)
    }
}

#[wasm_bindgen]
impl Backup {
    /// Opens one. Blocks for a tenth of a second.
    #[wasm_bindgen]
    pub fn open(text: String, passphrase: String) -> Result<Self, JsValue> {
        let backup = run(|| facade::Backup::open(&text, &passphrase))?;
        Ok(Self { amid: backup.amid().to_owned(), backup: Mutex::new(Some(backup)) })
    }

    /// Whose.
    #[wasm_bindgen(getter)]
    pub fn amid(&self) -> String {
        self.amid.clone()
    }
}

/// Whether a signature is that of a key.
#[wasm_bindgen(js_name = verifySignature)]
pub fn verify_signature(key: &[u8], message: &[u8], signature: &[u8]) -> Result<bool, JsValue> {
    run(|| facade::verify_signature(key, message, signature))
}

/// The safety number of two signing keys.
#[wasm_bindgen(js_name = safetyNumber)]
pub fn safety_number(one: &[u8], other: &[u8]) -> Result<String, JsValue> {
    run(|| facade::safety_number(one, other))
}
