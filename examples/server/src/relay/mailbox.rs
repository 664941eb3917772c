//! The messages of one recipient that are not acknowledged yet, in order of arrival. Payloads are here only until
//! they are on the disk.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use agentmesh_core::{Timestamp, wire::relay_id::RelayMessageId};

use crate::{envelope::Envelope, store::Ticket};

/// The pause before a message is sent again grows to this power of two of its first length.
const MAX_DOUBLINGS: u32 = 4;

/// One message.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) sender: Arc<str>,
    pub(crate) id: RelayMessageId,
    pub(crate) time: Timestamp,
    /// `None` once it is on the disk.
    pub(crate) envelope: Option<Arc<Envelope>>,
    pub(crate) ticket: Arc<Ticket>,
    /// The sender waits to hear that it is safe.
    pub(crate) answer: bool,
    /// When it was last sent on the recipient's present connection, in milliseconds of the server's time.
    pub(crate) sent_at: u64,
    /// How often it was sent on that connection.
    pub(crate) tries: u8,
    /// The recipient, who acknowledges nothing, has it; it stays until the sender can be answered.
    pub(crate) handed_over: bool,
}

impl Entry {
    /// Whether it is on the disk.
    pub(crate) const fn is_durable(&self) -> bool {
        self.envelope.is_none()
    }
}

/// Names a message for its recipient: an id means something only together with its sender.
type Key = (Arc<str>, RelayMessageId);

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    entries: BTreeMap<u64, Entry>,
    seqs: HashMap<Key, u64>,
    /// Everything below this was sent on the recipient's present connection.
    next: u64,
    /// Sent on that connection, not acknowledged for long, and to be sent again.
    again: BTreeSet<u64>,
}

impl Mailbox {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds a message; numbers only grow.
    pub(crate) fn insert(&mut self, seq: u64, entry: Entry) {
        self.seqs.insert((Arc::clone(&entry.sender), entry.id), seq);
        self.entries.insert(seq, entry);
    }

    /// The message with this sender's id.
    pub(crate) fn find(&mut self, sender: &Arc<str>, id: RelayMessageId) -> Option<&mut Entry> {
        if self.entries.is_empty() {
            return None;
        }
        let seq = self.seqs.get(&(Arc::clone(sender), id))?;
        self.entries.get_mut(seq)
    }

    /// Removes the message with this sender's id.
    pub(crate) fn acknowledge(&mut self, sender: &str, id: RelayMessageId) -> Option<(u64, Entry)> {
        let seq = *self.seqs.get(&(Arc::from(sender), id))?;
        self.remove(seq).map(|entry| (seq, entry))
    }

    /// Removes a message by number.
    pub(crate) fn remove(&mut self, seq: u64) -> Option<Entry> {
        let entry = self.entries.remove(&seq)?;
        self.seqs.remove(&(Arc::clone(&entry.sender), entry.id));
        self.again.remove(&seq);
        if self.entries.is_empty() && self.seqs.capacity() > 32 {
            self.seqs = HashMap::new();
        }
        Some(entry)
    }

    /// The message with this number.
    pub(crate) fn get_mut(&mut self, seq: u64) -> Option<&mut Entry> {
        self.entries.get_mut(&seq)
    }

    /// A new connection: everything is to be sent again.
    pub(crate) fn rewind(&mut self) {
        self.next = 0;
        self.again.clear();
        self.entries.values_mut().for_each(|entry| entry.tries = 0);
    }

    /// `seq` was sent on this connection, and with it everything before, or it was sent again.
    pub(crate) fn sent(&mut self, seq: u64, now: u64) {
        self.again.remove(&seq);
        self.next = self.next.max(seq + 1);
        if let Some(entry) = self.entries.get_mut(&seq) {
            entry.sent_at = now;
            entry.tries = entry.tries.saturating_add(1);
        }
    }

    /// Marks for sending again what was sent on this connection and not acknowledged within `after`, which doubles with
    /// each try. Whether there is such.
    pub(crate) fn mark_overdue(&mut self, now: u64, after: u64) -> bool {
        for (seq, entry) in self.entries.range(..self.next) {
            let doublings = u32::from(entry.tries.saturating_sub(1)).min(MAX_DOUBLINGS);
            if entry.tries > 0 && now.saturating_sub(entry.sent_at) >= after << doublings {
                self.again.insert(*seq);
            }
        }
        !self.again.is_empty()
    }

    /// Whether everything was sent on this connection.
    pub(crate) fn is_caught_up(&self) -> bool {
        self.entries.last_key_value().is_none_or(|(last, _)| *last < self.next)
    }

