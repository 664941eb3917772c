//! Receiving a large payload: parts are stored as they come, in any order; when all are there the whole is checked, and
//! only then there is a message. Who sends too much, or contradicts itself, is told so, and keeps nothing here.

use super::{Direction, Parts};
use crate::{
    engine::{
        DropReason, Engine, Event, IncomingMessage, LoadError, Stage,
        inbound::Source,
        records::{
            Assembly, AssemblyState, Chunk, ChunkKey, InboxEntry, InboxState, chunk::STORE_VERSION,
            inbox::InboxKey,
        },
        table::Stored,
    },
    handshake::SessionId,
    identity::Amid,
    keys::kdf,
    limits,
    storage::Storage,
    time::Timestamp,
    wire::{
        id::MessageId,
        json::check_json,
        plaintext::{Headers, Part, Payload, Plaintext, Stage as ReceiptStage},
    },
};

/// Chunks read at a time when a payload is put together for its handler.
const PAGE: usize = 64;

const fn incoming(key: &InboxKey, index: u32) -> ChunkKey {
    ChunkKey { from: Some(key.0), message: key.1, index }
}

fn empty(payload: &Payload) -> Payload {
    match payload {
        Payload::Json(_) => Payload::Json(String::new()),
        Payload::Bytes(_) => Payload::Bytes(Vec::new()),
        Payload::None => Payload::None,
    }
}

/// What the parts of a message have in common: from any of them, the message without its payload.
fn header_of(id: MessageId, part: &Part, plaintext: &Plaintext) -> Plaintext {
    let seq = plaintext.seq.saturating_sub(u64::from(part.index));
    let mut header = Plaintext::new(id, plaintext.kind, seq, plaintext.sent_at);
    header.in_reply_to = plaintext.in_reply_to;
    header.payload = empty(&plaintext.payload);
    header.part = Some(Part { index: 0, ..*part });
    header.headers.clone_from(&plaintext.headers);
    header
}

/// At least so many bytes has the whole, going by one part that is not the last: all of them have one size, text up to
/// three bytes less; and the last has something.
fn least(part: &Part, payload: &Payload) -> u64 {
    let size = u64::try_from(payload.len()).unwrap_or(u64::MAX);
    if part.index + 1 == part.count {
        return size;
    }
    let others = u64::from(part.count.saturating_sub(2));
    let slack = if matches!(payload, Payload::Json(_)) { 3 } else { 0 };
    size + others.saturating_mul(size.saturating_sub(slack)) + 1
}

impl Engine {
    /// A part came in a session. It is committed with the session, or not at all.
    pub(in crate::engine) fn take_part(
        &mut self,
        source: Source,
        session: SessionId,
        part: Part,
        plaintext: &Plaintext,
        now: Timestamp,
    ) {
        let Ok(id) = MessageId::from_bytes(part.group) else {
            self.drop_frame(source, DropReason::Malformed);
            return;
        };
        self.ack(source);
        let from = source.from;
        let key = (from, id);
        if let Some(stage) = self.stage_of_whole(&key) {
            self.owe_receipt(from, plaintext.id, Stage::Delivered, now);
            self.owe_receipt(from, id, stage, now);
            return;
        }
        let header = header_of(id, &part, plaintext);
        match self.assemblies.get(&key).map(|a| a.state) {
            Some(AssemblyState::Refused(stage)) => self.owe_refusal(from, id, stage),
            Some(_) => self.add_part(key, part, header, plaintext, now),
            None => {
                let refusal = if least(&part, &plaintext.payload) > self.payload_cap() {
                    Some(ReceiptStage::TooLarge)
                } else if !self.make_room_for_assembly(from, now) {
                    Some(ReceiptStage::Busy)
                } else {
                    None
                };
                let fresh = Assembly {
                    from,
                    id,
                    session,
                    state: AssemblyState::Collecting,
                    first_at: now,
                    last_at: now,
                    bytes: 0,
                    parts: super::Bitmap::new(part.count),
                    header: header.clone(),
                    part,
                };
                self.assemblies.put(&self.vault, fresh);
                match refusal {
                    Some(stage) => self.refuse_assembly(key, stage, now),
                    None => self.add_part(key, part, header, plaintext, now),
                }
            }
        }
    }

