//! What waits to be written to one connection.
//!
//! Whoever has something for a connection appends it to its buffer and then flushes: the bytes go to the socket from
//! the sender's own task, without waking the recipient's. While one task writes, others only append; the writer takes
//! what they left. When the socket takes no more, the connection's own task waits for it and goes on. A client that polls
//! has no socket: its requests take what waits, and a flush wakes the one that is parked.

use std::{
    collections::VecDeque,
    future::poll_fn,
    mem,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use futures_util::task::AtomicWaker;
use tokio::{net::tcp::OwnedWriteHalf, sync::Notify};

/// The queue and the socket behind it.
#[derive(Debug)]
pub(crate) struct Outgoing {
    /// A client that polls has none: its requests take what waits.
    socket: Option<OwnedWriteHalf>,
    queue: Mutex<Queue>,
    /// Bytes beyond which there is no room.
    limit: usize,
    /// Wakes the connection's task.
    wake: Wake,
    /// Wakes those who wait for room.
    room: Notify,
}

/// A flag with one who waits for it: polled with every frame, so cheaper than a list of waiters.
#[derive(Debug, Default)]
struct Wake {
    raised: AtomicBool,
    waker: AtomicWaker,
}

impl Wake {
    fn wake(&self) {
        self.raised.store(true, Ordering::Release);
        self.waker.wake();
    }

    fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        if !self.raised.load(Ordering::Acquire) {
            self.waker.register(cx.waker());
        }
        // Again, in case it was raised before the waker was there.
        if self.raised.swap(false, Ordering::AcqRel) { Poll::Ready(()) } else { Poll::Pending }
    }
}

#[derive(Debug, Default)]
struct Queue {
    /// Appended, not yet taken by a writer.
    buffer: Vec<u8>,
    /// Taken, and refused by the socket from `rest_at` on.
    rest: Vec<u8>,
    rest_at: usize,
    writing: bool,
    /// The socket took no more; the connection's task waits for it.
    blocked: bool,
    /// Nothing is appended any more.
    closed: bool,
    /// The socket failed.
    broken: bool,
    /// Somebody was refused for want of room, or waits for it.
    wanted: bool,
    /// Senders waited for room in vain; they do not wait again before there is some.
    stalled: bool,
    /// Bytes ever appended, and ever given to the socket.
    appended: u64,
    written: u64,
    /// Messages that count as delivered once the socket has taken them: their ends, and their numbers.
    handed_over: VecDeque<(u64, u64)>,
}

impl Queue {
    const fn waiting(&self) -> u64 {
        self.appended - self.written
    }
}

