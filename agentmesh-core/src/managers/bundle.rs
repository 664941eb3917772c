//! An agent's public prekeys as JSON, for applications that pass them on themselves: what `agentmesh/0.2` knows, and beside it
//! in `native` what a native handshake needs.

use core::fmt;

use serde::{Deserialize, Serialize};

use super::{ManagerError, bytes};
use crate::{
    Error,
    keys::{DhPublicKey, Signature},
    prekeys::{BundleParts, KnownPeer, OneTimePart, PreKeyBundle, Publication, SignedOneTime},
    time::Timestamp,
    wire::json::Object,
};

/// Public prekeys.
///
/// Each one-time key opens one session. Whoever gives the same bundle to several peers gives each of them all keys, and
/// the second one to take a key is refused; [`Bundle::take_one`] gives every peer its own.
///
/// Native peers believe only what is signed in `native`; the fields outside are those of 0.2.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Bundle {
    /// The exchange key.
    #[serde(with = "bytes::key")]
    pub identity_key: DhPublicKey,
    /// The signed prekey.
    #[serde(with = "bytes::key")]
    pub signed_prekey: DhPublicKey,
    /// The identity's signature over its bare 32 bytes, which means something to 0.2 only.
    #[serde(with = "bytes::signature")]
    pub signed_prekey_signature: Option<Signature>,
    /// Its id.
    pub signed_prekey_id: u32,
    /// One-time prekeys.
    pub one_time_prekeys: Vec<OneTimePrekey>,
    /// When the bundle was made.
    #[serde(with = "date", skip_serializing_if = "Option::is_none")]
    pub uploaded_at: Option<Timestamp>,
    /// What native sessions need; absent in bundles of 0.2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub native: Option<NativeBundle>,
}

/// A one-time key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OneTimePrekey {
    /// Its id.
    pub id: u32,
    /// The key.
    #[serde(with = "bytes::any")]
    pub key: Vec<u8>,
    /// The owner's signature; 0.2 has none.
    #[serde(with = "bytes::signature", skip_serializing_if = "Option::is_none")]
    pub signature: Option<Signature>,
}

/// The native half of a bundle.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct NativeBundle {
    /// The signed bundle, as in `docs/protocol/native.md` §3.1.
    #[serde(with = "bytes::any")]
    pub bundle: Vec<u8>,
    /// One-time ML-KEM prekeys.
    pub kopks: Vec<OneTimePrekey>,
}

/// Both spellings, and what registries answer: single keys, and the one-time prekeys inside `native`.
#[derive(Deserialize)]
struct In {
    #[serde(with = "bytes::key", alias = "identityKey")]
    identity_key: DhPublicKey,
    #[serde(with = "bytes::key", alias = "signedPrekey")]
    signed_prekey: DhPublicKey,
    #[serde(default, with = "bytes::signature", alias = "signedPrekeySignature")]
    signed_prekey_signature: Option<Signature>,
    #[serde(alias = "signedPrekeyId")]
    signed_prekey_id: u32,
    #[serde(default, alias = "oneTimePrekeys")]
    one_time_prekeys: Option<Vec<OneTimeIn>>,
    #[serde(default, alias = "oneTimePrekey")]
    one_time_prekey: Option<OneTimeIn>,
    #[serde(default, alias = "uploadedAt")]
    uploaded_at: Option<String>,
    #[serde(default)]
    native: Option<NativeIn>,
}

#[derive(Deserialize)]
struct OneTimeIn {
    id: u32,
    #[serde(with = "bytes::any")]
    key: Vec<u8>,
    #[serde(default, with = "bytes::signature")]
    signature: Option<Signature>,
}

#[derive(Deserialize)]
struct NativeIn {
    #[serde(with = "bytes::any")]
    bundle: Vec<u8>,
    #[serde(default)]
    opks: Vec<OneTimeIn>,
    #[serde(default)]
    opk: Option<OneTimeIn>,
    #[serde(default)]
    kopks: Vec<OneTimeIn>,
    #[serde(default)]
    kopk: Option<OneTimeIn>,
}

impl From<OneTimeIn> for OneTimePrekey {
    fn from(OneTimeIn { id, key, signature }: OneTimeIn) -> Self {
        Self { id, key, signature }
    }
}

impl<'de> Deserialize<'de> for Bundle {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let Object(read) = Object::<In>::deserialize(from)?;
        let outer =
            read.one_time_prekeys.unwrap_or_default().into_iter().chain(read.one_time_prekey);
        let (native, inner) = match read.native {
            None => (None, Vec::new()),
            Some(NativeIn { bundle, mut opks, opk, kopks, kopk }) => {
                opks.extend(opk);
                let kopks = kopks.into_iter().chain(kopk).map(Into::into).collect();
                (Some(NativeBundle { bundle, kopks }), opks)
            }
        };
        // A registry repeats the keys inside `native`, with signatures. Those are the ones that count.
        let one_time_prekeys: Vec<OneTimePrekey> = if inner.is_empty() {
            outer.map(Into::into).collect()
        } else {
            inner.into_iter().map(Into::into).collect()
        };
        Ok(Self {
            identity_key: read.identity_key,
            signed_prekey: read.signed_prekey,
            signed_prekey_signature: read.signed_prekey_signature,
            signed_prekey_id: read.signed_prekey_id,
            one_time_prekeys,
            uploaded_at: read.uploaded_at.as_deref().and_then(Timestamp::parse_rfc3339),
            native,
        })
    }
}

