//! The `auth` extension of a relay's `connect` (`docs/protocol/native.md` §8): a signature for one relay, once.
//!
//! ```text
//! connect.auth = b64(nonce 16 || S("connect", lp(relay host) || lp(timestamp) || nonce))
//! ```
//! `relay host` is the `Host` header of the WebSocket upgrade, in lower case: the authority of the relay's URL, with
//! the port if the URL names one. `timestamp` is `connect.timestamp` as sent; its window is checked with the plain
//! signature over it, and used nonces are the relay's business.

use core::fmt;

use base64ct::{Base64, Encoding};
use rand_core::CryptoRng;

use crate::{
    identity::{Identity, Label},
    keys::{KeyError, Signature, VerifyingKey, kdf},
};

/// Bytes inside the base64.
const LENGTH: usize = 16 + 64;

/// The content of `connect.auth`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ConnectAuth {
    nonce: [u8; 16],
    signature: Signature,
}

impl ConnectAuth {
    /// Signs a connection to the relay `host`, with a fresh nonce.
    pub fn sign(identity: &Identity, host: &str, timestamp: &str, rng: &mut dyn CryptoRng) -> Self {
        let mut nonce = [0; 16];
        rng.fill_bytes(&mut nonce);
        let signature =
            with_parts(host, timestamp, &nonce, |m| identity.sign_labelled(Label::Connect, m));
        Self { nonce, signature }
    }

    /// The field's value.
    pub fn to_field(&self) -> String {
        Base64::encode_string(&[&self.nonce[..], self.signature.as_bytes()].concat())
    }

    /// Reads the field's value; nothing is verified yet.
    pub fn parse(field: &str) -> Option<Self> {
        let mut bytes = [0; LENGTH];
        if Base64::decode(field, &mut bytes).ok()?.len() != LENGTH {
            return None;
        }
        let (nonce, signature) = bytes.split_first_chunk::<16>()?;
        Some(Self { nonce: *nonce, signature: Signature::from_slice(signature).ok()? })
    }

    /// Verifies the signature.
    ///
    /// # Errors
    /// [`KeyError::BadSignature`] if it is for another relay, timestamp, nonce or key.
    pub fn verify(&self, key: &VerifyingKey, host: &str, timestamp: &str) -> Result<(), KeyError> {
        with_parts(host, timestamp, &self.nonce, |m| {
            key.verify_labelled(Label::Connect, m, &self.signature)
        })
    }

    /// To be accepted once.
    pub const fn nonce(&self) -> &[u8; 16] {
        &self.nonce
    }
}

/// Whoever reads a log may be quicker than the connection.
impl fmt::Debug for ConnectAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConnectAuth([redacted])")
    }
}

fn with_parts<T>(
    host: &str,
    timestamp: &str,
    nonce: &[u8; 16],
    f: impl FnOnce(&[&[u8]]) -> T,
) -> T {
    let host = host.to_ascii_lowercase();
    let [host, timestamp] = [&host, timestamp].map(str::as_bytes);
    f(&[&kdf::lp_len(host), host, &kdf::lp_len(timestamp), timestamp, nonce])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Timestamp, test_utils::seeded_rng};

    #[test]
    fn is_bound_to_relay_timestamp_and_key() {
        let mut rng = seeded_rng(2);
        let identity = Identity::generate(Timestamp::ZERO, &mut rng);
        let auth = ConnectAuth::sign(&identity, "relay.example", "T", &mut rng);
        let key = identity.signing_key();
        assert_eq!(ConnectAuth::parse(&auth.to_field()), Some(auth));
        assert_eq!(auth.verify(key, "Relay.Example", "T"), Ok(()));
        assert!(auth.verify(key, "relay.example:444", "T").is_err());
        assert!(auth.verify(key, "relay.example", "U").is_err());
        let other = Identity::generate(Timestamp::ZERO, &mut rng);
        assert!(auth.verify(other.signing_key(), "relay.example", "T").is_err());
    }

    #[test]
    fn no_two_signatures_share_a_nonce() {
        let mut rng = seeded_rng(3);
        let identity = Identity::generate(Timestamp::ZERO, &mut rng);
        let a = ConnectAuth::sign(&identity, "relay.example", "T", &mut rng);
        let b = ConnectAuth::sign(&identity, "relay.example", "T", &mut rng);
        assert_ne!(a.nonce(), b.nonce());
    }

    #[test]
    fn refuses_what_is_not_80_bytes_in_base64() {
        for bad in ["", "AAAA", "!", &"A".repeat(106), &"A".repeat(112)] {
            assert_eq!(ConnectAuth::parse(bad), None, "{bad}");
        }
        assert!(ConnectAuth::parse(&format!("{}=", "A".repeat(107))).is_some());
    }
}
