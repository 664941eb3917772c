//! What registry and application answer to an agent's engine.

use std::collections::VecDeque;

#[cfg(feature = "legacy-0-2")]
use super::LegacyPublished;
use super::{Mesh, Published};
use crate::{
    engine::{Input, Request, SendFailure},
    identity::Amid,
    keys::VerifyingKey,
    prekeys::{
        BundleError, BundleParts, KnownPeer, OneTimePart, PreKeyBundle, Publication, SignedOneTime,
        Stock, UploadReceipt,
    },
    time::Timestamp,
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
                let entry = self.registry.entry(amid).or_insert_with(|| Published::empty(key));
                #[cfg(feature = "legacy-0-2")]
                {
                    entry.legacy = Some(legacy);
                }
                let (receipt, stock) = entry.take_in(publication);
                let stock = Some(stock);
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
        published.hand_out(*peer, self.now).map(Some)
    }
}

impl Published {
    /// Nothing yet, of the agent with this key.
    pub const fn empty(key: VerifyingKey) -> Self {
        Self {
            bundle: Vec::new(),
            one_time: VecDeque::new(),
            one_time_kem: VecDeque::new(),
            key,
            #[cfg(feature = "legacy-0-2")]
            legacy: None,
        }
    }

    /// What the agent uploads; says what it contained, and what there is now.
    ///
    /// # Panics
    /// With more keys than there can be.
    pub fn take_in(&mut self, publication: Publication) -> (UploadReceipt, Stock) {
        let receipt = publication.receipt();
        self.bundle = publication.bundle;
        self.one_time.extend(publication.one_time);
        self.one_time_kem.extend(publication.one_time_kem);
        let count = |n: usize| u32::try_from(n).unwrap();
        let stock = Stock {
            one_time: count(self.one_time.len()),
            one_time_kem: count(self.one_time_kem.len()),
        };
        (receipt, stock)
    }

    /// The bundle with one one-time key of each kind, which are gone then; as a client sees it.
    ///
    /// # Errors
    /// If it does not verify.
    pub fn hand_out(&mut self, peer: Amid, now: Timestamp) -> Result<PreKeyBundle, BundleError> {
        let (one_time, one_time_kem) = (self.one_time.pop_front(), self.one_time_kem.pop_front());
        fn part(key: &SignedOneTime) -> OneTimePart<'_> {
            OneTimePart { id: key.id, key: &key.key, signature: key.signature.as_bytes() }
        }
        let parts = BundleParts {
            blob: &self.bundle,
            one_time: one_time.as_ref().map(part),
            one_time_kem: one_time_kem.as_ref().map(part),
        };
        PreKeyBundle::verify(parts, &KnownPeer::first_contact(peer), now)
    }
}
