//! What waits, as the application is shown it: messages on their way out and in, and KNOCKs without a decision.
//!
//! Reads only. How often something was tried, and what went wrong last, is in memory and starts anew with each start.

use super::{
    Engine, Stage,
    records::{AssemblyState, InboxState, OutboxBody, OutboxEntry},
};
use crate::{
    handshake::SessionId,
    identity::Amid,
    knock::KnockInfo,
    maps::HashMap,
    time::Timestamp,
    wire::{
        id::MessageId,
        plaintext::{MessageType, Payload, Plaintext},
        relay_id::RelayMessageId,
    },
};

/// Peers for which the last error is remembered.
pub(super) const MAX_TROUBLED: usize = 1000;

/// A message in the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutboxItem {
    /// Its id.
    pub id: MessageId,
    /// The recipient.
    pub to: Amid,
    /// How far it is.
    pub stage: Stage,
    /// When it was queued.
    pub queued_at: Timestamp,
    /// When it is given up if nobody confirms it.
    pub expires_at: Timestamp,
    /// Bytes kept for it: of a payload in parts its size, otherwise a little more; 0 once it is delivered.
    pub size: u64,
    /// How often it was handed to the relay since this agent was opened. Not counted for parts.
    pub attempts: u32,
    /// What went wrong last, as the code of a relay's or registry's refusal, if anything did since this agent was opened.
    pub last_error: Option<String>,
    /// Of a payload in parts: how many the recipient has, and how many there are.
    pub parts: Option<(u32, u32)>,
}

/// A message that came in and is not handled.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InboxItem {
    /// Who sent it.
    pub from: Amid,
    /// Its id, unique for that sender.
    pub id: MessageId,
    /// What it is.
    pub kind: MessageType,
    /// The message of ours that it answers.
    pub in_reply_to: Option<MessageId>,
    /// When it was sent, by the sender's clock.
    pub sent_at: Timestamp,
    /// When it was opened here; of an unfinished payload, its first part.
    pub received_at: Timestamp,
    /// Bytes of the payload that are here.
    pub size: u64,
    /// The payload, unless it comes or came in parts.
    pub payload: Option<Payload>,
    /// What it waits for.
    pub waits_for: Awaited,
}

/// What a message in the inbox waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Awaited {
    /// Its handler.
    Handler,
    /// The decision on the KNOCK of its session.
    Decision,
    /// More parts of its payload.
    Parts {
        /// Parts that are here.
        done: u32,
        /// Parts in all.
        total: u32,
    },
}

/// A KNOCK without a decision.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PendingKnock {
    /// Names it: the session that it opened.
    pub session: SessionId,
    /// When it came.
    pub received_at: Timestamp,
    /// Messages that are held until it is decided.
    pub held: usize,
    /// Who knocks, and what for. Tier and reputation are those of an unknown peer: nobody was asked.
    pub knock: KnockInfo,
}

/// How often entries were tried, and what went wrong last.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    counts: HashMap<MessageId, u32>,
    errors: HashMap<MessageId, String>,
    troubled: HashMap<Amid, String>,
}

impl Attempts {
    pub(super) fn made(&mut self, id: MessageId) {
        let count = self.counts.entry(id).or_default();
        *count = count.saturating_add(1);
    }

    pub(super) fn forget(&mut self, id: &MessageId) {
        self.counts.remove(id);
        self.errors.remove(id);
    }

    /// The peer could be reached after all.
    pub(super) fn cleared(&mut self, peer: &Amid) {
        self.troubled.remove(peer);
    }
}

impl Engine {
    /// Messages in the outbox, in order of sending.
    pub fn outbox(&self) -> Vec<OutboxItem> {
        self.outbox_order
            .values()
            .filter_map(|id| self.outbox.get(id))
            .filter(|e| e.is_message())
            .map(|e| self.outbox_item(e))
            .collect()
    }

