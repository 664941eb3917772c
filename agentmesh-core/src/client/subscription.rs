//! Bounded streams of events, with a handle that ends them.
//!
//! Two ways to fill one: [`Publisher`] waits for a slow reader and loses nothing; [`Fanout`] serves many readers, never
//! waits, and tells a reader that fell behind how many events it missed. Knows nothing of what the events are.

use std::{
    fmt,
    pin::Pin,
    sync::{Mutex, PoisonError},
    task::{Context, Poll},
};

use futures_core::Stream;
use tokio::sync::mpsc;

/// A bounded stream of events that belongs to one reader.
///
/// Ends when the reader closes or drops it, or when the source is gone. Dropping it releases everything.
pub struct Subscription<T> {
    events: mpsc::Receiver<T>,
}

impl<T> Subscription<T> {
    /// The next event, `None` after the last. Safe to cancel: an event is either returned or still there.
    pub async fn next(&mut self) -> Option<T> {
        self.events.recv().await
    }

    /// The next event if there is one now.
    pub fn try_next(&mut self) -> Option<T> {
        self.events.try_recv().ok()
    }

    /// Stops the source. What is queued can still be read; after it the stream ends.
    pub fn close(&mut self) {
        self.events.close();
    }
}

impl<T> Stream for Subscription<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.events.poll_recv(cx)
    }
}

impl<T> fmt::Debug for Subscription<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("queued", &self.events.len())
            .field("capacity", &self.events.max_capacity())
            .finish()
    }
}

/// The writing end of one [`Subscription`]: waits while it is full.
pub struct Publisher<T> {
    events: mpsc::Sender<T>,
}

impl<T> Publisher<T> {
    /// Waits for room and hands the event on. False if the reader is gone.
    ///
    /// Safe to cancel: a cancelled event was not handed on.
    pub async fn publish(&self, event: T) -> bool {
        self.events.send(event).await.is_ok()
    }

    /// Completes when the reader is gone.
    pub async fn closed(&self) {
        self.events.closed().await;
    }
}

/// A stream with room for `capacity` events, and its writing end.
pub fn subscription<T>(capacity: usize) -> (Publisher<T>, Subscription<T>) {
    let (sender, receiver) = mpsc::channel(capacity.max(1));
    (Publisher { events: sender }, Subscription { events: receiver })
}

/// An event that can say that others were dropped.
pub trait Lag {
    /// Stands in for `missed` events that the reader was too slow for.
    fn lagged(missed: u64) -> Self;
}

/// Sends each event to every reader, and never waits for one.
pub struct Fanout<T> {
    readers: Mutex<Vec<Reader<T>>>,
    capacity: usize,
}

struct Reader<T> {
    events: mpsc::Sender<T>,
    missed: u64,
}

impl<T: Lag + Clone> Fanout<T> {
    /// Without readers; each will get room for `capacity` events.
    pub const fn new(capacity: usize) -> Self {
        // Two: the gap report and the event after it.
        Self { readers: Mutex::new(Vec::new()), capacity: if capacity < 2 { 2 } else { capacity } }
    }

    /// A new reader; it sees what is published from now on.
    pub fn subscribe(&self) -> Subscription<T> {
        let (sender, receiver) = mpsc::channel(self.capacity);
        let mut readers = self.lock();
        // Where nothing is published, nobody else would ever notice that they are gone.
        readers.retain(|reader| !reader.events.is_closed());
        readers.push(Reader { events: sender, missed: 0 });
        Subscription { events: receiver }
    }

    /// Sends `event` to every reader. One without room misses it, and gets [`Lag::lagged`] before its next event.
    pub fn publish(&self, event: &T) {
        self.lock().retain_mut(|reader| reader.offer(event));
    }

    /// Ends every stream after what is queued.
    pub fn close(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Reader<T>>> {
        // The list is never left half changed, so a panic elsewhere is no reason to stop publishing.
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Lag + Clone> Reader<T> {
    /// False if the reader is gone.
    fn offer(&mut self, event: &T) -> bool {
        if self.missed > 0 && self.events.capacity() >= 2 {
            // Room was checked and this is the only writer: it can fail only because the reader has gone.
            if self.events.try_send(T::lagged(self.missed)).is_err() {
                return false;
            }
            self.missed = 0;
        }
        if self.missed > 0 {
            self.missed += 1;
            return !self.events.is_closed();
        }
        match self.events.try_send(event.clone()) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.missed = 1;
                true
            }
            Err(mpsc::error::TrySendError::Closed(_)) => false,
        }
    }
}

impl<T> fmt::Debug for Fanout<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fanout").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Publisher<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher").field("room", &self.events.capacity()).finish()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;

    #[derive(Debug, Clone, PartialEq)]
    enum Event {
        Number(u32),
        Lagged(u64),
    }

    impl Lag for Event {
        fn lagged(missed: u64) -> Self {
            Self::Lagged(missed)
        }
    }

    #[tokio::test]
    async fn publisher_waits_for_a_slow_reader_and_sees_it_go() {
        let (publisher, mut events) = subscription(1);
        assert!(publisher.publish(1).await);
        let mut second = std::pin::pin!(publisher.publish(2));
        assert!(futures_util::poll!(second.as_mut()).is_pending());
        assert_eq!(StreamExt::next(&mut events).await, Some(1));
        assert!(second.await);
        events.close();
        assert!(!publisher.publish(3).await);
        publisher.closed().await;
        assert_eq!(events.next().await, Some(2), "what is queued can still be read");
        assert_eq!(events.next().await, None);
    }

    #[test]
    fn readers_that_are_gone_are_forgotten_though_nothing_is_published() {
        let fanout = Fanout::<Event>::new(2);
        let kept = fanout.subscribe();
        for _ in 0..100 {
            drop(fanout.subscribe());
        }
        assert_eq!(fanout.lock().len(), 2, "who is there, and who went last");
        drop(kept);
    }

    #[tokio::test]
    async fn fanout_reports_the_gap_to_the_slow_reader_only() {
        let fanout = Fanout::new(3);
        let mut slow = fanout.subscribe();
        let mut quick = fanout.subscribe();
        for n in 0..6 {
            fanout.publish(&Event::Number(n));
            assert_eq!(quick.next().await, Some(Event::Number(n)));
        }
        for n in 0..3 {
            assert_eq!(slow.next().await, Some(Event::Number(n)));
        }
        fanout.publish(&Event::Number(6));
        assert_eq!(slow.next().await, Some(Event::Lagged(3)));
        assert_eq!(slow.next().await, Some(Event::Number(6)));
        drop(slow);
        fanout.publish(&Event::Number(7));
        assert_eq!(fanout.lock().len(), 1, "readers that are gone are forgotten");
        fanout.close();
        assert_eq!(quick.next().await, Some(Event::Number(6)));
        assert_eq!(quick.next().await, Some(Event::Number(7)));
        assert_eq!(quick.next().await, None);
    }
}
