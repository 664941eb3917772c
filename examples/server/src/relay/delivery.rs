//! From a sender to a recipient: at once if the recipient is there, into the mailbox and to the disk if anybody
//! acknowledges, and into the mailbox if the recipient is absent or slow.
//!
//! Between two clients that know nothing but 0.2, a message for a recipient who is there is forwarded and forgotten,
//! as it always was. If the sender gave the message an id, it is kept until it is on the disk, and the sender told
//! so. If the recipient acknowledges, it is kept until it does.

use std::sync::Arc;

use agentmesh_core::{
    Timestamp,
    wire::{relay_frame::RelayMessageType, relay_id::RelayMessageId},
};

use super::{
    Relay,
    agent::{Agent, AgentState},
    encode::{self, Body, Receive},
    link::Link,
    mailbox::Entry,
};
use crate::{envelope::Envelope, faults::Mishap, limits::reached, store::Row};

/// A message as its sender's connection parsed it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Incoming<'a> {
    pub(crate) from: &'a Arc<str>,
    /// Given only by senders who want to hear that the message is safe.
    pub(crate) id: Option<RelayMessageId>,
    pub(crate) kind: &'a RelayMessageType,
    pub(crate) time: Timestamp,
    pub(crate) time_text: &'a str,
    pub(crate) body: Body<'a>,
    pub(crate) ice: Option<&'a str>,
}

/// What became of it.
#[derive(Debug)]
pub(crate) enum Delivered {
    /// There is nothing to tell the sender now.
    Done,
    /// It is on the disk already: the sender repeats itself.
    Safe,
    /// The recipient is there but slow, and the message is of a kind that is not stored without need.
    NoRoom(Arc<Link>),
    /// As many messages wait for the recipient as are kept for one agent.
    InboxFull,
    /// As many messages wait as are kept in all.
    StoreFull,
}

/// What became of a message, and the connection on which something now waits to be flushed.
pub(crate) type Delivery = (Delivered, Option<Arc<Link>>);

impl Relay {
    /// Delivers or keeps a message.
    pub(crate) fn deliver(
        self: &Arc<Self>,
        recipient: &Agent,
        incoming: &Incoming<'_>,
    ) -> Delivery {
        let mut state = recipient.lock();
        let AgentState { link, mailbox, .. } = &mut *state;
        if let Some(id) = incoming.id
            && let Some(entry) = mailbox.find(incoming.from, id)
        {
            // The sender did not get our answer. It gets it now, or when the message is safe.
            entry.answer = true;
            let safe = entry.is_durable();
            return (if safe { Delivered::Safe } else { Delivered::Done }, None);
        }
        let link = link.as_ref().filter(|link| !link.is_closing());
        let live = link.filter(|_| mailbox.is_caught_up());
        let kept = incoming.id.is_some() || link.is_none_or(|link| link.features.ack);
        if !kept && let Some(link) = live {
            if self.put(link, incoming, None) {
                self.metrics.accepted.increment(1);
                return (Delivered::Done, Some(Arc::clone(link)));
            }
            if !link.outgoing.is_stalled() {
                return (Delivered::NoRoom(Arc::clone(link)), None);
            }
        }
        if reached(self.limits.pending_per_agent, mailbox.len()) {
            return (Delivered::InboxFull, None);
        }
        if reached(self.limits.stored_messages, self.hub.pending()) {
            return (Delivered::StoreFull, None);
        }
        let id = incoming.id.unwrap_or_else(|| self.own_message_id());
        let seq = self.hub.next_seq();
        let row = self.row(recipient, incoming, id, seq);
        let ticket = Arc::default();
        mailbox.insert(
            seq,
            Entry {
                sender: Arc::clone(incoming.from),
                id,
                time: incoming.time,
                envelope: Some(Arc::clone(&row.envelope)),
                ticket: Arc::clone(&ticket),
                answer: incoming.id.is_some(),
                sent_at: 0,
                tries: 0,
                handed_over: false,
            },
        );
        let mut touched = None;
        if let Some(link) = live
            && self.put(link, incoming, Some(id))
        {
            mailbox.sent(seq, self.uptime_ms());
            if !link.features.ack {
                link.outgoing.track(seq);
            }
            touched = Some(Arc::clone(link));
        } else if let Some(link) = link {
            link.put_aside();
        }
        drop(state);
        self.hub.add_pending(1);
        self.metrics.accepted.increment(1);
        self.metrics.pending.increment(1.0);
        self.store.insert(row, ticket);
        (Delivered::Done, touched)
    }

    fn row(&self, recipient: &Agent, incoming: &Incoming<'_>, id: RelayMessageId, seq: u64) -> Row {
        let envelope = Envelope {
            from: Arc::clone(incoming.from),
            id,
            kind: incoming.kind.clone(),
            time: incoming.time,
            payload: incoming.body.to_payload(),
        };
        Row { seq, recipient: Arc::clone(&recipient.amid), envelope: Arc::new(envelope) }
    }

    /// Puts a message on the recipient's connection, if there is room.
    fn put(
        self: &Arc<Self>,
        link: &Arc<Link>,
        incoming: &Incoming<'_>,
        id: Option<RelayMessageId>,
    ) -> bool {
        let &Incoming { from, kind, time, time_text, body, ice, .. } = incoming;
        // A binary frame has an id, whether anybody acknowledges it or not.
        let id = id.or_else(|| link.features.binary.then(|| self.own_message_id()));
        let message = Receive { from, id, kind, time, time_text, body, ice };
        let put = |out: &mut Vec<u8>| encode::receive(out, link.features, &message);
        if let Some(mishap) = self.dice.delivery() {
            let mut bytes = Vec::new();
            put(&mut bytes);
            self.put_badly(link, bytes, mishap);
            return true;
        }
        let put = link.outgoing.append_if_room(put);
        if put {
            self.metrics.delivered.increment(1);
        }
        put
    }

    /// Puts an encoded message on a connection the way faults want it.
    pub(super) fn put_badly(self: &Arc<Self>, link: &Arc<Link>, bytes: Vec<u8>, mishap: Mishap) {
        if mishap.lost {
            return;
        }
        let (relay, link) = (Arc::clone(self), Arc::clone(link));
        self.tasks.spawn(async move {
            tokio::time::sleep(mishap.delay).await;
            for _ in 0..=u8::from(mishap.twice) {
                link.outgoing.append(|out| out.extend_from_slice(&bytes));
                relay.metrics.delivered.increment(1);
            }
            relay.flush(&link);
        });
    }
}