    fn outbox_item(&self, entry: &OutboxEntry) -> OutboxItem {
        let (size, parts) = match &entry.body {
            OutboxBody::Group(group) if entry.stage < Stage::Delivered => {
                (group.length, Some((group.confirmed.count(), group.part.count)))
            }
            OutboxBody::Group(group) => (0, Some((group.part.count, group.part.count))),
            OutboxBody::Message { plaintext, .. } => {
                let bytes = plaintext.as_ref().map_or(0, Vec::len);
                (u64::try_from(bytes).unwrap_or(u64::MAX), None)
            }
            _ => (0, None),
        };
        let tried = &self.attempts;
        let unreached = tried.troubled.get(&entry.to).filter(|_| entry.stage == Stage::Queued);
        OutboxItem {
            id: entry.id,
            to: entry.to,
            stage: entry.stage,
            queued_at: entry.created_at,
            expires_at: entry.expires_at,
            size,
            attempts: tried.counts.get(&entry.id).copied().unwrap_or(0),
            last_error: tried.errors.get(&entry.id).or(unreached).cloned(),
            parts,
        }
    }

    /// Everything that came in and is not handled, in order of arrival; unfinished payloads last.
    pub fn waiting(&self) -> Vec<InboxItem> {
        let whole = self.inbox_in_order(|e| e.state != InboxState::Knock);
        let mut items: Vec<_> = whole
            .into_iter()
            .filter_map(|key| {
                let entry = self.inbox.get(&key)?;
                let plaintext = Plaintext::decode(&entry.plaintext).ok()?;
                let bytes = u64::try_from(plaintext.payload.len()).unwrap_or(u64::MAX);
                let large = self.large_message(&key.0, &key.1);
                let size = large.unwrap_or(bytes);
                let waits_for = match entry.state {
                    InboxState::Ready => Awaited::Handler,
                    InboxState::Held | InboxState::Knock => Awaited::Decision,
                };
                let mut item = item(entry.from, &plaintext, entry.received_at, size, waits_for);
                item.payload = large.is_none().then_some(plaintext.payload);
                Some(item)
            })
            .collect();
        let mut unfinished: Vec<_> = self
            .assemblies
            .values()
            .filter(|a| a.state == AssemblyState::Collecting)
            .map(|a| {
                let waits_for = Awaited::Parts { done: a.parts.count(), total: a.parts.len() };
                item(a.from, &a.header, a.first_at, a.bytes, waits_for)
            })
            .collect();
        unfinished.sort_unstable_by_key(|item| (item.received_at, item.from, item.id));
        items.append(&mut unfinished);
        items
    }

    /// KNOCKs without a decision, oldest first. They survive a restart, and are rejected after 96 hours.
    pub fn knocks(&self) -> Vec<PendingKnock> {
        self.inbox_in_order(|e| e.state == InboxState::Knock)
            .into_iter()
            .filter_map(|key| {
                let entry = self.inbox.get(&key)?;
                let knock = self.stored_knock(&key)?;
                let of_session = |e: &&super::InboxEntry| {
                    e.session == entry.session && e.state == InboxState::Held
                };
                Some(PendingKnock {
                    session: entry.session,
                    received_at: entry.received_at,
                    held: self.inbox.values().filter(of_session).count(),
                    knock,
                })
            })
            .collect()
    }

    /// The relay refused a frame: remembered for [`OutboxItem::last_error`].
    pub fn note_refusal(&mut self, relay_id: &RelayMessageId, code: &str) {
        let entry = self.by_relay_id.get(relay_id).and_then(|id| self.outbox.get(id));
        if let Some(id) = entry.map(OutboxEntry::message) {
            self.attempts.errors.insert(id, code.to_owned());
        }
    }

    /// A peer cannot be reached for now, such as for want of its bundle: likewise.
    pub fn note_trouble(&mut self, peer: Amid, code: &str) {
        let known = self.attempts.troubled.contains_key(&peer);
        if known || self.attempts.troubled.len() < MAX_TROUBLED {
            self.attempts.troubled.insert(peer, code.to_owned());
        }
    }
}

fn item(
    from: Amid,
    message: &Plaintext,
    received_at: Timestamp,
    size: u64,
    waits_for: Awaited,
) -> InboxItem {
    let Plaintext { id, kind, in_reply_to, sent_at, .. } = *message;
    let payload = None;
    InboxItem { from, id, kind, in_reply_to, sent_at, received_at, size, payload, waits_for }
}
