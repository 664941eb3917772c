//! The state of a Double Ratchet, and its sending half.
//!
//! A side that has received a new ratchet key of the peer makes its own next key only when it sends. Until then
//! it holds no ratchet private key at all, and a frame that claims yet another new key cannot be genuine.

use core::fmt;

use rand_core::CryptoRng;

use crate::{
    keys::{DhPublicKey, DhSecretKey, KeyError, Secret},
    ratchet::{
        Header,
        chain_key::{ReceivingChain, SendingChain},
        message_key::MessageKey,
        root_key::RootKey,
        skipped::SkippedKeys,
    },
    time::Timestamp,
};

/// Why a ratchet could not begin or go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RatchetError {
    /// The chain has no number left.
    Exhausted,
    /// The peer's key contributes nothing.
    NonContributory,
}

impl From<KeyError> for RatchetError {
    fn from(_: KeyError) -> Self {
        // A Diffie-Hellman fails in one way only.
        Self::NonContributory
    }
}

/// Whose turn it is.
pub(super) enum Sending {
    /// We have a ratchet key and a chain; the peer may answer with a new key of its own.
    Active { own: DhSecretKey, chain: SendingChain },
    /// The peer's ratchet key is newer than any of ours: the next message takes the turn with a fresh key.
    Due { remote: DhPublicKey },
}

/// One party's ratchet.
pub(crate) struct DoubleRatchet {
    pub(super) root: RootKey,
    pub(super) sending: Sending,
    /// Length of the previous sending chain.
    pub(super) pn: u32,
    /// Nothing until the initiator's first answer.
    pub(super) receiving: Option<ReceivingChain>,
    pub(super) skipped: SkippedKeys,
}

/// The next message's header and key, with the state after it.
pub(crate) struct Prepared {
    pub(crate) header: Header,
    pub(crate) key: MessageKey,
    pub(crate) after: Sent,
}

/// What sending one message changes.
pub(crate) struct Sent {
    turn: Option<(RootKey, DhSecretKey)>,
    chain: SendingChain,
}

impl DoubleRatchet {
    /// The initiator's side: `remote` is the responder's signed prekey. Has a sending chain at once.
    pub(crate) fn initiate(
        shared_secret: Secret<32>,
        remote: &DhPublicKey,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, RatchetError> {
        let own = DhSecretKey::generate(rng);
        let (root, key) = RootKey::new(shared_secret).turn(&own, remote)?;
        Ok(Self {
            root,
            sending: Sending::Active { own, chain: SendingChain::first(key) },
            pn: 0,
            receiving: None,
            skipped: SkippedKeys::default(),
        })
    }

    /// The responder's side: `remote` is the ratchet key of the initiator's first message. Does the whole turn,
    /// so that the signed prekey's private part is needed here and never again.
    pub(crate) fn accept(
        shared_secret: Secret<32>,
        own_prekey: &DhSecretKey,
        remote: &DhPublicKey,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, RatchetError> {
        let (root, receiving) = RootKey::new(shared_secret).turn(own_prekey, remote)?;
        let own = DhSecretKey::generate(rng);
        let (root, sending) = root.turn(&own, remote)?;
        Ok(Self {
            root,
            sending: Sending::Active { own, chain: SendingChain::first(sending) },
            pn: 0,
            receiving: Some(ReceivingChain::first(*remote, receiving)),
            skipped: SkippedKeys::default(),
        })
    }

    /// Whether the sending chain has no number left.
    pub(crate) const fn is_exhausted(&self) -> bool {
        matches!(&self.sending, Sending::Active { chain, .. } if chain.n == u32::MAX)
    }

    /// The next message's header and key. Changes nothing: seal, then [`Self::commit_sent`].
    pub(crate) fn prepare(&self, rng: &mut dyn CryptoRng) -> Result<Prepared, RatchetError> {
        match &self.sending {
            Sending::Active { own, chain } => {
                let (key, after) = chain.next().ok_or(RatchetError::Exhausted)?;
                let header = Header { ratchet_key: *own.public_key(), pn: self.pn, n: chain.n };
                Ok(Prepared { header, key, after: Sent { turn: None, chain: after } })
            }
            Sending::Due { remote } => {
                let own = DhSecretKey::generate(rng);
                let (root, first) = self.root.turn(&own, remote)?;
                let (key, after) =
                    SendingChain::first(first).next().ok_or(RatchetError::Exhausted)?;
                let header = Header { ratchet_key: *own.public_key(), pn: self.pn, n: 0 };
                Ok(Prepared { header, key, after: Sent { turn: Some((root, own)), chain: after } })
            }
        }
    }

    /// Takes over what [`Self::prepare`] computed from this very state.
    pub(crate) fn commit_sent(&mut self, sent: Sent) {
        let Sent { turn, chain: after } = sent;
        if let Some((root, own)) = turn {
            self.root = root;
            self.sending = Sending::Active { own, chain: after };
        } else if let Sending::Active { chain, .. } = &mut self.sending {
            *chain = after;
        }
    }

    /// Forgets skipped keys that have waited too long; says whether there was any.
    pub(crate) fn expire_skipped(&mut self, now: Timestamp) -> bool {
        self.skipped.expire(now)
    }

    /// The public half of our own ratchet key; none before the turn that is due.
    pub(crate) const fn own_public_key(&self) -> Option<&DhPublicKey> {
        match &self.sending {
            Sending::Active { own, .. } => Some(own.public_key()),
            Sending::Due { .. } => None,
        }
    }

    /// Numbers only, for descriptions and `Debug`.
    pub(crate) fn indices(&self) -> Indices {
        let (sent, turn_due) = match &self.sending {
            Sending::Active { chain, .. } => (chain.n, false),
            Sending::Due { .. } => (0, true),
        };
        Indices {
            sent,
            turn_due,
            previous: self.pn,
            received: self.receiving.as_ref().map(|chain| chain.n),
            skipped: self.skipped.len(),
        }
    }
}

#[cfg(test)]
impl DoubleRatchet {
    /// The receiving chain key, to show that it is gone later.
    pub(crate) fn chain_bytes(&self) -> [u8; 32] {
        *self.receiving.as_ref().unwrap().key.as_bytes()
    }
}

/// Where a ratchet stands, without anything secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Indices {
    pub(crate) sent: u32,
    pub(crate) turn_due: bool,
    pub(crate) previous: u32,
    pub(crate) received: Option<u32>,
    pub(crate) skipped: usize,
}

impl fmt::Debug for DoubleRatchet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { root: _, sending: _, pn: _, receiving: _, skipped: _ } = self;
        f.debug_tuple("DoubleRatchet").field(&self.indices()).finish()
    }
}
