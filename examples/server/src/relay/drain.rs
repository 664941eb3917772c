//! Sending a recipient what its mailbox holds: after `connected`, and when a slow connection has room again. Runs in
//! the recipient's own task.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
};

use super::{Relay, agent::Agent, encode, link::Link};
use crate::{
    envelope::Envelope,
    store::{StoreError, messages},
};

/// Messages read from the disk at a time.
const AT_A_TIME: usize = 32;

impl Relay {
    /// Sends what waits until everything was sent or there is no room; then the connection's task is woken later.
    pub(crate) async fn drain(
        self: &Arc<Self>,
        agent: &Agent,
        link: &Arc<Link>,
    ) -> Result<(), StoreError> {
        while link.has_backlog.load(Ordering::Acquire) && link.outgoing.has_room() {
            let unsent = {
                let state = agent.lock();
                let unsent = state.mailbox.unsent(AT_A_TIME);
                if unsent.is_empty() || !state.is_current(link) || link.is_closing() {
                    // Under the lock, so that what is put aside from now on sets it again.
                    link.has_backlog.store(false, Ordering::Release);
                    return Ok(());
                }
                unsent
            };
            let seqs = unsent.iter().filter(|(_, content)| content.is_none()).map(|(seq, _)| *seq);
            let stored = self.load(seqs.collect()).await?;
            self.send_unsent(agent, link, unsent, &stored);
            self.flush(link);
        }
        Ok(())
    }

    async fn load(&self, seqs: Vec<u64>) -> Result<HashMap<u64, Arc<Envelope>>, StoreError> {
        if seqs.is_empty() {
            return Ok(HashMap::new());
        }
        let rows = self.store.read(move |connection| messages::load(connection, &seqs)).await?;
        Ok(rows.into_iter().collect())
    }

    fn send_unsent(
        self: &Arc<Self>,
        agent: &Agent,
        link: &Arc<Link>,
        unsent: Vec<(u64, Option<Arc<Envelope>>)>,
        stored: &HashMap<u64, Arc<Envelope>>,
    ) {
        let now = self.uptime_ms();
        let mut state = agent.lock();
        if !state.is_current(link) {
            return;
        }
        for (seq, content) in unsent {
            // Acknowledged or expired meanwhile.
            if state.mailbox.get_mut(seq).is_none() {
                state.mailbox.sent(seq, now);
                continue;
            }
            let Some(envelope) = content.or_else(|| stored.get(&seq).cloned()) else {
                tracing::error!(seq, "a stored message is gone; it is skipped");
                state.mailbox.sent(seq, now);
                continue;
            };
            if !self.put_stored(link, &envelope) {
                return;
            }
            state.mailbox.sent(seq, now);
            if !link.features.ack {
                link.outgoing.track(seq);
            }
        }
    }

    fn put_stored(self: &Arc<Self>, link: &Arc<Link>, envelope: &Envelope) -> bool {
        let put = |out: &mut Vec<u8>| encode::stored(out, link.features, envelope);
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
}
