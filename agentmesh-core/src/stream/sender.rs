//! The sending end: chunks in, frames out, no more of them under way than the reader granted.
//!
//! Chunks wait here, numbered, until the frame that carries them is on disk; what was not queued when the process dies
//! is the application's to say again, from [`Sender::next_number`] on. At most one frame is on its way to the disk at a
//! time, so whatever is said meanwhile travels together in the next.

use std::collections::VecDeque;

use super::StreamState;
use crate::{
    Error,
    limits::{MAX_STREAM_CHUNK, MAX_STREAM_CHUNKS, MAX_STREAM_FRAME},
    wire::{
        peer_error::PeerError,
        plaintext::StreamTerms,
        stream::{ChunkContent, StreamEnd, StreamFrame},
    },
};

/// Chunks that wait for their frame at most.
const MAX_QUEUED_CHUNKS: usize = 4 * MAX_STREAM_CHUNKS;
/// Bytes of them at most; one chunk always fits.
const MAX_QUEUED_BYTES: usize = 2 * MAX_STREAM_FRAME;
/// What goes around the chunks of a frame: keys, numbers, the end with its words. Metadata is counted by itself.
const AROUND: usize = 1200;
/// Bytes around a chunk in a frame.
const HEAD: usize = 3;

/// Why a stream takes no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Its end was said.
    Ended,
    /// The reader wants no more.
    Cancelled {
        /// The reader's words.
        reason: String,
    },
    /// Nothing was consumed for too long.
    Stalled,
    /// A frame was refused or given up.
    Broken(Box<Error>),
}

/// A frame that is under way: its number, and what it counts in the window.
#[derive(Debug, Clone, Copy)]
struct UnderWay {
    frame: u64,
    bytes: usize,
}

/// The sending end of one stream.
#[derive(Debug)]
pub(crate) struct Sender {
    terms: StreamTerms,
    /// Chunks in frames that are on disk.
    on_disk: u64,
    /// Frames that are on disk.
    frames: u64,
    queue: VecDeque<ChunkContent>,
    queued_bytes: usize,
    /// Chunks of the frame that is on its way to the disk, and whether it is the last.
    committing: Option<(usize, usize, bool)>,
    under_way: VecDeque<UnderWay>,
    metadata: Option<String>,
    end: Option<StreamEnd>,
    stop: Option<Stop>,
    done: bool,
}

impl Sender {
    /// A stream that goes on where `state` says. Of the frames in `old`, it is not known how large they are: until
    /// they are consumed they fill the window.
    pub(crate) fn new(state: StreamState, old: impl IntoIterator<Item = u64>) -> Self {
        let full = usize::try_from(state.terms.bytes).unwrap_or(usize::MAX);
        Self {
            terms: state.terms,
            on_disk: state.chunks,
            frames: state.frames,
            queue: VecDeque::new(),
            queued_bytes: 0,
            committing: None,
            under_way: old.into_iter().map(|frame| UnderWay { frame, bytes: full }).collect(),
            metadata: None,
            end: None,
            stop: None,
            done: false,
        }
    }

    /// The number that the next chunk gets.
    pub(crate) fn next_number(&self) -> u64 {
        self.on_disk + self.queue.len() as u64
    }

    /// Chunks that are on disk.
    pub(crate) const fn on_disk(&self) -> u64 {
        self.on_disk
    }

    /// Why nothing more is taken.
    pub(crate) const fn stopped(&self) -> Option<&Stop> {
        self.stop.as_ref()
    }

    /// Whether the last frame is on disk, or there will be none.
    pub(crate) const fn is_done(&self) -> bool {
        self.done
    }

    /// Whether chunks or the end wait for their frame.
    pub(crate) fn has_work(&self) -> bool {
        !self.done
            && self.committing.is_none()
            && (!self.queue.is_empty() || self.end.is_some() || self.metadata.is_some())
    }

    /// What is remembered across a crash.
    pub(crate) const fn state(&self) -> StreamState {
        StreamState { chunks: self.on_disk, frames: self.frames, terms: self.terms }
    }

    /// Whether there is room for this chunk now.
    pub(crate) fn has_room(&self, chunk: &ChunkContent) -> bool {
        self.queue.is_empty()
            || self.queue.len() < MAX_QUEUED_CHUNKS
                && self.queued_bytes + chunk.len() + HEAD <= MAX_QUEUED_BYTES
    }

    /// Takes a chunk, and returns its number. `None` if it is too long or there is no room; ask [`Self::has_room`] first.
    pub(crate) fn push(&mut self, chunk: ChunkContent) -> Option<u64> {
        if self.stop.is_some() || chunk.len() > MAX_STREAM_CHUNK || !self.has_room(&chunk) {
            return None;
        }
        let number = self.next_number();
        self.queued_bytes += chunk.len() + HEAD;
        self.queue.push_back(chunk);
        Some(number)
    }

    /// Goes with the next frame.
    pub(crate) fn set_metadata(&mut self, json: String) {
        self.metadata = Some(json);
    }

