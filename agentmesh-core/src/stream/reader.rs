//! The reading end: frames in any order, chunks out in theirs, each once.
//!
//! A frame is done when all its chunks were consumed; only then its message may be receipted as handled, which grants
//! the sender another one. Knows the ids of messages only to give them back.

use std::collections::{BTreeMap, VecDeque};

use super::StreamState;
use crate::{
    limits::MAX_STREAM_FRAME,
    wire::{id::MessageId, plaintext::StreamTerms, stream::StreamFrame},
};

/// What becomes of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accepted {
    /// It is kept until its chunks are consumed.
    Held,
    /// Its message is known and kept already.
    Known,
    /// There is nothing in it to hand on: its message is done.
    Nothing,
    /// The sender sends more than it was granted, or contradicts itself. The stream is over.
    Violation,
}

#[derive(Debug)]
struct Held {
    id: MessageId,
    frame: StreamFrame,
    bytes: usize,
}

/// A frame that was handed on.
#[derive(Debug, Clone, Copy)]
struct Given {
    id: MessageId,
    /// The number behind its last chunk.
    end: u64,
    bytes: usize,
}

/// The reading end of one stream.
#[derive(Debug)]
pub(crate) struct Reader {
    terms: StreamTerms,
    /// The number of the next chunk to hand on.
    next: u64,
    /// The number of the first chunk that is not consumed.
    consumed: u64,
    held: BTreeMap<(u64, MessageId), Held>,
    given: VecDeque<Given>,
    bytes: usize,
    /// Messages that are consumed and not yet receipted, and their bytes.
    done: Vec<MessageId>,
    done_bytes: usize,
    ended: bool,
}

impl Reader {
    pub(crate) const fn new(state: StreamState) -> Self {
        Self {
            terms: state.terms,
            next: state.chunks,
            consumed: state.chunks,
            held: BTreeMap::new(),
            given: VecDeque::new(),
            bytes: 0,
            done: Vec::new(),
            done_bytes: 0,
            ended: false,
        }
    }

    /// The number of the next chunk to hand on.
    pub(crate) const fn next_number(&self) -> u64 {
        self.next
    }

    /// What is remembered across a crash.
    pub(crate) const fn state(&self) -> StreamState {
        StreamState { chunks: self.consumed, frames: 0, terms: self.terms }
    }

    /// Takes a frame.
    pub(crate) fn accept(&mut self, id: MessageId, frame: StreamFrame, bytes: usize) -> Accepted {
        let known = self.held.values().any(|h| h.id == id) || self.given.iter().any(|g| g.id == id);
        if known {
            return Accepted::Known;
        }
        let alive = frame.chunks.is_empty() && frame.end.is_none() && frame.metadata.is_none();
        let old = frame.end.is_none() && !frame.chunks.is_empty() && frame.next() <= self.next;
        if self.ended || alive || old {
            return Accepted::Nothing;
        }
        if self.exceeds(&frame, bytes) {
            return Accepted::Violation;
        }
        self.bytes += bytes;
        self.held.insert((frame.first, id), Held { id, frame, bytes });
        Accepted::Held
    }

    fn exceeds(&self, frame: &StreamFrame, bytes: usize) -> bool {
        let (frames, limit) = (to_usize(self.terms.frames), to_usize(self.terms.bytes));
        let count = self.held.len() + self.given.len();
        if count == 0 {
            return false;
        }
        let last_word = frame.end.is_some() && frame.chunks.is_empty();
        // The end of a stream may come beyond the window, and one frame is always allowed.
        let spare = usize::from(last_word);
        count >= frames + spare || self.bytes + bytes > limit + MAX_STREAM_FRAME
    }

    /// The next frame in order, without chunks that were handed on before.
    pub(crate) fn pop(&mut self) -> Option<StreamFrame> {
        let (key, held) = self.held.first_key_value()?;
        if held.frame.first > self.next || self.ended {
            return None;
        }
        let key = *key;
        let Held { id, mut frame, bytes } = self.held.remove(&key)?;
        let end = frame.next().max(self.next);
        let old = usize::try_from(self.next - frame.first).unwrap_or(usize::MAX);
        frame.chunks.drain(..old.min(frame.chunks.len()));
        frame.first = self.next;
        self.next = end;
        self.ended = frame.end.is_some();
        self.given.push_back(Given { id, end, bytes });
        Some(frame)
    }

    /// The application is done with every chunk below `number`.
    pub(crate) fn consume(&mut self, number: u64) {
        self.consumed = self.consumed.max(number.min(self.next));
        while let Some(given) = self.given.front().copied().filter(|g| g.end <= self.consumed) {
            self.given.pop_front();
            self.bytes -= given.bytes;
            self.done.push(given.id);
            self.done_bytes += given.bytes;
        }
    }

    /// Messages that are done with since the last call: to be receipted as handled.
    pub(crate) fn take_done(&mut self) -> Vec<MessageId> {
        self.done_bytes = 0;
        core::mem::take(&mut self.done)
    }

    /// Whether there are such messages.
    pub(crate) const fn has_done(&self) -> bool {
        !self.done.is_empty()
    }

    /// Whether they are half of the window: reason enough to say so.
    pub(crate) fn has_half_a_window(&self) -> bool {
        2 * self.done.len() >= to_usize(self.terms.frames)
            || 2 * self.done_bytes >= to_usize(self.terms.bytes)
    }

    /// Leaves out every chunk below `number`, which the application has from an earlier life.
    pub(crate) fn skip_to(&mut self, number: u64) {
        self.next = self.next.max(number);
        self.consumed = self.consumed.max(number);
    }

    /// Whether everything was handed on and consumed.
    pub(crate) fn is_done(&self) -> bool {
        self.ended && self.given.is_empty()
    }

    /// Whether the end was handed on.
    pub(crate) const fn is_ended(&self) -> bool {
        self.ended
    }

    /// Every message that is kept, for whoever wants no more.
    pub(crate) fn drain(&mut self) -> Vec<MessageId> {
        self.bytes = 0;
        self.ended = true;
        let held = core::mem::take(&mut self.held).into_values().map(|h| h.id);
        let given = self.given.drain(..).map(|g| g.id);
        self.done_bytes = 0;
        self.done.drain(..).chain(given).chain(held).collect()
    }
}

fn to_usize(n: u32) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}
