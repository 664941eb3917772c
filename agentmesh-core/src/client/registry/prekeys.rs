//! Prekeys on their way to a registry, and bundles on their way from one.

use base64ct::{Base64, Encoding};

use super::{AnswerError, HttpError, HttpResponse, RegistryClient, RegistryError};
#[cfg(feature = "legacy-0-2")]
use crate::{engine::LegacyOffer, identity::IdentityPublic, legacy::Bundle};
use crate::{
    identity::Amid,
    prekeys::{
        BundleParts, KnownPeer, OneTimePart, PreKeyBundle, Publication, SignedOneTime, Stock,
    },
    wire::registry::{
        NativeBundleJson, NativeUpload, OneTimePrekeyJson, PrekeyResponse, PrekeyUpload,
        PrekeyUploadResponse, SignedPrekeyJson,
    },
};

/// What became of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upload {
    /// The registry carries native bundles.
    Native {
        /// What it has left of our one-time keys.
        stock: Stock,
    },
    /// The registry knows only 0.2: native peers will not find a bundle here.
    LegacyOnly,
}

impl RegistryClient {
    /// Publishes prekeys: the native bundle and, beside it, what peers of 0.2 read.
    ///
    /// Commit the private halves first. Publishing the same again does no harm.
    ///
    /// # Errors
    /// [`RegistryError`]; after one the registry may or may not have them.
    pub async fn upload_prekeys(&self, publication: &Publication) -> Result<Upload, RegistryError> {
        let native = NativeUpload {
            bundle: Base64::encode_string(&publication.bundle),
            opks: publication.one_time.iter().map(signed_json).collect(),
            kopks: publication.one_time_kem.iter().map(signed_json).collect(),
        };
        self.upload(publication, Some(native)).await
    }

    /// Publishes only what peers of 0.2 read, as an agent does that speaks nothing else.
    ///
    /// # Errors
    /// As [`RegistryClient::upload_prekeys`].
    #[cfg(feature = "legacy-0-2")]
    pub async fn upload_legacy_prekeys(
        &self,
        publication: &Publication,
    ) -> Result<Upload, RegistryError> {
        self.upload(publication, None).await
    }

    async fn upload(
        &self,
        publication: &Publication,
        native: Option<NativeUpload>,
    ) -> Result<Upload, RegistryError> {
        // An unsigned one-time prekey is the same key: a registry consumes it for both protocols at once.
        let one_time_prekeys: Vec<_> = publication
            .one_time
            .iter()
            .map(|key| OneTimePrekeyJson { id: key.id, key: Base64::encode_string(&key.key) })
            .collect();
        let response = self
            .post("upload prekeys", "registry/prekeys", |amid, timestamp, signature| PrekeyUpload {
                amid,
                signed_prekey: Base64::encode_string(publication.signed_prekey.as_bytes()),
                signed_prekey_signature: Base64::encode_string(
                    publication.signed_prekey_signature.as_bytes(),
                ),
                signed_prekey_id: publication.signed_prekey_id,
                one_time_prekeys: one_time_prekeys.clone(),
                timestamp,
                signature,
                native: native.clone(),
            })
            .await?;
        let answer: PrekeyUploadResponse = response.json()?;
        if !answer.success {
            return Err(AnswerError::NotAccepted { what: "the prekeys" }.into());
        }
        let count = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        Ok(answer.native.map_or(Upload::LegacyOnly, |native| Upload::Native {
            stock: Stock { one_time: count(native.opks), one_time_kem: count(native.kopks) },
        }))
    }

    /// Fetches and verifies the bundle of `peer`, with one-time keys if the registry gives us some.
    ///
    /// What is known of the peer from before counts: an older or a weaker bundle is refused.
    ///
    /// # Errors
    /// [`AnswerError::AgentNotFound`], [`AnswerError::NativeBundleUnavailable`], any
    /// [`BundleError`](crate::prekeys::BundleError), or what kept the request from getting through.
    pub async fn fetch_bundle(&self, peer: &KnownPeer) -> Result<PreKeyBundle, RegistryError> {
        let fetched = self.get("fetch bundle", &bundle_path(peer), &[]).await;
        self.bundle_from(fetched, peer).await
    }

    /// The bundle as [`RegistryClient::fetch_bundle`] would get it, without one-time keys: for looking, not for
    /// sessions. Registries that know native bundles hand out no one-time key for this; others may.
    ///
    /// # Errors
    /// As [`RegistryClient::fetch_bundle`].
    pub async fn inspect_bundle(&self, peer: &KnownPeer) -> Result<PreKeyBundle, RegistryError> {
        let fetched = self.get_unsigned("inspect bundle", &bundle_path(peer)).await;
        self.bundle_from(fetched, peer).await
    }

