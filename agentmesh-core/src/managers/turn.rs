//! One at a time: whoever loads a record, computes and commits must not meet itself halfway.
//!
//! A queue of wakers and nothing else: no runtime, no data inside. First come, first served; a caller that goes away
//! gives up its place.

use core::{
    pin::Pin,
    task::{Context, Poll, Waker},
};
use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Lets one caller in at a time.
#[derive(Debug, Default)]
pub(super) struct Turn(Mutex<Queue>);

#[derive(Debug, Default)]
struct Queue {
    busy: bool,
    next_ticket: u64,
    waiting: VecDeque<(u64, Waker)>,
}

impl Turn {
    /// Waits for the turn; it ends when what this gives is dropped.
    pub(super) const fn take(&self) -> Waiting<'_> {
        Waiting { turn: self, ticket: None }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nothing panics while the queue is half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// The next in line, if it may come in.
    fn wake_next(&self) {
        if !self.busy
            && let Some((_, waker)) = self.waiting.front()
        {
            waker.wake_by_ref();
        }
    }
}

/// A caller in the queue.
pub(super) struct Waiting<'a> {
    turn: &'a Turn,
    ticket: Option<u64>,
}

impl<'a> Future for Waiting<'a> {
    type Output = Held<'a>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Held<'a>> {
        let turn = self.turn;
        let mut queue = turn.lock();
        let first = queue.waiting.front().map(|(ticket, _)| *ticket);
        if !queue.busy && (first.is_none() || first == self.ticket) {
            queue.busy = true;
            if self.ticket.take().is_some() {
                queue.waiting.pop_front();
            }
            return Poll::Ready(Held { turn });
        }
        let waker = context.waker().clone();
        match self.ticket {
            Some(ticket) => {
                if let Some(place) = queue.waiting.iter_mut().find(|(t, _)| *t == ticket) {
                    place.1 = waker;
                }
            }
            None => {
                let ticket = queue.next_ticket;
                queue.next_ticket += 1;
                queue.waiting.push_back((ticket, waker));
                self.ticket = Some(ticket);
            }
        }
        Poll::Pending
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            let mut queue = self.turn.lock();
            queue.waiting.retain(|(t, _)| *t != ticket);
            // It may have been woken for nothing.
            queue.wake_next();
        }
    }
}

/// The turn.
#[derive(Debug)]
#[must_use = "the turn ends when this is dropped"]
pub(super) struct Held<'a> {
    turn: &'a Turn,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let mut queue = self.turn.lock();
        queue.busy = false;
        queue.wake_next();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::pin::pin;

    fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn first_come_first_served_and_who_leaves_is_skipped() {
        let turn = Turn::default();
        let Poll::Ready(first) = poll(pin!(turn.take())) else { panic!("nobody is there") };
        let mut second = pin!(turn.take());
        let mut third = Box::pin(turn.take());
        let mut fourth = pin!(turn.take());
        assert!(poll(second.as_mut()).is_pending());
        assert!(poll(third.as_mut()).is_pending());
        assert!(poll(fourth.as_mut()).is_pending());
        drop(first);
        assert!(poll(fourth.as_mut()).is_pending(), "it is not its turn");
        assert!(poll(pin!(turn.take())).is_pending(), "there is a queue");
        let Poll::Ready(held) = poll(second.as_mut()) else { panic!("it is its turn") };
        drop(third);
        drop(held);
        assert!(poll(fourth.as_mut()).is_ready());
    }

    #[test]
    fn threads_take_turns() {
        let turn = Turn::default();
        let inside = std::sync::atomic::AtomicBool::new(false);
        let order = std::sync::atomic::Ordering::SeqCst;
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        let held = crate::test_utils::block_on(turn.take());
                        assert!(!inside.swap(true, order), "two at once");
                        std::hint::spin_loop();
                        inside.store(false, order);
                        drop(held);
                    }
                });
            }
        });
    }
}
