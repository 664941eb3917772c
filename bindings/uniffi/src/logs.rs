//! The library's own log, for the logging of the application.

use std::{sync::Arc, time::Duration};

use agentmesh_facade::{LogLevel, LogQueue, LogRecord, subscribe_logs};

use crate::{
    NativeError,
    calls::{blocking, run},
};

/// How long a look into the queue waits; a reader that was cancelled holds its thread for as long.
const PATIENCE: Duration = Duration::from_millis(200);

/// How grave a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum NativeLogLevel {
    /// Nothing.
    Off,
    /// Bugs.
    Error,
    /// What was refused or did not work.
    Warn,
    /// Changes of state.
    Info,
    /// Single steps.
    Debug,
    /// Everything.
    Trace,
}

impl From<NativeLogLevel> for LogLevel {
    fn from(level: NativeLogLevel) -> Self {
        match level {
            NativeLogLevel::Off => Self::Off,
            NativeLogLevel::Error => Self::Error,
            NativeLogLevel::Warn => Self::Warn,
            NativeLogLevel::Info => Self::Info,
            NativeLogLevel::Debug => Self::Debug,
            NativeLogLevel::Trace => Self::Trace,
        }
    }
}

impl From<LogLevel> for NativeLogLevel {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Off => Self::Off,
            LogLevel::Error => Self::Error,
            LogLevel::Warn => Self::Warn,
            LogLevel::Info => Self::Info,
            LogLevel::Debug => Self::Debug,
            LogLevel::Trace => Self::Trace,
        }
    }
}

/// A line of the log. Holds no content and no keys.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct NativeLogRecord {
    /// How grave it is.
    pub level: NativeLogLevel,
    /// Which part of the library says it.
    pub target: String,
    /// What it says, with its fields behind.
    pub message: String,
    /// Records before this one that found the queue full.
    pub dropped: u64,
}

impl From<LogRecord> for NativeLogRecord {
    fn from(LogRecord { level, target, message, dropped }: LogRecord) -> Self {
        Self { level: level.into(), target, message, dropped }
    }
}

/// The log's reading end.
#[derive(uniffi::Object)]
pub struct NativeLogs(Arc<LogQueue>);

/// Begins to collect the log, once a process: nothing if that was done before, or the program has a subscriber of its own.
///
/// # Errors
/// `BINDING_PANICKED`
#[uniffi::export]
pub fn collect_logs(level: NativeLogLevel) -> Result<Option<Arc<NativeLogs>>, NativeError> {
    run(|| Ok(subscribe_logs(level.into()).map(|queue| Arc::new(NativeLogs(Arc::new(queue))))))
}

#[uniffi::export]
impl NativeLogs {
    /// The next record. For one reader; a record that comes while the reader is cancelled may be lost.
    pub async fn next(&self) -> Result<NativeLogRecord, NativeError> {
        loop {
            let queue = Arc::clone(&self.0);
            if let Some(record) = blocking(move || Ok(queue.next(PATIENCE))).await? {
                return Ok(record.into());
            }
        }
    }

    /// The least grave level that is collected, from now on.
    pub fn set_level(&self, level: NativeLogLevel) {
        self.0.set_level(level.into());
    }
}