    /// Nothing comes after what was pushed.
    pub(crate) fn end(&mut self, end: StreamEnd) {
        if self.stop.is_none() {
            self.end = Some(end);
            self.stop = Some(Stop::Ended);
        }
    }

    /// The reader wants no more: what waits is dropped, and no frame follows.
    pub(crate) fn cancel(&mut self, reason: String) {
        self.halt(Stop::Cancelled { reason });
    }

    /// What waits is dropped. A stalled stream says so in a last frame, others say nothing.
    pub(crate) fn halt(&mut self, stop: Stop) {
        if self.done || matches!(self.stop, Some(Stop::Cancelled { .. })) {
            return;
        }
        let taken = self.committing.map_or(0, |(chunks, ..)| chunks);
        self.queue.truncate(taken);
        self.queued_bytes = self.queue.iter().map(|c| c.len() + HEAD).sum();
        self.metadata = None;
        let words = "nothing was consumed for too long";
        self.end = matches!(stop, Stop::Stalled)
            .then(|| StreamEnd::Failed(PeerError::new("STREAM_STALLED", words).retryable()));
        self.done = self.end.is_none();
        self.stop = Some(stop);
    }

    /// Whether [`Self::next_frame`] would make one.
    pub(crate) fn can_send(&self, alive: bool) -> bool {
        !self.done
            && self.committing.is_none()
            && (alive || self.has_work())
            && self.fit().is_some()
    }

    /// The next frame, its number and whether it is the last, if the window has room for one. `alive` asks for one
    /// even if there is nothing to say. Then [`Self::committed`] or [`Self::refused`] must follow.
    pub(crate) fn next_frame(&mut self, alive: bool) -> Option<(u64, StreamFrame, bool)> {
        if !self.can_send(alive) {
            return None;
        }
        let (chunks, bytes) = self.fit()?;
        Some(self.frame(chunks, bytes))
    }

    /// How many chunks, and bytes of them, the next frame takes; `None` if the window has no room for a frame.
    fn fit(&self) -> Option<(usize, usize)> {
        let room = self.room();
        // The end of a stream needs no room if nothing comes with it.
        if room == 0 && !(self.queue.is_empty() && self.end.is_some()) {
            return None;
        }
        let metadata = self.metadata.as_ref().map_or(0, String::len);
        let limit = room.min(MAX_STREAM_FRAME).saturating_sub(AROUND + metadata);
        let (mut chunks, mut bytes) = (0, 0);
        for chunk in self.queue.iter().take(MAX_STREAM_CHUNKS) {
            let weight = chunk.len() + HEAD;
            if bytes + weight > limit {
                break;
            }
            chunks += 1;
            bytes += weight;
        }
        (chunks > 0 || self.queue.is_empty()).then_some((chunks, bytes))
    }

    /// Bytes that may yet go under way. One frame always may.
    fn room(&self) -> usize {
        if self.under_way.is_empty() {
            return MAX_STREAM_FRAME;
        }
        if self.under_way.len() >= usize::try_from(self.terms.frames).unwrap_or(usize::MAX) {
            return 0;
        }
        let used: usize = self.under_way.iter().map(|u| u.bytes).sum();
        let room = usize::try_from(self.terms.bytes).unwrap_or(usize::MAX).saturating_sub(used);
        // A frame takes what is around its chunks, too.
        if room > 2 * AROUND { room } else { 0 }
    }

    fn frame(&mut self, chunks: usize, bytes: usize) -> (u64, StreamFrame, bool) {
        let whole = chunks == self.queue.len();
        let end = self.end.clone().filter(|_| whole);
        let last = end.is_some();
        let metadata = self.metadata.clone();
        let weight = bytes + AROUND + metadata.as_ref().map_or(0, String::len);
        self.committing = Some((chunks, weight, last));
        let chunks = self.queue.iter().take(chunks).cloned().collect();
        (self.frames, StreamFrame { first: self.on_disk, chunks, end, metadata }, last)
    }

    /// The frame is on disk.
    pub(crate) fn committed(&mut self) {
        let Some((chunks, weight, last)) = self.committing.take() else { return };
        for chunk in self.queue.drain(..chunks.min(self.queue.len())) {
            self.queued_bytes -= chunk.len() + HEAD;
        }
        self.on_disk += chunks as u64;
        self.under_way.push_back(UnderWay { frame: self.frames, bytes: weight });
        self.frames += 1;
        self.metadata = None;
        self.done |= last;
    }

    /// The frame is not on disk; its chunks wait again.
    pub(crate) fn refused(&mut self) {
        self.committing = None;
    }

    /// Forgets frames that are no longer under way.
    pub(crate) fn prune(&mut self, is_under_way: impl Fn(u64) -> bool) -> bool {
        let before = self.under_way.len();
        self.under_way.retain(|u| is_under_way(u.frame));
        self.under_way.len() < before
    }

    /// Whether no frame is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.under_way.is_empty() && self.committing.is_none()
    }

    /// Whether something waits for the reader.
    pub(crate) fn is_blocked(&self) -> bool {
        self.has_work() && self.fit().is_none()
    }
}
