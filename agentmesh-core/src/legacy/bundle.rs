//! A peer's prekeys, as the deployed SDK serialises them and as registries answer.

use core::fmt;

use serde::{Deserialize, Serialize};

use super::{
    LegacyFormatError, LegacyHandshakeError,
    text::{MaybeSignature, PublicKey, base64, malformed},
};
use crate::{
    identity::IdentityPublic,
    keys::{DhPublicKey, Signature, VerifyingKey},
    time::Timestamp,
    wire::json::Object,
};

/// A prekey bundle of `agentmesh/0.2`. Only the signed prekey is signed, without its id and without a date.
#[derive(Clone, PartialEq, Eq)]
pub struct Bundle {
    /// The peer's exchange key. Nothing in here proves whose it is.
    pub identity_key: DhPublicKey,
    /// The signed prekey.
    pub signed_prekey: DhPublicKey,
    /// The signature over its 32 bytes; `None` if it is not 64 bytes long, as after a reload of the deployed SDK.
    pub signed_prekey_signature: Option<Signature>,
    /// Its id.
    pub signed_prekey_id: u32,
    /// Unsigned one-time prekeys; an initiator takes the first.
    pub one_time_prekeys: Vec<(u32, DhPublicKey)>,
    /// When it was made, if it says so.
    pub uploaded_at: Option<Timestamp>,
}

#[derive(Serialize)]
struct Out {
    identity_key: String,
    signed_prekey: String,
    signed_prekey_signature: String,
    signed_prekey_id: u32,
    one_time_prekeys: Vec<OneTimeOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uploaded_at: Option<String>,
}

#[derive(Serialize)]
struct OneTimeOut {
    id: u32,
    key: String,
}

#[derive(Deserialize)]
struct In {
    identity_key: PublicKey,
    signed_prekey: PublicKey,
    signed_prekey_signature: MaybeSignature,
    signed_prekey_id: u32,
    #[serde(default)]
    one_time_prekeys: Option<Vec<OneTimeIn>>,
    #[serde(default)]
    one_time_prekey: Option<OneTimeIn>,
    #[serde(default)]
    uploaded_at: Option<String>,
}

#[derive(Deserialize)]
struct OneTimeIn {
    id: u32,
    key: PublicKey,
}

impl Bundle {
    /// Compact JSON as the deployed SDK serialises a bundle, keys without prefixes.
    pub fn to_json(&self) -> String {
        let signature = self.signed_prekey_signature.as_ref();
        let out = Out {
            identity_key: base64(self.identity_key.as_bytes()),
            signed_prekey: base64(self.signed_prekey.as_bytes()),
            signed_prekey_signature: signature.map(|s| base64(s.as_bytes())).unwrap_or_default(),
            signed_prekey_id: self.signed_prekey_id,
            one_time_prekeys: self
                .one_time_prekeys
                .iter()
                .map(|(id, key)| OneTimeOut { id: *id, key: base64(key.as_bytes()) })
                .collect(),
            uploaded_at: self.uploaded_at.map(Timestamp::to_rfc3339_millis),
        };
        serde_json::to_string(&out).unwrap_or_default()
    }

    /// Reads a serialised bundle or a registry's answer: `one_time_prekeys`, `one_time_prekey` or neither, keys with or
    /// without prefix.
    ///
    /// # Errors
    /// [`LegacyFormatError::Malformed`].
    pub fn from_json(json: &str) -> Result<Self, LegacyFormatError> {
        let Object(read): Object<In> = serde_json::from_str(json).map_err(malformed("bundle"))?;
        Ok(Self {
            identity_key: read.identity_key.0,
            signed_prekey: read.signed_prekey.0,
            signed_prekey_signature: read.signed_prekey_signature.0,
            signed_prekey_id: read.signed_prekey_id,
            one_time_prekeys: read
                .one_time_prekeys
                .unwrap_or_default()
                .into_iter()
                .chain(read.one_time_prekey)
                .map(|one| (one.id, one.key.0))
                .collect(),
            uploaded_at: read.uploaded_at.as_deref().and_then(Timestamp::parse_rfc3339),
        })
    }

    /// Whether `signer` signed the prekey. The AMID of `signer` must be the peer's; see [`Bundle::peer`].
    ///
    /// # Errors
    /// [`LegacyHandshakeError::SignedPrekeySignature`].
    pub fn verify(&self, signer: &VerifyingKey) -> Result<(), LegacyHandshakeError> {
        self.signed_prekey_signature
            .as_ref()
            .and_then(|signature| signer.verify(self.signed_prekey.as_bytes(), signature).ok())
            .ok_or(LegacyHandshakeError::SignedPrekeySignature)
    }

    /// The peer with this signing key and the exchange key of the bundle: what a session is begun with. The exchange key is
    /// believed; a wrong one gives a session in which nothing can be read.
    pub const fn peer(&self, signer: &VerifyingKey) -> IdentityPublic {
        IdentityPublic { signing: *signer, exchange: self.identity_key }
    }
}

impl fmt::Debug for Bundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bundle")
            .field("identity_key", &self.identity_key)
            .field("signed_prekey_id", &self.signed_prekey_id)
            .field("signed_prekey", &self.signed_prekey)
            .field("one_time_prekeys", &self.one_time_prekeys.len())
            .field("uploaded_at", &self.uploaded_at)
            .finish_non_exhaustive()
    }
}
