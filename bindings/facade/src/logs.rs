//! The library's own log, for the logging of the application's language: a queue that a binding reads.
//!
//! Until somebody subscribes nothing is collected. Beyond its bound the queue drops, and counts what it dropped. A process that
//! was forked off subscribes for itself. Programs in Rust that install a subscriber of their own keep it; then there is no queue.

use std::{
    fmt::{self, Write as _},
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicU8, AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    time::Duration,
};

use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    Registry,
    layer::{Context, Layer, SubscriberExt},
};

use crate::PerProcess;

/// Records that wait for a reader, at most.
const RECORDS: usize = 1024;

/// How grave a record is. By number, 0 is off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Nothing.
    Off = 0,
    /// Bugs.
    Error = 1,
    /// What was refused or did not work.
    Warn = 2,
    /// Changes of state.
    Info = 3,
    /// Single steps.
    Debug = 4,
    /// Everything.
    Trace = 5,
}

/// A line of the log. Holds no content and no keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// How grave it is.
    pub level: LogLevel,
    /// Which part of the library says it, such as `agentmesh_core::client::relay`.
    pub target: String,
    /// What it says, with its fields behind.
    pub message: String,
    /// Records before this one that found the queue full.
    pub dropped: u64,
}

/// The log's reading end.
#[derive(Debug)]
pub struct LogQueue(Mutex<Receiver<LogRecord>>);

impl LogQueue {
    /// The next record; `None` when none came within the time. Blocks.
    pub fn next(&self, patience: Duration) -> Option<LogRecord> {
        let records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        records.recv_timeout(patience).ok()
    }

    /// The least grave level that is collected, from now on.
    pub fn set_level(&self, level: LogLevel) {
        LEVEL.store(level as u8, Ordering::Relaxed);
    }
}

static LEVEL: AtomicU8 = AtomicU8::new(LogLevel::Off as u8);
/// Whether the subscriber of this program is ours.
static OURS: OnceLock<bool> = OnceLock::new();
static SINK: PerProcess<Sink> = PerProcess::new();

/// The writing end.
#[derive(Debug)]
struct Sink {
    sender: SyncSender<LogRecord>,
    dropped: AtomicU64,
}

/// Begins to collect the log; once a process. `None` if that was done before, or the program has another subscriber.
pub fn subscribe_logs(level: LogLevel) -> Option<LogQueue> {
    let set =
        || tracing::subscriber::set_global_default(Registry::default().with(QueueLayer)).is_ok();
    if !OURS.get_or_init(set) {
        return None;
    }
    let made = Mutex::new(None);
    let make = || {
        let (sender, receiver) = sync_channel(RECORDS);
        *made.lock().unwrap_or_else(PoisonError::into_inner) = Some((receiver, sender.clone()));
        Ok::<_, ()>(Sink { sender, dropped: AtomicU64::new(0) })
    };
    SINK.get_or_try_init(make).ok()?;
    let (receiver, _) = made.into_inner().unwrap_or_else(PoisonError::into_inner)?;
    let queue = LogQueue(Mutex::new(receiver));
    queue.set_level(level);
    Some(queue)
}

struct QueueLayer;

const fn level_of(level: &Level) -> LogLevel {
    match *level {
        Level::ERROR => LogLevel::Error,
        Level::WARN => LogLevel::Warn,
        Level::INFO => LogLevel::Info,
        Level::DEBUG => LogLevel::Debug,
        Level::TRACE => LogLevel::Trace,
    }
}

/// Ours, and nobody else's: libraries below say what they send and receive.
fn is_ours(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with("agentmesh")
}

impl<S: Subscriber> Layer<S> for QueueLayer {
    fn register_callsite(
        &self,
        metadata: &'static Metadata<'static>,
    ) -> tracing::subscriber::Interest {
        if is_ours(metadata) {
            tracing::subscriber::Interest::sometimes()
        } else {
            tracing::subscriber::Interest::never()
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        is_ours(metadata) && level_of(metadata.level()) as u8 <= LEVEL.load(Ordering::Relaxed)
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let Some(Sink { sender, dropped }) = SINK.get() else { return };
        let mut text = Text::default();
        event.record(&mut text);
        let record = LogRecord {
            level: level_of(event.metadata().level()),
            target: event.metadata().target().to_owned(),
            message: text.message + &text.fields,
            dropped: dropped.swap(0, Ordering::Relaxed),
        };
        if let Err(TrySendError::Full(record)) = sender.try_send(record) {
            dropped.fetch_add(record.dropped.saturating_add(1), Ordering::Relaxed);
        }
    }
}

#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string does not fail.
        let _ = if field.name() == "message" {
            write!(self.message, "{value:?}")
        } else {
            write!(self.fields, " {}={value:?}", field.name())
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_ours_come_from_their_level_on() {
        let queue = subscribe_logs(LogLevel::Info).unwrap();
        assert!(subscribe_logs(LogLevel::Info).is_none(), "once a process");
        tracing::debug!(target: "agentmesh_test", "too fine");
        tracing::warn!(target: "somebody_else", "not ours");
        tracing::info!(target: "agentmesh_test", count = 3, "hello");
        let record = queue.next(Duration::from_secs(10)).unwrap();
        assert_eq!((record.level, record.message.as_str()), (LogLevel::Info, "hello count=3"));
        queue.set_level(LogLevel::Off);
        tracing::error!(target: "agentmesh_test", "off");
        assert_eq!(queue.next(Duration::ZERO), None);
    }
}
