//! What is remembered of the KNOCKs between us and one peer of 0.2: the one we wait on, and the nonces of those that we answered.

use zeroize::Zeroizing;

use crate::{
    codec::{CodecError, Reader, Write},
    keys::VerifyingKey,
    knock::ReplayMemory,
    limits::LEGACY_MAX_SESSION_ID,
};

const VERSION: u8 = 1;
/// Hex digits of a nonce.
const NONCE_DIGITS: usize = 32;

/// The KNOCKs of a peer, and ours to it.
#[derive(Debug, Default)]
pub(super) struct KnockMemory {
    /// The latest KNOCK of ours, until it is answered.
    pub(super) asked: Option<Asked>,
    /// Those of the peer that count no more.
    pub(super) answered: ReplayMemory,
}

/// A KNOCK of ours.
#[derive(Debug)]
pub(super) struct Asked {
    /// The session that waits for the answer.
    pub(super) session: String,
    /// As it stands in the KNOCK.
    pub(super) nonce: String,
    /// Who has to sign the answer.
    pub(super) signer: VerifyingKey,
}

impl KnockMemory {
    pub(super) fn encode(&self, out: &mut Zeroizing<Vec<u8>>) {
        out.put_u8(VERSION);
        out.put_option(self.asked.as_ref(), |w, asked| {
            w.put_lp(asked.session.as_bytes());
            w.put_lp(asked.nonce.as_bytes());
            w.put(asked.signer.as_bytes());
        });
        self.answered.to_record(out);
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut r = Reader::new(bytes);
        let version = r.u8("version")?;
        if version != VERSION {
            return Err(CodecError::UnknownVersion { what: "0.2 KNOCKs", version });
        }
        let asked = r.option("KNOCK", |r| {
            Ok(Asked {
                session: r.text(LEGACY_MAX_SESSION_ID, "session")?.to_owned(),
                nonce: r.text(NONCE_DIGITS, "nonce")?.to_owned(),
                signer: VerifyingKey::from_bytes(r.array("signer")?)
                    .map_err(|_| CodecError::InvalidValue { field: "signer" })?,
            })
        })?;
        let answered = ReplayMemory::from_record(&mut r)?;
        r.finish("0.2 KNOCKs")?;
        Ok(Self { asked, answered })
    }
}
