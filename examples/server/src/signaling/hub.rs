//! All rooms. What happens in one room happens one after the other; rooms do not wait for each other much.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use agentmesh_core::Timestamp;
use serde_json::value::RawValue;
use tokio::time::Instant;
use uuid::Builder;

use super::{
    bucket::{Bucket, Rate},
    ice::IceConfig,
    room::{Attached, Claim, Fresh, Refusal, Room, Timing},
};
use crate::limits::{block, reached};

const SHARDS: usize = 32;
/// Addresses whose connects are counted, at most; beyond, those with full buckets are forgotten.
const MAX_ADDRESSES: usize = 100_000;

/// What the rooms may hold and how fast clients may be.
#[derive(Debug, Clone)]
pub struct SignalingLimits {
    /// Rooms, at most; 0 is no limit.
    pub rooms: u32,
    /// Clients in a room, likewise.
    pub peers: u32,
    /// Signals of a client.
    pub signals: Rate,
    /// Connects and leaves of an address; `None` is no limit.
    pub connects: Option<Rate>,
    /// How long what takes.
    pub times: SignalingTimes,
}

/// The periods of the service. Clients count on the defaults, which are those of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignalingTimes {
    /// A stream gets a comment as often: 10 seconds. Clients take a stream that is silent for thrice as long for dead.
    pub keepalive: Duration,
    /// A client without a sign of life for so long is forgotten: 90 seconds.
    pub idle: Duration,
    /// How often the forgotten are looked for: 30 seconds.
    pub prune_every: Duration,
}

impl Default for SignalingTimes {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { keepalive: seconds(10), idle: seconds(90), prune_every: seconds(30) }
    }
}

impl Default for SignalingLimits {
    fn default() -> Self {
        Self {
            rooms: 10_000,
            peers: 256,
            signals: Rate { burst: 50, per_minute: 600 },
            connects: Some(Rate { burst: 20, per_minute: 10 }),
            times: SignalingTimes::default(),
        }
    }
}

/// How often it is looked whether something is due, at most.
const TICK: Duration = Duration::from_millis(500);

/// Why there is no stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ConnectError {
    Unauthorized,
    /// A later attempt of the same client was first.
    Stale,
    RoomFull,
    TooManyRooms,
    /// The system's random number generator failed.
    NoRandomness,
}

type Shard = Mutex<HashMap<String, Room>>;

