//! What goes to the registry, and the confirmation that it arrived. The same comes out again until it is confirmed.

use super::{
    PreKeys,
    blob::Body,
    bundle::{one_time_kem_message, one_time_message},
};
use crate::{
    identity::{Identity, Label},
    keys::{DhPublicKey, DhSecretKey, KemSecretKey, Signature},
    time::Timestamp,
};

/// A one-time key to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedOneTime {
    /// Its id.
    pub id: u32,
    /// The X25519 or ML-KEM-768 public key.
    pub key: Vec<u8>,
    /// The identity's signature over both.
    pub signature: Signature,
}

/// Everything that the registry has to get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// The signed bundle.
    pub bundle: Vec<u8>,
    /// One-time prekeys not confirmed yet.
    pub one_time: Vec<SignedOneTime>,
    /// One-time ML-KEM prekeys not confirmed yet.
    pub one_time_kem: Vec<SignedOneTime>,
    /// Id of the signed prekey, for the outer fields that peers of `agentmesh/0.2` read.
    pub signed_prekey_id: u32,
    /// The signed prekey.
    pub signed_prekey: DhPublicKey,
    /// The identity's signature over the bare signed prekey.
    pub signed_prekey_signature: Signature,
    created_at: Timestamp,
    one_time_through: u32,
    one_time_kem_through: u32,
}

impl Publication {
    /// What to hand to [`PreKeys::confirm_uploaded`] once the registry has it.
    pub const fn receipt(&self) -> UploadReceipt {
        UploadReceipt {
            created_at: self.created_at,
            one_time_through: self.one_time_through,
            one_time_kem_through: self.one_time_kem_through,
        }
    }
}

/// Names what a [`Publication`] contained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UploadReceipt {
    created_at: Timestamp,
    one_time_through: u32,
    one_time_kem_through: u32,
}

/// How many one-time keys a registry says it has left after an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stock {
    /// One-time prekeys.
    pub one_time: u32,
    /// One-time ML-KEM prekeys.
    pub one_time_kem: u32,
}

impl PreKeys {
    /// Whether the registry lacks something.
    pub fn needs_upload(&self) -> bool {
        !self.bundle_uploaded
            || self.one_time.pending().next().is_some()
            || self.one_time_kem.pending().next().is_some()
    }

    /// The current bundle, and all one-time keys that no upload was confirmed of. Commit the record first: a key
    /// that the registry knows and we forgot breaks the handshakes made with it.
    pub fn publication(&self, identity: &Identity) -> Publication {
        self.publish(identity, self.one_time.pending(), self.one_time_kem.pending())
    }

    /// As [`PreKeys::publication`], with all one-time keys that are unused, whether they were uploaded or not: for
    /// those who hand bundles on themselves.
    pub fn publication_of_all(&self, identity: &Identity) -> Publication {
        self.publish(identity, self.one_time.all(), self.one_time_kem.all())
    }

    fn publish<'a>(
        &self,
        identity: &Identity,
        one_time: impl Iterator<Item = (u32, &'a DhSecretKey)>,
        one_time_kem: impl Iterator<Item = (u32, &'a KemSecretKey)>,
    ) -> Publication {
        let signed_prekey = *self.current.dh.public_key();
        Publication {
            bundle: self.bundle(identity),
            one_time: one_time
                .map(|(id, key)| sign_one_time(identity, id, key.public_key()))
                .collect(),
            one_time_kem: one_time_kem
                .map(|(id, key)| {
                    let key = key.public_key();
                    let message = one_time_kem_message(id, &key);
                    let signature = identity.sign_labelled(Label::Kem, &[&message]);
                    SignedOneTime { id, key: key.as_bytes().to_vec(), signature }
                })
                .collect(),
            signed_prekey_id: self.current.id,
            signed_prekey,
            signed_prekey_signature: identity.sign_bare_prekey(&signed_prekey),
            created_at: self.bundle_created_at,
            one_time_through: self.one_time.last_id(),
            one_time_kem_through: self.one_time_kem.last_id(),
        }
    }

    /// The current bundle alone, as for a refused handshake. The same until keys change.
    pub fn bundle(&self, identity: &Identity) -> Vec<u8> {
        let kem_prekey = self.current.kem.as_ref().map(|(id, key)| (*id, key.public_key()));
        Body {
            identity: *identity.signing_key(),
            amid: identity.amid(),
            exchange: *self.current.exchange.public_key(),
            signed_prekey: (self.current.id, *self.current.dh.public_key()),
            kem_prekey,
            suites: self.current.suites().to_vec(),
            created_at: self.bundle_created_at,
        }
        .sign(identity)
    }

    /// Notes what the registry has: the rest of its life begins for the triple that the bundle replaced. `stock` is what
    /// the registry says it has left, if it says so. Always a change to commit.
    pub fn confirm_uploaded(
        &mut self,
        receipt: UploadReceipt,
        stock: Option<Stock>,
        now: Timestamp,
    ) {
        self.one_time.confirm(receipt.one_time_through, stock.map(|s| s.one_time));
        self.one_time_kem.confirm(receipt.one_time_kem_through, stock.map(|s| s.one_time_kem));
        // Otherwise the bundle was replaced while it was on its way, and a newer one follows.
        if receipt.created_at == self.bundle_created_at {
            self.bundle_uploaded = true;
            for triple in &mut self.retired {
                triple.replaced_at.get_or_insert(now);
            }
        }
    }
}

impl PreKeys {
    /// Notes that the registry has nothing of ours, as after it lost its data: [`PreKeys::maintain`] then makes new one-time
    /// keys, since those that were published may have been handed out, and everything is published again.
    pub fn registry_forgot(&mut self, now: Timestamp) {
        self.new_bundle_date(now);
        self.one_time.stock = Some(0);
        self.one_time_kem.stock = Some(0);
    }
}

fn sign_one_time(identity: &Identity, id: u32, key: &DhPublicKey) -> SignedOneTime {
    let signature = identity.sign_labelled(Label::Opk, &[&one_time_message(id, key)]);
    SignedOneTime { id, key: key.as_bytes().to_vec(), signature }
}
