//! Receipts that are owed. They are collected a peer and sent in one message; receipts are not receipted.

use rand_core::CryptoRng;

use crate::{
    handshake::Suite,
    identity::Amid,
    limits,
    maps::HashMap,
    time::Timestamp,
    wire::{
        id::MessageId,
        plaintext::{MessageType, Plaintext, Receipt, Stage as ReceiptStage},
    },
};

use super::{
    Engine, Event, Stage,
    outbound::control,
    records::{OutboxBody, OutboxEntry},
};

/// What is owed to one peer.
#[derive(Debug)]
struct Owed {
    due: Timestamp,
    receipts: Vec<(MessageId, Stage)>,
    /// Payloads that will not be taken.
    refusals: Vec<(MessageId, ReceiptStage)>,
    /// The peer is to be asked what became of messages of ours that it has.
    asks: bool,
}

impl Owed {
    const fn new(due: Timestamp) -> Self {
        Self { due, receipts: Vec::new(), refusals: Vec::new(), asks: false }
    }
}

/// Receipts not sent yet. Losing them in a crash is harmless: an unhandled message is receipted again at the
/// next start, and a handled one in the same commit that removes it from the inbox, which is why that is due at once by
/// whatever clock. If there is no session to send it in, the same commit puts it into the outbox, where it waits for one.
#[derive(Debug, Default)]
pub(super) struct PendingReceipts {
    owed: HashMap<Amid, Owed>,
    /// The entry of the outbox that waits for a session with a peer.
    waiting: HashMap<Amid, MessageId>,
}

impl PendingReceipts {
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.owed.values().map(|o| o.due).min()
    }

    pub(super) fn forget(&mut self, peer: &Amid) {
        self.owed.remove(peer);
    }

    /// Takes note of what waits in the outbox.
    pub(super) fn entry_added(&mut self, entry: &OutboxEntry) {
        if matches!(entry.body, OutboxBody::Receipts(_)) {
            self.waiting.insert(entry.to, entry.id);
        }
    }

    /// The same of what left it.
    pub(super) fn entry_dropped(&mut self, entry: &OutboxEntry) {
        if matches!(entry.body, OutboxBody::Receipts(_)) {
            self.waiting.remove(&entry.to);
        }
    }

    /// The clock was put back.
    pub(super) fn put_back(&mut self, now: Timestamp, delay: u64) {
        let latest = now.plus_millis(delay);
        self.owed.values_mut().for_each(|owed| owed.due = owed.due.min(latest));
    }

    /// What is owed to a peer, due at `due` or before.
    fn owe(&mut self, to: Amid, due: Timestamp) -> &mut Owed {
        let owed = self.owed.entry(to).or_insert_with(|| Owed::new(due));
        owed.due = owed.due.min(due);
        owed
    }

    pub(super) fn due(&self, now: Timestamp) -> Vec<Amid> {
        let mut due: Vec<_> =
            self.owed.iter().filter(|(_, o)| o.due <= now).map(|(p, _)| *p).collect();
        due.sort_unstable();
        due
    }
}

impl Engine {
    /// Peers whose receipts should be sent now, in the commit of what they are about.
    pub fn receipts_due(&self, now: Timestamp) -> Vec<Amid> {
        self.receipts.due(now)
    }

    pub(super) fn owe_receipt(&mut self, to: Amid, id: MessageId, stage: Stage, now: Timestamp) {
        let due = if stage >= Stage::Handled {
            Timestamp::ZERO
        } else {
            now.plus_millis(self.config.receipt_delay)
        };
        let owed = self.receipts.owe(to, due);
        match owed.receipts.iter_mut().find(|(known, _)| *known == id) {
            Some((_, known)) => *known = (*known).max(stage),
            None => owed.receipts.push((id, stage)),
        }
    }

    /// Tells the sender of a large payload that it will not be taken.
    pub(super) fn owe_refusal(&mut self, to: Amid, id: MessageId, stage: ReceiptStage) {
        let owed = self.receipts.owe(to, Timestamp::ZERO);
        if !owed.refusals.iter().any(|(known, _)| *known == id) {
            owed.refusals.push((id, stage));
        }
    }

