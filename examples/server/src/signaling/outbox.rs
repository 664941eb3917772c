//! What waits to be written to one stream: bounded, and closed when its reader is too slow.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use axum::body::Bytes;

use super::event;

/// Events waiting on one stream, beyond which it counts as too slow.
const MAX_EVENTS: usize = 256;
/// Bytes likewise.
const MAX_BYTES: usize = 1024 * 1024;

#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Kind {
    Event,
    /// Waits for the next stream if this one ends before it was read.
    Signal,
    /// Only the newest roster matters.
    Roster,
    Keepalive,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<(Kind, Bytes)>,
    bytes: usize,
    closed: bool,
    waker: Option<Waker>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Outbox(Mutex<State>);

impl Outbox {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends an event. False if the stream is closed, which it is from the moment on that its reader lags too far
    /// behind: it will not have this event, and comes back for it.
    pub(super) fn push(&self, event: Bytes) -> bool {
        self.append(Kind::Event, event)
    }

    /// The same for a signal of a peer.
    pub(super) fn push_signal(&self, signal: Bytes) -> bool {
        self.append(Kind::Signal, signal)
    }

    /// Takes the signals back that nobody has read.
    pub(super) fn take_signals(&self) -> Vec<Bytes> {
        let mut state = self.lock();
        let (signals, rest) = std::mem::take(&mut state.waiting)
            .into_iter()
            .partition::<VecDeque<_>, _>(|(kind, _)| *kind == Kind::Signal);
        state.waiting = rest;
        let signals: Vec<_> = signals.into_iter().map(|(_, bytes)| bytes).collect();
        state.bytes -= signals.iter().map(Bytes::len).sum::<usize>();
        signals
    }

    /// Appends a roster; it replaces one that nobody has read yet.
    pub(super) fn push_roster(&self, roster: Bytes) {
        let mut state = self.lock();
        if let Some(at) = state.waiting.iter().position(|(kind, _)| *kind == Kind::Roster)
            && let Some((_, old)) = state.waiting.remove(at)
        {
            state.bytes -= old.len();
        }
        drop(state);
        self.append(Kind::Roster, roster);
    }

    /// Appends a keepalive. False if the one before was not read, or the stream is closed.
    pub(super) fn keep_alive(&self) -> bool {
        let waits = self.lock().waiting.iter().any(|(kind, _)| *kind == Kind::Keepalive);
        !waits && self.append(Kind::Keepalive, Bytes::from_static(event::KEEPALIVE))
    }

    fn append(&self, kind: Kind, bytes: Bytes) -> bool {
        let mut state = self.lock();
        if state.closed {
            return false;
        }
        if state.waiting.len() >= MAX_EVENTS || state.bytes + bytes.len() > MAX_BYTES {
            close(state);
            return false;
        }
        state.bytes += bytes.len();
        state.waiting.push_back((kind, bytes));
        wake(state);
        true
    }

    /// Ends the stream after what waits.
    pub(super) fn close(&self) {
        close(self.lock());
    }

    #[cfg(test)]
    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// The next bytes; `None` when the stream is closed and everything was read.
    pub(super) fn poll_next(&self, cx: &Context<'_>) -> Poll<Option<Bytes>> {
        let mut state = self.lock();
        match state.waiting.pop_front() {
            Some((_, bytes)) => {
                state.bytes -= bytes.len();
                Poll::Ready(Some(bytes))
            }
            None if state.closed => Poll::Ready(None),
            None => {
                state.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

fn close(mut state: MutexGuard<'_, State>) {
    state.closed = true;
    wake(state);
}

fn wake(mut state: MutexGuard<'_, State>) {
    let waker = state.waker.take();
    // Never under the lock: the reader takes it at once.
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(outbox: &Outbox) -> Vec<Bytes> {
        let cx = Context::from_waker(Waker::noop());
        std::iter::from_fn(|| match outbox.poll_next(&cx) {
            Poll::Ready(Some(bytes)) => Some(bytes),
            _ => None,
        })
        .collect()
    }

    #[test]
    fn only_the_newest_roster_waits() {
        let outbox = Outbox::default();
        outbox.push_roster("1".into());
        outbox.push("event".into());
        outbox.push_roster("2".into());
        assert_eq!(read(&outbox), ["event", "2"]);
    }

    #[test]
    fn a_reader_that_lags_is_cut_off_and_keeps_what_it_was_given() {
        let outbox = Outbox::default();
        assert!((0..MAX_EVENTS).all(|_| outbox.push("x".into())));
        assert!(!outbox.push("x".into()));
        assert!(outbox.is_closed());
        assert_eq!(read(&outbox).len(), MAX_EVENTS);
        let cx = Context::from_waker(Waker::noop());
        assert!(matches!(outbox.poll_next(&cx), Poll::Ready(None)));
        let outbox = Outbox::default();
        assert!(!outbox.push(vec![0; MAX_BYTES + 1].into()));
    }

    #[test]
    fn a_keepalive_that_nobody_read_is_not_repeated() {
        let outbox = Outbox::default();
        assert!(outbox.keep_alive());
        assert!(!outbox.keep_alive());
        assert_eq!(read(&outbox), [event::KEEPALIVE]);
        assert!(outbox.keep_alive());
    }
}
