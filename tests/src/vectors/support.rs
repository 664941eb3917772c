//! Hex, and randomness that can be read back.

use agentmesh_core::{
    Timestamp,
    keys::{DhPublicKey, DhSecretKey},
    test_utils::seeded_rng,
};
use rand_chacha::{
    ChaCha20Rng,
    rand_core::{Rng, TryCryptoRng, TryRng},
};

/// 2026-02-04T12:00:00Z.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_770_206_400_000);

pub(crate) fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|b| format!("{b:02x}")).collect()
}

/// Seeded randomness that remembers what it handed out, so that a vector can name the private keys drawn from it.
#[derive(Debug)]
pub(crate) struct Recorder {
    rng: ChaCha20Rng,
    drawn: Vec<Vec<u8>>,
}

impl Recorder {
    pub(crate) fn new(seed: u64) -> Self {
        Self { rng: seeded_rng(seed), drawn: Vec::new() }
    }

    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill_bytes(&mut bytes);
        bytes
    }

    /// The private key of `public`, which must have been drawn here.
    pub(crate) fn private_of(&self, public: &DhPublicKey) -> [u8; 32] {
        self.find(public).expect("a key that was drawn here")
    }

    pub(crate) fn find(&self, public: &DhPublicKey) -> Option<[u8; 32]> {
        self.drawn
            .iter()
            .filter_map(|bytes| <[u8; 32]>::try_from(&bytes[..]).ok())
            .find(|bytes| DhSecretKey::from_bytes(*bytes).public_key() == public)
    }
}

impl TryRng for Recorder {
    type Error = core::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        Ok(u32::from_be_bytes(self.bytes()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        Ok(u64::from_be_bytes(self.bytes()))
    }

    fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Self::Error> {
        self.rng.fill_bytes(dst);
        self.drawn.push(dst.to_vec());
        Ok(())
    }
}

impl TryCryptoRng for Recorder {}

/// Appends the encodings of `docs/protocol/native.md` §2.
pub(crate) fn lp(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}
