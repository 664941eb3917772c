//! The Double Ratchet as deployed, received correctly: on a candidate, which becomes the state only after the tag has
//! verified (docs/protocol/legacy-0.2.md §ratchet).

use core::fmt;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::{
    EnvelopeHeader, LegacyDecryptError, LegacyEncryptError,
    kdf::{chain_step, root_step},
    skipped::{SkippedKey, SkippedKeys},
};
use crate::{
    keys::{DhPublicKey, DhSecretKey, Secret, secretbox},
    limits::MAX_SKIP_PER_STEP,
    time::Timestamp,
};

/// One party's half of a conversation.
pub struct LegacyRatchet {
    pub(super) own: DhSecretKey,
    pub(super) peer: Option<DhPublicKey>,
    pub(super) root: Secret<32>,
    pub(super) send_chain: Option<Secret<32>>,
    pub(super) receive_chain: Option<Secret<32>>,
    pub(super) sent: u64,
    pub(super) received: u64,
    pub(super) previous: u64,
    pub(super) skipped: SkippedKeys,
}

/// What a message changes, apart from the state until it is known to be genuine.
struct Candidate {
    /// A turn: the peer's new key, our new pair, the new root and sending chain.
    turn: Option<Turn>,
    receive_chain: Option<Secret<32>>,
    received: u64,
    skipped: Vec<SkippedKey>,
}

struct Turn {
    peer: DhPublicKey,
    own: DhSecretKey,
    root: Secret<32>,
    send_chain: Secret<32>,
}

impl LegacyRatchet {
    /// After X3DH: our pair is drawn, there are no chains yet. The initiator does not know the peer's key so far; the
    /// responder takes the ephemeral key for it.
    pub fn new(
        shared_secret: Secret<32>,
        peer: Option<DhPublicKey>,
        rng: &mut dyn CryptoRng,
    ) -> Self {
        Self {
            own: DhSecretKey::generate(rng),
            peer,
            root: shared_secret,
            send_chain: None,
            receive_chain: None,
            sent: 0,
            received: 0,
            previous: 0,
            skipped: SkippedKeys::default(),
        }
    }

    /// Our current ratchet key.
    pub const fn public_key(&self) -> &DhPublicKey {
        self.own.public_key()
    }

    /// How many keys wait for messages that were skipped.
    pub const fn skipped_keys(&self) -> usize {
        self.skipped.len()
    }

    /// Whether messages can be encrypted as far as the ratchet goes.
    pub const fn knows_peer(&self) -> bool {
        self.peer.is_some()
    }

    pub(super) const fn has_received(&self) -> bool {
        self.receive_chain.is_some()
    }

    pub(super) const fn has_sent(&self) -> bool {
        self.send_chain.is_some()
    }

    /// Encrypts under the next message key, with a nonce from `rng`.
    ///
    /// # Errors
    /// [`LegacyEncryptError::ResponderFirst`] if the peer's key is not known, [`LegacyEncryptError::NonContributory`] if it is none,
    /// [`LegacyEncryptError::TooLong`]; nothing changes then.
    pub fn encrypt(
        &mut self,
        plaintext: &[u8],
        rng: &mut dyn CryptoRng,
    ) -> Result<(EnvelopeHeader, Vec<u8>), LegacyEncryptError> {
        let begun = match &self.send_chain {
            Some(_) => None,
            None => {
                let peer = self.peer.ok_or(LegacyEncryptError::ResponderFirst)?;
                let shared = self
                    .own
                    .diffie_hellman(&peer)
                    .map_err(|_| LegacyEncryptError::NonContributory)?;
                Some(root_step(&self.root, &shared))
            }
        };
        let Some(chain) = begun.as_ref().map(|(_, chain)| chain).or(self.send_chain.as_ref())
        else {
            return Err(LegacyEncryptError::ResponderFirst);
        };
        let (message_key, next) = chain_step(chain);
        let mut nonce = [0; secretbox::NONCE_LEN];
        rng.fill_bytes(&mut nonce);
        let ciphertext = secretbox::seal(&message_key, &nonce, plaintext).map_err(|_| {
            LegacyEncryptError::TooLong { limit: usize::MAX, actual: plaintext.len() }
        })?;
        let header =
            EnvelopeHeader { ratchet_key: *self.own.public_key(), pn: self.previous, n: self.sent };
        if let Some((root, _)) = begun {
            self.root = root;
        }
        self.send_chain = Some(next);
        self.sent += 1;
        Ok((header, ciphertext))
    }

