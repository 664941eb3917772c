//! Everything that happens because time passes: pings, silent connections, old messages, forgotten agents. One task
//! for all connections instead of a timer for each.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use agentmesh_core::wire::relay_error::RelayErrorCode;

use super::{Relay, link::Link, websocket::close};
use crate::{clock, store::nonces};

const STEP: Duration = Duration::from_secs(1);
/// Steps between the rarer chores.
const RARELY: u64 = 30;

/// Runs until the server stops.
pub(super) async fn run(relay: Arc<Relay>) {
    let mut ticks = tokio::time::interval(STEP);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut step = 0_u64;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = relay.stopping.cancelled() => return,
        }
        relay.advance_uptime();
        relay.check_connections();
        relay.sweep_polls();
        relay.expire_messages();
        relay.redeliver();
        step += 1;
        if step.is_multiple_of(RARELY) {
            relay.do_chores().await;
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Relay {
    fn check_connections(&self) {
        let limit = millis(self.limits.idle_timeout);
        if limit == 0 {
            return;
        }
        // 25 s under the default limit of 60, as deployed relays do.
        let ping_after = limit * 5 / 12;
        let now = self.uptime_ms();
        self.hub.for_each(|agent| {
            if let Some(link) = agent.link() {
                self.check_connection(&link, now, limit, ping_after);
            }
        });
    }

    fn check_connection(&self, link: &Link, now: u64, limit: u64, ping_after: u64) {
        let heard = link.last_heard.load(Ordering::Relaxed);
        let silent = now.saturating_sub(heard);
        if silent >= limit {
            self.metrics.timed_out.increment(1);
            let why = "nothing was heard for too long";
            link.close(close::POLICY, Some((RelayErrorCode::IdleTimeout, why)));
        } else if silent >= ping_after {
            let pinged = link.last_pinged.load(Ordering::Relaxed);
            if pinged.max(heard) + ping_after <= now {
                link.last_pinged.store(now, Ordering::Relaxed);
                link.ping();
                self.flush(link);
            }
        }
    }

    fn expire_messages(&self) {
        let ttl = millis(self.limits.message_ttl);
        if ttl == 0 || self.hub.pending() == 0 {
            return;
        }
        let oldest = clock::now().minus_millis(ttl);
        self.hub.for_each(|agent| self.expire(agent, oldest));
    }

    /// Sends again what a connected recipient that acknowledges has not acknowledged for long: it was lost between the two,
    /// or the recipient had no room. Not while older bytes still wait for its socket: then it is only slow.
    fn redeliver(&self) {
        let after = millis(self.limits.redeliver_after);
        if after == 0 || self.hub.pending() == 0 {
            return;
        }
        let now = self.uptime_ms();
        self.hub.for_each(|agent| {
            let mut state = agent.lock();
            let Some(link) = state.link.clone() else { return };
            if link.features.ack
                && !link.is_closing()
                && link.outgoing.is_empty()
                && state.mailbox.mark_overdue(now, after)
            {
                link.put_aside();
            }
        });
    }

    async fn do_chores(&self) {
        let now = clock::now();
        self.hub.prune(now);
        self.arrivals.prune(now);
        self.metrics.upkeep();
        if let Err(error) = self.store.write(move |c| nonces::forget(c, now)).await {
            tracing::warn!(%error, "old nonces could not be deleted");
        }
    }
}
