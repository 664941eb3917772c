//! The receiving half: which key a frame claims, computed beside the state, and what opening it changes.
//!
//! A header is cheap to forge, so it is judged before it costs anything: first what is known about the number,
//! then the gaps, and only then the Diffie-Hellman and the derivations. What one forged frame can cost is one
//! Diffie-Hellman and 1,001 steps of a chain; keys that only a genuine frame needs (the rest of the previous
//! chain) are derived after it was authenticated.

#[cfg(test)]
use crate::planted::{self, Defect};
use crate::{
    keys::DhPublicKey,
    limits::MAX_SKIP_PER_STEP,
    ratchet::{
        Header,
        chain_key::{ReceivingChain, Walk},
        double_ratchet::{DoubleRatchet, Sending},
        message_key::MessageKey,
        root_key::RootKey,
        skipped::Lookup,
    },
    time::Timestamp,
};

/// Why no key was derived for a header. Nothing was changed, and next to nothing computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The number was used, or its key was dropped.
    Used,
    /// No chain can begin with this key: ours has not gone out since the peer's last, or it contributes nothing.
    NoSuchChain,
    /// More keys would have to be skipped than one step may.
    TooManySkipped { gap: u32 },
}

/// The key that a header claims, with what is to be taken over if it opens the frame.
pub(crate) struct Candidate {
    pub(crate) key: MessageKey,
    pub(crate) step: Step,
}

/// What opening one frame changes.
pub(crate) struct Step(Kind);

enum Kind {
    /// A message that had been overtaken.
    Late { remote: DhPublicKey, n: u32 },
    /// A message of the current chain.
    Next(Passed),
    /// The first message seen of the peer's next chain.
    Turn { root: RootKey, pn: u32, passed: Passed },
}

/// A chain behind a message, and the keys passed over on the way to it.
struct Passed {
    chain: ReceivingChain,
    first_skipped: u32,
    skipped: Vec<MessageKey>,
}

impl Candidate {
    fn walked(walk: Walk, kind: impl FnOnce(Passed) -> Kind) -> Self {
        let Walk { message, first_skipped, skipped, chain } = walk;
        Self { key: message, step: Step(kind(Passed { chain, first_skipped, skipped })) }
    }
}

impl DoubleRatchet {
    /// The key for `header`, beside the state. Authenticate with it, then [`Self::commit_received`].
    pub(crate) fn candidate(&self, header: &Header, now: Timestamp) -> Result<Candidate, Refusal> {
        let current = self.receiving.as_ref().filter(|c| c.remote == header.ratchet_key);
        if let Some(chain) = current
            && header.n >= chain.n
        {
            check_gap(chain.n, header.n)?;
            let walk = chain.walk_to(header.n).ok_or(Refusal::Used)?;
            return Ok(Candidate::walked(walk, Kind::Next));
        }
        match self.skipped.lookup(&header.ratchet_key, header.n, now) {
            Lookup::Found(key) => Ok(Candidate {
                key: key.duplicate(),
                step: Step(Kind::Late { remote: header.ratchet_key, n: header.n }),
            }),
            Lookup::Gone => Err(Refusal::Used),
            Lookup::UnknownChain if current.is_some() => Err(Refusal::Used),
            Lookup::UnknownChain => self.turn(header),
        }
    }

    /// A ratchet key never seen: the peer's next, or made up.
    fn turn(&self, header: &Header) -> Result<Candidate, Refusal> {
        let Sending::Active { own, .. } = &self.sending else {
            return Err(Refusal::NoSuchChain);
        };
        match &self.receiving {
            Some(previous) => check_gap(previous.n, header.pn)?,
            // The initiator's first answer cannot have a predecessor.
            None if header.pn != 0 => return Err(Refusal::NoSuchChain),
            None => {}
        }
        check_gap(0, header.n)?;
        if header.ratchet_key == *own.public_key() || header.ratchet_key.is_low_order() {
            return Err(Refusal::NoSuchChain);
        }
        let (root, key) =
            self.root.turn(own, &header.ratchet_key).map_err(|_| Refusal::NoSuchChain)?;
        let walk = ReceivingChain::first(header.ratchet_key, key)
            .walk_to(header.n)
            .ok_or(Refusal::Used)?;
        let pn = header.pn;
        Ok(Candidate::walked(walk, |passed| Kind::Turn { root, pn, passed }))
    }

    /// Takes over what opening a frame changes. The step must come from this receiving state; messages may have
    /// been sent in between.
    pub(crate) fn commit_received(&mut self, step: Step, now: Timestamp) {
        self.skipped.expire(now);
        match step.0 {
            Kind::Late { remote, n } => self.skipped.remove(&remote, n),
            Kind::Next(passed) => self.pass(passed, now),
            Kind::Turn { root, pn, passed } => {
                if let Some(previous) = self.receiving.take() {
                    let remote = previous.remote;
                    #[cfg(test)]
                    let pn = if planted::has(Defect::SkipPn) { 0 } else { pn };
                    let (first, keys) = previous.finish(pn);
                    self.skipped.insert(remote, first, keys, now);
                }
                self.root = root;
                if let Sending::Active { chain, .. } = &self.sending {
                    self.pn = chain.n;
                }
                self.sending = Sending::Due { remote: passed.chain.remote };
                self.pass(passed, now);
            }
        }
    }

    fn pass(&mut self, passed: Passed, now: Timestamp) {
        let Passed { chain, first_skipped, skipped } = passed;
        self.skipped.insert(chain.remote, first_skipped, skipped, now);
        self.receiving = Some(chain);
    }
}

/// A `to` below `from` is no gap: nothing would be derived for it.
const fn check_gap(from: u32, to: u32) -> Result<(), Refusal> {
    let gap = to.saturating_sub(from);
    if gap > MAX_SKIP_PER_STEP { Err(Refusal::TooManySkipped { gap }) } else { Ok(()) }
}