    /// How far a large message is whose parts are all here.
    fn stage_of_whole(&self, key: &InboxKey) -> Option<Stage> {
        if let Some(seen) = self.seen.get(key) {
            return Some(seen.stage);
        }
        self.inbox.get(key).filter(|e| e.state == InboxState::Ready).map(|_| Stage::Delivered)
    }

    fn add_part(
        &mut self,
        key: InboxKey,
        part: Part,
        header: Plaintext,
        plaintext: &Plaintext,
        now: Timestamp,
    ) {
        let bytes = match &plaintext.payload {
            Payload::Json(text) => text.as_bytes(),
            Payload::Bytes(bytes) => bytes,
            Payload::None => &[],
        };
        let cap = self.payload_cap();
        let Some(assembly) = self.assemblies.get(&key) else { return };
        if assembly.parts.contains(part.index) {
            self.owe_receipt(key.0, plaintext.id, Stage::Delivered, now);
            return;
        }
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        // The trace context may differ from part to part; nothing else may.
        let trace = assembly.header.headers.trace.clone();
        let headers = Headers { trace, ..header.headers };
        let same = Plaintext { headers, ..header } == assembly.header;
        let refusal = if !same || bytes.is_empty() {
            Some(ReceiptStage::Damaged)
        } else if assembly.bytes.saturating_add(length) > cap {
            Some(ReceiptStage::TooLarge)
        } else {
            None
        };
        if let Some(stage) = refusal {
            self.refuse_assembly(key, stage, now);
            return;
        }
        let chunk = Chunk { key: incoming(&key, part.index), bytes: bytes.to_vec() };
        self.chunks.put(&self.vault, chunk);
        self.parts.received_bytes += length;
        let Some(assembly) = self.assemblies.modify(&key) else { return };
        assembly.parts.insert(part.index);
        assembly.bytes += length;
        assembly.last_at = now;
        let (done, total) = (assembly.parts.count(), assembly.parts.len());
        if assembly.parts.is_full() {
            self.parts.complete.push_back(key);
        }
        self.parts.advanced(Direction::Receiving, key.0, key.1, done, total);
        self.owe_receipt(key.0, plaintext.id, Stage::Delivered, now);
    }

    /// Whether the next part may be stored at all. Wholes that wait for their handlers keep others waiting at the relay.
    pub(in crate::engine) fn has_room_for_part(&self, size: usize) -> bool {
        let size = u64::try_from(size).unwrap_or(u64::MAX);
        self.parts.received_bytes.saturating_add(size) <= self.config.max_received_bytes
    }

    fn make_room_for_assembly(&mut self, from: Amid, now: Timestamp) -> bool {
        let collecting = || {
            self.assemblies.values().filter(|a| {
                a.state == AssemblyState::Collecting && !self.parts.complete.contains(&a.key())
            })
        };
        let of_peer = collecting().filter(|a| a.from == from).count();
        let full = of_peer >= limits::ASSEMBLIES_PER_PEER;
        if !full && collecting().count() < limits::ASSEMBLIES {
            return true;
        }
        let idle = collecting()
            .filter(|a| !full || a.from == from)
            .filter(|a| now.since(a.last_at) >= limits::ASSEMBLY_IDLE)
            .min_by_key(|a| (a.last_at, a.from, a.id))
            .map(Stored::key);
        idle.is_some_and(|key| {
            self.refuse_assembly(key, ReceiptStage::Abandoned, now);
            true
        })
    }