fn to_u64(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

impl Outgoing {
    pub(crate) fn new(socket: OwnedWriteHalf, limit: u32) -> Self {
        Self { socket: Some(socket), ..Self::to_be_polled(limit) }
    }

    /// For a client without a socket; see [`Outgoing::take`].
    pub(crate) fn to_be_polled(limit: u32) -> Self {
        let limit =
            if limit == 0 { usize::MAX } else { usize::try_from(limit).unwrap_or(usize::MAX) };
        Self {
            socket: None,
            queue: Mutex::default(),
            limit,
            wake: Wake::default(),
            room: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fits(&self, queue: &Queue) -> bool {
        queue.waiting() < to_u64(self.limit)
    }

    /// Those who wait for room are woken when half of it is free, not for every message.
    fn fits_well(&self, queue: &Queue) -> bool {
        queue.waiting() <= to_u64(self.limit / 2)
    }

    /// Appends what `write` writes, whether there is room or not. To be flushed.
    pub(crate) fn append(&self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut queue = self.lock();
        if !queue.closed {
            append(&mut queue, write);
        }
    }

    /// Appends if there is room and the connection is open.
    pub(crate) fn append_if_room(&self, write: impl FnOnce(&mut Vec<u8>)) -> bool {
        let mut queue = self.lock();
        let room = self.fits(&queue) && !queue.stalled && !queue.closed;
        if room {
            append(&mut queue, write);
        } else {
            queue.wanted = true;
        }
        room
    }

    /// Marks the end of what was appended so far as the end of message `seq`: see [`Outgoing::flush`].
    pub(crate) fn track(&self, seq: u64) {
        let mut queue = self.lock();
        let end = queue.appended;
        queue.handed_over.push_back((end, seq));
    }

    /// Whether a message would still be taken. If not, the connection's task is woken when one would.
    pub(crate) fn has_room(&self) -> bool {
        let mut queue = self.lock();
        let room = self.fits(&queue);
        queue.wanted |= !room;
        room
    }

    /// Whether answers to the client's own frames would still be taken. Messages leave them room, so that a client
    /// with much mail on a slow line is still heard: it acknowledges.
    pub(crate) fn has_room_for_answers(&self) -> bool {
        let mut queue = self.lock();
        let room = queue.waiting() < to_u64(self.limit.saturating_mul(2));
        queue.wanted |= !room;
        room
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().waiting() == 0
    }

    /// Whether the socket has to become writable before anything else can be written.
    pub(crate) fn is_blocked(&self) -> bool {
        self.lock().blocked
    }

    /// Whether the socket failed.
    pub(crate) fn is_broken(&self) -> bool {
        self.lock().broken
    }

    /// Whether senders have waited for room in vain.
    pub(crate) fn is_stalled(&self) -> bool {
        let queue = self.lock();
        queue.stalled || queue.closed || queue.broken
    }

    /// Senders waited long enough: until there is room, they need not.
    pub(crate) fn set_stalled(&self) {
        let mut queue = self.lock();
        queue.stalled = !self.fits(&queue);
    }

    /// Nothing is appended from now on; what waits is still written.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.wake.wake();
        self.room.notify_waiters();
    }

    /// Wakes the connection's task.
    pub(crate) fn wake(&self) {
        self.wake.wake();
    }

    /// Waits for [`Outgoing::wake`], a close, or a socket that takes no more. The connection's task only.
    pub(crate) async fn woken(&self) {
        poll_fn(|cx| self.wake.poll(cx)).await;
    }

    /// Waits until there is room, or no use in waiting.
    pub(crate) async fn room(&self) {
        loop {
            let room = self.room.notified();
            tokio::pin!(room);
            room.as_mut().enable();
            {
                let mut queue = self.lock();
                queue.wanted = true;
                if self.fits_well(&queue) || queue.closed || queue.broken || queue.stalled {
                    return;
                }
            }
            room.await;
        }
    }

    /// Waits until the socket takes more. The connection's task only.
    pub(crate) async fn writable(&self) {
        let Some(socket) = &self.socket else { return std::future::pending().await };
        if socket.writable().await.is_err() {
            self.lock().broken = true;
        }
    }

    /// Everything that waits, for a client that polls.
    pub(crate) fn take(&self) -> Vec<u8> {
        let mut queue = self.lock();
        queue.written = queue.appended;
        queue.stalled = false;
        if mem::take(&mut queue.wanted) {
            self.room.notify_waiters();
        }
        mem::take(&mut queue.buffer)
    }

    /// Goes on writing after [`Outgoing::writable`].
    #[must_use]
    pub(crate) fn resume(&self) -> Vec<u64> {
        self.lock().blocked = false;
        self.flush()
    }

    /// Writes what waits, as far as the socket takes it at once. Returns the tracked messages that it has taken.
    #[must_use]
    pub(crate) fn flush(&self) -> Vec<u64> {
        let mut queue = self.lock();
        let Some(socket) = &self.socket else {
            if queue.waiting() > 0 {
                self.wake.wake();
            }
            return Vec::new();
        };
        if queue.writing || queue.blocked || queue.broken {
            return Vec::new();
        }
        queue.writing = true;
        loop {
            if queue.rest.is_empty() {
                queue.rest = mem::take(&mut queue.buffer);
            }
            if queue.rest.is_empty() {
                break;
            }
            let bytes = mem::take(&mut queue.rest);
            let from = mem::take(&mut queue.rest_at);
            drop(queue);
            let result = socket.try_write(bytes.get(from..).unwrap_or_default());
            queue = self.lock();
            match result {
                Ok(0) => queue.broken = true,
                Ok(n) => {
                    queue.written += to_u64(n);
                    if from + n < bytes.len() {
                        queue.rest = bytes;
                        queue.rest_at = from + n;
                    }
                    continue;
                }
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {
                    queue.rest = bytes;
                    queue.rest_at = from;
                    queue.blocked = true;
                }
                Err(_) => queue.broken = true,
            }
            self.wake.wake();
            break;
        }
        queue.writing = false;
        if queue.wanted && (self.fits_well(&queue) || queue.broken) {
            queue.wanted = false;
            queue.stalled = false;
            // Messages may have been put aside for the connection's task.
            self.wake.wake();
            self.room.notify_waiters();
        }
        let written = queue.written;
        let done = queue.handed_over.partition_point(|(end, _)| *end <= written);
        queue.handed_over.drain(..done).map(|(_, seq)| seq).collect()
    }
}

fn append(queue: &mut Queue, write: impl FnOnce(&mut Vec<u8>)) {
    let before = queue.buffer.len();
    write(&mut queue.buffer);
    queue.appended += to_u64(queue.buffer.len() - before);
}
