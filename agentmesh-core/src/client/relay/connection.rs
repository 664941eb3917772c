//! One accepted connection, from its first frame to its end: reads, writes and listens for silence at the same time.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::client::platform::time::{Instant, sleep_until, timeout};
use futures_util::{SinkExt, StreamExt, stream::SplitSink, stream::SplitStream};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{
    CLOSE_REPLACED, RelayCommand, RelayConfig, RelayError, RelayEvent,
    convert::{self, Received},
};
use crate::{
    client::{
        platform::Clock,
        subscription::Publisher,
        transport::{BoxSocket, Outgoing, TransportError},
    },
    wire::{relay_error::RelayErrorCode, relay_features::Features, relay_frame::PresenceStatus},
};

/// Commands written before they are flushed together.
const MAX_BATCH: usize = 64;
/// Acknowledgements of unusable messages that may wait for the writer; more are dropped, and come again.
const MAX_INTERNAL: usize = 16;

/// How a connection ended.
pub(super) struct Ended {
    pub(super) cause: Cause,
    /// When the relay wants to see us again.
    pub(super) retry_after: Option<Duration>,
}

/// Why a connection ended.
pub(super) enum Cause {
    /// The owner closed it, or stopped listening.
    Stopped,
    /// It is lost.
    Lost(RelayError),
}

/// What a connection shares with its task.
pub(super) struct Shared<'a> {
    pub(super) config: &'a RelayConfig,
    pub(super) clock: &'a Clock,
    pub(super) events: &'a Publisher<RelayEvent>,
    pub(super) stop: &'a CancellationToken,
    pub(super) features: Features,
}

/// What the owner wants written.
pub(super) struct Outbox<'a> {
    pub(super) commands: &'a mut mpsc::Receiver<RelayCommand>,
    pub(super) presence: &'a mut watch::Receiver<Option<PresenceStatus>>,
}

/// What the reader tells the writer, which watches over silence.
struct Liveness {
    heard: Mutex<Instant>,
    /// The reader waits for the owner, not for the relay.
    held_up: AtomicBool,
}

