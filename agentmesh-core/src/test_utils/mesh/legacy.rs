//! The mesh's registry for agents of 0.2: who published no native bundle, and what is there instead.

use super::{Mesh, Published};
use crate::{
    engine::{Input, LegacyOffer, Request, SendFailure},
    identity::{Amid, IdentityPublic},
    keys::DhPublicKey,
    legacy::Bundle,
    prekeys::Publication,
};

/// What peers of 0.2 read.
#[derive(Debug, Clone)]
pub struct LegacyPublished {
    /// The registered exchange key.
    pub exchange: DhPublicKey,
    /// The bundle; its one-time prekeys are handed out with the others.
    pub bundle: Bundle,
    /// Whether there is nothing else.
    pub only: bool,
}

impl LegacyPublished {
    pub(super) const fn new(
        publication: &Publication,
        exchange: DhPublicKey,
        native: bool,
    ) -> Self {
        let bundle = Bundle {
            identity_key: exchange,
            signed_prekey: publication.signed_prekey,
            signed_prekey_signature: Some(publication.signed_prekey_signature),
            signed_prekey_id: publication.signed_prekey_id,
            one_time_prekeys: Vec::new(),
            uploaded_at: None,
        };
        Self { exchange, bundle, only: !native }
    }
}

impl Mesh {
    /// The answer to a request that only 0.2 brings up.
    pub(super) fn answer_legacy(&mut self, node: usize, request: &Request) -> Option<Input> {
        let keys = |published: &Published| {
            Some(IdentityPublic {
                signing: published.key,
                exchange: published.legacy.as_ref()?.exchange,
            })
        };
        match request {
            Request::LegacyPeer(peer) => {
                let keys = keys(self.registry.get(peer)?)?;
                Some(Input::LegacyKeys { peer: *peer, keys })
            }
            Request::Bundle(peer) => {
                let config = &self.nodes[node].config;
                let (allowed, native) = (config.allow_legacy, config.speaks_natively());
                let (peer, offer) = (*peer, self.legacy_offer(peer, native)?);
                Some(if allowed {
                    Input::LegacyOffer { peer, offer: Box::new(offer) }
                } else {
                    let reason = SendFailure::NativeBundleUnavailable { amid: peer };
                    Input::NoBundle { peer, reason }
                })
            }
            _ => None,
        }
    }

    /// What the registry has of an agent that published nothing native; without `native`, of any.
    pub fn legacy_offer(&mut self, peer: &Amid, native: bool) -> Option<LegacyOffer> {
        let published = self.registry.get_mut(peer)?;
        let legacy = published.legacy.as_ref().filter(|legacy| legacy.only || !native)?;
        let mut bundle = legacy.bundle.clone();
        let peer = IdentityPublic { signing: published.key, exchange: legacy.exchange };
        if let Some(one) = published.one_time.pop_front() {
            bundle.one_time_prekeys = vec![(one.id, DhPublicKey::from_slice(&one.key).ok()?)];
        }
        Some(LegacyOffer { peer, bundle })
    }
}
