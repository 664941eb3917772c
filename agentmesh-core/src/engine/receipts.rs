//! Receipts that are owed. They are collected a peer and sent in one message; receipts are not receipted.

use std::collections::HashMap;

use rand_core::CryptoRng;

use crate::{
    identity::Amid,
    limits,
    time::Timestamp,
    wire::{
        id::MessageId,
        plaintext::{MessageType, Plaintext, Receipt, Stage as ReceiptStage},
    },
};

use super::{Engine, Event, Stage, outbound::control, records::OutboxBody};

/// What is owed to one peer.
#[derive(Debug)]
struct Owed {
    due: Timestamp,
    receipts: Vec<(MessageId, Stage)>,
    /// Payloads that will not be taken.
    refusals: Vec<(MessageId, ReceiptStage)>,
}

impl Owed {
    const fn new(due: Timestamp) -> Self {
        Self { due, receipts: Vec::new(), refusals: Vec::new() }
    }
}

/// Receipts not sent yet. Losing them in a crash is harmless: an unhandled message is receipted again at the
/// next start, and a handled one in the same commit that removes it from the inbox.
#[derive(Debug, Default)]
pub(super) struct PendingReceipts(HashMap<Amid, Owed>);

impl PendingReceipts {
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.0.values().map(|o| o.due).min()
    }

    pub(super) fn forget(&mut self, peer: &Amid) {
        self.0.remove(peer);
    }

    /// The clock was put back.
    pub(super) fn put_back(&mut self, now: Timestamp, delay: u64) {
        let latest = now.plus_millis(delay);
        self.0.values_mut().for_each(|owed| owed.due = owed.due.min(latest));
    }

    pub(super) fn due(&self, now: Timestamp) -> Vec<Amid> {
        let mut due: Vec<_> =
            self.0.iter().filter(|(_, o)| o.due <= now).map(|(p, _)| *p).collect();
        due.sort_unstable();
        due
    }
}

impl Engine {
    /// Peers whose receipts should be sent now.
    pub fn receipts_due(&self, now: Timestamp) -> Vec<Amid> {
        self.receipts.due(now)
    }

    pub(super) fn owe_receipt(&mut self, to: Amid, id: MessageId, stage: Stage, now: Timestamp) {
        let delay = if stage >= Stage::Handled { 0 } else { self.config.receipt_delay };
        let due = now.plus_millis(delay);
        let owed = self.receipts.0.entry(to).or_insert_with(|| Owed::new(due));
        owed.due = owed.due.min(due);
        match owed.receipts.iter_mut().find(|(known, _)| *known == id) {
            Some((_, known)) => *known = (*known).max(stage),
            None => owed.receipts.push((id, stage)),
        }
    }

    /// Tells the sender of a large payload that it will not be taken.
    pub(super) fn owe_refusal(
        &mut self,
        to: Amid,
        id: MessageId,
        stage: ReceiptStage,
        now: Timestamp,
    ) {
        let owed = self.receipts.0.entry(to).or_insert_with(|| Owed::new(now));
        owed.due = now;
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
        let Some(owed) = self.receipts.0.remove(&to) else { return };
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
        for chunk in receipts.chunks(limits::MAX_RECEIPTS) {
            let mut plaintext = control(MessageType::Receipt, now, rng);
            plaintext.receipts = chunk.to_vec();
            // Without a session there is nobody to tell; the peer will send again under a new one.
            if let Some(session) = self.sending_session(to) {
                self.send_control(to, session, &plaintext, now, rng);
            }
        }
    }

    /// The peer tells how far our messages have come.
    pub(super) fn on_receipts(&mut self, from: Amid, receipts: &[Receipt], now: Timestamp) {
        let mut taken = 0;
        for Receipt { id, stage } in receipts {
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
