//! Prekeys on their way to a registry, and bundles on their way from one.

use serde::{Deserialize, Serialize};

/// A one-time prekey of 0.2: unsigned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OneTimePrekeyJson {
    /// 1 to 2^31-1.
    pub id: u32,
    /// X25519 key, base64.
    pub key: String,
}

/// A native one-time prekey: X25519 or ML-KEM-768, signed with the label `opk` or `kem`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedPrekeyJson {
    /// 1 to 2^31-1.
    pub id: u32,
    /// The key, base64.
    pub key: String,
    /// The identity's signature, base64.
    pub signature: String,
}

/// The native part of an upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NativeUpload {
    /// The signed bundle, base64.
    pub bundle: String,
    /// One-time prekeys that the registry does not have yet.
    #[serde(default)]
    pub opks: Vec<SignedPrekeyJson>,
    /// One-time ML-KEM prekeys that the registry does not have yet.
    #[serde(default)]
    pub kopks: Vec<SignedPrekeyJson>,
}

/// `POST /registry/prekeys`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrekeyUpload {
    /// Whose.
    pub amid: String,
    /// X25519 key, base64.
    pub signed_prekey: String,
    /// Over the 32 bytes of the key, base64.
    pub signed_prekey_signature: String,
    /// Its id.
    pub signed_prekey_id: u32,
    /// For peers that speak only 0.2.
    #[serde(default)]
    pub one_time_prekeys: Vec<OneTimePrekeyJson>,
    /// RFC 3339.
    pub timestamp: String,
    /// Over the timestamp, base64.
    pub signature: String,
    /// Ignored by a plain 0.2 registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub native: Option<NativeUpload>,
}

/// The answer to [`PrekeyUpload`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrekeyUploadResponse {
    /// Whether it was stored.
    pub success: bool,
    /// The id now served.
    #[serde(default)]
    pub signed_prekey_id: u32,
    /// How many one-time prekeys were submitted.
    #[serde(default)]
    pub one_time_prekeys_stored: u64,
    /// How much native material the registry holds now; absent if it knows none, and then the upload was plain 0.2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub native: Option<NativeStock>,
}

/// What a registry holds of an agent's native one-time prekeys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NativeStock {
    /// One-time prekeys left.
    #[serde(default)]
    pub opks: u64,
    /// One-time ML-KEM prekeys left.
    #[serde(default)]
    pub kopks: u64,
}

/// The native part of a download.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NativeBundleJson {
    /// The signed bundle, base64.
    pub bundle: String,
    /// A one-time prekey, for signed requests while there are some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opk: Option<SignedPrekeyJson>,
    /// A one-time ML-KEM prekey, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kopk: Option<SignedPrekeyJson>,
}

/// `GET /registry/prekeys/{amid}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrekeyResponse {
    /// The registered X25519 key, usually prefixed.
    pub identity_key: String,
    /// X25519 key, base64.
    pub signed_prekey: String,
    /// Over the 32 bytes of the key, base64.
    pub signed_prekey_signature: String,
    /// Its id.
    pub signed_prekey_id: u32,
    /// One of two spellings of the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub one_time_prekey: Option<OneTimePrekeyJson>,
    /// The other spelling: a list of at most one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub one_time_prekeys: Option<Vec<OneTimePrekeyJson>>,
    /// Absent from a plain 0.2 registry and for plain 0.2 agents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub native: Option<NativeBundleJson>,
}

impl PrekeyResponse {
    /// The one-time prekey under either spelling.
    pub fn one_time(&self) -> Option<&OneTimePrekeyJson> {
        self.one_time_prekey.as_ref().or_else(|| self.one_time_prekeys.as_ref()?.first())
    }
}
