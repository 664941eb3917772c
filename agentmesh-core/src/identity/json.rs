//! The identity file of `agentmesh/0.2`, read and written. Checked on reading: the AMID and both public keys must
//! follow from the private ones, because a file can have been edited.

use std::borrow::Cow;

use base64ct::{Base64, Base64Unpadded, Encoding};
use serde::Deserialize;
use zeroize::{Zeroize, Zeroizing};

use super::{Identity, IdentityError};
use crate::{
    keys::{DhSecretKey, Secret, SigningKey},
    time::Timestamp,
};

const SIGNING_PREFIX: &str = "ed25519:";
const EXCHANGE_PREFIX: &str = "x25519:";
/// What we write as `framework`; never looked at when reading.
const FRAMEWORK: &str = "agentmesh-rs";

/// The file as it is; turning it into an [`Identity`] is the validation.
#[derive(Deserialize)]
struct IdentityIn<'a> {
    #[serde(borrow)]
    amid: Cow<'a, str>,
    #[serde(borrow)]
    signing_private_key: Cow<'a, str>,
    #[serde(borrow)]
    signing_public_key: Cow<'a, str>,
    #[serde(borrow)]
    exchange_private_key: Cow<'a, str>,
    #[serde(borrow)]
    exchange_public_key: Cow<'a, str>,
    #[serde(borrow)]
    created_at: Cow<'a, str>,
}

impl Drop for IdentityIn<'_> {
    fn drop(&mut self) {
        // Owned only if the text had escapes in it.
        for field in [&mut self.signing_private_key, &mut self.exchange_private_key] {
            if let Cow::Owned(text) = field {
                text.zeroize();
            }
        }
    }
}

impl Identity {
    /// Reads an identity file of `agentmesh/0.2`, of this SDK or another.
    ///
    /// Keys may lack their `ed25519:` or `x25519:` prefix and their base64 padding; unknown fields are ignored.
    ///
    /// # Errors
    /// [`IdentityError::MalformedJson`], [`IdentityError::InvalidField`], [`IdentityError::WrongPrefix`];
    /// [`IdentityError::AmidMismatch`] and [`IdentityError::PublicKeyMismatch`] for what does not follow from the
    /// private keys.
    pub fn from_json(text: &str) -> Result<Self, IdentityError> {
        // A derived struct would also read an array of its members.
        if !text.trim_start().starts_with('{') {
            return Err(IdentityError::MalformedJson { line: 1, column: 1 });
        }
        let file: IdentityIn<'_> = serde_json::from_str(text)
            .map_err(|e| IdentityError::MalformedJson { line: e.line(), column: e.column() })?;
        let seed = key(&file.signing_private_key, SIGNING_PREFIX, "signing_private_key")?;
        let signing_public = key(&file.signing_public_key, SIGNING_PREFIX, "signing_public_key")?;
        let secret = key(&file.exchange_private_key, EXCHANGE_PREFIX, "exchange_private_key")?;
        let exchange_public =
            key(&file.exchange_public_key, EXCHANGE_PREFIX, "exchange_public_key")?;
        let created_at = Timestamp::parse_rfc3339(&file.created_at)
            .ok_or(IdentityError::InvalidField { field: "created_at" })?;

        let signing = SigningKey::from_secret(&seed);
        if signing.verifying_key().as_bytes() != signing_public.as_bytes() {
            return Err(IdentityError::PublicKeyMismatch { field: "signing_public_key" });
        }
        let exchange = DhSecretKey::from_secret(secret);
        if exchange.public_key().as_bytes() != exchange_public.as_bytes() {
            return Err(IdentityError::PublicKeyMismatch { field: "exchange_public_key" });
        }
        let identity = Self::from_keys(signing, exchange, created_at);
        if file.amid != identity.amid.to_string() {
            return Err(IdentityError::AmidMismatch);
        }
        Ok(identity)
    }

    /// The identity file of `agentmesh/0.2`: the fields in the deployed order, two spaces of indentation.
    ///
    /// **Contains the private keys in the clear.** [`backup`](super::backup) seals them under a passphrase.
    pub fn to_json(&self) -> Zeroizing<String> {
        // Longer than it gets, so that no reallocation leaves a copy of the keys behind.
        let mut out = Zeroizing::new(String::with_capacity(1024));
        let amid = self.amid.to_string();
        let created_at = self.created_at.to_rfc3339_millis();
        out.push_str("{\n");
        push_field(&mut out, "amid", "", &amid);
        push_key(&mut out, "signing_private_key", SIGNING_PREFIX, self.signing.seed());
        push_key(&mut out, "signing_public_key", SIGNING_PREFIX, self.signing_key().as_bytes());
        push_key(&mut out, "exchange_private_key", EXCHANGE_PREFIX, self.exchange.secret_bytes());
        push_key(&mut out, "exchange_public_key", EXCHANGE_PREFIX, self.exchange_key().as_bytes());
        push_field(&mut out, "created_at", "", &created_at);
        push_field(&mut out, "framework", "", FRAMEWORK);
        push_field(&mut out, "framework_version", "", env!("CARGO_PKG_VERSION"));
        // The last comma is one too many.
        let end = out.trim_end_matches(&[',', '\n'][..]).len();
        out.truncate(end);
        out.push_str("\n}");
        out
    }
}

fn push_key(out: &mut String, name: &str, prefix: &str, bytes: &[u8; 32]) {
    let mut buf = Zeroizing::new([0; 44]);
    // 32 bytes are 44 characters.
    push_field(out, name, prefix, Base64::encode(bytes, buf.as_mut()).unwrap_or_default());
}

/// None of the values needs escaping.
fn push_field(out: &mut String, name: &str, prefix: &str, value: &str) {
    for part in ["  \"", name, "\": \"", prefix, value, "\",\n"] {
        out.push_str(part);
    }
}

/// 32 bytes in base64, with or without `prefix`, with or without padding.
fn key(text: &str, prefix: &str, field: &'static str) -> Result<Secret<32>, IdentityError> {
    let encoded = text.strip_prefix(prefix).unwrap_or(text);
    if encoded.contains(':') {
        return Err(IdentityError::WrongPrefix { field });
    }
    let invalid = IdentityError::InvalidField { field };
    let mut complete = false;
    let secret = Secret::fill_with(|out| {
        let decoded = if encoded.len() == 43 {
            Base64Unpadded::decode(encoded, out)
        } else {
            Base64::decode(encoded, out)
        };
        complete = decoded.is_ok_and(|bytes| bytes.len() == 32);
    });
    if complete { Ok(secret) } else { Err(invalid) }
}
