//! What happens in a room.

use std::{fmt, time::Duration};

use serde_json::Value;

use super::{IceServers, PeerId, SignalingError};
use crate::{client::subscription::Lag, identity::Amid};

/// What happens in a room, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignalingEvent {
    /// The room is joined for the first time.
    Joined {
        /// This client's id.
        id: PeerId,
        /// ICE servers for connections to peers, normalised.
        ice_servers: IceServers,
    },
    /// The stream is back, and this client is who it was. What peers sent meanwhile follows.
    Resumed {
        /// This client's id.
        id: PeerId,
        /// ICE servers, whose credentials may be new: for the next ICE restart.
        ice_servers: IceServers,
    },
    /// The server does not take this client's credentials any more. It joins anew; [`Self::IdentityChanged`] follows.
    IdentityLost {
        /// The id that is lost.
        id: PeerId,
    },
    /// The server has forgotten this client and gave it another id. Peers see it as somebody new.
    IdentityChanged {
        /// The id before.
        old: PeerId,
        /// The id from now on.
        new: PeerId,
        /// ICE servers.
        ice_servers: IceServers,
    },
    /// Who is in the room, after every change.
    Roster(Roster),
    /// A peer sent something.
    Signal(Signal),
    /// An event that could not be read. The stream goes on.
    Unreadable {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The stream was lost, or could not be opened; the next attempt follows.
    Disconnected {
        /// Why.
        error: SignalingError,
        /// When.
        retry_in: Duration,
    },
    /// Another process resumed this session. [`Self::Closed`] follows: two that take it from each other would never end.
    Superseded,
    /// The end: nothing follows.
    Closed {
        /// Why.
        error: SignalingError,
    },
    /// The reader was too slow for so many events.
    Lagged {
        /// How many.
        missed: u64,
    },
}

impl Lag for SignalingEvent {
    fn lagged(missed: u64) -> Self {
        Self::Lagged { missed }
    }
}

/// Who is in the room besides this client, and what changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Roster {
    /// Everybody else, in the order in which they joined.
    pub peers: Vec<PeerId>,
    /// Who was not there in the roster before.
    pub joined: Vec<PeerId>,
    /// Who was, and is not any more.
    pub left: Vec<PeerId>,
    /// The first roster of this id: who is in it was there before, so this client offers to all of them
    /// ([`Negotiator`](super::Negotiator)).
    pub first: bool,
}

/// What a peer sent. Nothing in it is verified by the server: any peer in the room can send anything.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Signal {
    /// Who sent it, by the server's word.
    pub sender: PeerId,
    /// What it sent: any JSON but `null`. [`Payload`](super::Payload) reads it.
    pub value: Value,
    /// Whether it is signed by an agent's identity key.
    pub author: Author,
}

/// Who wrote a signal, by its own signature rather than the server's word.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Author {
    /// It is not signed.
    #[default]
    Unsigned,
    /// This agent signed it: for this room, from this sender, to this client, with these DTLS fingerprints.
    Signed(Amid),
    /// It has a signature that does not fit. Treat it as an attack or ignore it.
    Invalid(SignalingError),
}

/// Session descriptions hold addresses; shown is only who sent how much.
impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signal")
            .field("sender", &self.sender)
            .field("author", &self.author)
            .finish_non_exhaustive()
    }
}
