//! Keys of messages that were overtaken, kept for a while: at most 2,000, oldest out first, 96 hours.
//!
//! They are kept in runs, one a gap: all keys of a run have the same chain and age, which keeps the record small
//! and a look-up cheap however many there are.

use core::fmt;
use std::collections::VecDeque;

use crate::{
    codec::{CodecError, Reader, Write},
    keys::{DhPublicKey, Secret},
    limits::{MAX_SKIPPED_KEYS, SKIPPED_KEY_AGE},
    ratchet::message_key::MessageKey,
    time::Timestamp,
};

/// What the store knows about a message.
#[derive(Debug)]
pub(crate) enum Lookup<'a> {
    /// Its key is here.
    Found(&'a MessageKey),
    /// Its chain is here, but the key is not: used, evicted or too old.
    Gone,
    /// Nothing of that chain is here.
    UnknownChain,
}

struct Run {
    remote: DhPublicKey,
    since: Timestamp,
    /// Never empty, numbers ascending.
    keys: VecDeque<(u32, MessageKey)>,
}

impl Run {
    const fn is_expired(&self, now: Timestamp) -> bool {
        now.since(self.since) > SKIPPED_KEY_AGE
    }

    fn position(&self, n: u32) -> Option<usize> {
        self.keys.binary_search_by_key(&n, |(number, _)| *number).ok()
    }
}

/// The skipped keys of a session, oldest first.
#[derive(Default)]
pub(crate) struct SkippedKeys {
    runs: VecDeque<Run>,
    len: usize,
}

impl SkippedKeys {
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Looks for message `n` of the chain that `remote` began.
    pub(crate) fn lookup(&self, remote: &DhPublicKey, n: u32, now: Timestamp) -> Lookup<'_> {
        let mut known = false;
        for run in self.runs.iter().filter(|run| run.remote == *remote) {
            known = true;
            if run.is_expired(now) {
                continue;
            }
            if let Some((_, key)) = run.position(n).and_then(|at| run.keys.get(at)) {
                return Lookup::Found(key);
            }
        }
        if known { Lookup::Gone } else { Lookup::UnknownChain }
    }

    /// Adds the keys of messages `first`, `first + 1`, and so on.
    pub(crate) fn insert(
        &mut self,
        remote: DhPublicKey,
        first: u32,
        keys: Vec<MessageKey>,
        now: Timestamp,
    ) {
        if keys.is_empty() {
            return;
        }
        self.len += keys.len();
        self.runs.push_back(Run { remote, since: now, keys: (first..).zip(keys).collect() });
        for _ in MAX_SKIPPED_KEYS..self.len {
            self.remove_oldest();
        }
    }

    fn remove_oldest(&mut self) {
        let Some(oldest) = self.runs.front_mut() else {
            self.len = 0;
            return;
        };
        if oldest.keys.pop_front().is_some() {
            self.len -= 1;
        }
        if oldest.keys.is_empty() {
            self.runs.pop_front();
        }
    }

    /// Forgets the key of a message that was opened.
    pub(crate) fn remove(&mut self, remote: &DhPublicKey, n: u32) {
        for (index, run) in self.runs.iter_mut().enumerate() {
            if run.remote != *remote {
                continue;
            }
            if let Some(at) = run.position(n) {
                run.keys.remove(at);
                self.len -= 1;
                if run.keys.is_empty() {
                    self.runs.remove(index);
                }
                return;
            }
        }
    }

    /// Forgets what has waited too long; says whether there was any.
    pub(crate) fn expire(&mut self, now: Timestamp) -> bool {
        let before = self.len;
        self.runs.retain(|run| !run.is_expired(now));
        self.len = self.runs.iter().map(|run| run.keys.len()).sum();
        self.len != before
    }

    /// Count of runs, then each as `remote 32 | since u64 | count u32 | count × (n u32 | key 32)`, oldest first.
    pub(crate) fn write(&self, out: &mut impl Write) {
        out.put_count(self.runs.len());
        for run in &self.runs {
            out.put(run.remote.as_bytes());
            out.put_u64(run.since.as_millis());
            out.put_count(run.keys.len());
            for (n, key) in &run.keys {
                out.put_u32(*n);
                out.put(key.as_bytes());
            }
        }
    }

    /// Encoded length, so that a record is allocated once.
    pub(crate) fn encoded_len(&self) -> usize {
        4 + self.runs.len() * 44 + self.len * 36
    }

    /// The mirror of [`Self::write`]; refuses what it would not have written.
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, CodecError> {
        let mut skipped = Self::default();
        for _ in 0..r.count(MAX_SKIPPED_KEYS, "skipped runs")? {
            let remote = DhPublicKey::from_bytes(r.array("skipped chain")?);
            let since = r.timestamp("skipped since")?;
            let count = r.count(MAX_SKIPPED_KEYS - skipped.len, "skipped keys")?;
            let mut keys = VecDeque::with_capacity(count);
            let mut floor = 0;
            for _ in 0..count {
                let n = r.u32("skipped number")?;
                if n < floor {
                    return Err(CodecError::InvalidValue { field: "skipped number" });
                }
                floor = n.saturating_add(1);
                keys.push_back((n, MessageKey::new(Secret::new(r.array("skipped key")?))));
            }
            if keys.is_empty() {
                return Err(CodecError::InvalidValue { field: "skipped keys" });
            }
            skipped.len += count;
            skipped.runs.push_back(Run { remote, since, keys });
        }
        Ok(skipped)
    }
}