    /// Gives a payload up: its parts go, its name stays so that late parts get the same answer.
    fn refuse_assembly(&mut self, key: InboxKey, stage: ReceiptStage, now: Timestamp) {
        self.drop_chunks(&key);
        self.parts.complete.retain(|other| *other != key);
        let Some(assembly) = self.assemblies.modify(&key) else { return };
        assembly.state = AssemblyState::Refused(stage);
        assembly.last_at = now;
        assembly.bytes = 0;
        assembly.parts = super::Bitmap::new(assembly.part.count);
        self.owe_refusal(key.0, key.1, stage);
        self.out.events.push(Event::PartsRefused { from: key.0, id: key.1, reason: stage });
        let mut refused: Vec<_> = self
            .assemblies
            .values()
            .filter(|a| matches!(a.state, AssemblyState::Refused(_)))
            .map(|a| (a.last_at, a.key()))
            .collect();
        refused.sort_unstable();
        let excess = refused.len().saturating_sub(limits::REFUSED_ASSEMBLIES);
        for (_, key) in refused.into_iter().take(excess) {
            self.assemblies.remove(&key);
        }
    }

    fn drop_chunks(&mut self, key: &InboxKey) {
        let Some(assembly) = self.assemblies.get(key) else { return };
        let Self { chunks, vault, parts, .. } = self;
        for index in assembly.parts.present() {
            chunks.delete(vault, &incoming(key, index), STORE_VERSION);
        }
        parts.received_bytes = parts.received_bytes.saturating_sub(assembly.bytes);
    }