/// See the module.
pub(crate) struct Hub {
    shards: [Shard; SHARDS],
    hasher: RandomState,
    limits: SignalingLimits,
    timing: Timing,
    prune_every: u64,
    ice: IceConfig,
    rooms: AtomicUsize,
    sessions: AtomicUsize,
    next_prune: Mutex<Timestamp>,
    addresses: Mutex<HashMap<IpAddr, Bucket>>,
    started: (Timestamp, Instant),
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub")
            .field("rooms", &self.rooms())
            .field("sessions", &self.sessions())
            .finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hub {
    pub(crate) fn new(limits: SignalingLimits, ice: IceConfig, now: Timestamp) -> Self {
        let SignalingTimes { keepalive, idle, prune_every } = limits.times;
        let prune_every = millis(prune_every);
        Self {
            shards: std::array::from_fn(|_| Shard::default()),
            hasher: RandomState::new(),
            limits,
            timing: Timing { keepalive: millis(keepalive), idle: millis(idle) },
            prune_every,
            ice,
            rooms: AtomicUsize::new(0),
            sessions: AtomicUsize::new(0),
            next_prune: Mutex::new(now.plus_millis(prune_every)),
            addresses: Mutex::default(),
            started: (now, Instant::now()),
        }
    }

    /// The time, which no correction of the system's clock moves.
    pub(crate) fn now(&self) -> Timestamp {
        let (then, instant) = self.started;
        then.plus_millis(millis(instant.elapsed()))
    }

    /// How often [`Self::tick`] is to be called.
    pub(super) fn tick_every(&self) -> Duration {
        TICK.min(self.limits.times.keepalive / 2).max(Duration::from_millis(1))
    }

    /// Rooms with somebody in them.
    pub(crate) fn rooms(&self) -> usize {
        self.rooms.load(Ordering::Relaxed)
    }

    /// Clients in all rooms, with a stream or about to come back.
    pub(crate) fn sessions(&self) -> usize {
        self.sessions.load(Ordering::Relaxed)
    }

    /// Joins a room, or comes back to a session in it. A session that is not known becomes a fresh one: a name that
    /// the client chose is never taken over.
    pub(super) fn connect(
        &self,
        room: &str,
        claim: Option<Claim>,
        now: Timestamp,
    ) -> Result<Attached, ConnectError> {
        self.with_shard(room, |rooms| {
            let known = rooms.get_mut(room).filter(|r| claim.as_ref().is_some_and(|c| r.knows(c)));
            if let (Some(existing), Some(claim)) = (known, claim) {
                let ice = self.ice.servers(&claim.id, now);
                return existing.resume(claim, &ice, self.timing, now).map_err(|refusal| {
                    match refusal {
                        Refusal::Stale => ConnectError::Stale,
                        _ => ConnectError::Unauthorized,
                    }
                });
            }
            if !rooms.contains_key(room) && reached(self.limits.rooms, self.rooms()) {
                return Err(ConnectError::TooManyRooms);
            }
            if rooms.get(room).is_some_and(|r| reached(self.limits.peers, r.len())) {
                return Err(ConnectError::RoomFull);
            }
            let (Some(id), Some(token)) = (uuid(), uuid()) else {
                return Err(ConnectError::NoRandomness);
            };
            let fresh = Fresh { id, token };
            let ice = self.ice.servers(&fresh.id, now);
            let room = rooms.entry(room.to_owned()).or_default();
            Ok(room.join(fresh, self.limits.signals, &ice, self.timing, now))
        })
    }

    pub(super) fn signal(
        &self,
        room: &str,
        sender: &str,
        token: &str,
        to: &str,
        signal: &RawValue,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        self.with_shard(room, |rooms| {
            let room = rooms.get_mut(room).ok_or(Refusal::Unauthorized)?;
            room.signal(sender, token, to, signal, self.limits.signals, now)
        })
    }

    pub(super) fn leave(&self, room: &str, sender: &str, token: &str) -> Result<(), Refusal> {
        self.with_shard(room, |rooms| {
            rooms.get_mut(room).ok_or(Refusal::Unauthorized)?.leave(sender, token)
        })
    }

    pub(super) fn detach(&self, room: &str, id: &str, generation: u64, now: Timestamp) {
        self.with_shard(room, |rooms| {
            if let Some(room) = rooms.get_mut(room) {
                room.detach(id, generation, now);
            }
        });
    }

    /// Counts a connect or leave of an address.
    pub(super) fn admits(&self, address: IpAddr, now: Timestamp) -> bool {
        let Some(rate) = self.limits.connects else { return true };
        let address = block(address);
        let mut addresses = lock(&self.addresses);
        if addresses.len() >= MAX_ADDRESSES && !addresses.contains_key(&address) {
            addresses.retain(|_, bucket| !bucket.is_full(rate, now));
            if addresses.len() >= MAX_ADDRESSES {
                return false;
            }
        }
        addresses.entry(address).or_insert_with(|| Bucket::full(rate, now)).take(rate, now)
    }

    /// Time passed: keepalives, and every 30 seconds a look for clients that are gone.
    pub(crate) fn tick(&self, now: Timestamp) {
        let prunes = {
            let mut next = lock(&self.next_prune);
            let due = now >= *next;
            if due {
                *next = next.plus_millis(self.prune_every).max(now);
            }
            due
        };
        for shard in &self.shards {
            self.change(&mut lock(shard), |rooms| {
                for room in rooms.values_mut() {
                    room.keep_alive(now, self.timing);
                    if prunes {
                        room.prune(now, self.timing);
                    }
                }
                rooms.retain(|_, room| !room.is_empty());
            });
        }
        if prunes && let Some(rate) = self.limits.connects {
            lock(&self.addresses).retain(|_, bucket| !bucket.is_full(rate, now));
        }
    }

    /// Ends every stream: the server stops.
    pub(crate) fn end(&self) {
        for shard in &self.shards {
            lock(shard).values_mut().for_each(Room::end);
        }
    }

    fn with_shard<T>(&self, room: &str, f: impl FnOnce(&mut HashMap<String, Room>) -> T) -> T {
        let hash = usize::try_from(self.hasher.hash_one(room) % SHARDS as u64).unwrap_or(0);
        // The modulus is the length.
        let Some(shard) = self.shards.get(hash) else { return f(&mut HashMap::new()) };
        let mut rooms = lock(shard);
        let result = self.change_room(&mut rooms, room, f);
        if rooms.get(room).is_some_and(Room::is_empty) {
            rooms.remove(room);
            self.rooms.fetch_sub(1, Ordering::Relaxed);
        }
        result
    }

    /// Runs a change of one room and counts what it did.
    fn change_room<T>(
        &self,
        rooms: &mut HashMap<String, Room>,
        room: &str,
        f: impl FnOnce(&mut HashMap<String, Room>) -> T,
    ) -> T {
        let before = (rooms.len(), rooms.get(room).map_or(0, Room::len));
        let result = f(rooms);
        self.count(before, (rooms.len(), rooms.get(room).map_or(0, Room::len)));
        result
    }

    /// Runs a change of many rooms and counts what it did.
    fn change(
        &self,
        rooms: &mut HashMap<String, Room>,
        f: impl FnOnce(&mut HashMap<String, Room>),
    ) {
        let clients = |rooms: &HashMap<String, Room>| rooms.values().map(Room::len).sum();
        let before = (rooms.len(), clients(rooms));
        f(rooms);
        self.count(before, (rooms.len(), clients(rooms)));
    }

    fn count(&self, before: (usize, usize), after: (usize, usize)) {
        for (counter, before, after) in
            [(&self.rooms, before.0, after.0), (&self.sessions, before.1, after.1)]
        {
            if after >= before {
                counter.fetch_add(after - before, Ordering::Relaxed);
            } else {
                counter.fetch_sub(before - after, Ordering::Relaxed);
            }
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A random UUID of version 4.
fn uuid() -> Option<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).ok()?;
    Some(Builder::from_random_bytes(bytes).into_uuid().to_string())
}
