//! SHA-256, HMAC (RFC 2104) and HKDF (RFC 5869), over inputs given in parts so that nobody concatenates secrets.

use subtle::ConstantTimeEq;

use super::{Secret, backend};

/// SHA-256 of the concatenation of `parts`.
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    backend::sha256(parts)
}

/// The u32 length that precedes `bytes` in `lp(bytes)`, for hashing: `&[&lp_len(x), x]`.
pub fn lp_len(bytes: &[u8]) -> [u8; 4] {
    // Everything hashed here is bounded far below 4 GiB.
    u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes()
}

/// HMAC-SHA-256 of the concatenation of `parts`.
pub fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> Secret<32> {
    HmacKey::new(key).mac(parts)
}

/// A key scheduled once for several MACs.
#[derive(Debug)]
pub struct HmacKey(backend::HmacState);

impl HmacKey {
    /// Schedules `key`, of any length.
    pub fn new(key: &[u8]) -> Self {
        Self(backend::HmacState::new(key))
    }

    /// HMAC-SHA-256 of the concatenation of `parts`.
    pub fn mac(&self, parts: &[&[u8]]) -> Secret<32> {
        Secret::fill_with(|out| self.0.mac(parts, out))
    }
}

/// HKDF-SHA-256, extract and expand to `N` bytes; `ikm` and `info` are given in parts.
///
/// An empty salt counts as 32 zero bytes, as RFC 5869 says.
pub fn hkdf_sha256<const N: usize>(salt: &[u8], ikm: &[&[u8]], info: &[&[u8]]) -> Secret<N> {
    const { assert!(N <= 255 * 32, "HKDF-SHA-256 gives at most 255 blocks") };
    let prk = hmac_sha256(salt, ikm);
    let key = backend::HmacState::new(prk.as_bytes());
    Secret::fill_with(|out| {
        let mut last: Option<Secret<32>> = None;
        for (counter, chunk) in (1u8..=255).zip(out.chunks_mut(32)) {
            let previous: &[u8] = last.as_ref().map_or(&[], |block| block.as_bytes());
            let block = Secret::fill_with(|block| {
                key.mac_iter(
                    &mut core::iter::once(previous)
                        .chain(info.iter().copied())
                        .chain(core::iter::once(&[counter][..])),
                    block,
                );
            });
            for (to, from) in chunk.iter_mut().zip(block.as_bytes()) {
                *to = *from;
            }
            last = Some(block);
        }
    })
}

/// Whether two byte strings are equal, in time that depends on their lengths only.
pub fn ct_eq(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_equal_the_whole() {
        assert_eq!(sha256(&[b"ab", b"", b"c"]), sha256(&[b"abc"]));
        assert_eq!(hmac_sha256(b"k", &[b"ab", b"c"]), hmac_sha256(b"k", &[b"abc"]));
        assert_eq!(
            hkdf_sha256::<64>(b"s", &[b"i", b"km"], &[b"in", b"fo"]),
            hkdf_sha256::<64>(b"s", &[b"ikm"], &[b"info"])
        );
    }

    #[test]
    fn a_scheduled_key_gives_the_same_macs() {
        let key = HmacKey::new(&[3; 200]);
        assert_eq!(key.mac(&[&[1]]), hmac_sha256(&[3; 200], &[&[1]]));
        assert_eq!(key.mac(&[&[2]]), hmac_sha256(&[3; 200], &[&[2]]));
        assert_eq!(format!("{key:?}"), "HmacKey([redacted])");
    }

    #[test]
    fn compares_also_different_lengths() {
        assert!(ct_eq(b"abc", b"abc"));
        assert!(!ct_eq(b"abc", b"abd"));
        assert!(!ct_eq(b"abc", b"ab"));
    }
}
