//! What an application's end of a stream and the driver both see. Locks are held for a moment only, never while waiting.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Notify, mpsc, oneshot, watch};

use super::{OpenStream, StreamError};
use crate::{
    Error,
    engine::NewMessage,
    stream::{Sender, Stop, StreamKey},
    wire::{plaintext::StreamTerms, stream::StreamFrame},
};

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is inside is changed in single steps: a panic elsewhere is no reason to stop.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Streams that the driver should look at.
#[derive(Debug, Default)]
pub(crate) struct StreamHub {
    touched: Mutex<BTreeSet<StreamKey>>,
    wake: Notify,
}

impl StreamHub {
    pub(crate) fn touch(&self, key: StreamKey) {
        lock(&self.touched).insert(key);
        self.wake.notify_one();
    }

    /// Has the driver look, at no stream in particular.
    pub(crate) fn poke(&self) {
        self.wake.notify_one();
    }

    pub(crate) fn take(&self) -> BTreeSet<StreamKey> {
        core::mem::take(&mut *lock(&self.touched))
    }

    /// Completes when something was touched since the last time.
    pub(crate) async fn touched(&self) {
        self.wake.notified().await;
    }
}

/// A sending end.
#[derive(Debug)]
pub(crate) struct OutgoingCell {
    pub(crate) key: StreamKey,
    sender: Mutex<Sender>,
    changed: watch::Sender<()>,
}

impl OutgoingCell {
    pub(crate) fn new(key: StreamKey, sender: Sender) -> Self {
        Self { key, sender: Mutex::new(sender), changed: watch::Sender::new(()) }
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut Sender) -> T) -> T {
        look(&mut lock(&self.sender))
    }

    /// A change that the application may wait for.
    pub(crate) fn update<T>(&self, change: impl FnOnce(&mut Sender) -> T) -> T {
        let result = self.with(change);
        self.changed.send_replace(());
        result
    }

    /// The frame that was made last is on disk.
    pub(crate) fn committed(&self, hub: &StreamHub) {
        self.update(Sender::committed);
        hub.touch(self.key);
    }
}

impl From<&Stop> for Error {
    fn from(stop: &Stop) -> Self {
        match stop {
            Stop::Ended => StreamError::Unknown.into(),
            Stop::Cancelled { reason } => StreamError::Cancelled { reason: reason.clone() }.into(),
            Stop::Stalled => StreamError::Stalled.into(),
            Stop::Broken(error) => error.as_ref().clone(),
        }
    }
}

/// What the driver tells a reading end.
#[derive(Debug)]
pub(crate) enum StreamItem {
    /// The next chunks, in order.
    Frame(StreamFrame),
    /// The sender is there.
    Alive,
    /// There will be no more.
    Failed(Error),
}

/// How a reading end leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Leave {
    /// It wants no more.
    Cancel(String),
    /// It will be back.
    Detach,
}

/// What a reading end says: how far it is, and that it leaves.
#[derive(Debug, Default)]
pub(crate) struct IncomingCell {
    state: Mutex<(u64, Option<Leave>)>,
}

impl IncomingCell {
    pub(crate) fn consumed(&self, number: u64) {
        let mut state = lock(&self.state);
        state.0 = state.0.max(number);
    }

    pub(crate) fn leave(&self, leave: Leave) {
        lock(&self.state).1.get_or_insert(leave);
    }

    pub(crate) fn look(&self) -> (u64, Option<Leave>) {
        lock(&self.state).clone()
    }
}

/// The driver's half of a reading end.
#[derive(Debug, Clone)]
pub(crate) struct ReaderEnd {
    pub(crate) items: mpsc::Sender<StreamItem>,
    pub(crate) cell: Arc<IncomingCell>,
}

type Reply<T> = oneshot::Sender<Result<T, Error>>;

/// What applications ask of the driver.
#[derive(Debug)]
pub(crate) enum StreamCommand {
    /// Sends a request whose answer is to be a stream.
    Open {
        key: StreamKey,
        message: Box<NewMessage>,
        terms: StreamTerms,
        end: ReaderEnd,
        reply: Reply<()>,
    },
    /// Reads on.
    Resume { key: StreamKey, from: u64, end: ReaderEnd, reply: Reply<()> },
    /// Answers a request with a stream.
    Answer { key: StreamKey, terms: StreamTerms, reply: Reply<Arc<OutgoingCell>> },
    /// Streams that have not ended.
    List { reply: Reply<Vec<OpenStream>> },
}
