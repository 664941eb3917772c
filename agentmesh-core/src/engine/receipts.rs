//! Receipts that are owed. They are collected a peer and sent in one message; receipts are not receipted.

use std::collections::HashMap;

use rand_core::CryptoRng;

use crate::{
    identity::Amid,
    limits,
    time::Timestamp,
    wire::{
        id::MessageId,
        plaintext::{MessageType, Receipt, Stage as ReceiptStage},
    },
};

use super::{Engine, Event, Stage, outbound::control, records::OutboxBody};

/// What is owed to one peer.
#[derive(Debug)]
struct Owed {
    due: Timestamp,
    receipts: Vec<(MessageId, Stage)>,
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
        let owed = self.receipts.0.entry(to).or_insert_with(|| Owed { due, receipts: Vec::new() });
        owed.due = owed.due.min(due);
        match owed.receipts.iter_mut().find(|(known, _)| *known == id) {
            Some((_, known)) => *known = (*known).max(stage),
            None => owed.receipts.push((id, stage)),
        }
    }

    /// Sends what is owed to a peer in the session that is used for sending.
    pub(super) fn flush_receipts(&mut self, to: Amid, now: Timestamp, rng: &mut dyn CryptoRng) {
        let Some(owed) = self.receipts.0.remove(&to) else { return };
        for chunk in owed.receipts.chunks(limits::MAX_RECEIPTS) {
            let receipts = chunk
                .iter()
                .map(|(id, stage)| {
                    let stage = if *stage >= Stage::Handled {
                        ReceiptStage::Handled
                    } else {
                        ReceiptStage::Delivered
                    };
                    Receipt { id: *id, stage }
                })
                .collect();
            let mut plaintext = control(MessageType::Receipt, now, rng);
            plaintext.receipts = receipts;
            // Without a session there is nobody to tell; the peer will send again under a new one.
            if let Some(session) = self.sending_session(to) {
                self.send_control(to, session, &plaintext, now, rng);
            }
        }
    }

    /// The peer tells how far our messages have come.
    pub(super) fn on_receipts(&mut self, from: Amid, receipts: &[Receipt]) {
        for Receipt { id, stage } in receipts {
            // Ids are ours, but only the recipient may speak for a message.
            let Some(entry) = self.outbox.get(id).filter(|e| e.to == from && e.is_message()) else {
                continue;
            };
            let reached = entry.stage;
            let stage = match stage {
                ReceiptStage::Delivered => Stage::Delivered,
                ReceiptStage::Handled => Stage::Handled,
                _ => continue,
            };
            if stage <= reached {
                continue;
            }
            if stage == Stage::Handled {
                self.drop_entry(*id);
            } else {
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
    }
}
