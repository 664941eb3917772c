//! The bundle's bytes (docs/protocol/native.md §3):
//!
//! ```text
//! body = IKs 32 | lp(amid) | IKx 32 | SPK.id u32 | SPK 32 | KPK.id u32 (0 none) | lp(KPK or "")
//!      | lp(suite ids, ascending, unique) | created_at_ms u64
//! blob = body | S("bundle", body)
//! ```

use crate::{
    codec::{CodecError, Reader, Write},
    identity::{Amid, Identity, Label},
    keys::{DhPublicKey, KEM_PUBLIC_KEY_LEN, KemPublicKey, KeyError, Signature, VerifyingKey},
    limits::MAX_PREKEY_ID,
    time::Timestamp,
};

/// The suite that needs an ML-KEM key. (Suites as types live a layer up, in `handshake`.)
pub(super) const KEM_SUITE: u8 = 3;
/// Suites a bundle may list.
const MAX_SUITES: usize = 16;
/// Characters of an AMID.
const MAX_AMID: usize = 28;
const SIGNATURE_LEN: usize = 64;

/// What the signature covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Body {
    pub(super) identity: VerifyingKey,
    pub(super) amid: Amid,
    pub(super) exchange: DhPublicKey,
    pub(super) signed_prekey: (u32, DhPublicKey),
    pub(super) kem_prekey: Option<(u32, KemPublicKey)>,
    pub(super) suites: Vec<u8>,
    pub(super) created_at: Timestamp,
}

impl Body {
    /// The blob, signed by `identity`, whose keys are in the body.
    pub(super) fn sign(&self, identity: &Identity) -> Vec<u8> {
        let mut out = Vec::with_capacity(256 + KEM_PUBLIC_KEY_LEN);
        out.put(self.identity.as_bytes());
        out.put_lp(self.amid.to_string().as_bytes());
        out.put(self.exchange.as_bytes());
        out.put_u32(self.signed_prekey.0);
        out.put(self.signed_prekey.1.as_bytes());
        match &self.kem_prekey {
            Some((id, key)) => {
                out.put_u32(*id);
                out.put_lp(key.as_bytes());
            }
            None => {
                out.put_u32(0);
                out.put_lp(&[]);
            }
        }
        out.put_lp(&self.suites);
        out.put_u64(self.created_at.as_millis());
        let signature = identity.sign_labelled(Label::Bundle, &[&out]);
        out.put(signature.as_bytes());
        out
    }
}

/// A bundle in the right form, of which nothing is verified.
pub(super) struct RawBundle<'a> {
    /// What the signature covers.
    pub(super) signed: &'a [u8],
    pub(super) signature: Signature,
    pub(super) identity: [u8; 32],
    pub(super) amid: Amid,
    pub(super) exchange: DhPublicKey,
    pub(super) signed_prekey: (u32, DhPublicKey),
    pub(super) kem_id: u32,
    /// Empty if there is none.
    pub(super) kem_key: &'a [u8],
    pub(super) suites: &'a [u8],
    pub(super) created_at: Timestamp,
}

impl<'a> RawBundle<'a> {
    /// Lengths and ids; nothing else.
    pub(super) fn parse(blob: &'a [u8]) -> Result<Self, CodecError> {
        let (signed, signature) = blob
            .split_last_chunk::<SIGNATURE_LEN>()
            .ok_or(CodecError::Truncated { field: "signature" })?;
        let mut r = Reader::new(signed);
        let identity = r.array("identity key")?;
        let amid = core::str::from_utf8(r.lp(MAX_AMID, "amid")?)
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or(CodecError::InvalidValue { field: "amid" })?;
        let exchange = DhPublicKey::from_bytes(r.array("exchange key")?);
        let id = r.u32("signed prekey id")?;
        let signed_prekey = (id, DhPublicKey::from_bytes(r.array("signed prekey")?));
        let kem_id = r.u32("ML-KEM prekey id")?;
        let kem_key = r.lp(KEM_PUBLIC_KEY_LEN, "ML-KEM prekey")?;
        let suites = r.lp(MAX_SUITES, "suites")?;
        let created_ms = r.u64("created_at")?;
        r.finish("bundle")?;

        let created_at = Timestamp::from_millis(created_ms);
        for (field, valid) in [
            ("signed prekey id", (1..=MAX_PREKEY_ID).contains(&id)),
            // No key, no id; a key, an id.
            ("ML-KEM prekey id", kem_id <= MAX_PREKEY_ID && (kem_id == 0) == kem_key.is_empty()),
            ("ML-KEM prekey", matches!(kem_key.len(), 0 | KEM_PUBLIC_KEY_LEN)),
            ("created_at", created_at.as_millis() == created_ms),
        ] {
            if !valid {
                return Err(CodecError::InvalidValue { field });
            }
        }
        let signature = Signature::from_bytes(*signature);
        Ok(Self {
            signed,
            signature,
            identity,
            amid,
            exchange,
            signed_prekey,
            kem_id,
            kem_key,
            suites,
            created_at,
        })
    }

    /// The key to verify with; none if it is not one.
    pub(super) fn verifying_key(&self) -> Option<VerifyingKey> {
        VerifyingKey::from_bytes(self.identity).ok()
    }

    /// Ascending, unique, not empty, with a KPK exactly if there is the suite that needs one.
    pub(super) fn suites_are_consistent(&self) -> bool {
        self.suites.is_sorted_by(|a, b| a < b)
            && self.suites.first().is_some_and(|first| *first != 0)
            && self.suites.contains(&KEM_SUITE) != self.kem_key.is_empty()
    }

    /// The ML-KEM key, with its modulus check.
    pub(super) fn kem_prekey(&self) -> Result<Option<(u32, KemPublicKey)>, KeyError> {
        match self.kem_key {
            [] => Ok(None),
            key => KemPublicKey::from_bytes(key).map(|key| Some((self.kem_id, key))),
        }
    }
}
