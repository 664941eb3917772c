//! Payloads that do not fit one frame: cut into parts, sent under a window, put together and checked as a whole
//! (`docs/protocol/native.md` §6.1).
//!
//! `split` is the sender's half (`cut` says into which parts, `turns` which is next), `assemble` the recipient's. Payloads
//! are on disk, one record a part; in memory are only the parts that are under way. What a step may send or check at once
//! is bounded; [`Input::Parts`](super::Input::Parts) does it, and is due for as long as [`Engine::parts_due`] says so.

mod assemble;
mod bitmap;
mod cut;
mod split;
mod turns;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rand_core::CryptoRng;

pub(crate) use bitmap::Bitmap;

use super::{
    Engine, Event, Need,
    records::{AssemblyState, OutboxBody, inbox::InboxKey},
};
use crate::{
    identity::Amid, keys::kdf, limits, maps::HashMap, time::Timestamp, wire::id::MessageId,
};

/// Which way a large payload goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// From us to the peer: parts count once the peer has them on its disk.
    Sending,
    /// From the peer to us: parts count once they are on our disk.
    Receiving,
}

/// What is under way of one large message of ours.
#[derive(Debug, Default)]
struct UnderWay {
    /// Handed to the relay, not confirmed by the peer.
    sent: BTreeSet<u32>,
    /// Those among them that the relay has on its disk.
    stored: BTreeSet<u32>,
}

/// What is known of large payloads besides their records.
#[derive(Debug, Default)]
pub(super) struct Parts {
    /// Large messages of ours in the order of sending.
    groups: BTreeMap<u64, MessageId>,
    /// Parts that their recipients have not confirmed.
    by_part: HashMap<MessageId, (MessageId, u32)>,
    under_way: HashMap<MessageId, UnderWay>,
    /// Parts under way to each peer.
    windows: HashMap<Amid, usize>,
    in_all: usize,
    /// How often a part was taken back: the relay must not take the next try for the one before.
    tries: HashMap<MessageId, u32>,
    /// Bytes of payloads that wait on disk to be sent.
    queued_bytes: u64,
    /// Bytes of peers' payloads on disk.
    received_bytes: u64,
    /// Payloads of peers of which every part is here.
    complete: VecDeque<InboxKey>,
    progress: BTreeMap<(Direction, Amid, MessageId), (u32, u32)>,
}

impl Parts {
    fn advanced(&mut self, way: Direction, peer: Amid, id: MessageId, done: u32, total: u32) {
        self.progress.insert((way, peer, id), (done, total));
    }

    /// One event a payload and step, however many parts came.
    pub(super) fn take_progress(&mut self) -> impl Iterator<Item = Event> + use<> {
        core::mem::take(&mut self.progress).into_iter().map(
            |((direction, peer, id), (done, total))| Event::PartProgress {
                direction,
                peer,
                id,
                done,
                total,
            },
        )
    }
}

/// The id of a part: whoever knows the message knows it, and nothing has to be stored.
fn part_id(message: MessageId, index: u32) -> MessageId {
    let digest = kdf::sha256(&[b"agentmesh/0.3 part id", message.as_bytes(), &index.to_be_bytes()]);
    message.derived(&digest)
}

impl Engine {
    /// Whether [`Input::Parts`](super::Input::Parts) has something to do now.
    pub fn parts_due(&self, now: Timestamp) -> bool {
        !self.parts.complete.is_empty() || !self.parts_to_send(now, true).is_empty()
    }

    /// Peers and chunks that the next [`Input::Parts`](super::Input::Parts) works on.
    pub(super) fn parts_needs(&self, now: Timestamp) -> (Vec<Amid>, Vec<Need>) {
        if let Some(key) = self.parts.complete.front() {
            return (Vec::new(), self.assembly_chunks(key).map(Need::Chunk).collect());
        }
        let parts = self.parts_to_send(now, true);
        let peers = parts.iter().map(|part| part.to).collect();
        let loaded = parts.iter().filter(|part| self.peers.is_loaded(&part.to));
        let keys = loaded.map(turns::Next::key).filter(|key| !self.chunks.is_loaded(key));
        (peers, keys.map(Need::Chunk).collect())
    }

    /// Checks the next whole payload, or sends parts as far as the windows allow.
    pub(super) fn move_parts(&mut self, now: Timestamp, rng: &mut dyn CryptoRng) {
        match self.parts.complete.pop_front() {
            Some(key) => self.check_whole(key, now),
            None => self.send_parts(now, rng),
        }
    }

    /// After the records were read: what is derived from them.
    pub(super) fn load_parts(&mut self) {
        let groups: Vec<_> = self
            .outbox
            .values()
            .filter_map(|entry| match &entry.body {
                OutboxBody::Group(group) => {
                    let missing: Vec<_> = group.confirmed.missing().collect();
                    Some((entry.id, entry.order, entry.stage, group.length, missing))
                }
                _ => None,
            })
            .collect();
        for (id, order, stage, length, missing) in groups {
            if stage < super::Stage::Delivered {
                self.register_group(id, order, length, missing);
            }
        }
        for assembly in self.assemblies.values() {
            self.parts.received_bytes += assembly.bytes;
            if assembly.state == AssemblyState::Collecting && assembly.parts.is_full() {
                self.parts.complete.push_back((assembly.from, assembly.id));
            }
        }
        self.parts.complete.make_contiguous().sort_unstable();
    }

    pub(super) fn has_room_for_parts(&self) -> bool {
        self.parts.received_bytes <= self.config.max_received_bytes / 2
    }

    /// The most that is taken from a peer as one payload.
    fn payload_cap(&self) -> u64 {
        let cap = self.config.max_payload.min(limits::MAX_LARGE_PAYLOAD);
        u64::try_from(cap).unwrap_or(u64::MAX)
    }
}
