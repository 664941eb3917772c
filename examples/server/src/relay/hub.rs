//! Who is there: every agent that is connected, has mail, or has used up some of its limits.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use agentmesh_core::{Timestamp, identity::Amid};

use super::{agent::Agent, mailbox::Entry};
use crate::store::{Head, Ticket};

/// Locks are taken in this order: shard, agent, outgoing queue.
type Shard = HashMap<Arc<str>, Arc<Agent>>;

const SHARDS: usize = 64;

/// See the module.
#[derive(Debug)]
pub(crate) struct Hub {
    shards: [Mutex<Shard>; SHARDS],
    next_seq: AtomicU64,
    next_link: AtomicU64,
    /// Messages in all mailboxes.
    pending: AtomicUsize,
}

impl Hub {
    /// With the mail that was on the disk when the server started.
    pub(crate) fn new(heads: Vec<Head>) -> Self {
        let hub = Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            next_seq: AtomicU64::new(1),
            next_link: AtomicU64::new(1),
            pending: AtomicUsize::new(0),
        };
        // One allocation for each name, however much mail it has.
        let mut senders: HashMap<String, Arc<str>> = HashMap::new();
        for Head { seq, recipient, sender, id, time } in heads {
            let agent = hub.get_or_insert(&recipient);
            let sender = match senders.get(&sender) {
                Some(known) => Arc::clone(known),
                None => Arc::clone(senders.entry(sender.clone()).or_insert(sender.into())),
            };
            let ticket = Arc::new(Ticket::taken());
            let entry = Entry {
                sender,
                id,
                time,
                envelope: None,
                ticket,
                answer: false,
                sent_at: 0,
                tries: 0,
                handed_over: false,
            };
            agent.lock().mailbox.insert(seq, entry);
            hub.pending.fetch_add(1, Ordering::Relaxed);
            hub.next_seq.fetch_max(seq + 1, Ordering::Relaxed);
        }
        hub
    }

    fn shard(&self, amid: &str) -> MutexGuard<'_, Shard> {
        // FNV-1a: AMIDs are hashes themselves.
        let hash = amid.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let index = usize::try_from(hash >> 32).unwrap_or(0) % SHARDS;
        let [first, ..] = &self.shards;
        let shard = self.shards.get(index).unwrap_or(first);
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The agent, if anything is known of it.
    pub(crate) fn get(&self, amid: &str) -> Option<Arc<Agent>> {
        self.shard(amid).get(amid).cloned()
    }

    /// The agent, made known if it was not. `amid` must be one.
    pub(crate) fn get_or_insert(&self, amid: &str) -> Arc<Agent> {
        let mut shard = self.shard(amid);
        if let Some(agent) = shard.get(amid) {
            return Arc::clone(agent);
        }
        let amid: Arc<str> = amid.into();
        let agent = Arc::new(Agent::new(Arc::clone(&amid)));
        shard.insert(amid, Arc::clone(&agent));
        agent
    }

    /// The agent with this name, or `None` if it is no AMID.
    pub(crate) fn recipient(&self, amid: &str) -> Option<Arc<Agent>> {
        if let Some(agent) = self.get(amid) {
            return Some(agent);
        }
        amid.parse::<Amid>().is_ok().then(|| self.get_or_insert(amid))
    }

    /// The next number for a message.
    pub(crate) fn next_seq(&self) -> u64 {
        self.next_seq.fetch_add(1, Ordering::Relaxed)
    }

    /// The next number for a connection.
    pub(crate) fn next_link(&self) -> u64 {
        self.next_link.fetch_add(1, Ordering::Relaxed)
    }

    /// Messages in all mailboxes.
    pub(crate) fn pending(&self) -> usize {
        self.pending.load(Ordering::Relaxed)
    }

    /// `n` messages more.
    pub(crate) fn add_pending(&self, n: usize) {
        self.pending.fetch_add(n, Ordering::Relaxed);
    }

    /// `n` messages fewer.
    pub(crate) fn sub_pending(&self, n: usize) {
        self.pending.fetch_sub(n, Ordering::Relaxed);
    }

    /// Calls `f` for every agent. No lock of the hub is held meanwhile.
    pub(crate) fn for_each(&self, mut f: impl FnMut(&Arc<Agent>)) {
        for shard in &self.shards {
            let agents: Vec<_> = {
                let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
                shard.values().cloned().collect()
            };
            agents.iter().for_each(&mut f);
        }
    }

    /// Forgets agents of which nothing is worth knowing.
    pub(crate) fn prune(&self, now: Timestamp) {
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            // Somebody who holds an agent may be about to put mail into it.
            shard.retain(|_, agent| {
                Arc::strong_count(agent) > 1 || !agent.lock().is_forgettable(now)
            });
            if shard.capacity() > 64 && shard.capacity() > shard.len() * 4 {
                shard.shrink_to_fit();
            }
        }
    }
}
