//! The two ends of a stream as machines without I/O: numbering, windows, order (`docs/protocol/native.md` §6.3).
//!
//! `sender` cuts what the application says into frames, `reader` puts frames back into order, `pace` spreads frames
//! over a relay's rate limit. None of them knows messages' way: whoever holds one queues the frames that it makes, and
//! tells it what became of them. Time is a parameter.

#[cfg(feature = "client")]
mod pace;
#[cfg(feature = "client")]
mod reader;
#[cfg(feature = "client")]
mod sender;

#[cfg(feature = "client")]
pub(crate) use self::{
    pace::Pace,
    reader::{Accepted, Reader},
    sender::{Sender, Stop},
};

#[cfg(any(test, feature = "client", feature = "hazmat"))]
use crate::keys::kdf;
use crate::{
    identity::Amid,
    wire::{id::MessageId, plaintext::StreamTerms},
};

/// Which end of a stream an agent is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum StreamRole {
    /// It was asked, and answers.
    Sender = 1,
    /// It asked.
    Reader = 2,
}

/// Names a stream. The request's id is its asker's choice, so it means something only together with the peer and the role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamKey {
    /// The agent at the other end.
    pub peer: Amid,
    /// The request that asked for it.
    pub id: MessageId,
    /// Which end we are.
    pub role: StreamRole,
}

/// What is remembered of a stream across crashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamState {
    /// Sender: chunks queued so far. Reader: the number of the chunk that it waits for.
    pub chunks: u64,
    /// Sender: frames queued so far. Reader: 0.
    pub frames: u64,
    /// The window.
    pub terms: StreamTerms,
}

#[cfg(any(test, feature = "client", feature = "hazmat"))]
/// The id of a stream's nth frame: who makes it twice makes the same.
pub(crate) fn frame_id(sender: Amid, reader: Amid, request: MessageId, n: u64) -> MessageId {
    request.derived(&kdf::sha256(&[
        b"agentmesh/0.3 stream frame",
        sender.as_bytes(),
        reader.as_bytes(),
        request.as_bytes(),
        &n.to_be_bytes(),
    ]))
}

#[cfg(feature = "client")]
#[cfg(test)]
mod tests;
