//! The ratchet header: `03 | suite u8 | ratchet key 32 | pn u32 | n u32`. It travels in the clear and is
//! authenticated as part of the AAD.

use crate::{
    codec::{CodecError, Reader},
    keys::DhPublicKey,
};

/// Length of an encoded [`Header`].
pub const HEADER_LEN: usize = 42;

/// First byte of every native header.
const VERSION: u8 = 3;

/// Which key a message is encrypted under.
///
/// Nothing in it is trustworthy until the message has been authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The sender's ratchet public key; a new one begins a new chain.
    pub ratchet_key: DhPublicKey,
    /// How many messages the sender's previous chain has.
    pub pn: u32,
    /// The message's number in its chain, from 0.
    pub n: u32,
}

impl Header {
    /// The encoding for a session of `suite`.
    pub fn encode(&self, suite: u8) -> [u8; HEADER_LEN] {
        let mut out = [0; HEADER_LEN];
        out[0] = VERSION;
        out[1] = suite;
        out[2..34].copy_from_slice(self.ratchet_key.as_bytes());
        out[34..38].copy_from_slice(&self.pn.to_be_bytes());
        out[38..].copy_from_slice(&self.n.to_be_bytes());
        out
    }

    /// Reads an encoded header; returns the suite byte beside it.
    ///
    /// # Errors
    /// [`CodecError::UnknownVersion`] if the first byte is not `03`, [`CodecError::InvalidValue`] if `n` is
    /// 2^32-1, which no sender may use.
    pub fn parse(bytes: &[u8; HEADER_LEN]) -> Result<(u8, Self), CodecError> {
        let mut r = Reader::new(bytes);
        let version = r.u8("version")?;
        if version != VERSION {
            return Err(CodecError::UnknownVersion { what: "ratchet header", version });
        }
        let suite = r.u8("suite")?;
        let header = Self {
            ratchet_key: DhPublicKey::from_bytes(r.array("ratchet key")?),
            pn: r.u32("pn")?,
            n: r.u32("n")?,
        };
        if header.n == u32::MAX {
            return Err(CodecError::InvalidValue { field: "n" });
        }
        Ok((suite, header))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_the_layout_of_the_specification() {
        let header = Header {
            ratchet_key: DhPublicKey::from_bytes([0xab; 32]),
            pn: 0x0102_0304,
            n: 0x0506_0708,
        };
        let bytes = header.encode(2);
        assert_eq!(bytes[..2], [3, 2]);
        assert_eq!(bytes[2..34], [0xab; 32]);
        assert_eq!(bytes[34..], [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(Header::parse(&bytes), Ok((2, header)));
    }

    #[test]
    fn refuses_another_version_and_the_number_that_is_never_sent() {
        let header = Header { ratchet_key: DhPublicKey::from_bytes([1; 32]), pn: 0, n: u32::MAX };
        assert_eq!(Header::parse(&header.encode(2)), Err(CodecError::InvalidValue { field: "n" }));
        let mut bytes = header.encode(2);
        bytes[0] = 4;
        assert_eq!(
            Header::parse(&bytes),
            Err(CodecError::UnknownVersion { what: "ratchet header", version: 4 })
        );
    }
}