impl fmt::Debug for SkippedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { runs, len } = self;
        f.debug_struct("SkippedKeys")
            .field("runs", &runs.len())
            .field("len", len)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000_000_000);

    fn chain(b: u8) -> DhPublicKey {
        DhPublicKey::from_bytes([b; 32])
    }

    fn keys(n: usize) -> Vec<MessageKey> {
        (0..n).map(|_| MessageKey::new(Secret::new([7; 32]))).collect()
    }

    fn bytes(skipped: &SkippedKeys) -> Vec<u8> {
        let mut out = Vec::new();
        skipped.write(&mut out);
        assert_eq!(out.len(), skipped.encoded_len());
        out
    }

    #[test]
    fn tells_a_used_key_from_an_unknown_chain() {
        let mut skipped = SkippedKeys::default();
        skipped.insert(chain(1), 5, keys(3), NOW);
        assert!(matches!(skipped.lookup(&chain(1), 6, NOW), Lookup::Found(_)));
        skipped.remove(&chain(1), 6);
        assert!(matches!(skipped.lookup(&chain(1), 6, NOW), Lookup::Gone));
        assert!(matches!(skipped.lookup(&chain(2), 6, NOW), Lookup::UnknownChain));
        assert_eq!(skipped.len(), 2);
    }

    #[test]
    fn keeps_2000_and_lets_the_oldest_go_first() {
        let mut skipped = SkippedKeys::default();
        for b in 0..3 {
            skipped.insert(chain(b), 0, keys(900), NOW);
        }
        assert_eq!(skipped.len(), MAX_SKIPPED_KEYS);
        assert!(matches!(skipped.lookup(&chain(0), 699, NOW), Lookup::Gone));
        assert!(matches!(skipped.lookup(&chain(0), 700, NOW), Lookup::Found(_)));
        assert!(matches!(skipped.lookup(&chain(2), 899, NOW), Lookup::Found(_)));
    }

    #[test]
    fn drops_keys_after_96_hours() {
        let mut skipped = SkippedKeys::default();
        skipped.insert(chain(1), 0, keys(1), NOW);
        skipped.insert(chain(1), 9, keys(1), NOW.plus_millis(1));
        let limit = NOW.plus_millis(SKIPPED_KEY_AGE);
        assert!(!skipped.expire(limit));
        let late = limit.plus_millis(1);
        assert!(matches!(skipped.lookup(&chain(1), 0, late), Lookup::Gone));
        assert!(matches!(skipped.lookup(&chain(1), 9, late), Lookup::Found(_)));
        assert!(skipped.expire(late));
        assert_eq!(skipped.len(), 1);
    }

    #[test]
    fn record_is_read_back_byte_for_byte_and_strictly() {
        let mut skipped = SkippedKeys::default();
        skipped.insert(chain(1), 5, keys(3), NOW);
        skipped.insert(chain(2), 0, keys(2), NOW);
        skipped.remove(&chain(1), 6);
        let written = bytes(&skipped);
        let read = SkippedKeys::read(&mut Reader::new(&written)).unwrap();
        assert_eq!(read.len(), 4);
        assert_eq!(bytes(&read), written);

        for cut in 0..written.len() {
            assert!(SkippedKeys::read(&mut Reader::new(&written[..cut])).is_err());
        }
        let mut descending = written;
        descending[4 + 44 + 3] = 200; // the first number, above the second
        assert_eq!(
            SkippedKeys::read(&mut Reader::new(&descending)).unwrap_err(),
            CodecError::InvalidValue { field: "skipped number" }
        );
    }

    #[test]
    fn record_with_too_many_keys_is_refused_before_it_is_read() {
        let mut out = Vec::new();
        out.put_count(1);
        out.put(&[0; 32]);
        out.put_u64(0);
        out.put_count(MAX_SKIPPED_KEYS + 1);
        assert!(matches!(
            SkippedKeys::read(&mut Reader::new(&out)),
            Err(CodecError::TooLong { field: "skipped keys", .. })
        ));
    }

    #[test]
    fn record_with_too_many_keys_in_several_runs_is_refused() {
        let mut skipped = SkippedKeys::default();
        skipped.insert(chain(1), 0, keys(MAX_SKIPPED_KEYS), NOW);
        let mut out = bytes(&skipped);
        out[..4].copy_from_slice(&2u32.to_be_bytes());
        out.put(&[2; 32]);
        out.put_u64(0);
        out.put_count(1);
        assert!(matches!(
            SkippedKeys::read(&mut Reader::new(&out)),
            Err(CodecError::TooLong { field: "skipped keys", .. })
        ));
    }
}