    pub(super) fn assembly_chunks(&self, key: &InboxKey) -> impl Iterator<Item = ChunkKey> + '_ {
        let key = *key;
        let missing = self.assemblies.get(&key).into_iter().flat_map(|a| a.parts.present());
        missing.map(move |index| incoming(&key, index)).filter(|key| !self.chunks.is_loaded(key))
    }

    /// All parts are here, and in memory: is their whole what its sender said?
    pub(super) fn check_whole(&mut self, key: InboxKey, now: Timestamp) {
        let Some(assembly) = self.assemblies.get(&key) else { return };
        let pieces: Option<Vec<&[u8]>> = (0..assembly.part.count)
            .map(|index| self.chunks.get(&incoming(&key, index)).map(|c| c.bytes.as_slice()))
            .collect();
        let right = pieces.is_some_and(|pieces| {
            kdf::sha256(&pieces) == assembly.part.sha256
                && (!matches!(assembly.header.payload, Payload::Json(_))
                    || String::from_utf8(pieces.concat())
                        .is_ok_and(|text| check_json(&text).is_ok()))
        });
        let (session, encoded) = (assembly.session, assembly.header.encode());
        let (true, Ok(encoded)) = (right, encoded) else {
            self.refuse_assembly(key, ReceiptStage::Damaged, now);
            return;
        };
        if let Some(assembly) = self.assemblies.modify(&key) {
            assembly.state = AssemblyState::Whole;
        }
        self.inbox_bytes += encoded.len();
        let order = self.next_order();
        self.inbox.put(
            &self.vault,
            InboxEntry {
                from: key.0,
                id: key.1,
                session,
                state: InboxState::Ready,
                order,
                received_at: now,
                plaintext: encoded,
            },
        );
        self.out.events.push(Event::MessageReady { from: key.0, id: key.1 });
        self.owe_receipt(key.0, key.1, Stage::Delivered, now);
    }

    /// The message was handled, so its parts go; and parts of another one under the same id, which nobody hands on now.
    pub(in crate::engine) fn forget_assembly(&mut self, key: &InboxKey) {
        self.drop_chunks(key);
        self.assemblies.remove(key);
    }

    /// The size of a message that came in parts, if it waits for its handler. Its payload is read with
    /// [`whole`](Self::whole); [`message`](Self::message) does not give it.
    pub fn large_message(&self, from: &Amid, id: &MessageId) -> Option<u64> {
        let assembly = self.assemblies.get(&(*from, *id))?;
        (assembly.state == AssemblyState::Whole).then_some(assembly.bytes)
    }

    /// A message that came in parts, with an empty payload.
    pub fn large_header(&self, from: &Amid, id: &MessageId) -> Option<IncomingMessage> {
        self.large_message(from, id)?;
        let entry = self.inbox.get(&(*from, *id))?;
        Some(Self::incoming(entry, Plaintext::decode(&entry.plaintext).ok()?))
    }

    /// A message that came in parts, put together.
    ///
    /// # Errors
    /// [`LoadError`], and [`LoadError::Unreadable`] if the store has lost a part.
    pub async fn whole(
        &self,
        storage: &dyn Storage,
        from: &Amid,
        id: &MessageId,
    ) -> Result<Option<IncomingMessage>, LoadError> {
        let key = (*from, *id);
        let (Some(entry), Some(assembly)) = (self.inbox.get(&key), self.assemblies.get(&key))
        else {
            return Ok(None);
        };
        let lost = || LoadError::unreadable("chunk", "a part is gone");
        let mut bytes = Vec::with_capacity(usize::try_from(assembly.bytes).unwrap_or(0));
        let indices: Vec<u32> = (0..assembly.part.count).collect();
        for page in indices.chunks(PAGE) {
            let record_id = |index: &u32| {
                self.vault.record_id(Chunk::KIND, &Chunk::logical(&incoming(&key, *index)))
            };
            let ids: Vec<_> = page.iter().map(record_id).collect();
            for record in storage.load(&ids).await? {
                let record = record.ok_or_else(lost)?;
                let plain = self.vault.open(&record)?;
                let chunk = Chunk::decode(&plain)
                    .map_err(|source| LoadError::undecodable(record.id, source))?;
                bytes.extend_from_slice(&chunk.bytes);
            }
        }
        let payload = match &assembly.header.payload {
            Payload::Json(_) => Payload::Json(String::from_utf8(bytes).map_err(|_| lost())?),
            _ => Payload::Bytes(bytes),
        };
        Ok(Plaintext::decode(&entry.plaintext)
            .ok()
            .map(|plaintext| Self::incoming(entry, Plaintext { payload, ..plaintext })))
    }

    /// Gives up payloads whose missing parts will not come any more, and forgets refused ones.
    pub(in crate::engine) fn expire_assemblies(&mut self, now: Timestamp) {
        let mut old: Vec<_> = self
            .assemblies
            .values()
            .filter(|a| match a.state {
                AssemblyState::Collecting => now.since(a.first_at) > limits::ASSEMBLY_AGE,
                AssemblyState::Refused(_) => now.since(a.last_at) > limits::ASSEMBLY_AGE,
                AssemblyState::Whole => false,
            })
            .map(|a| (a.key(), a.state))
            .collect();
        old.sort_unstable_by_key(|(key, _)| *key);
        for (key, state) in old {
            if state == AssemblyState::Collecting {
                self.refuse_assembly(key, ReceiptStage::Abandoned, now);
            } else {
                self.assemblies.remove(&key);
            }
        }
    }

    /// After a start: receipts for parts may have been lost.
    pub(in crate::engine) fn receipt_parts_again(&mut self, now: Timestamp) {
        let mut parts: Vec<_> = self
            .assemblies
            .values()
            .filter(|a| a.state == AssemblyState::Collecting)
            .flat_map(|a| a.parts.present().map(|index| (a.from, a.id, index)))
            .collect();
        parts.sort_unstable();
        for (from, id, index) in parts {
            self.owe_receipt(from, super::part_id(id, index), Stage::Delivered, now);
        }
    }
}

impl Parts {
    #[cfg(test)]
    pub(in crate::engine) const fn received_bytes(&self) -> u64 {
        self.received_bytes
    }
}

#[cfg(test)]
mod tests;
