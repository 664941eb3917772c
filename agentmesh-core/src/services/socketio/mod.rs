//! Socket.IO 5 over Engine.IO 4, as a client: what a service says in events over one connection.
//!
//! `packet` reads and writes the text frames, `connection` is one connection as a state machine, `dial` opens what is
//! below it: a WebSocket, or, where something between lets none through, requests that wait for their answers
//! (`polling`). Knows no service, no event names, no tasks. Binary packets are refused, other namespaces than the one that
//! was joined are ignored. Why this is not a crate's: `docs/decisions/`, "Socket.IO without a client crate".

mod connection;
mod dial;
mod packet;
mod polling;

pub(crate) use self::{
    connection::{Connection, Happened, OutFrame},
    dial::{Dial, DialFailure, Line, Received, Transport, received},
};

/// Bytes of an event that is sent: what servers take by default.
pub(crate) const MAX_PAYLOAD: usize = 1_000_000;

/// Bytes of a frame that is received. More than a server takes: it bounds what comes in, not what it sends, and a
/// history of many messages or a picture is one event.
pub(crate) const MAX_RECEIVED: usize = 8 * 1024 * 1024;
