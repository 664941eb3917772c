//! WebRTC signaling: rooms in memory, a stream of server-sent events to each client, signals from one to another.
//!
//! `hub` → `room` → `session` → `outbox` hold the state and know neither sockets nor clocks; `routes` and `stream` are
//! the HTTP around them. Nothing is stored: after a restart, clients that come back get fresh identities.
//! Not end-to-end encrypted: who runs the server sees and could change every signal.

mod body;
pub(crate) mod bucket;
mod cors;
mod event;
mod hub;
mod ice;
mod join_keys;
mod outbox;
pub(crate) mod query;
mod room;
mod routes;
mod session;
mod stream;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

pub use bucket::Rate;
pub(crate) use hub::Hub;
pub use hub::{SignalingLimits, SignalingTimes};
pub use ice::{IceConfig, TurnConfig, TurnCredentials};
pub use join_keys::JoinKeys;
pub(crate) use routes::routes;

/// Keepalives and pruning, until the server stops; then ends every stream.
pub(crate) async fn run(hub: Arc<Hub>, stopping: CancellationToken) {
    let mut ticks = tokio::time::interval(hub.tick_every());
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => hub.tick(hub.now()),
            () = stopping.cancelled() => break,
        }
    }
    hub.end();
}
