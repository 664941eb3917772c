//! Which KNOCKs were seen: a bounded memory of nonces.
//!
//! One a peer: senders choose their nonces, and nobody can fill another's memory. Nothing enters it that was not
//! verified, nothing leaves it while it could still be replayed, and there are no timers: what is too old is dropped
//! when something new comes. When it is full, new KNOCKs are refused, since forgetting would let an old one in again.

use super::{KnockError, VerifiedKnock};
use crate::{
    Timestamp,
    codec::{CodecError, Reader, Write},
    limits::{CLOCK_SKEW, KNOCK_MAX_AGE, REPLAY_NONCES},
};

const VERSION: u8 = 1;

/// Nonces that must not be seen again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReplayMemory {
    /// Nonce, and the last instant at which it could be replayed. In the order in which they came.
    seen: Vec<([u8; 16], Timestamp)>,
    /// The latest of those instants among the nonces that were dropped. Protects against a clock that is set back.
    forgotten: Timestamp,
}

impl ReplayMemory {
    /// Remembers a native KNOCK, until it is too old to be believed and for five minutes at least.
    ///
    /// # Errors
    /// [`KnockError::Replayed`] if it was seen, [`KnockError::Expired`] if that cannot be known any more,
    /// [`KnockError::TooMany`] if the memory is full.
    pub fn admit(&mut self, knock: &VerifiedKnock, now: Timestamp) -> Result<(), KnockError> {
        self.admit_nonce(knock.knock().nonce, knock.knock().time, KNOCK_MAX_AGE, now)
    }

    /// Remembers the nonce of something verified that is believed up to `max_age` after `time`.
    ///
    /// # Errors
    /// As [`ReplayMemory::admit`].
    pub fn admit_nonce(
        &mut self,
        nonce: [u8; 16],
        time: Timestamp,
        max_age: u64,
        now: Timestamp,
    ) -> Result<(), KnockError> {
        // It may be dated ahead, so the time of receipt alone would be too early.
        let until = time.plus_millis(max_age).max(now.plus_millis(CLOCK_SKEW));
        if self.contains(&nonce) {
            return Err(KnockError::Replayed);
        }
        if time.plus_millis(max_age) <= self.forgotten {
            return Err(KnockError::Expired);
        }
        self.drop_old(now);
        if self.seen.len() >= REPLAY_NONCES {
            return Err(KnockError::TooMany);
        }
        self.seen.push((nonce, until));
        Ok(())
    }

    /// Whether the nonce is remembered.
    pub fn contains(&self, nonce: &[u8; 16]) -> bool {
        self.seen.iter().any(|(seen, _)| seen == nonce)
    }

    /// How many nonces are remembered.
    pub const fn len(&self) -> usize {
        self.seen.len()
    }

    /// Whether none is.
    pub const fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    /// Writes its record: version 1, `forgotten` u64, count u32, then nonce 16 and until u64 of each.
    pub fn to_record(&self, out: &mut impl Write) {
        out.put_u8(VERSION);
        out.put_u64(self.forgotten.as_millis());
        out.put_count(self.seen.len());
        for (nonce, until) in &self.seen {
            out.put(nonce);
            out.put_u64(until.as_millis());
        }
    }

    /// Reads a record, and nothing after it.
    ///
    /// # Errors
    /// [`CodecError`].
    pub fn from_record(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        let version = input.u8("version")?;
        if version != VERSION {
            return Err(CodecError::UnknownVersion { what: "replay memory", version });
        }
        let forgotten = input.timestamp("forgotten")?;
        let count = input.count(REPLAY_NONCES, "nonces")?;
        let mut seen = Vec::with_capacity(count);
        for _ in 0..count {
            seen.push((input.array("nonce")?, input.timestamp("until")?));
        }
        Ok(Self { seen, forgotten })
    }

    /// Drops what is too old to be replayed.
    pub(crate) fn drop_old(&mut self, now: Timestamp) {
        let forgotten = &mut self.forgotten;
        self.seen.retain(|(_, until)| {
            let keep = *until >= now;
            if !keep {
                *forgotten = (*forgotten).max(*until);
            }
            keep
        });
    }
}