    /// Opens a message. `rng` gives a new key pair if the message is the first under a new key of the peer's.
    ///
    /// # Errors
    /// [`LegacyDecryptError`]; the state is then what it was, bit for bit.
    pub fn decrypt(
        &mut self,
        header: &EnvelopeHeader,
        ciphertext: &[u8],
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> Result<Zeroizing<Vec<u8>>, LegacyDecryptError> {
        if ciphertext.len() < secretbox::OVERHEAD {
            return Err(LegacyDecryptError::TooShort);
        }
        let open = |key: &Secret<32>| {
            secretbox::open(key, ciphertext).map_err(|_| LegacyDecryptError::Authentication)
        };
        if let Some(key) = self.skipped.find(&header.ratchet_key, header.n) {
            let plaintext = open(key)?;
            self.skipped.remove(&header.ratchet_key, header.n);
            return Ok(plaintext);
        }
        let (message_key, candidate) = self.candidate(header, now, rng)?;
        let plaintext = open(&message_key)?;
        self.commit(candidate, now);
        Ok(plaintext)
    }

    fn candidate(
        &self,
        header: &EnvelopeHeader,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Secret<32>, Candidate), LegacyDecryptError> {
        let same_key = self.peer == Some(header.ratchet_key);
        let mut skipped = Vec::new();
        if let (true, Some(chain)) = (same_key, &self.receive_chain) {
            if header.n < self.received {
                return Err(LegacyDecryptError::Duplicate);
            }
            check_gap(header.n - self.received)?;
            let range = self.received..header.n;
            let chain = skip(chain, &header.ratchet_key, range, now, &mut skipped);
            let (message_key, next) = chain_step(&chain);
            let received = header.n.saturating_add(1);
            let candidate = Candidate { turn: None, receive_chain: Some(next), received, skipped };
            return Ok((message_key, candidate));
        }
        // All bounds before any work.
        let missing = match &self.receive_chain {
            Some(_) => header.pn.saturating_sub(self.received),
            None => 0,
        };
        check_gap(missing)?;
        check_gap(header.n)?;
        if let (Some(chain), Some(peer)) = (&self.receive_chain, &self.peer) {
            skip(chain, peer, self.received..self.received + missing, now, &mut skipped);
        }
        let agree = |own: &DhSecretKey| {
            own.diffie_hellman(&header.ratchet_key).map_err(|_| LegacyDecryptError::NonContributory)
        };
        let (root, chain) = root_step(&self.root, &agree(&self.own)?);
        let chain = skip(&chain, &header.ratchet_key, 0..header.n, now, &mut skipped);
        let (message_key, next) = chain_step(&chain);
        let own = DhSecretKey::generate(rng);
        let (root, send_chain) = root_step(&root, &agree(&own)?);
        let turn = Some(Turn { peer: header.ratchet_key, own, root, send_chain });
        let received = header.n.saturating_add(1);
        Ok((message_key, Candidate { turn, receive_chain: Some(next), received, skipped }))
    }

    fn commit(&mut self, candidate: Candidate, now: Timestamp) {
        if let Some(turn) = candidate.turn {
            self.peer = Some(turn.peer);
            self.own = turn.own;
            self.root = turn.root;
            self.send_chain = Some(turn.send_chain);
            self.previous = self.sent;
            self.sent = 0;
        }
        self.receive_chain = candidate.receive_chain;
        self.received = candidate.received;
        self.skipped.extend(candidate.skipped, now);
    }
}

const fn check_gap(gap: u64) -> Result<(), LegacyDecryptError> {
    if gap > MAX_SKIP_PER_STEP as u64 {
        return Err(LegacyDecryptError::TooManySkipped { gap, limit: MAX_SKIP_PER_STEP });
    }
    Ok(())
}

/// Puts the keys of `numbers` aside; returns the chain key after them.
fn skip(
    chain: &Secret<32>,
    ratchet_key: &DhPublicKey,
    numbers: core::ops::Range<u64>,
    now: Timestamp,
    skipped: &mut Vec<SkippedKey>,
) -> Secret<32> {
    let mut chain = chain.duplicate();
    for n in numbers {
        let (key, next) = chain_step(&chain);
        skipped.push(SkippedKey { ratchet_key: *ratchet_key, n, key, since: now });
        chain = next;
    }
    chain
}

impl fmt::Debug for LegacyRatchet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LegacyRatchet")
            .field("own", self.own.public_key())
            .field("peer", &self.peer)
            .field("sent", &self.sent)
            .field("received", &self.received)
            .field("previous", &self.previous)
            .field("skipped", &self.skipped)
            .finish_non_exhaustive()
    }
}