impl Bundle {
    pub(super) fn new(exchange: DhPublicKey, publication: Publication, now: Timestamp) -> Self {
        let signed = |SignedOneTime { id, key, signature }| OneTimePrekey {
            id,
            key,
            signature: Some(signature),
        };
        Self {
            identity_key: exchange,
            signed_prekey: publication.signed_prekey,
            signed_prekey_signature: Some(publication.signed_prekey_signature),
            signed_prekey_id: publication.signed_prekey_id,
            one_time_prekeys: publication.one_time.into_iter().map(signed).collect(),
            uploaded_at: Some(now),
            native: Some(NativeBundle {
                bundle: publication.bundle,
                kopks: publication.one_time_kem.into_iter().map(signed).collect(),
            }),
        }
    }

    /// The same bundle with at most one one-time key of each kind, which are taken out of this one: what a server hands to
    /// one peer.
    pub fn take_one(&mut self) -> Self {
        let take = |keys: &mut Vec<OneTimePrekey>| {
            let rest = keys.split_off(keys.len().min(1));
            core::mem::replace(keys, rest)
        };
        let one_time_prekeys = take(&mut self.one_time_prekeys);
        let native = self.native.as_mut().map(|native| NativeBundle {
            bundle: native.bundle.clone(),
            kopks: take(&mut native.kopks),
        });
        Self {
            identity_key: self.identity_key,
            signed_prekey: self.signed_prekey,
            signed_prekey_signature: self.signed_prekey_signature,
            signed_prekey_id: self.signed_prekey_id,
            one_time_prekeys,
            uploaded_at: self.uploaded_at,
            native,
        }
    }

    /// The same bundle as one of `agentmesh/0.2`: without what only native peers read. Whoever is given this one opens a session
    /// of 0.2 or none.
    #[must_use]
    pub fn without_native(mut self) -> Self {
        self.native = None;
        for key in &mut self.one_time_prekeys {
            key.signature = None;
        }
        self
    }

    /// The native bundle, verified, with one one-time key of each kind.
    ///
    /// Which ones is `choice`: initiators that were given the same bundle seldom choose the same.
    pub(super) fn verify(
        &self,
        peer: &KnownPeer,
        now: Timestamp,
        choice: u32,
    ) -> Result<PreKeyBundle, Error> {
        let native = self.native.as_ref().ok_or(ManagerError::NoNativeBundle)?;
        let pick = |keys: &[OneTimePrekey]| {
            let signed: Vec<_> =
                keys.iter().filter(|key| key.signature.is_some()).cloned().collect();
            let index = usize::try_from(choice).unwrap_or(0).checked_rem(signed.len())?;
            signed.into_iter().nth(index)
        };
        let (one_time, one_time_kem) = (pick(&self.one_time_prekeys), pick(&native.kopks));
        let part = |key: &'_ Option<OneTimePrekey>| -> Option<(u32, Vec<u8>, [u8; 64])> {
            let OneTimePrekey { id, key, signature } = key.as_ref()?;
            Some((*id, key.clone(), *signature.as_ref()?.as_bytes()))
        };
        let (one_time, one_time_kem) = (part(&one_time), part(&one_time_kem));
        let parts = BundleParts {
            blob: &native.bundle,
            one_time: one_time.as_ref().map(as_part),
            one_time_kem: one_time_kem.as_ref().map(as_part),
        };
        Ok(PreKeyBundle::verify(parts, peer, now)?)
    }
}

const fn as_part((id, key, signature): &(u32, Vec<u8>, [u8; 64])) -> OneTimePart<'_> {
    OneTimePart { id: *id, key: key.as_slice(), signature }
}

impl fmt::Debug for Bundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bundle")
            .field("identity_key", &self.identity_key)
            .field("signed_prekey_id", &self.signed_prekey_id)
            .field("one_time_prekeys", &self.one_time_prekeys.len())
            .field("native", &self.native)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for NativeBundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes, {} ML-KEM keys", self.bundle.len(), self.kopks.len())
    }
}

mod date {
    use crate::time::Timestamp;
    use serde::{Serialize, Serializer};

    #[allow(clippy::ref_option, reason = "serde passes it so")]
    pub(super) fn serialize<S: Serializer>(
        at: &Option<Timestamp>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        at.map(Timestamp::to_rfc3339_millis).serialize(to)
    }
}