    /// A frame of a stream is consumed soon after it came, mostly: one receipt does for both.
    pub(super) fn owe_delivered(&mut self, to: Amid, message: &Plaintext, now: Timestamp) {
        let wait = match message.kind {
            MessageType::Stream => limits::STREAM_RECEIPT_DELAY,
            _ => 0,
        };
        self.owe_receipt(to, message.id, Stage::Delivered, now.plus_millis(wait));
    }

    /// Sends what is owed to a peer in the session that is used for sending.
    pub(super) fn flush_receipts(&mut self, to: Amid, now: Timestamp, rng: &mut dyn CryptoRng) {
        let Some(owed) = self.receipts.owed.remove(&to) else { return };
        let reached = owed.receipts.into_iter().map(|(id, stage)| {
            let stage = if stage >= Stage::Handled {
                ReceiptStage::Handled
            } else {
                ReceiptStage::Delivered
            };
            Receipt { id, stage }
        });
        let refused = owed.refusals.into_iter().map(|(id, stage)| Receipt { id, stage });
        let receipts: Vec<_> = reached.chain(refused).collect();
        self.send_waiting_receipts(to, now, rng);
        if self.is_heard(to) {
            let asked = if owed.asks { self.unhandled(to) } else { Vec::new() };
            let asked = asked.into_iter().map(|id| Receipt { id, stage: ReceiptStage::Asked });
            let sent: Vec<_> = receipts.iter().copied().chain(asked).collect();
            if self.send_receipts(to, &sent, now, rng) {
                return;
            }
        }
        // What says no more than that a message arrived need not be kept: the peer sends it again in the next session.
        let (fleeting, lasting): (Vec<_>, Vec<_>) =
            receipts.into_iter().partition(|receipt| receipt.stage == ReceiptStage::Delivered);
        self.send_receipts(to, &fleeting, now, rng);
        self.keep_receipts(to, &lasting, now, rng);
    }

    /// Whether what is sent to a peer is read there: it has shown that it has the session. It may turn away the handshake of
    /// one of ours, and with it whatever was sent behind that.
    pub(super) fn is_heard(&self, peer: Amid) -> bool {
        let session = self.sending_session(peer).and_then(|id| self.sessions.get(&id));
        session.is_some_and(|entry| !entry.is_unconfirmed_initiator())
    }

    /// There is another session, and the peer has it: what waited for that goes in this step. Receipts of the peer may have
    /// been under way in the one before when that ended, and nobody sends those again: so it is asked about the messages that
    /// it has and that are not handled as far as we know.
    pub(super) fn wake_receipts(&mut self, peer: Amid) {
        let asks = !self.unhandled(peer).is_empty();
        if asks || self.receipts.waiting.contains_key(&peer) {
            self.receipts.owe(peer, Timestamp::ZERO).asks |= asks;
        }
    }

    /// Messages that a peer has and has not said that it handled, in order.
    fn unhandled(&self, peer: Amid) -> Vec<MessageId> {
        self.outbox_order
            .values()
            .filter_map(|id| self.outbox.get(id))
            .filter(|e| e.to == peer && e.is_message() && e.stage == Stage::Delivered)
            .map(|e| e.id)
            .collect()
    }

    /// The peer asks how far a message of its came. What is not handled yet is receipted when it is.
    fn on_asked(&mut self, from: Amid, id: MessageId, now: Timestamp) {
        if let Some(stage) = self.seen.get(&(from, id)).map(|seen| seen.stage) {
            self.owe_receipt(from, id, stage, now);
        }
    }

