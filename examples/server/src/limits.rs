//! Every limit of the server that an operator may set, with its default; 0 switches one off. What the protocol fixes
//! is in `agentmesh_core::limits`.

use std::{
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

use agentmesh_core::limits::MAX_ENCRYPTED_PAYLOAD;

/// Files that are not clients' sockets: the database, user data, requests of ours to others.
const FILES: u64 = 256;

/// Limits an operator may set. 0, or a zero duration, means no limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Frames other than KNOCKs that an agent may send through the relay in a minute.
    pub messages_per_minute: u32,
    /// KNOCKs that an agent may send in a minute.
    pub knocks_per_minute: u32,
    /// WebSocket connections that one IP address (one /64 in IPv6) may open in a minute.
    pub connects_per_minute_per_ip: u32,
    /// One-time prekeys that a requester gets of one agent in an hour.
    pub one_time_keys_per_hour: u32,
    /// Unacknowledged messages kept for one agent.
    pub pending_per_agent: u32,
    /// Unacknowledged messages kept in all.
    pub stored_messages: u32,
    /// Bytes of an `encrypted_payload`.
    pub payload_bytes: u32,
    /// How long a message waits for its recipient.
    pub message_ttl: Duration,
    /// A message that a connected recipient does not acknowledge is sent to it again after so long, then after twice as
    /// long and so on, at most sixteen times as long. To the second.
    pub redeliver_after: Duration,
    /// A connection that says nothing, not even a pong, for so long is closed.
    pub idle_timeout: Duration,
    /// A connection on which nothing that was sent gets through for so long is broken off: its client takes nothing, or
    /// its machine or network is gone. On Linux and Android only; elsewhere it is the system that gives up.
    pub stalled_timeout: Duration,
    /// Time for the first frame.
    pub connect_timeout: Duration,
    /// Bytes waiting to be sent on one connection, beyond which it counts as slow.
    pub outgoing_bytes: u32,
    /// Sockets open at a time.
    pub connections: u32,
    /// Sockets that one IP address (one /64 in IPv6) may have open, and sessions of Engine.IO.
    pub connections_per_ip: u32,
    /// HTTP requests that one IP address (one /64 in IPv6) may make in a minute.
    pub requests_per_minute_per_ip: u32,
    /// Time for a request's head, and for an idle HTTP connection to send another.
    pub head_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            messages_per_minute: 100,
            knocks_per_minute: 30,
            connects_per_minute_per_ip: 600,
            one_time_keys_per_hour: 10,
            pending_per_agent: 100,
            stored_messages: 100_000,
            payload_bytes: u32::try_from(MAX_ENCRYPTED_PAYLOAD).unwrap_or(u32::MAX),
            message_ttl: Duration::from_secs(72 * 3600),
            redeliver_after: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(60),
            stalled_timeout: Duration::from_secs(120),
            connect_timeout: Duration::from_secs(10),
            outgoing_bytes: 256 * 1024,
            connections: 50_000,
            connections_per_ip: 2_000,
            requests_per_minute_per_ip: 6_000,
            head_timeout: Duration::from_secs(20),
        }
    }
}

impl Limits {
    /// No more sockets than a process may have that may have so many files open, with some left for files. Says whether
    /// that is less than was asked for.
    pub fn fit(&mut self, files: u64) -> bool {
        let room = u32::try_from(files.saturating_sub(FILES).max(1)).unwrap_or(u32::MAX);
        let less = self.connections > room;
        if less || self.connections == 0 {
            self.connections = room;
        }
        less
    }

    /// The defaults without the limits per AMID and per IP address: on loopback, with one developer, they only get
    /// in the way. What is kept is limited in all. What is not acknowledged comes again sooner.
    pub fn for_development() -> Self {
        Self {
            messages_per_minute: 0,
            knocks_per_minute: 0,
            connects_per_minute_per_ip: 0,
            one_time_keys_per_hour: 0,
            pending_per_agent: 0,
            connections_per_ip: 0,
            requests_per_minute_per_ip: 0,
            // Faults on demand lose messages; nobody likes to wait for them.
            redeliver_after: Duration::from_secs(2),
            ..Self::default()
        }
    }
}

/// Whether `count` has reached `limit`, where 0 is no limit.
pub(crate) fn reached(limit: u32, count: usize) -> bool {
    limit != 0 && count >= usize::try_from(limit).unwrap_or(usize::MAX)
}

/// Whom an address is counted as: whoever has one IPv6 address has a whole /64 of them.
pub(crate) fn block(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}
