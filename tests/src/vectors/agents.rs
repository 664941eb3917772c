//! Agents with known private keys, few enough to write down.

use agentmesh_core::{
    Timestamp,
    identity::{Identity, Label},
    keys::{DhPublicKey, DhSecretKey, KemSecretKey, Secret, Signature, SigningKey},
    prekeys::PreKeys,
};
use serde_json::{Value, json};

use super::support::{NOW, Recorder, hex, lp};

/// A private key with its id.
#[derive(Debug, Clone)]
pub(crate) struct Numbered<const N: usize> {
    pub(crate) id: u32,
    pub(crate) private: [u8; N],
}

/// An agent, every key of it in the clear.
#[derive(Debug, Clone)]
pub(crate) struct Agent {
    pub(crate) seed: [u8; 32],
    pub(crate) exchange: [u8; 32],
    pub(crate) spk: Numbered<32>,
    pub(crate) kpk: Option<Numbered<64>>,
    pub(crate) opk: Option<Numbered<32>>,
    pub(crate) kopk: Option<Numbered<64>>,
    pub(crate) bundle_at: Timestamp,
}

pub(crate) fn public(private: &[u8; 32]) -> DhPublicKey {
    *DhSecretKey::from_bytes(*private).public_key()
}

pub(crate) fn kem_public(seed: &[u8; 64]) -> Vec<u8> {
    KemSecretKey::from_seed(Secret::new(*seed)).public_key().as_bytes().to_vec()
}

/// `S(label, message)` with a bare key, for what an [`Identity`] would not sign.
pub(crate) fn sign(seed: &[u8; 32], label: Label, message: &[u8]) -> Signature {
    SigningKey::from_seed(*seed).sign(&[label.prefix(), message.to_vec()].concat())
}

impl Agent {
    /// All kinds of prekeys.
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Recorder::new(seed);
        Self {
            seed: rng.bytes(),
            exchange: rng.bytes(),
            spk: Numbered { id: 7, private: rng.bytes() },
            kpk: Some(Numbered { id: 5, private: rng.bytes() }),
            opk: Some(Numbered { id: 1001, private: rng.bytes() }),
            kopk: Some(Numbered { id: 33, private: rng.bytes() }),
            bundle_at: NOW.minus_millis(86_400_000),
        }
    }

    /// Suite 2 only.
    pub(crate) fn without_kem(mut self) -> Self {
        self.kpk = None;
        self.kopk = None;
        self
    }

    pub(crate) fn without_opk(mut self) -> Self {
        self.opk = None;
        self
    }

    pub(crate) fn without_kopk(mut self) -> Self {
        self.kopk = None;
        self
    }

    /// Its record, and what that gives: `docs/protocol/state.md`.
    pub(crate) fn identity_record(&self) -> Vec<u8> {
        let created_at = NOW.minus_millis(30 * 86_400_000).as_millis().to_be_bytes();
        [&[1][..], &self.seed, &self.exchange, &created_at].concat()
    }

    pub(crate) fn identity(&self) -> Identity {
        Identity::from_record(&self.identity_record()).unwrap()
    }

    pub(crate) fn prekeys_record(&self) -> Vec<u8> {
        let at = self.bundle_at.as_millis().to_be_bytes();
        let pair = |private: &[u8; 32]| [&private[..], public(private).as_bytes()].concat();
        let mut out = vec![1];
        out.extend(8u32.to_be_bytes());
        out.extend(6u32.to_be_bytes());
        out.extend(at);
        out.push(0);
        let opks = self.opk.iter().map(|k| (k.id, pair(&k.private))).collect::<Vec<_>>();
        let kopks = self.kopk.iter().map(|k| (k.id, k.private.to_vec())).collect::<Vec<_>>();
        for (next, keys) in [(1002u32, opks), (34, kopks)] {
            out.extend(next.to_be_bytes());
            out.extend(0u32.to_be_bytes());
            out.push(0);
            out.extend(u32::try_from(keys.len()).unwrap().to_be_bytes());
            for (id, key) in keys {
                out.extend(id.to_be_bytes());
                out.extend(key);
            }
        }
        out.extend(1u32.to_be_bytes());
        out.extend(self.spk.id.to_be_bytes());
        out.extend(at);
        out.extend(pair(&self.spk.private));
        out.extend(pair(&self.exchange));
        match &self.kpk {
            Some(kpk) => {
                out.push(1);
                out.extend(kpk.id.to_be_bytes());
                out.extend(kpk.private);
            }
            None => out.push(0),
        }
        out.extend([0, 0]);
        out
    }

    pub(crate) fn prekeys(&self) -> PreKeys {
        PreKeys::from_record(&self.prekeys_record()).unwrap()
    }

    /// The bundle's body, field by field, for bundles that the core would not make.
    pub(crate) fn body(&self) -> Body {
        Body {
            signing: *self.identity().signing_key().as_bytes(),
            amid: self.identity().amid().to_string(),
            exchange: *public(&self.exchange).as_bytes(),
            spk_id: self.spk.id,
            spk: *public(&self.spk.private).as_bytes(),
            kpk_id: self.kpk.as_ref().map_or(0, |k| k.id),
            kpk: self.kpk.as_ref().map_or_else(Vec::new, |k| kem_public(&k.private)),
            suites: if self.kpk.is_some() { vec![2, 3] } else { vec![2] },
            created_at: self.bundle_at.as_millis(),
        }
    }

    /// The private keys that a handshake may name.
    pub(crate) fn responder(&self) -> Value {
        let kems = [(1, &self.kpk), (2, &self.kopk)];
        json!({
            "signing_seed": hex(self.seed),
            "exchange_private": hex(self.exchange),
            "spk": {"id": self.spk.id, "private": hex(self.spk.private)},
            "opks": self.opk.iter()
                .map(|k| json!({"id": k.id, "private": hex(k.private)}))
                .collect::<Vec<_>>(),
            "kems": kems.into_iter()
                .filter_map(|(kind, k)| k.as_ref().map(|k| (kind, k)))
                .map(|(kind, k)| json!({"kind": kind, "id": k.id, "seed": hex(k.private)}))
                .collect::<Vec<_>>(),
        })
    }
}

/// A bundle's body that can be spoilt before it is signed.
#[derive(Debug, Clone)]
pub(crate) struct Body {
    pub(crate) signing: [u8; 32],
    pub(crate) amid: String,
    pub(crate) exchange: [u8; 32],
    pub(crate) spk_id: u32,
    pub(crate) spk: [u8; 32],
    pub(crate) kpk_id: u32,
    pub(crate) kpk: Vec<u8>,
    pub(crate) suites: Vec<u8>,
    pub(crate) created_at: u64,
}

impl Body {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        [
            &self.signing[..],
            &lp(self.amid.as_bytes()),
            &self.exchange,
            &self.spk_id.to_be_bytes(),
            &self.spk,
            &self.kpk_id.to_be_bytes(),
            &lp(&self.kpk),
            &lp(&self.suites),
            &self.created_at.to_be_bytes(),
        ]
        .concat()
    }

    pub(crate) fn blob(&self, seed: &[u8; 32]) -> Vec<u8> {
        let body = self.bytes();
        [&body[..], sign(seed, Label::Bundle, &body).as_bytes()].concat()
    }
}
