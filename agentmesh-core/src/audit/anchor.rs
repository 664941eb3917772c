//! Anchors: the agent's signature under the end of its log. Kept elsewhere, one shows that the log was cut off.

use core::{fmt, str::FromStr};

use base64ct::{Base64UrlUnpadded, Encoding};

use crate::{
    identity::{Amid, Identity, Label},
    keys::{Signature, VerifyingKey},
};

use super::{AuditError, ChainId, LineHash, line};

const PREFIX: &str = "agentmesh-audit-anchor-v1";

/// Says: line `seq` of that chain has this hash, so everything up to it is as it was. Signed by the agent.
///
/// As text it can be kept anywhere that the log's own disk is not: in another system's log, at a peer, on paper.
/// [`Verifier::expect`](super::Verifier::expect) then finds out whether the log still contains it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Anchor {
    /// Whose log it is.
    pub amid: Amid,
    /// The chain.
    pub chain: ChainId,
    /// The number of the line.
    pub seq: u64,
    /// Its hash.
    pub hash: LineHash,
    pub(super) signature: [u8; 64],
}

impl Anchor {
    pub(super) fn sign(identity: &Identity, chain: ChainId, seq: u64, hash: LineHash) -> Self {
        let signature = *identity
            .sign_labelled(Label::Audit, &[chain.as_bytes(), &seq.to_be_bytes(), &hash])
            .as_bytes();
        Self { amid: identity.amid(), chain, seq, hash, signature }
    }

    /// Checks the signature.
    ///
    /// # Errors
    /// [`AuditError::AnchorForged`] if it is not that of `key`, or `key` is not the agent's.
    pub fn verify(&self, key: &VerifyingKey) -> Result<(), AuditError> {
        let forged = AuditError::AnchorForged { seq: self.seq };
        if Amid::of(key) != self.amid {
            return Err(forged);
        }
        let signed: [&[u8]; 3] = [self.chain.as_bytes(), &self.seq.to_be_bytes(), &self.hash];
        key.verify_labelled(Label::Audit, &signed, &Signature::from_bytes(self.signature))
            .map_err(|_| forged)
    }
}

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { amid, chain, seq, hash, signature } = self;
        let signature = Base64UrlUnpadded::encode_string(signature);
        write!(f, "{PREFIX}:{amid}:{chain}:{seq}:{}:{signature}", line::hex(hash))
    }
}

impl FromStr for Anchor {
    type Err = AuditError;

    fn from_str(text: &str) -> Result<Self, AuditError> {
        let parse = || {
            let mut parts = text.trim().strip_prefix(PREFIX)?.strip_prefix(':')?.split(':');
            let amid = parts.next()?.parse().ok()?;
            let chain = ChainId::parse(parts.next()?)?;
            let seq = parts.next()?.parse().ok()?;
            let hash = line::unhex(parts.next()?)?;
            let signature = Base64UrlUnpadded::decode_vec(parts.next()?).ok()?.try_into().ok()?;
            parts.next().is_none().then_some(Self { amid, chain, seq, hash, signature })
        };
        parse().ok_or(AuditError::AnchorMalformed)
    }
}
