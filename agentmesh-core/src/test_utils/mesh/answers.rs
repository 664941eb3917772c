//! What registry and application answer to an agent's engine.

use std::collections::VecDeque;

#[cfg(feature = "legacy-0-2")]
use super::LegacyPublished;
use super::{Mesh, Published};
use crate::{
    engine::{Input, Request, SendFailure},
    identity::Amid,
    prekeys::{
        BundleError, BundleParts, KnownPeer, OneTimePart, PreKeyBundle, SignedOneTime, Stock,
    },
};

impl Mesh {
    pub(super) fn answer(&mut self, node: usize, request: Request) {
        #[cfg(feature = "legacy-0-2")]
        if let Some(input) = self.answer_legacy(node, &request) {
            self.feed(node, input).unwrap();
            return;
        }
        let input = match request {
            Request::Bundle(peer) => match self.fetch(&peer) {
                Ok(Some(bundle)) => Input::Bundle { peer, bundle: Box::new(bundle) },
                Ok(None) => {
                    Input::NoBundle { peer, reason: SendFailure::UnknownRecipient { amid: peer } }
                }
                Err(_) => Input::NoBundle {
                    peer,
                    reason: SendFailure::BundleRefused { amid: peer, code: "TEST" },
                },
            },
            Request::PeerKey(peer) => match self.registry.get(&peer) {
                Some(published) => Input::PeerKey { peer, key: published.key },
                None => return,
            },
            Request::PublishPrekeys => {
                let publication = self.nodes[node].engine.publication();
                let amid = self.amid(node);
                let key = *self.nodes[node].engine.identity().signing_key();
                #[cfg(feature = "legacy-0-2")]
                let legacy = LegacyPublished::new(
                    &publication,
                    *self.nodes[node].engine.identity().exchange_key(),
                    self.nodes[node].engine.speaks_natively(),
                );
                let entry = self.registry.entry(amid).or_insert_with(|| Published {
                    bundle: Vec::new(),
                    one_time: VecDeque::new(),
                    one_time_kem: VecDeque::new(),
                    key,
                    #[cfg(feature = "legacy-0-2")]
                    legacy: None,
                });
                #[cfg(feature = "legacy-0-2")]
                {
                    entry.legacy = Some(legacy);
                }
                let receipt = publication.receipt();
                entry.bundle = publication.bundle;
                entry.one_time.extend(publication.one_time);
                entry.one_time_kem.extend(publication.one_time_kem);
                let count = |n: usize| u32::try_from(n).unwrap();
                let stock = Some(Stock {
                    one_time: count(entry.one_time.len()),
                    one_time_kem: count(entry.one_time_kem.len()),
                });
                Input::PrekeysPublished { receipt, stock }
            }
            Request::DecideKnock { session, .. } => {
                let decision = self.nodes[node].policy.clone();
                Input::Decide { session, decision }
            }
            #[cfg(feature = "legacy-0-2")]
            Request::LegacyPeer(_) => return,
        };
        self.feed(node, input).unwrap();
    }

    /// What the registry answers: each one-time key once.
    ///
    /// # Errors
    /// If the bundle does not verify.
    pub fn fetch(&mut self, peer: &Amid) -> Result<Option<PreKeyBundle>, BundleError> {
        if self.hidden.contains(peer) {
            return Ok(None);
        }
        let Some(published) = self.registry.get_mut(peer) else { return Ok(None) };
        let one_time = published.one_time.pop_front();
        let one_time_kem = published.one_time_kem.pop_front();
        let part = |key: &SignedOneTime| (key.id, key.key.clone(), *key.signature.as_bytes());
        let (one_time, one_time_kem) =
            (one_time.as_ref().map(part), one_time_kem.as_ref().map(part));
        let view = |key: &'_ Option<(u32, Vec<u8>, [u8; 64])>| key.clone();
        let (one_time, one_time_kem) = (view(&one_time), view(&one_time_kem));
        let parts = BundleParts {
            blob: &published.bundle,
            one_time: one_time.as_ref().map(|(id, key, signature)| OneTimePart {
                id: *id,
                key,
                signature,
            }),
            one_time_kem: one_time_kem.as_ref().map(|(id, key, signature)| OneTimePart {
                id: *id,
                key,
                signature,
            }),
        };
        PreKeyBundle::verify(parts, &KnownPeer::first_contact(*peer), self.now).map(Some)
    }
}
