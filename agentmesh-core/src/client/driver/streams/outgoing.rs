//! Senders: frames when there is something to say, room in the window and a token of the relay's rate.

use std::sync::Arc;

use crate::client::platform::time::Instant;

use super::{RETRY, Streams, step};
use crate::{
    Error,
    client::{
        agent::{OutgoingCell, StreamError},
        driver::batch::{Job, Reply},
    },
    engine::{Engine, Input, NewMessage, SendFailure, StreamStep},
    identity::Amid,
    stream::{Sender, Stop, StreamKey, StreamRole, StreamState, frame_id},
    wire::{
        id::MessageId,
        plaintext::{Headers, MessageType, Payload, StreamTerms},
        stream::StreamBody,
    },
};

/// One sending end.
#[derive(Debug)]
pub(super) struct Outgoing {
    cell: Arc<OutgoingCell>,
    last_sent: Instant,
    /// Since when chunks wait for the reader.
    blocked_since: Option<Instant>,
}

impl Outgoing {
    pub(super) fn break_off(&self, error: Error) {
        self.cell.update(|sender| sender.halt(Stop::Broken(Box::new(error))));
    }
}

impl Streams {
    /// Begins to answer a request, or goes on where an earlier run was.
    pub(super) fn answer(
        &mut self,
        key: StreamKey,
        terms: StreamTerms,
        engine: &Engine,
    ) -> Result<Arc<OutgoingCell>, Error> {
        if self.senders.contains_key(&key) {
            return Err(StreamError::Busy.into());
        }
        let state = engine.stream(&key).unwrap_or(StreamState { chunks: 0, frames: 0, terms });
        let mut old = Vec::new();
        let first = state.frames.saturating_sub(u64::from(state.terms.frames) + 1);
        for n in first..state.frames {
            let id = frame_id(self.own, key.peer, key.id, n);
            if engine.stage(&id).is_some() {
                self.frames.insert(id, key);
                old.push(n);
            }
        }
        let mut sender = Sender::new(state, old);
        if self.ended.contains(&key) {
            sender.cancel("cancelled before it began".to_owned());
        }
        let cell = Arc::new(OutgoingCell::new(key, sender));
        self.hub.touch(key);
        let outgoing =
            Outgoing { cell: Arc::clone(&cell), last_sent: Instant::now(), blocked_since: None };
        self.senders.insert(key, outgoing);
        self.wake_at(key, Instant::now() + self.config.keep_alive);
        Ok(cell)
    }

    /// Makes the next frame of a stream, if it may have one. True if the stream has ended with this.
    pub(super) fn pump_sender(
        &mut self,
        key: StreamKey,
        engine: &Engine,
        now: Instant,
        jobs: &mut Vec<Job>,
    ) -> bool {
        let own = self.own;
        let Some(outgoing) = self.senders.get_mut(&key) else { return false };
        let cell = Arc::clone(&outgoing.cell);
        let is_under_way = |n| engine.stage(&frame_id(own, key.peer, key.id, n)).is_some();
        if cell.with(|sender| sender.prune(is_under_way)) {
            outgoing.blocked_since = None;
        }
        if cell.with(|sender| sender.is_done()) {
            self.end_sender(key, jobs);
            return true;
        }
        let keep_alive = self.config.keep_alive;
        if cell.with(|sender| sender.is_blocked()) {
            let stalled_at = *outgoing.blocked_since.get_or_insert(now) + self.config.stall_timeout;
            if stalled_at <= now {
                cell.update(|sender| sender.halt(Stop::Stalled));
            } else {
                self.wake_at(key, stalled_at);
                return false;
            }
        } else {
            outgoing.blocked_since = None;
        }
        let alive = now.duration_since(outgoing.last_sent) >= keep_alive
            && cell.with(|sender| sender.is_idle());
        if !cell.with(|sender| sender.can_send(alive)) {
            let again = outgoing.last_sent + keep_alive;
            // Nothing is asked for while a frame is under way: its receipt wakes the stream.
            self.wake_at(key, if again > now { again } else { now + keep_alive });
            return false;
        }
        let clock = self.clock(now);
        if let Err(wait) = self.pace.take(clock) {
            self.wake_at(key, now + std::time::Duration::from_millis(wait));
            return false;
        }
        self.send_frame(key, &cell, alive, now, jobs);
        false
    }

