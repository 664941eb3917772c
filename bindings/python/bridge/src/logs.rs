//! The library's log, for Python's `logging`.

use std::time::Duration;

use agentmesh_facade::{LogLevel, LogQueue, PerProcess, subscribe_logs};
use pyo3::prelude::*;

use crate::bridge::{Callback, notify};

static QUEUE: PerProcess<LogQueue> = PerProcess::new();

/// How long the thread waits for a record before it waits again.
const PATIENCE: Duration = Duration::from_secs(3600);

const fn level(number: u8) -> LogLevel {
    match number {
        0 => LogLevel::Off,
        1 => LogLevel::Error,
        2 => LogLevel::Warn,
        3 => LogLevel::Info,
        4 => LogLevel::Debug,
        _ => LogLevel::Trace,
    }
}

/// Collects the log and gives every record, `(level, target, message, dropped)`, to a callable. Once a process; false if that was done before.
#[pyfunction]
pub fn start_logging(callback: Py<PyAny>, number: u8) -> bool {
    let Some(queue) = subscribe_logs(level(number)) else { return false };
    let made = std::sync::Mutex::new(Some(queue));
    let take = || made.lock().ok().and_then(|mut made| made.take()).ok_or(());
    let Ok(queue) = QUEUE.get_or_try_init(take) else { return false };
    let thread = std::thread::Builder::new().name("agentmesh-logging".to_owned());
    let callback = Callback::new(callback);
    let reading = move || {
        loop {
            let Some(record) = queue.next(PATIENCE) else { continue };
            notify(&callback, move |py| {
                let number = record.level as u8;
                let object = (number, record.target, record.message, record.dropped);
                Ok(object.into_pyobject(py)?.into_any().unbind())
            });
        }
    };
    thread.spawn(reading).is_ok()
}

/// The least grave level that is collected, from now on.
#[pyfunction]
pub fn set_log_level(number: u8) {
    if let Some(queue) = QUEUE.get() {
        queue.set_level(level(number));
    }
}
