//! How a message's stay ends: acknowledged by its recipient, taken by a socket whose owner acknowledges nothing, too
//! old, or lost because the disk failed; and what its sender hears of it.

use std::{collections::HashMap, sync::Arc};

use agentmesh_core::{
    Timestamp,
    wire::{relay_error::RelayErrorCode, relay_id::RelayMessageId},
};

use super::{Relay, agent::Agent, link::Link, mailbox::Entry};
use crate::store::Flushed;

/// Connections on which something was appended, each flushed once.
#[derive(Default)]
struct Touched(HashMap<u64, Arc<Link>>);

impl Relay {
    /// `recipient` has the message durably. Anything else that is said about a message is ignored: only the
    /// addressee's own mailbox is looked into, under the sender that the acknowledgement names.
    pub(crate) fn acknowledge(&self, recipient: &Agent, sender: &str, id: RelayMessageId) {
        let Some((seq, entry)) = recipient.lock().mailbox.acknowledge(sender, id) else { return };
        self.metrics.acknowledged.increment(1);
        let tell = entry.answer && !entry.is_durable();
        self.end(seq, &entry);
        if tell && let Some(link) = self.tell_safe(&entry, &recipient.amid) {
            self.flush(&link);
        }
    }

    /// What the writer reports after a transaction.
    pub(crate) fn flushed(&self, batch: Vec<Flushed>) {
        let mut touched = Touched::default();
        for Flushed { recipient, seq, durable } in batch {
            let Some(agent) = self.hub.get(&recipient) else { continue };
            let mut state = agent.lock();
            let Some(entry) = state.mailbox.get_mut(seq) else { continue };
            if durable && !entry.handed_over {
                entry.envelope = None;
                if entry.answer {
                    let told = (Arc::clone(&entry.sender), entry.id);
                    drop(state);
                    touched.add(self.tell_safe_to(&told.0, told.1, &recipient));
                }
                continue;
            }
            let Some(entry) = state.mailbox.remove(seq) else { continue };
            drop(state);
            self.end(seq, &entry);
            touched.add(match (durable, entry.answer) {
                (true, true) => self.tell_safe(&entry, &recipient),
                (false, true) => self.tell_failed(&entry),
                (_, false) => None,
            });
        }
        touched.0.values().for_each(|link| self.flush(link));
    }

    /// Writes what waits on a connection, and lets go of what a client that acknowledges nothing now has.
    pub(crate) fn flush(&self, link: &Link) {
        self.handed_over(link, link.outgoing.flush());
    }

    /// The socket has taken these messages.
    pub(crate) fn handed_over(&self, link: &Link, seqs: Vec<u64>) {
        if seqs.is_empty() {
            return;
        }
        let Some(agent) = self.hub.get(&link.amid) else { return };
        let mut ended = Vec::new();
        let mut state = agent.lock();
        for seq in seqs {
            let Some(entry) = state.mailbox.get_mut(seq) else { continue };
            if entry.answer && !entry.is_durable() {
                entry.handed_over = true;
            } else {
                ended.extend(state.mailbox.remove(seq).map(|entry| (seq, entry)));
            }
        }
        drop(state);
        ended.iter().for_each(|(seq, entry)| self.end(*seq, entry));
    }

    /// Lets go of messages that came before `time`.
    pub(crate) fn expire(&self, agent: &Agent, time: Timestamp) {
        let expired = agent.lock().mailbox.expire(time);
        for (seq, entry) in &expired {
            self.metrics.expired.increment(1);
            self.end(*seq, entry);
        }
    }

    /// An entry has left its mailbox: it need not be written, or not stay written.
    fn end(&self, seq: u64, entry: &Entry) {
        self.hub.sub_pending(1);
        self.metrics.pending.decrement(1.0);
        if !entry.ticket.cancel() {
            self.store.delete(seq);
        }
    }

    fn tell_safe(&self, entry: &Entry, recipient: &str) -> Option<Arc<Link>> {
        self.tell_safe_to(&entry.sender, entry.id, recipient)
    }

    /// Appends `ack` on the sender's connection, if it has one; otherwise it will ask again.
    fn tell_safe_to(&self, sender: &str, id: RelayMessageId, recipient: &str) -> Option<Arc<Link>> {
        let link = self.hub.get(sender)?.link().filter(|link| link.features.ack)?;
        link.acknowledge(recipient, id);
        Some(link)
    }

    fn tell_failed(&self, entry: &Entry) -> Option<Arc<Link>> {
        let link = self.hub.get(&entry.sender)?.link().filter(|link| link.features.ack)?;
        let text = "the message could not be stored; send it again".to_owned();
        link.refuse(RelayErrorCode::InternalError, text, None, Some(entry.id));
        Some(link)
    }
}

impl Touched {
    fn add(&mut self, link: Option<Arc<Link>>) {
        if let Some(link) = link {
            self.0.insert(link.id, link);
        }
    }
}
