//! How an identity is stored (docs/protocol/state.md):
//!
//! ```text
//! version u8 = 1 | Ed25519 seed 32 | X25519 private key 32 | created_at_ms u64
//! ```
//!
//! Public keys and AMID are computed again on loading.

use zeroize::Zeroizing;

use super::{Identity, IdentityError};
use crate::{
    codec::{CodecError, Reader, Write},
    keys::{DhSecretKey, Secret, SigningKey},
};

const VERSION: u8 = 1;

impl Identity {
    /// The stored form. Contains the private keys in the clear; the vault seals it.
    pub fn to_record(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(Vec::with_capacity(1 + 32 + 32 + 8));
        out.put_u8(VERSION);
        out.put(self.signing.seed());
        out.put(self.exchange.secret_bytes());
        out.put_u64(self.created_at.as_millis());
        out
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`IdentityError::Record`].
    pub fn from_record(record: &[u8]) -> Result<Self, IdentityError> {
        read(record).map_err(|source| IdentityError::Record { source })
    }
}

fn read(record: &[u8]) -> Result<Identity, CodecError> {
    let mut r = Reader::new(record);
    let version = r.u8("version")?;
    if version != VERSION {
        return Err(CodecError::UnknownVersion { what: "identity", version });
    }
    let seed = Secret::read(&mut r, "seed")?;
    let exchange = Secret::read(&mut r, "exchange key")?;
    let created_at = r.timestamp("created_at")?;
    r.finish("identity")?;
    Ok(Identity::from_keys(
        SigningKey::from_secret(&seed),
        DhSecretKey::from_secret(exchange),
        created_at,
    ))
}
