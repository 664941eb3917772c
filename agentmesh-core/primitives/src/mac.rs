//! SHA-256, and HMAC with it.

use core::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroize;

/// SHA-256 of the concatenation of `parts`.
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        Digest::update(&mut hash, part);
    }
    hash.finalize().into()
}

/// A key that is scheduled.
pub struct HmacState(Hmac<Sha256>);

impl HmacState {
    /// Schedules a key of any length.
    pub fn new(key: &[u8]) -> Self {
        let mut block = [0; 64];
        if let Some(start) = block.get_mut(..key.len()) {
            start.copy_from_slice(key);
        } else {
            let digest = sha256(&[key]);
            block.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        }
        let state = Hmac::new((&block).into());
        block.zeroize();
        Self(state)
    }

    /// The MAC of the concatenation of `parts`.
    pub fn mac(&self, parts: &[&[u8]], out: &mut [u8; 32]) {
        self.mac_iter(&mut parts.iter().copied(), out);
    }

    /// As [`mac`](Self::mac). Not generic, so that it is compiled here.
    pub fn mac_iter(&self, parts: &mut dyn Iterator<Item = &[u8]>, out: &mut [u8; 32]) {
        let mut mac = self.0.clone();
        parts.for_each(|part| mac.update(part));
        let mut tag = mac.finalize().into_bytes();
        out.copy_from_slice(&tag);
        tag.as_mut_slice().zeroize();
    }
}

impl fmt::Debug for HmacState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}
