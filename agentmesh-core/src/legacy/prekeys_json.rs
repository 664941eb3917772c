//! `prekeys/state.json` of the deployed SDK, read and written: two spaces of indentation, fields in its order.

use core::fmt::Write;
use std::collections::BTreeMap;

use serde::Deserialize;
use zeroize::Zeroizing;

use super::{
    LegacyFormatError, LegacyPrekeys,
    prekeys::OldSignedPrekey,
    text::{PublicKey, SecretKey, base64, malformed, secret_base64},
};
use crate::{
    keys::DhSecretKey,
    limits::{LEGACY_CONSUMED_IDS, LEGACY_MAX_ONE_TIME_PREKEYS, MAX_PREKEY_ID},
    time::Timestamp,
    wire::json::Object,
};

const WHAT: &str = "prekey state";
/// Bytes of a line, and of everything that is no list.
const BYTES_PER_KEY: usize = 80;
const BYTES_BESIDE: usize = 1024;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct In {
    signed_prekey_id: u32,
    signed_prekey_private: SecretKey,
    signed_prekey_public: PublicKey,
    signed_prekey_created: String,
    one_time_prekeys: BTreeMap<u32, SecretKey>,
    next_prekey_id: u32,
    #[serde(default)]
    consumed_prekey_ids: Vec<u32>,
    #[serde(default)]
    old_signed_prekey_private: Option<SecretKey>,
    #[serde(default)]
    old_signed_prekey_id: Option<u32>,
    #[serde(default)]
    old_signed_prekey_expires: Option<DateIn>,
}

/// As JavaScript's `new Date` takes it.
#[derive(Deserialize)]
#[serde(untagged)]
enum DateIn {
    Text(String),
    Millis(u64),
}

impl LegacyPrekeys {
    /// Reads the prekey file of the deployed SDK, or of ours. The public one-time keys and the signature, which are not in it,
    /// are computed.
    ///
    /// # Errors
    /// [`LegacyFormatError`]; in particular [`LegacyFormatError::KeyPair`].
    pub fn from_json(json: &str) -> Result<Self, LegacyFormatError> {
        let Object(read): Object<In> = serde_json::from_str(json).map_err(malformed(WHAT))?;
        let invalid = |field| LegacyFormatError::InvalidValue { what: WHAT, field };
        let signed = DhSecretKey::from_secret(read.signed_prekey_private.0);
        if *signed.public_key() != read.signed_prekey_public.0 {
            return Err(LegacyFormatError::KeyPair { what: WHAT, field: "signedPrekeyPublic" });
        }
        if read.one_time_prekeys.len() > LEGACY_MAX_ONE_TIME_PREKEYS {
            return Err(LegacyFormatError::TooLong {
                what: WHAT,
                limit: LEGACY_MAX_ONE_TIME_PREKEYS,
                actual: read.one_time_prekeys.len(),
            });
        }
        let old = match (read.old_signed_prekey_private, read.old_signed_prekey_id) {
            (Some(key), Some(id)) => {
                let expires = match read.old_signed_prekey_expires {
                    Some(DateIn::Millis(ms)) => Some(Timestamp::from_millis(ms)),
                    Some(DateIn::Text(text)) => Timestamp::parse_rfc3339(&text),
                    None => None,
                };
                let expires = expires.ok_or_else(|| invalid("oldSignedPrekeyExpires"))?;
                Some(OldSignedPrekey { id, key: DhSecretKey::from_secret(key.0), expires })
            }
            _ => None,
        };
        let created = Timestamp::parse_rfc3339(&read.signed_prekey_created);
        let mut consumed = read.consumed_prekey_ids;
        consumed.drain(..consumed.len().saturating_sub(LEGACY_CONSUMED_IDS));
        let one_time: BTreeMap<u32, DhSecretKey> = read
            .one_time_prekeys
            .into_iter()
            .map(|(id, key)| (id, DhSecretKey::from_secret(key.0)))
            .collect();
        // A counter that went back would hand out ids that the registry has.
        let highest = one_time.keys().chain(&consumed).max().copied().unwrap_or(0);
        let next_id = read.next_prekey_id.max(highest.saturating_add(1));
        if next_id > MAX_PREKEY_ID + 1 || read.signed_prekey_id > MAX_PREKEY_ID {
            return Err(invalid("id"));
        }
        Ok(Self {
            signed_id: read.signed_prekey_id,
            signed,
            signed_created: created.ok_or_else(|| invalid("signedPrekeyCreated"))?,
            one_time,
            next_id,
            consumed,
            old,
        })
    }

    /// The prekey file as the deployed SDK writes it, byte for byte.
    ///
    /// **Contains the private keys in the clear.**
    pub fn to_json(&self) -> Zeroizing<String> {
        let lines = self.one_time.len() + self.consumed.len();
        // Longer than it gets, so that no reallocation leaves a copy of the keys behind.
        let mut out = Zeroizing::new(String::with_capacity(BYTES_BESIDE + lines * BYTES_PER_KEY));
        let _ = write!(
            out,
            "{{\n  \"signedPrekeyId\": {},\n  \"signedPrekeyPrivate\": \"{}\",\n  \"signedPrekeyPublic\": \"{}\",\n  \"signedPrekeyCreated\": \"{}\",\n  \"oneTimePrekeys\": ",
            self.signed_id,
            *secret_base64(self.signed.secret_bytes()),
            base64(self.signed.public_key().as_bytes()),
            self.signed_created.to_rfc3339_millis(),
        );
        let mut open = "{";
        for (id, key) in &self.one_time {
            let _ = write!(out, "{open}\n    \"{id}\": \"{}\"", *secret_base64(key.secret_bytes()));
            open = ",";
        }
        out.push_str(if self.one_time.is_empty() { "{}" } else { "\n  }" });
        let _ = write!(out, ",\n  \"nextPrekeyId\": {},\n  \"consumedPrekeyIds\": ", self.next_id);
        let mut open = "[";
        for id in &self.consumed {
            let _ = write!(out, "{open}\n    {id}");
            open = ",";
        }
        out.push_str(if self.consumed.is_empty() { "[]" } else { "\n  ]" });
        if let Some(old) = &self.old {
            let _ = write!(
                out,
                ",\n  \"oldSignedPrekeyPrivate\": \"{}\",\n  \"oldSignedPrekeyId\": {},\n  \"oldSignedPrekeyExpires\": \"{}\"",
                *secret_base64(old.key.secret_bytes()),
                old.id,
                old.expires.to_rfc3339_millis(),
            );
        }
        out.push_str("\n}");
        out
    }
}