    fn send_frame(
        &mut self,
        key: StreamKey,
        cell: &Arc<OutgoingCell>,
        alive: bool,
        now: Instant,
        jobs: &mut Vec<Job>,
    ) {
        let StreamKey { peer, id: request, .. } = key;
        let made = cell.with(|sender| Some((sender.next_frame(alive)?, sender.state())));
        let Some(((n, frame, last), before)) = made else { return };
        let state = StreamState { chunks: frame.next(), frames: n + 1, ..before };
        let body = match StreamBody::Frame(frame).encode() {
            Ok(body) => body,
            Err(error) => {
                cell.update(|sender| sender.halt(Stop::Broken(Box::new(error.into()))));
                self.hub.touch(key);
                return;
            }
        };
        let id = frame_id(self.own, peer, request, n);
        let message = NewMessage {
            id,
            to: peer,
            kind: MessageType::Stream,
            in_reply_to: Some(request),
            payload: Payload::Bytes(body),
            headers: Headers::NONE,
            knock_request: None,
            expires_in: None,
        };
        let step = StreamStep {
            state: (!last).then_some(state),
            send: Some(message),
            handled: if last { vec![request] } else { Vec::new() },
            ..step(key)
        };
        self.frames.insert(id, key);
        if let Some(outgoing) = self.senders.get_mut(&key) {
            outgoing.last_sent = now;
        }
        // Should it be refused, nothing else would wake the stream.
        self.wake_at(key, now + RETRY);
        jobs.push(Job {
            input: Input::Stream(Box::new(step)),
            reply: Reply::Frame { cell: Arc::clone(cell), hub: Arc::clone(&self.hub) },
        });
    }

    /// The stream is over, with a last frame or without: its request is handled.
    fn end_sender(&mut self, key: StreamKey, jobs: &mut Vec<Job>) {
        self.senders.remove(&key);
        self.frames.retain(|_, of| *of != key);
        self.due.remove(&key);
        self.remember_ended(key);
        let step = StreamStep { handled: vec![key.id], ..step(key) };
        jobs.push(Job::silent(Input::Stream(Box::new(step))));
    }

    /// The reader wants no more.
    pub(super) fn on_cancel(
        &mut self,
        key: StreamKey,
        message: MessageId,
        reason: String,
        engine: &Engine,
    ) {
        self.inputs.push(super::handled(key.peer, message));
        if let Some(outgoing) = self.senders.get(&key) {
            outgoing.cell.update(|sender| sender.cancel(reason));
            self.hub.touch(key);
        } else if engine.stream(&key).is_some() {
            // Its request waits for an application that has died before: nobody wants the answer any more.
            let step = StreamStep { handled: vec![key.id], ..step(key) };
            self.inputs.push(Input::Stream(Box::new(step)));
        } else {
            // The application has not begun to answer.
            self.remember_ended(key);
        }
    }

    /// A message will not be delivered: a frame of ours, or a request whose answer was to be a stream.
    pub(super) fn on_send_failed(&mut self, to: Amid, id: MessageId, reason: &SendFailure) {
        if let Some(key) = self.frames.remove(&id)
            && let Some(outgoing) = self.senders.get(&key)
        {
            outgoing.break_off(reason.clone().into());
            self.hub.touch(key);
        }
        let key = StreamKey { peer: to, id, role: StreamRole::Reader };
        self.fail_reader(key, reason.clone().into(), false);
    }
}
