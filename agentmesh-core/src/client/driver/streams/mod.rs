//! Streams between their two ends: what the application says goes into frames, and frames go to the application.
//!
//! `outgoing` feeds the senders, `incoming` the readers. Both only make inputs for the engine, each a step of a stream
//! that is one commit; what is on disk, the engine knows. Nothing here waits.

mod incoming;
mod outgoing;
#[cfg(test)]
mod tests;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use crate::client::platform::time::Instant;

use super::{
    Driver,
    batch::{Job, Reply},
};
use crate::{
    Error,
    client::agent::{OpenStream, StreamCommand, StreamConfig, StreamError, StreamHub},
    engine::{Event, IncomingMessage, Input, StreamStep},
    identity::Amid,
    maps::{HashMap, HashSet},
    stream::{Pace, StreamKey, StreamRole},
    wire::{
        id::MessageId,
        plaintext::{MessageType, Payload},
        stream::StreamBody,
    },
};
use incoming::Incoming;
use outgoing::Outgoing;

/// Streams that ended lately, so that their last frames are not taken for those of unknown ones.
const MAX_ENDED: usize = 1024;

/// All streams of the agent.
#[derive(Debug)]
pub(super) struct Streams {
    own: Amid,
    config: StreamConfig,
    hub: Arc<StreamHub>,
    senders: HashMap<StreamKey, Outgoing>,
    readers: HashMap<StreamKey, Incoming>,
    /// Whose frames are under way.
    frames: HashMap<MessageId, StreamKey>,
    ended: VecDeque<StreamKey>,
    pace: Pace,
    start: Instant,
    /// Inputs that events brought.
    inputs: Vec<Input>,
    /// When a stream wants to be looked at again.
    due: HashMap<StreamKey, Instant>,
}

impl Streams {
    pub(super) fn new(own: Amid, config: StreamConfig, hub: Arc<StreamHub>) -> Self {
        Self {
            own,
            config,
            hub,
            senders: HashMap::default(),
            readers: HashMap::default(),
            frames: HashMap::default(),
            ended: VecDeque::new(),
            pace: Pace::new(config.relay_messages_per_minute, 0),
            start: Instant::now(),
            inputs: Vec::new(),
            due: HashMap::default(),
        }
    }

    pub(super) const fn hub(&self) -> &Arc<StreamHub> {
        &self.hub
    }

    /// When a stream is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.due.values().min().copied()
    }

    /// Looks at a stream again at `at`, or earlier.
    fn wake_at(&mut self, key: StreamKey, at: Instant) {
        let due = self.due.entry(key).or_insert(at);
        *due = (*due).min(at);
    }

    /// Milliseconds of the clock that the pace goes by.
    fn clock(&self, now: Instant) -> u64 {
        u64::try_from(now.duration_since(self.start).as_millis()).unwrap_or(u64::MAX)
    }

    fn remember_ended(&mut self, key: StreamKey) {
        if self.ended.len() >= MAX_ENDED {
            self.ended.pop_front();
        }
        self.ended.push_back(key);
    }

    /// Everything ends: whoever waits is told.
    pub(super) fn close(&mut self, error: &Error) {
        for outgoing in self.senders.values() {
            outgoing.break_off(error.clone());
        }
        self.readers.clear();
    }
}

impl Driver {
    pub(super) fn on_stream_command(&mut self, command: StreamCommand, jobs: &mut Vec<Job>) {
        match command {
            StreamCommand::Open { key, message, terms, end, reply } => {
                if self.engine.stream(&key).is_some() {
                    let _ = reply.send(Err(StreamError::Busy.into()));
                    return;
                }
                if let Err(refused) = self.acquire(&message) {
                    let _ = reply.send(Err(refused));
                    return;
                }
                let step = self.streams.open(key, *message, terms, end);
                let input = Input::Stream(Box::new(step));
                jobs.push(Job { input, reply: Reply::Plain(reply) });
            }
            StreamCommand::Resume { key, from, end, reply } => {
                let _ = reply.send(self.streams.resume(key, from, end, &self.engine));
            }
            StreamCommand::Answer { key, terms, reply } => {
                let _ = reply.send(self.streams.answer(key, terms, &self.engine));
            }
            StreamCommand::List { reply } => {
                let open = self.engine.streams().into_iter().map(|(key, state)| {
                    let StreamKey { peer, id, role } = key;
                    OpenStream { peer, id, role, position: state.chunks }
                });
                let _ = reply.send(Ok(open.collect()));
            }
        }
    }

