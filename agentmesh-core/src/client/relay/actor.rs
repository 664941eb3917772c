//! The task behind a [`RelayHandle`](super::RelayHandle): attempts, connections and the pauses between them.

use std::time::Duration;

use crate::client::platform::time::Instant;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{
    RelayCommand, RelayConfig, RelayContext, RelayError, RelayEvent, RelayState,
    connection::{self, Cause, Ended, Shared},
    handshake::{self, Established, Failure},
    pause,
};
use crate::{
    client::{backoff::Backoff, platform, subscription::Publisher},
    error::ErrorInfo,
    wire::relay_frame::PresenceStatus,
};

/// After silence, the least pause: a relay that still holds the old socket would let its late end deafen the new one.
const AFTER_SILENCE: Duration = Duration::from_secs(1);

/// The other ends of what a handle holds.
pub(super) struct Mailbox {
    pub(super) commands: mpsc::Receiver<RelayCommand>,
    pub(super) presence: watch::Receiver<Option<PresenceStatus>>,
    pub(super) events: Publisher<RelayEvent>,
    pub(super) state: watch::Sender<RelayState>,
    pub(super) stop: CancellationToken,
}

/// What ends the task: the final state.
struct Finished(RelayState);

pub(super) struct Actor {
    config: RelayConfig,
    context: RelayContext,
    mailbox: Mailbox,
    backoff: Backoff,
    /// Since when there was no connection that lasted.
    away_since: Option<Instant>,
}

impl Actor {
    pub(super) fn new(config: RelayConfig, context: RelayContext, mailbox: Mailbox) -> Self {
        let backoff = Backoff::new(config.backoff);
        Self { config, context, mailbox, backoff, away_since: None }
    }

    pub(super) async fn run(mut self) {
        let Finished(state) = self.serve().await;
        self.mailbox.state.send_replace(state);
        if state == RelayState::Replaced {
            tracing::warn!(target: "agentmesh", "another connection of this agent took over at the relay");
            // With nobody listening there is nobody to tell.
            let _ = self.mailbox.publish(RelayEvent::Replaced).await;
        }
    }

    async fn serve(&mut self) -> Finished {
        loop {
            if let Err(finished) = self.attempt().await {
                return finished;
            }
        }
    }

    /// One attempt, the connection that came of it, and the pause after it.
    async fn attempt(&mut self) -> Result<(), Finished> {
        let (error, wish) = match self.establish().await? {
            Ok(established) => self.use_connection(established).await?,
            Err(failure) => {
                for event in failure.events {
                    self.mailbox.publish(event).await?;
                }
                (failure.error, failure.retry_after)
            }
        };
        if error == RelayError::Replaced {
            return Err(Finished(RelayState::Replaced));
        }
        self.mailbox.state.send_replace(RelayState::Waiting);
        // What was queued for the lost connection is not acknowledged, so its owner sends it again.
        while self.mailbox.commands.try_recv().is_ok() {}
        let floor = match &error {
            RelayError::Silent { .. } => Some(AFTER_SILENCE.max(wish.unwrap_or_default())),
            _ => wish,
        };
        let away = self.away_since.get_or_insert_with(Instant::now).elapsed();
        let retry_in = pause::next(&mut self.backoff, away, floor, &mut *self.context.rng);
        let (code, retry_ms) = (error.code(), retry_in.as_millis());
        // Losing a connection is nothing special; that it stays away is, but not at every attempt of a night.
        let attempts = self.backoff.attempts();
        if attempts == 1 {
            tracing::info!(target: "agentmesh", code, retry_ms, "relay connection lost");
        } else if self.backoff.is_worth_telling() {
            tracing::warn!(target: "agentmesh", code, attempts, retry_ms, "relay still out of reach; trying on");
        } else {
            tracing::debug!(target: "agentmesh", code, retry_ms, "relay still out of reach");
        }
        self.mailbox.publish(RelayEvent::Disconnected { error, retry_in }).await?;
        self.mailbox.unless_stopped(platform::sleep(retry_in)).await
    }

    async fn establish(&mut self) -> Result<Result<Established, Failure>, Finished> {
        let Self { config, context, mailbox, .. } = self;
        mailbox.state.send_replace(RelayState::Connecting);
        tokio::select! {
            () = mailbox.stop.cancelled() => Err(Finished(RelayState::Closed)),
            () = mailbox.events.closed() => Err(Finished(RelayState::Closed)),
            established = handshake::establish(config, context) => Ok(established),
        }
    }

    async fn use_connection(
        &mut self,
        established: Established,
    ) -> Result<(RelayError, Option<Duration>), Finished> {
        let Established { socket, features, events } = established;
        tracing::info!(target: "agentmesh", ?features, "connected to the relay");
        // Before the event, so that whoever hears it can send.
        self.mailbox.state.send_replace(RelayState::Connected);
        let started = Instant::now();
        let shared = Shared {
            config: &self.config,
            clock: &self.context.clock,
            events: &self.mailbox.events,
            stop: &self.mailbox.stop,
            features,
        };
        let outgoing = connection::Outbox {
            commands: &mut self.mailbox.commands,
            presence: &mut self.mailbox.presence,
        };
        let Ended { cause, retry_after } = connection::run(socket, events, outgoing, &shared).await;
        if started.elapsed() >= self.config.stable_after {
            self.backoff.reset();
            self.away_since = None;
        }
        match cause {
            Cause::Stopped => Err(Finished(RelayState::Closed)),
            Cause::Lost(error) => Ok((error, retry_after)),
        }
    }
}

impl Mailbox {
    async fn publish(&self, event: RelayEvent) -> Result<(), Finished> {
        tokio::select! {
            () = self.stop.cancelled() => Err(Finished(RelayState::Closed)),
            delivered = self.events.publish(event) => {
                if delivered { Ok(()) } else { Err(Finished(RelayState::Closed)) }
            }
        }
    }

    async fn unless_stopped(&self, work: impl Future<Output = ()>) -> Result<(), Finished> {
        tokio::select! {
            () = self.stop.cancelled() => Err(Finished(RelayState::Closed)),
            () = self.events.closed() => Err(Finished(RelayState::Closed)),
            () = work => Ok(()),
        }
    }
}
