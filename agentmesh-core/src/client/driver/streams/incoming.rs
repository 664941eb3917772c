//! Readers: frames in order to the application, receipts when it has consumed them.

use crate::client::platform::time::Instant;

use super::{GRANT_DELAY, Streams, handled, step};
use crate::{
    Error,
    client::{
        agent::{Leave, ReaderEnd, StreamError, StreamItem},
        driver::batch::Job,
    },
    engine::{Engine, IncomingMessage, Input, NewMessage, StreamStep},
    stream::{Accepted, Reader, StreamKey, StreamState},
    wire::{
        id::MessageId,
        peer_error::PeerError,
        plaintext::{Headers, MessageType, Payload, StreamTerms},
        stream::{ChunkContent, StreamBody, StreamEnd, StreamFrame},
    },
};

/// One reading end.
#[derive(Debug)]
pub(super) struct Incoming {
    reader: Reader,
    end: ReaderEnd,
    grant_at: Option<Instant>,
    /// Nothing more is handed on.
    failed: bool,
    /// Whether the peer is told when the application wants no more.
    tell: bool,
}

impl Incoming {
    const fn new(state: StreamState, end: ReaderEnd) -> Self {
        Self { reader: Reader::new(state), end, grant_at: None, failed: false, tell: true }
    }

    fn hand_on(&mut self) {
        while let Some(frame) = self.reader.pop() {
            // The channel has room for a whole window. A reader that is gone has said how it leaves.
            let _ = self.end.items.try_send(StreamItem::Frame(frame));
        }
    }
}

impl Streams {
    /// The step that asks for a stream.
    pub(super) fn open(
        &mut self,
        key: StreamKey,
        message: NewMessage,
        terms: StreamTerms,
        end: ReaderEnd,
    ) -> StreamStep {
        let state = StreamState { chunks: 0, frames: 0, terms };
        self.readers.insert(key, Incoming::new(state, end));
        StreamStep { state: Some(state), send: Some(message), ..step(key) }
    }

    /// Reads on with what the inbox holds.
    pub(super) fn resume(
        &mut self,
        key: StreamKey,
        from: u64,
        end: ReaderEnd,
        engine: &Engine,
    ) -> Result<(), Error> {
        let mut state = engine.stream(&key).ok_or(StreamError::Unknown)?;
        if let Some(old) = self.readers.get_mut(&key) {
            // What it consumed may not be on disk yet.
            let (consumed, leave) = old.end.cell.look();
            if matches!(leave, Some(Leave::Cancel(_))) {
                return Err(StreamError::Unknown.into());
            }
            old.reader.consume(consumed);
            state = old.reader.state();
        }
        if from < state.chunks {
            return Err(StreamError::Gap { first: state.chunks }.into());
        }
        let mut incoming = Incoming::new(state, end);
        incoming.reader.skip_to(from);
        incoming.end.cell.consumed(from);
        self.readers.insert(key, incoming);
        let inbox = engine.inbox().into_iter().filter(|(peer, _)| *peer == key.peer);
        for message in inbox.filter_map(|(peer, id)| engine.message(&peer, &id)) {
            if message.in_reply_to == Some(key.id) {
                self.on_frame(key, &message, engine, || message.id);
            }
        }
        self.hub.touch(key);
        Ok(())
    }

    /// A frame of the peer, or the one answer that it gives instead.
    pub(super) fn on_frame(
        &mut self,
        key: StreamKey,
        message: &IncomingMessage,
        engine: &Engine,
        new_id: impl FnOnce() -> MessageId,
    ) {
        let known = engine.stream(&key).is_some();
        let Some(incoming) = self.readers.get_mut(&key).filter(|_| known) else {
            if !known || self.ended.contains(&key) {
                self.on_stray(key, message, known, new_id);
            }
            // Otherwise it waits in the inbox for whoever reads on.
            return;
        };
        let Some((frame, bytes)) = frame_of(message, &incoming.reader) else { return };
        if incoming.failed {
            self.inputs.push(handled(key.peer, message.id));
            return;
        }
        match incoming.reader.accept(message.id, frame, bytes) {
            Accepted::Held => incoming.hand_on(),
            Accepted::Known => {}
            Accepted::Nothing => {
                self.inputs.push(handled(key.peer, message.id));
                let items = &incoming.end.items;
                if items.capacity() == items.max_capacity() {
                    let _ = items.try_send(StreamItem::Alive);
                }
            }
            Accepted::Violation => {
                self.inputs.push(handled(key.peer, message.id));
                incoming.end.cell.leave(Leave::Cancel("window exceeded".to_owned()));
                self.fail_reader(key, StreamError::Violation.into(), true);
            }
        }
    }

