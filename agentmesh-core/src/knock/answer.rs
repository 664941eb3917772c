//! ACCEPT and REJECT, CBOR maps (`docs/protocol/native.md` §6.2). Both: 1 the KNOCK's nonce bstr 16 · 2 time uint ms.
//! ACCEPT: 3 ttl uint s, optional. REJECT: 3 reason tstr · 4 retry after uint s, optional.

use super::{
    Decision, KnockError,
    signed::{check_len, missing, sign, verify},
};
use crate::{
    Timestamp,
    identity::{Identity, Label},
    keys::VerifyingKey,
    limits::{MAX_KNOCK_ENTRIES, MAX_REASON},
    wire::{
        CborError,
        cbor::{Decoder, Encoder},
        plaintext::{MessageType, SignedBody, timestamp},
    },
};

/// Accepts a KNOCK.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Accept {
    /// The KNOCK's nonce.
    pub knock_nonce: [u8; 16],
    /// When it was made. The nonce and the session tie it to its KNOCK; its age does not matter.
    pub time: Timestamp,
    /// How long the session lives, in seconds, if not as long as was asked for.
    pub ttl_s: Option<u64>,
}

/// Rejects a KNOCK.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reject {
    /// The KNOCK's nonce.
    pub knock_nonce: [u8; 16],
    /// When it was made. The nonce and the session tie it to its KNOCK; its age does not matter.
    pub time: Timestamp,
    /// Why.
    pub reason: String,
    /// When to try again, in seconds, if ever.
    pub retry_after_s: Option<u64>,
}

/// The answer to a KNOCK.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Yes.
    Accept(Accept),
    /// No.
    Reject(Reject),
}

impl Answer {
    /// Puts a decision into words. A reason that is too long is cut; [`Decision::Later`] is no answer, and said all the
    /// same it asks to try again in a minute.
    pub fn new(decision: &Decision, knock_nonce: [u8; 16], now: Timestamp) -> Self {
        match decision {
            Decision::Later => Self::Reject(Reject {
                knock_nonce,
                time: now,
                reason: "no decision yet".to_owned(),
                retry_after_s: Some(60),
            }),
            Decision::Accept { ttl_s } => {
                Self::Accept(Accept { knock_nonce, time: now, ttl_s: *ttl_s })
            }
            Decision::Reject { reason, retry_after_s } => {
                let end = reason.floor_char_boundary(MAX_REASON);
                let reason = reason.get(..end).unwrap_or_default().to_owned();
                Self::Reject(Reject {
                    knock_nonce,
                    time: now,
                    reason,
                    retry_after_s: *retry_after_s,
                })
            }
        }
    }

    /// Encodes and signs it, for the session with this AD; returns the type of the message that carries it as well.
    ///
    /// # Errors
    /// [`KnockError::Body`] if the reason is too long.
    pub fn seal(
        &self,
        own: &Identity,
        associated_data: &[u8; 32],
    ) -> Result<(MessageType, SignedBody), KnockError> {
        let (kind, label, body) = match self {
            Self::Accept(accept) => (MessageType::Accept, Label::Accept, accept.encode()),
            Self::Reject(reject) => (MessageType::Reject, Label::Reject, reject.encode()?),
        };
        Ok((kind, sign(label, body, own, associated_data)))
    }

    /// Believes the answer in a message of type `kind`: its signature is one by `from` for the session with this AD,
    /// and it answers the KNOCK with this nonce.
    ///
    /// # Errors
    /// [`KnockError`].
    pub fn open(
        kind: MessageType,
        signed: &SignedBody,
        from: &VerifyingKey,
        associated_data: &[u8; 32],
        knock_nonce: &[u8; 16],
    ) -> Result<Self, KnockError> {
        let label = match kind {
            MessageType::Accept => Label::Accept,
            MessageType::Reject => Label::Reject,
            _ => return Err(KnockError::NotAnAnswer),
        };
        verify(label, signed, from, associated_data)?;
        let answer = match label {
            Label::Accept => Self::Accept(Accept::decode(&signed.body)?),
            _ => Self::Reject(Reject::decode(&signed.body)?),
        };
        let (Self::Accept(Accept { knock_nonce: nonce, .. })
        | Self::Reject(Reject { knock_nonce: nonce, .. })) = &answer;
        if nonce == knock_nonce { Ok(answer) } else { Err(KnockError::WrongNonce) }
    }
}

impl Accept {
    fn encode(&self) -> Vec<u8> {
        let mut out = Encoder::default();
        out.map(2 + usize::from(self.ttl_s.is_some()));
        out.uint(1).bytes(&self.knock_nonce).uint(2).uint(self.time.as_millis());
        if let Some(ttl) = self.ttl_s {
            out.uint(3).uint(ttl);
        }
        out.finish()
    }

    fn decode(body: &[u8]) -> Result<Self, CborError> {
        let (mut nonce, mut time, mut ttl_s) = (None, None, None);
        let mut input = Decoder::new(body);
        let mut entries = input.map(MAX_KNOCK_ENTRIES, "ACCEPT")?;
        while let Some(key) = entries.next(&mut input)? {
            match key {
                1 => nonce = Some(input.array_of_bytes("KNOCK nonce")?),
                2 => time = Some(timestamp(&mut input, "time")?),
                3 => ttl_s = Some(input.uint("ttl")?),
                _ => input.skip()?,
            }
        }
        input.finish()?;
        let knock_nonce = nonce.ok_or(missing("KNOCK nonce"))?;
        Ok(Self { knock_nonce, time: time.ok_or(missing("time"))?, ttl_s })
    }
}

impl Reject {
    fn encode(&self) -> Result<Vec<u8>, CborError> {
        check_len(self.reason.len(), MAX_REASON, "reason")?;
        let mut out = Encoder::default();
        out.map(3 + usize::from(self.retry_after_s.is_some()));
        out.uint(1).bytes(&self.knock_nonce).uint(2).uint(self.time.as_millis());
        out.uint(3).text(&self.reason);
        if let Some(retry_after) = self.retry_after_s {
            out.uint(4).uint(retry_after);
        }
        Ok(out.finish())
    }

    fn decode(body: &[u8]) -> Result<Self, CborError> {
        let (mut nonce, mut time, mut reason, mut retry_after_s) = (None, None, None, None);
        let mut input = Decoder::new(body);
        let mut entries = input.map(MAX_KNOCK_ENTRIES, "REJECT")?;
        while let Some(key) = entries.next(&mut input)? {
            match key {
                1 => nonce = Some(input.array_of_bytes("KNOCK nonce")?),
                2 => time = Some(timestamp(&mut input, "time")?),
                3 => reason = Some(input.text(MAX_REASON, "reason")?.to_owned()),
                4 => retry_after_s = Some(input.uint("retry after")?),
                _ => input.skip()?,
            }
        }
        input.finish()?;
        Ok(Self {
            knock_nonce: nonce.ok_or(missing("KNOCK nonce"))?,
            time: time.ok_or(missing("time"))?,
            reason: reason.ok_or(missing("reason"))?,
            retry_after_s,
        })
    }
}