    /// Looks at every stream in which something may have moved.
    pub(super) fn pump_streams(&mut self, jobs: &mut Vec<Job>) {
        let now = Instant::now();
        jobs.extend(self.answers.drain(..).map(Job::silent));
        let streams = &mut self.streams;
        jobs.extend(streams.inputs.drain(..).map(Job::silent));
        let mut keys: HashSet<_> = streams.hub.take().into_iter().collect();
        streams.due.retain(|key, at| {
            let later = *at > now;
            if !later {
                keys.insert(*key);
            }
            later
        });
        let mut keys: Vec<_> = keys.into_iter().collect();
        keys.sort_unstable();
        for key in keys {
            match key.role {
                StreamRole::Sender => {
                    if self.streams.pump_sender(key, &self.engine, now, jobs) {
                        // The end of the stream is the verdict on its request.
                        self.delivery.done(&(key.peer, key.id));
                    }
                }
                StreamRole::Reader => {
                    let new_id =
                        || MessageId::new_v7(self.config.clock.now(), &mut crate::rng::SystemRng);
                    self.streams.pump_reader(key, &self.engine, now, new_id, jobs);
                }
            }
        }
    }

    /// Takes a message that belongs to a stream. False if it is the application's.
    pub(super) fn stream_message(&mut self, message: &IncomingMessage) -> bool {
        let Some(id) = message.in_reply_to else { return false };
        let peer = message.from;
        let reader = StreamKey { peer, id, role: StreamRole::Reader };
        match message.kind {
            MessageType::Stream => {
                let body = match &message.payload {
                    Payload::Bytes(bytes) => StreamBody::decode(bytes).ok(),
                    _ => None,
                };
                match body {
                    Some(StreamBody::Cancel { reason }) => {
                        let key = StreamKey { role: StreamRole::Sender, ..reader };
                        self.streams.on_cancel(key, message.id, reason, &self.engine);
                    }
                    Some(StreamBody::Frame(_)) => {
                        let new_id = || {
                            MessageId::new_v7(self.config.clock.now(), &mut crate::rng::SystemRng)
                        };
                        self.streams.on_frame(reader, message, &self.engine, new_id);
                    }
                    // Nonsense under a good key: there is nobody who could do something about it.
                    None => self.streams.inputs.push(handled(peer, message.id)),
                }
                self.streams.hub.touch(reader);
                true
            }
            MessageType::Response | MessageType::Error => {
                if self.engine.stream(&reader).is_none() {
                    return false;
                }
                self.streams.on_frame(reader, message, &self.engine, || message.id);
                self.streams.hub.touch(reader);
                true
            }
            _ => false,
        }
    }

    /// Whether a message is the one answer to a request for a stream that somebody reads.
    pub(super) fn is_stream_answer(&self, message: &IncomingMessage) -> bool {
        matches!(message.kind, MessageType::Response | MessageType::Error)
            && message.in_reply_to.is_some_and(|id| {
                let key = StreamKey { peer: message.from, id, role: StreamRole::Reader };
                self.streams.readers.contains_key(&key)
            })
    }

    /// What became of messages that belong to streams.
    pub(super) fn stream_event(&mut self, event: &Event) {
        match event {
            Event::Progress { id, stage: crate::engine::Stage::Handled, .. } => {
                if let Some(key) = self.streams.frames.remove(id) {
                    self.streams.hub.touch(key);
                }
            }
            Event::SendFailed { to, id, reason } => {
                self.streams.on_send_failed(*to, *id, reason);
            }
            _ => {}
        }
    }
}

fn handled(from: Amid, id: MessageId) -> Input {
    Input::Handled { from, id }
}

fn step(key: StreamKey) -> StreamStep {
    StreamStep { key, state: None, send: None, handled: Vec::new() }
}

/// How long a refused frame waits for its next try.
const RETRY: Duration = Duration::from_secs(1);
/// How long consumed frames wait for company before they are receipted.
const GRANT_DELAY: Duration = Duration::from_millis(800);