    /// Messages to be sent again, then the oldest ones not sent yet, with their content if it is here.
    pub(crate) fn unsent(&self, at_most: usize) -> Vec<(u64, Option<Arc<Envelope>>)> {
        let again = self.again.iter().filter_map(|seq| self.entries.get_key_value(seq));
        let unsent = again.chain(self.entries.range(self.next..));
        unsent.take(at_most).map(|(seq, entry)| (*seq, entry.envelope.clone())).collect()
    }

    /// Removes what came before `time`.
    pub(crate) fn expire(&mut self, time: Timestamp) -> Vec<(u64, Entry)> {
        let mut expired = Vec::new();
        while let Some((seq, entry)) = self.entries.first_key_value()
            && entry.time < time
        {
            let seq = *seq;
            expired.extend(self.remove(seq).map(|entry| (seq, entry)));
        }
        expired
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(sender: &str, id: u8, time: u64) -> Entry {
        Entry {
            sender: sender.into(),
            id: RelayMessageId::from_bytes([id; 16]),
            time: Timestamp::from_millis(time),
            envelope: None,
            ticket: Arc::default(),
            answer: false,
            sent_at: 0,
            tries: 0,
            handed_over: false,
        }
    }

    #[test]
    fn ids_are_scoped_to_their_senders() {
        let mut mailbox = Mailbox::default();
        mailbox.insert(1, entry("a", 7, 0));
        mailbox.insert(2, entry("b", 7, 0));
        let id = RelayMessageId::from_bytes([7; 16]);
        assert_eq!(mailbox.acknowledge("c", id).map(|(seq, _)| seq), None);
        assert_eq!(mailbox.acknowledge("b", id).map(|(seq, _)| seq), Some(2));
        assert_eq!(mailbox.acknowledge("b", id).map(|(seq, _)| seq), None);
        assert_eq!(mailbox.len(), 1);
        assert!(mailbox.find(&"a".into(), id).is_some());
    }

    #[test]
    fn a_new_connection_gets_everything_again_in_order() {
        let mut mailbox = Mailbox::default();
        (1..5).for_each(|seq| mailbox.insert(seq, entry("a", u8::try_from(seq).unwrap(), 0)));
        let seqs = |m: &Mailbox, n| m.unsent(n).iter().map(|(seq, _)| *seq).collect::<Vec<_>>();
        assert_eq!(seqs(&mailbox, 3), [1, 2, 3]);
        mailbox.sent(3, 0);
        assert!(!mailbox.is_caught_up());
        assert_eq!(seqs(&mailbox, 3), [4]);
        mailbox.sent(4, 0);
        assert!(mailbox.is_caught_up());
        mailbox.rewind();
        assert_eq!(seqs(&mailbox, 9), [1, 2, 3, 4]);
        mailbox.remove(4);
        mailbox.sent(3, 0);
        assert!(mailbox.is_caught_up());
    }

    #[test]
    fn what_is_not_acknowledged_is_sent_again_after_a_growing_pause() {
        let mut mailbox = Mailbox::default();
        (1..4).for_each(|seq| mailbox.insert(seq, entry("a", u8::try_from(seq).unwrap(), 0)));
        let seqs = |m: &Mailbox| m.unsent(9).iter().map(|(seq, _)| *seq).collect::<Vec<_>>();
        (1..3).for_each(|seq| mailbox.sent(seq, 1000));
        assert!(!mailbox.mark_overdue(5999, 5000));
        assert!(mailbox.mark_overdue(6000, 5000));
        assert_eq!(seqs(&mailbox), [1, 2, 3], "3 was never sent");
        mailbox.remove(2);
        mailbox.sent(1, 6000);
        assert_eq!(seqs(&mailbox), [3]);
        assert!(!mailbox.mark_overdue(15_999, 5000) && mailbox.mark_overdue(16_000, 5000));
        mailbox.rewind();
        assert!(!mailbox.mark_overdue(1_000_000, 5000), "a new connection begins anew");
        assert_eq!(seqs(&mailbox), [1, 3]);
    }

    #[test]
    fn expires_from_the_oldest() {
        let mut mailbox = Mailbox::default();
        (1..4).for_each(|n| mailbox.insert(n, entry("a", u8::try_from(n).unwrap(), n * 10)));
        let expired = mailbox.expire(Timestamp::from_millis(30));
        assert_eq!(expired.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(mailbox.len(), 1);
    }
}