    /// A frame of a stream that has ended here, or never was: dropped, and answered once.
    fn on_stray(
        &mut self,
        key: StreamKey,
        message: &IncomingMessage,
        known: bool,
        new_id: impl FnOnce() -> MessageId,
    ) {
        let mut step = StreamStep { handled: vec![message.id], ..step(key) };
        if !known && !self.ended.contains(&key) && message.kind == MessageType::Stream {
            self.remember_ended(key);
            step.send = cancel(key, new_id(), "unknown stream");
        }
        self.inputs.push(Input::Stream(Box::new(step)));
    }

    /// Nothing more will come: the application is told, and what is kept is dropped.
    pub(super) fn fail_reader(&mut self, key: StreamKey, error: Error, tell: bool) {
        let Some(incoming) = self.readers.get_mut(&key) else { return };
        incoming.failed = true;
        incoming.tell = tell;
        incoming.end.cell.leave(Leave::Cancel(String::new()));
        let _ = incoming.end.items.try_send(StreamItem::Failed(error));
        self.hub.touch(key);
    }

    /// Receipts what was consumed, and ends what is over.
    pub(super) fn pump_reader(
        &mut self,
        key: StreamKey,
        engine: &Engine,
        now: Instant,
        new_id: impl FnOnce() -> MessageId,
        jobs: &mut Vec<Job>,
    ) {
        let Some(incoming) = self.readers.get_mut(&key) else { return };
        if engine.stream(&key).is_none() {
            // Its request was refused, and whoever asked was told.
            if incoming.end.items.is_closed() {
                self.readers.remove(&key);
            }
            return;
        }
        let (consumed, leave) = incoming.end.cell.look();
        incoming.reader.consume(consumed);
        let reader = &mut incoming.reader;
        let step = match leave {
            Some(Leave::Detach) => {
                let state = Some(reader.state());
                StreamStep { state, handled: reader.take_done(), ..step(key) }
            }
            Some(Leave::Cancel(reason)) => {
                let wanted = incoming.tell && !reader.is_ended();
                let send = if wanted { cancel(key, new_id(), &reason) } else { None };
                StreamStep { send, handled: reader.drain(), ..step(key) }
            }
            None if reader.is_done() => StreamStep { handled: reader.take_done(), ..step(key) },
            None => {
                let due = incoming.grant_at.is_some_and(|at| at <= now);
                if due || reader.has_half_a_window() {
                    incoming.grant_at = None;
                    let state = Some(reader.state());
                    let step = StreamStep { state, handled: reader.take_done(), ..step(key) };
                    jobs.push(Job::silent(Input::Stream(Box::new(step))));
                } else if reader.has_done() {
                    let at = *incoming.grant_at.get_or_insert(now + GRANT_DELAY);
                    self.wake_at(key, at);
                }
                return;
            }
        };
        // A cancel that cannot be sent ends the stream here all the same; the peer is told with its next frame.
        self.readers.remove(&key);
        self.due.remove(&key);
        if step.state.is_none() {
            self.remember_ended(key);
        }
        if step.send.is_some() {
            let alone = StreamStep { send: None, ..step.clone() };
            jobs.push(Job::silent(Input::Stream(Box::new(step))));
            jobs.push(Job::silent(Input::Stream(Box::new(alone))));
        } else {
            jobs.push(Job::silent(Input::Stream(Box::new(step))));
        }
    }
}

/// The frame in a message. One response, or an error, is a stream that begins and ends with it.
fn frame_of(message: &IncomingMessage, reader: &Reader) -> Option<(StreamFrame, usize)> {
    let first = reader.next_number();
    let bytes = message.payload.len();
    let frame = match (message.kind, &message.payload) {
        (MessageType::Stream, Payload::Bytes(body)) => match StreamBody::decode(body).ok()? {
            StreamBody::Frame(frame) => frame,
            StreamBody::Cancel { .. } => return None,
        },
        (MessageType::Response, payload) => {
            let chunk = match payload {
                Payload::Json(text) => Some(ChunkContent::Text(text.clone())),
                Payload::Bytes(bytes) => Some(ChunkContent::Bytes(bytes.clone())),
                Payload::None => None,
            };
            let chunks = chunk.into_iter().collect();
            StreamFrame { first, chunks, end: Some(StreamEnd::Finished), metadata: None }
        }
        (MessageType::Error, payload) => {
            let error = PeerError::parse(payload.as_json().unwrap_or_default());
            let end = Some(StreamEnd::Failed(error));
            StreamFrame { first, chunks: Vec::new(), end, metadata: None }
        }
        _ => return None,
    };
    Some((frame, bytes))
}

/// Tells a sender that no more is wanted.
fn cancel(key: StreamKey, id: MessageId, reason: &str) -> Option<NewMessage> {
    let reason: String = reason.chars().take(200).collect();
    let body = StreamBody::Cancel { reason }.encode().ok()?;
    Some(NewMessage {
        id,
        to: key.peer,
        kind: MessageType::Stream,
        in_reply_to: Some(key.id),
        payload: Payload::Bytes(body),
        headers: Headers::NONE,
        knock_request: None,
        expires_in: None,
    })
}
