//! One kind of one-time keys: a monotonic counter, the private keys not used yet, and how much of it the registry has.

use std::collections::BTreeMap;

use crate::limits::MAX_PREKEY_ID;

/// Private one-time keys by id.
#[derive(Debug)]
pub(super) struct Pool<K> {
    /// The next id; never goes back, so no id is used twice.
    pub(super) next_id: u32,
    pub(super) keys: BTreeMap<u32, K>,
    /// Everything up to this id was confirmed uploaded.
    pub(super) uploaded_through: u32,
    /// What the registry holds, as last heard, with what was made since; none if it never said.
    pub(super) stock: Option<u32>,
}

/// How many keys a pool holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct PoolSize {
    /// Make new ones when fewer are left,
    pub(super) low: usize,
    /// up to this many.
    pub(super) full: usize,
    /// Private keys kept in all. Registries hand out the oldest first, so what falls out was handed out long ago.
    pub(super) kept: usize,
}

impl<K> Pool<K> {
    pub(super) const fn starting_at(next_id: u32) -> Self {
        Self { next_id, keys: BTreeMap::new(), uploaded_through: 0, stock: None }
    }

    /// Keys that peers can still be given: the registry knows best, but never more than we can answer for.
    fn left(&self) -> usize {
        let stock = self.stock.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX));
        stock.min(self.keys.len())
    }

    pub(super) fn is_low(&self, size: PoolSize) -> bool {
        self.left() < size.low && self.next_id <= MAX_PREKEY_ID
    }

    /// Fills up with what `generate` makes; whether there was anything to do.
    pub(super) fn replenish(&mut self, size: PoolSize, mut generate: impl FnMut() -> K) -> bool {
        if !self.is_low(size) {
            return false;
        }
        for _ in self.left()..size.full {
            if let Some(id) = take_id(&mut self.next_id) {
                self.keys.insert(id, generate());
            }
        }
        while self.keys.len() > size.kept {
            self.keys.pop_first();
        }
        self.stock = self.stock.and(u32::try_from(size.full).ok());
        true
    }

    /// Makes keys until `target` are unused, at most as many as are kept; how many were made.
    pub(super) fn fill_to(
        &mut self,
        target: usize,
        size: PoolSize,
        mut generate: impl FnMut() -> K,
    ) -> usize {
        let mut made = 0;
        while self.keys.len() < target.min(size.kept) {
            let Some(id) = take_id(&mut self.next_id) else { break };
            self.keys.insert(id, generate());
            made += 1;
        }
        let held = |stock: u32| stock.saturating_add(u32::try_from(made).unwrap_or(u32::MAX));
        self.stock = self.stock.map(held);
        made
    }

    /// Keys that no upload was confirmed of.
    pub(super) fn pending(&self) -> impl Iterator<Item = (u32, &K)> {
        self.keys.range(self.uploaded_through.saturating_add(1)..).map(|(id, key)| (*id, key))
    }

    /// Keys that were not used.
    pub(super) fn all(&self) -> impl Iterator<Item = (u32, &K)> {
        self.keys.iter().map(|(id, key)| (*id, key))
    }

    /// The highest id in use.
    pub(super) fn last_id(&self) -> u32 {
        self.next_id.saturating_sub(1)
    }

    pub(super) fn confirm(&mut self, through: u32, stock: Option<u32>) {
        self.uploaded_through = self.uploaded_through.max(through.min(self.last_id()));
        if let Some(held) = stock {
            // What was made after that upload is still to come.
            let pending = u32::try_from(self.pending().count()).unwrap_or(u32::MAX);
            self.stock = Some(held.saturating_add(pending));
        }
    }
}

/// The next id of a counter; none once 2^31 - 1 of them were used.
pub(super) const fn take_id(next: &mut u32) -> Option<u32> {
    if *next > MAX_PREKEY_ID {
        return None;
    }
    let id = *next;
    *next += 1;
    Some(id)
}
