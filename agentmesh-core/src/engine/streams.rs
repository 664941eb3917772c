//! Streams as far as the store is concerned: how far each is, in the same commit as the messages that say so.
//!
//! What the frames of a stream are, and when there is room for one, `stream` knows; here they are messages like others.

use rand_core::CryptoRng;

use crate::{
    limits,
    stream::{StreamKey, StreamState},
    time::Timestamp,
    wire::id::MessageId,
};

use super::{Engine, NewMessage, SendError, records::StreamEntry};

/// One step of a stream: all of it is one commit.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamStep {
    /// Which stream.
    pub key: StreamKey,
    /// How far it is then; `None` ends it.
    pub state: Option<StreamState>,
    /// A message to send. If it is refused, nothing of the step happens.
    pub send: Option<NewMessage>,
    /// Messages of the peer that are handled with it.
    pub handled: Vec<MessageId>,
}

impl Engine {
    /// How far a stream is; `None` if it has ended or is not known.
    pub fn stream(&self, key: &StreamKey) -> Option<StreamState> {
        self.streams.get(key).map(|entry| entry.state)
    }

    /// Streams that have not ended, by key.
    pub fn streams(&self) -> Vec<(StreamKey, StreamState)> {
        let mut all: Vec<_> = self.streams.values().map(|e| (e.key, e.state)).collect();
        all.sort_unstable_by_key(|(key, _)| *key);
        all
    }

    pub(super) fn step_stream(
        &mut self,
        step: StreamStep,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), SendError> {
        let StreamStep { key, state, send, handled } = step;
        let known = self.streams.get(&key).is_some();
        if state.is_some() && !known && self.streams.len() >= limits::MAX_STREAMS {
            return Err(SendError::TooManyStreams { limit: limits::MAX_STREAMS });
        }
        if let Some(message) = send {
            self.send(message, now, rng)?;
        }
        for id in handled {
            self.on_handled(key.peer, id, now);
        }
        match state {
            Some(state) => self.streams.put(&self.vault, StreamEntry { key, state, at: now }),
            None => {
                self.streams.remove(&key);
            }
        }
        Ok(())
    }

    /// Forgets streams in which nothing has moved for long.
    pub(super) fn expire_streams(&mut self, now: Timestamp) {
        let old: Vec<_> = self
            .streams
            .values()
            .filter(|entry| now.since(entry.at) > limits::STREAM_AGE)
            .map(|entry| entry.key)
            .collect();
        for key in old {
            self.streams.remove(&key);
        }
    }
}
