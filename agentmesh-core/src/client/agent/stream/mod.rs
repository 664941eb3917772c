//! Streams: answers that come in pieces (`docs/protocol/native.md` §6.3).
//!
//! `outgoing` and `incoming` are the application's ends, `open` the calls that begin or resume a stream, `shared` what
//! an end and the driver both see, `error` what can go wrong.

mod error;
mod incoming;
mod open;
mod outgoing;
#[cfg(test)]
mod redaction;
mod shared;

use std::time::Duration;

pub use error::StreamError;
pub use incoming::{Chunk, IncomingStream};
pub use open::{OpenStream, StreamOptions};
pub use outgoing::{OutgoingStream, StreamWatch};
pub(crate) use shared::{Leave, OutgoingCell, ReaderEnd, StreamCommand, StreamHub, StreamItem};

/// How an agent sends streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamConfig {
    /// How many messages the relay takes from this agent in a minute; 0 if it does not limit them. Default: 100, which
    /// is what deployed relays allow.
    ///
    /// Streams stay below it together, by sending fewer and fuller frames: 30 at once, then 50 a minute. On a relay of
    /// your own without a limit, 0 gives every token its own frame as long as disk and network keep up.
    pub relay_messages_per_minute: u32,
    /// A stream whose producer is silent says so this often that it is still there. Default: 20 s.
    pub keep_alive: Duration,
    /// How long chunks may wait for a reader that consumes nothing before the stream fails. Default: 10 minutes.
    pub stall_timeout: Duration,
}

impl Default for StreamConfig {
    fn default() -> Self {
        Self {
            relay_messages_per_minute: 100,
            keep_alive: Duration::from_secs(20),
            stall_timeout: Duration::from_secs(600),
        }
    }
}