    /// The bundle as [`RegistryClient::fetch_bundle`] gets it; of a peer that published only one of 0.2, that one, with the
    /// keys that the registry has of the peer. Without `native`, the one of 0.2 in any case.
    ///
    /// # Errors
    /// As [`RegistryClient::fetch_bundle`].
    #[cfg(feature = "legacy-0-2")]
    pub async fn fetch_any_bundle(
        &self,
        peer: &KnownPeer,
        native: bool,
    ) -> Result<FetchedBundle, RegistryError> {
        let fetched = self.get("fetch bundle", &bundle_path(peer), &[]).await;
        let answer = self.answer_from(fetched, &peer.amid).await?;
        if native && answer.native.is_some() {
            let bundle = self.native_bundle(answer, peer)?;
            return Ok(FetchedBundle::Native(Box::new(bundle)));
        }
        let unreadable = |_| AnswerError::UnreadableField { field: "prekeys" };
        let text = serde_json::to_string(&answer).unwrap_or_default();
        let bundle = Bundle::from_json(&text).map_err(unreadable)?;
        let listing = self.lookup(&peer.amid).await?;
        let keys = IdentityPublic { signing: listing.signing_key, exchange: listing.exchange_key };
        Ok(FetchedBundle::Legacy(Box::new(LegacyOffer { peer: keys, bundle })))
    }

    async fn bundle_from(
        &self,
        fetched: Result<HttpResponse, RegistryError>,
        peer: &KnownPeer,
    ) -> Result<PreKeyBundle, RegistryError> {
        let answer = self.answer_from(fetched, &peer.amid).await?;
        self.native_bundle(answer, peer)
    }

    async fn answer_from(
        &self,
        fetched: Result<HttpResponse, RegistryError>,
        amid: &Amid,
    ) -> Result<PrekeyResponse, RegistryError> {
        match fetched {
            Ok(response) => Ok(response.json()?),
            Err(RegistryError::Http(HttpError::NotFound { .. })) => {
                // It means both: no such agent, and no prekeys.
                self.lookup(amid).await?;
                Err(AnswerError::NativeBundleUnavailable { amid: *amid }.into())
            }
            Err(error) => Err(error),
        }
    }

    fn native_bundle(
        &self,
        answer: PrekeyResponse,
        peer: &KnownPeer,
    ) -> Result<PreKeyBundle, RegistryError> {
        let amid = &peer.amid;
        let native = answer.native.ok_or(AnswerError::NativeBundleUnavailable { amid: *amid })?;
        let NativeBundleJson { bundle, opk, kopk } = native;
        let blob = Base64::decode_vec(&bundle)
            .map_err(|_| AnswerError::UnreadableField { field: "native.bundle" })?;
        let (one_time, one_time_kem) =
            (opk.as_ref().and_then(decode_one_time), kopk.as_ref().and_then(decode_one_time));
        let parts = BundleParts {
            blob: &blob,
            one_time: one_time.as_ref().map(DecodedOneTime::part),
            one_time_kem: one_time_kem.as_ref().map(DecodedOneTime::part),
        };
        Ok(PreKeyBundle::verify(parts, peer, self.now())?)
    }
}

/// What a registry has of a peer.
#[cfg(feature = "legacy-0-2")]
#[derive(Debug)]
pub enum FetchedBundle {
    /// A native bundle, verified.
    Native(Box<PreKeyBundle>),
    /// Only a bundle of 0.2; nothing of it is verified.
    Legacy(Box<LegacyOffer>),
}

fn bundle_path(peer: &KnownPeer) -> String {
    format!("registry/prekeys/{}", peer.amid)
}

fn signed_json(key: &SignedOneTime) -> SignedPrekeyJson {
    SignedPrekeyJson {
        id: key.id,
        key: Base64::encode_string(&key.key),
        signature: Base64::encode_string(key.signature.as_bytes()),
    }
}

struct DecodedOneTime {
    id: u32,
    key: Vec<u8>,
    signature: Vec<u8>,
}

impl DecodedOneTime {
    fn part(&self) -> OneTimePart<'_> {
        OneTimePart { id: self.id, key: &self.key, signature: &self.signature }
    }
}

/// A one-time key that cannot be read is as good as none.
fn decode_one_time(json: &SignedPrekeyJson) -> Option<DecodedOneTime> {
    Some(DecodedOneTime {
        id: json.id,
        key: Base64::decode_vec(&json.key).ok()?,
        signature: Base64::decode_vec(&json.signature).ok()?,
    })
}
