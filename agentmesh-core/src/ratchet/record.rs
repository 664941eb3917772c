//! The persisted form of a ratchet, the part of a session record from the root key on.
//!
//! | field | bytes |
//! |---|---|
//! | root key | 32 |
//! | turn | u8: 1 we have a sending chain, 0 the next message begins one |
//! | ratchet key, private and public, sending chain key, its next n (turn = 1 only) | 32, 32, 32, u32 |
//! | length of the previous sending chain | u32 |
//! | there is a receiving chain | u8: 0 or 1 |
//! | its ratchet key, its chain key, its next n (if there is one) | 32, 32, u32 |
//! | skipped keys | count u32 of runs, oldest first, each `ratchet key 32 \| since ms u64 \| count u32 \| count × (n u32 \| key 32)`, n ascending |
//!
//! The public ratchet key is stored beside the private one, which saves a multiplication at every load.
//! A state without sending chain has a receiving chain: its ratchet key is what the next turn is taken with.

use crate::{
    codec::{CodecError, Reader, Write},
    keys::{DhPublicKey, DhSecretKey, Secret},
    ratchet::{
        chain_key::{ChainKey, ReceivingChain, SendingChain},
        double_ratchet::{DoubleRatchet, Sending},
        root_key::RootKey,
        skipped::SkippedKeys,
    },
};

/// Longest encoding without skipped keys.
const FIXED_LEN: usize = 32 + 1 + 100 + 4 + 1 + 68;

impl DoubleRatchet {
    /// An upper bound of what [`Self::write`] appends.
    pub(crate) fn encoded_len(&self) -> usize {
        FIXED_LEN + self.skipped.encoded_len()
    }

    pub(crate) fn write(&self, out: &mut impl Write) {
        out.put(self.root.as_bytes());
        match &self.sending {
            Sending::Active { own, chain } => {
                out.put_bool(true);
                out.put(own.secret_bytes());
                out.put(own.public_key().as_bytes());
                out.put(chain.key.as_bytes());
                out.put_u32(chain.n);
            }
            Sending::Due { remote: _ } => out.put_bool(false),
        }
        out.put_u32(self.pn);
        out.put_option(self.receiving.as_ref(), |out, chain| {
            out.put(chain.remote.as_bytes());
            out.put(chain.key.as_bytes());
            out.put_u32(chain.n);
        });
        self.skipped.write(out);
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, CodecError> {
        let root = RootKey::new(secret(r, "root key")?);
        let active = r.option("turn", |r| {
            let private = secret(r, "ratchet key")?;
            let public = DhPublicKey::from_bytes(r.array("ratchet public key")?);
            let key = ChainKey::new(secret(r, "sending chain")?);
            let n = r.u32("sending n")?;
            Ok((DhSecretKey::from_parts(private, public), SendingChain { key, n }))
        })?;
        let pn = r.u32("previous chain")?;
        let receiving = r.option("receiving chain", |r| {
            Ok(ReceivingChain {
                remote: DhPublicKey::from_bytes(r.array("remote ratchet key")?),
                key: ChainKey::new(secret(r, "receiving chain")?),
                n: r.u32("receiving n")?,
            })
        })?;
        let sending = match (active, &receiving) {
            (Some((own, chain)), _) => Sending::Active { own, chain },
            (None, Some(chain)) => Sending::Due { remote: chain.remote },
            (None, None) => return Err(CodecError::InvalidValue { field: "turn" }),
        };
        Ok(Self { root, sending, pn, receiving, skipped: SkippedKeys::read(r)? })
    }
}

fn secret(r: &mut Reader<'_>, field: &'static str) -> Result<Secret<32>, CodecError> {
    let bytes = r.bytes(32, field)?;
    Secret::from_slice(bytes).map_err(|_| CodecError::Truncated { field })
}
