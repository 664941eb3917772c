//! The chain key: `MK = HMAC-SHA-256(CK, 01)`, `CK' = HMAC-SHA-256(CK, 02)`.
//!
//! Ours and the peer's chains are different types, so the wrong one cannot be advanced.

use core::fmt;

use crate::{
    keys::{DhPublicKey, Secret, kdf},
    ratchet::message_key::MessageKey,
};

/// One link of a chain.
pub(crate) struct ChainKey(Secret<32>);

impl ChainKey {
    pub(crate) const fn new(key: Secret<32>) -> Self {
        Self(key)
    }

    /// This link's message key and the next link.
    pub(crate) fn step(&self) -> (MessageKey, Self) {
        #[cfg(test)]
        super::work::count_derivation();
        let hmac = kdf::HmacKey::new(self.0.as_bytes());
        (MessageKey::new(hmac.mac(&[&[1]])), Self(hmac.mac(&[&[2]])))
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for ChainKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChainKey([redacted])")
    }
}

/// The chain that our messages are encrypted under.
pub(crate) struct SendingChain {
    pub(crate) key: ChainKey,
    /// Number of the next message.
    pub(crate) n: u32,
}

impl SendingChain {
    pub(crate) const fn first(key: ChainKey) -> Self {
        Self { key, n: 0 }
    }

    /// The next message's key and the chain after it; nothing at the last number.
    pub(crate) fn next(&self) -> Option<(MessageKey, Self)> {
        // 2^32-1 itself is never sent: the receiver's next expected number must stay a u32.
        let n = self.n.checked_add(1)?;
        let (message, key) = self.key.step();
        Some((message, Self { key, n }))
    }
}

impl fmt::Debug for SendingChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key: _, n } = self;
        f.debug_struct("SendingChain").field("n", n).finish_non_exhaustive()
    }
}

/// The chain that the peer's messages are encrypted under.
pub(crate) struct ReceivingChain {
    /// The peer's ratchet key that began it.
    pub(crate) remote: DhPublicKey,
    pub(crate) key: ChainKey,
    /// Number of the next message expected.
    pub(crate) n: u32,
}

impl ReceivingChain {
    pub(crate) const fn first(remote: DhPublicKey, key: ChainKey) -> Self {
        Self { remote, key, n: 0 }
    }

    /// The key of message `n` with the chain behind it and the keys passed over. The caller has bounded the
    /// gap; a number that was passed already gives nothing.
    pub(crate) fn walk_to(&self, n: u32) -> Option<Walk> {
        let gap = n.checked_sub(self.n)?;
        let after = n.checked_add(1)?;
        let mut skipped = Vec::with_capacity(usize::try_from(gap).ok()?);
        let (mut message, mut key) = self.key.step();
        for _ in 0..gap {
            let (next_message, next_key) = key.step();
            skipped.push(message);
            (message, key) = (next_message, next_key);
        }
        Some(Walk {
            message,
            first_skipped: self.n,
            skipped,
            chain: Self { remote: self.remote, key, n: after },
        })
    }

    /// The keys of the messages from the next one up to, not including, `end`; consumes the chain.
    pub(crate) fn finish(self, end: u32) -> (u32, Vec<MessageKey>) {
        let gap = end.saturating_sub(self.n);
        let mut keys = Vec::with_capacity(usize::try_from(gap).unwrap_or(0));
        let mut key = self.key;
        for _ in 0..gap {
            let (message, next) = key.step();
            keys.push(message);
            key = next;
        }
        (self.n, keys)
    }
}

impl fmt::Debug for ReceivingChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { remote: _, key: _, n } = self;
        f.debug_struct("ReceivingChain").field("n", n).finish_non_exhaustive()
    }
}

/// A chain walked to one message, beside the state it came from.
pub(crate) struct Walk {
    pub(crate) message: MessageKey,
    /// Number of the first key in `skipped`.
    pub(crate) first_skipped: u32,
    pub(crate) skipped: Vec<MessageKey>,
    /// The chain after the message.
    pub(crate) chain: ReceivingChain,
}