impl Liveness {
    fn hear(&self) {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn heard_since(&self, instant: Instant) -> bool {
        self.held_up.load(Ordering::Relaxed)
            || *self.heard.lock().unwrap_or_else(PoisonError::into_inner) >= instant
    }
}

/// Runs the connection to its end and closes it. `first_events` are published before what the relay sends next.
pub(super) async fn run(
    socket: BoxSocket,
    first_events: Vec<RelayEvent>,
    mut outbox: Outbox<'_>,
    shared: &Shared<'_>,
) -> Ended {
    let (mut sink, mut stream) = socket.split();
    let (internal_sender, mut internal) = mpsc::channel(MAX_INTERNAL);
    let liveness = Liveness { heard: Mutex::new(Instant::now()), held_up: AtomicBool::new(false) };
    let mut retry_after = None;
    let cause = tokio::select! {
        () = shared.stop.cancelled() => Cause::Stopped,
        () = shared.events.closed() => Cause::Stopped,
        cause = async {
            for event in first_events {
                if !publish(event, &liveness, shared).await {
                    return Cause::Stopped;
                }
            }
            read(&mut stream, &internal_sender, &liveness, shared, &mut retry_after).await
        } => cause,
        cause = write(&mut sink, &mut outbox, &mut internal, &liveness, shared) => cause,
    };
    let goodbye = async {
        let last_words = match &cause {
            Cause::Stopped => last_words(&mut sink, outbox.commands, shared.features).await,
            Cause::Lost(_) => Ok(()),
        };
        if last_words.is_ok() && sink.close().await.is_ok() {
            while let Some(Ok(_)) = stream.next().await {}
        }
    };
    // A relay that does not answer the goodbye must not hold us up.
    let _ = timeout(shared.config.close_timeout, goodbye).await;
    Ended { cause, retry_after }
}

async fn read(
    stream: &mut SplitStream<BoxSocket>,
    internal: &mpsc::Sender<Outgoing>,
    liveness: &Liveness,
    shared: &Shared<'_>,
    retry_after: &mut Option<Duration>,
) -> Cause {
    loop {
        let incoming = match stream.next().await {
            Some(Ok(incoming)) => incoming,
            Some(Err(source)) => return Cause::Lost(RelayError::Transport { source }),
            None => return Cause::Lost(RelayError::ClosedByRelay { code: None }),
        };
        liveness.hear();
        let event = match convert::receive(incoming) {
            Received::Closed(Some(CLOSE_REPLACED)) | Received::Event(RelayEvent::Replaced) => {
                return Cause::Lost(RelayError::Replaced);
            }
            Received::Closed(code) => return Cause::Lost(RelayError::ClosedByRelay { code }),
            Received::AckOnly(ack) => {
                // Without room it is dropped; the relay sends the message again on the next connection.
                let _ = internal.try_send(ack);
                continue;
            }
            Received::Event(event) => event,
            Received::Malformed => {
                tracing::debug!(target: "agentmesh", "relay frame does not parse, dropped");
                continue;
            }
            Received::Connected { .. } | Received::Nothing => continue,
        };
        if let RelayEvent::Error { code: RelayErrorCode::ShuttingDown, retry_after: wish, .. } =
            &event
        {
            *retry_after = *wish;
        }
        if !publish(event, liveness, shared).await {
            return Cause::Stopped;
        }
    }
}

/// Hands an event on; while the owner makes us wait, silence is not the relay's. False if the owner is gone.
async fn publish(event: RelayEvent, liveness: &Liveness, shared: &Shared<'_>) -> bool {
    liveness.held_up.store(true, Ordering::Relaxed);
    let delivered = shared.events.publish(event).await;
    liveness.hear();
    liveness.held_up.store(false, Ordering::Relaxed);
    delivered
}

async fn write(
    sink: &mut SplitSink<BoxSocket, Outgoing>,
    outbox: &mut Outbox<'_>,
    internal: &mut mpsc::Receiver<Outgoing>,
    liveness: &Liveness,
    shared: &Shared<'_>,
) -> Cause {
    let Outbox { commands, presence } = outbox;
    let Shared { config, clock, features, .. } = shared;
    let between_pings = config.ping_interval.max(Duration::from_millis(1));
    let mut next_ping = Instant::now() + between_pings;
    if presence.borrow().is_some() {
        presence.mark_changed();
    }
    // When the last ping was sent, while nothing has been heard since.
    let mut unanswered: Option<Instant> = None;
    loop {
        let silence = unanswered.map(|sent| sent + config.pong_timeout);
        let written = tokio::select! {
            command = commands.recv() => match command {
                None => return Cause::Stopped,
                Some(command) => write_batch(sink, command, commands, *features, config.write_timeout).await,
            },
            Some(message) = internal.recv() => {
                write_one(sink, message, config.write_timeout).await
            }
            Ok(()) = presence.changed() => {
                let Some(status) = presence.borrow_and_update().clone() else { continue };
                write_one(sink, convert::presence(status), config.write_timeout).await
            }
            () = sleep_until(next_ping) => {
                next_ping = Instant::now() + between_pings;
                unanswered.get_or_insert_with(Instant::now);
                write_one(sink, convert::ping(clock.now()), config.write_timeout).await
            }
            () = sleep_until(silence.unwrap_or_else(Instant::now)), if silence.is_some() => {
                match unanswered.take() {
                    Some(sent) if !liveness.heard_since(sent) => {
                        return Cause::Lost(RelayError::Silent { after: config.pong_timeout });
                    }
                    _ => continue,
                }
            }
        };
        if let Err(source) = written {
            return Cause::Lost(RelayError::Transport { source });
        }
    }
}

/// Writes `first` and what else is queued, and flushes once.
async fn write_batch(
    sink: &mut SplitSink<BoxSocket, Outgoing>,
    first: RelayCommand,
    commands: &mut mpsc::Receiver<RelayCommand>,
    features: Features,
    limit: Duration,
) -> Result<(), TransportError> {
    let mut next = Some(first);
    let mut written = 0;
    while let Some(command) = next {
        if let Some(message) = convert::send(command, features) {
            bounded(limit, sink.feed(message)).await?;
        }
        written += 1;
        next = if written < MAX_BATCH { commands.try_recv().ok() } else { None };
    }
    bounded(limit, sink.flush()).await
}

async fn write_one(
    sink: &mut SplitSink<BoxSocket, Outgoing>,
    message: Outgoing,
    limit: Duration,
) -> Result<(), TransportError> {
    bounded(limit, sink.send(message)).await
}

async fn bounded(
    limit: Duration,
    work: impl Future<Output = Result<(), TransportError>>,
) -> Result<(), TransportError> {
    timeout(limit, work).await.unwrap_or(Err(TransportError::Timeout { after: limit }))
}

/// What this end still says when it is the one that leaves: everything queued, and `disconnect`.
async fn last_words(
    sink: &mut SplitSink<BoxSocket, Outgoing>,
    commands: &mut mpsc::Receiver<RelayCommand>,
    features: Features,
) -> Result<(), TransportError> {
    while let Ok(command) = commands.try_recv() {
        if let Some(message) = convert::send(command, features) {
            sink.feed(message).await?;
        }
    }
    sink.send(convert::disconnect()).await
}