    /// False if there is no session to send them in, or that is used up.
    fn send_receipts(
        &mut self,
        to: Amid,
        receipts: &[Receipt],
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> bool {
        let Some(session) = self.sending_session(to) else { return false };
        receipts.chunks(limits::MAX_RECEIPTS).all(|chunk| {
            let mut plaintext = control(MessageType::Receipt, now, rng);
            plaintext.receipts = chunk.to_vec();
            self.send_control(to, session, &plaintext, now, rng)
        })
    }

    /// Keeps receipts until there is a session that the peer has.
    pub(super) fn keep_receipts(
        &mut self,
        to: Amid,
        receipts: &[Receipt],
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) {
        // Peers of 0.2 have no receipts.
        let native = self.peers.get(&to).is_some_and(|p| p.suite_pin > Suite::Legacy02.id());
        let waiting = self.receipts.waiting.get(&to).copied();
        let has_room = self.receipts.waiting.len() < limits::WAITING_RECEIPT_PEERS;
        if !native || receipts.is_empty() || (waiting.is_none() && !has_room) {
            return;
        }
        let id = waiting.unwrap_or_else(|| {
            let entry = OutboxEntry {
                id: MessageId::new_v7(now, rng),
                to,
                order: self.next_order(),
                created_at: now,
                expires_at: now.plus_millis(self.config.outbox_age),
                stage: Stage::Queued,
                body: OutboxBody::Receipts(Vec::new()),
                transmission: None,
            };
            let id = entry.id;
            self.add_entry(entry);
            id
        });
        // The peer's own entries end as long after they began, so the last of them counts.
        let expires_at = now.plus_millis(self.config.outbox_age);
        self.change_entry(id, |entry| {
            entry.expires_at = expires_at;
            let OutboxBody::Receipts(kept) = &mut entry.body else { return };
            for receipt in receipts {
                kept.retain(|known| known.id != receipt.id);
                kept.push(*receipt);
            }
            kept.drain(..kept.len().saturating_sub(limits::WAITING_RECEIPTS));
        });
    }

    /// Sends what waited for a session that the peer has, if there is one.
    pub(super) fn send_waiting_receipts(
        &mut self,
        to: Amid,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) {
        let Some(id) = self.receipts.waiting.get(&to).copied() else { return };
        if !self.is_heard(to) {
            return;
        }
        let Some(OutboxBody::Receipts(kept)) = self.outbox.get(&id).map(|e| &e.body) else {
            return;
        };
        let kept = kept.clone();
        if self.send_receipts(to, &kept, now, rng) {
            self.drop_entry(id);
        }
    }

    /// The peer tells how far our messages have come.
    pub(super) fn on_receipts(&mut self, from: Amid, receipts: &[Receipt], now: Timestamp) {
        let mut taken = 0;
        for Receipt { id, stage } in receipts {
            if *stage == ReceiptStage::Asked {
                self.on_asked(from, *id, now);
                continue;
            }
            if matches!(stage, ReceiptStage::Delivered | ReceiptStage::Handled)
                && self.on_part_receipt(from, id)
            {
                continue;
            }
            // Ids are ours, but only the recipient may speak for a message.
            let Some(entry) = self.outbox.get(id).filter(|e| e.to == from && e.is_message()) else {
                continue;
            };
            let reached = entry.stage;
            if stage.is_refusal() {
                self.on_refused(*id, *stage);
                continue;
            }
            let stage = match stage {
                ReceiptStage::Delivered => Stage::Delivered,
                ReceiptStage::Handled => Stage::Handled,
                _ => continue,
            };
            if stage <= reached {
                continue;
            }
            taken += usize::from(reached < Stage::Delivered);
            if stage == Stage::Handled {
                self.drop_entry(*id);
            } else {
                self.group_delivered(*id);
                self.change_entry(*id, |entry| {
                    entry.stage = stage;
                    entry.transmission = None;
                    if let OutboxBody::Message { plaintext, .. } = &mut entry.body {
                        *plaintext = None;
                    }
                });
            }
            // Handled says delivered as well; whoever counts stages gets each.
            if stage == Stage::Handled && reached < Stage::Delivered {
                let stage = Stage::Delivered;
                self.out.events.push(Event::Progress { to: from, id: *id, stage });
            }
            self.out.events.push(Event::Progress { to: from, id: *id, stage });
        }
        self.refill(from, taken, now);
    }
}

#[cfg(test)]
mod tests;
