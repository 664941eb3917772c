//! The bundle's bytes (docs/protocol/native.md §3):
//!
//! ```text
//! body = IKs 32 | lp(amid) | IKx 32 | SPK.id u32 | SPK 32 | KPK.id u32 (0 none) | lp(KPK or "")
//!      | lp(suite ids, ascending, unique) | created_at_ms u64
//! blob = body | S("bundle", body)
//! ```

use super::bundle::BundleError;
use crate::{
    codec::{CodecError, Reader, Write},
    identity::{Amid, Identity, Label},
    keys::{DhPublicKey, KEM_PUBLIC_KEY_LEN, KemPublicKey, Signature, VerifyingKey},
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

/// Body, signature and the bytes signed. Nothing is verified but the form.
pub(super) fn parse(blob: &[u8]) -> Result<(Body, Signature, &[u8]), BundleError> {
    let malformed = |source| BundleError::Malformed { source };
    let (signed, signature) = blob
        .split_last_chunk::<SIGNATURE_LEN>()
        .ok_or(malformed(CodecError::Truncated { field: "signature" }))?;
    let raw = RawBody::read(signed).map_err(malformed)?;
    let identity =
        VerifyingKey::from_bytes(raw.identity).map_err(|_| BundleError::InvalidIdentityKey)?;
    let kem_prekey = match raw.kem_key {
        [] => None,
        key => Some((
            raw.kem_id,
            KemPublicKey::from_bytes(key).map_err(|source| BundleError::KemKey { source })?,
        )),
    };
    if !raw.suites.is_sorted_by(|a, b| a < b)
        || raw.suites.is_empty()
        || raw.suites.contains(&0)
        || raw.suites.contains(&KEM_SUITE) != kem_prekey.is_some()
    {
        return Err(BundleError::SuiteSet);
    }
    let body = Body {
        identity,
        amid: raw.amid,
        exchange: raw.exchange,
        signed_prekey: raw.signed_prekey,
        kem_prekey,
        suites: raw.suites.to_vec(),
        created_at: raw.created_at,
    };
    Ok((body, Signature::from_bytes(*signature), signed))
}

struct RawBody<'a> {
    identity: [u8; 32],
    amid: Amid,
    exchange: DhPublicKey,
    signed_prekey: (u32, DhPublicKey),
    kem_id: u32,
    kem_key: &'a [u8],
    suites: &'a [u8],
    created_at: Timestamp,
}

impl<'a> RawBody<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, CodecError> {
        let mut r = Reader::new(bytes);
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
            ("created_at", created_at.as_millis() == created_ms),
        ] {
            if !valid {
                return Err(CodecError::InvalidValue { field });
            }
        }
        Ok(Self { identity, amid, exchange, signed_prekey, kem_id, kem_key, suites, created_at })
    }
}
