//! The contenders, and two connected clients of one.

use agentmesh_benches::child::Child;

use crate::{
    agentmesh::{self, Numbered},
    connection::Connection,
    floor, nats,
};

/// Bytes of a message.
pub(crate) const SIZE: usize = 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum System {
    /// A WebSocket server on tokio-tungstenite that looks up a name and forwards the rest.
    Floor,
    /// Our relay as clients of 0.2 use it: JSON, forwarded and forgotten.
    Json,
    /// With binary frames, forwarded and forgotten.
    Binary,
    /// As native clients use it: binary frames, durable or acknowledged by the recipient before the sender hears.
    Acknowledged,
    /// What the deployed relay is built like.
    Forwarder,
    Nats,
}

impl System {
    pub(crate) const ALL: [Self; 6] =
        [Self::Floor, Self::Json, Self::Binary, Self::Acknowledged, Self::Forwarder, Self::Nats];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Json => "agentmesh, json",
            Self::Binary => "agentmesh, binary",
            Self::Acknowledged => "agentmesh, acknowledged",
            Self::Forwarder => "forwarder",
            Self::Nats => "nats",
        }
    }

    pub(crate) fn is_installed(self) -> bool {
        self != Self::Nats || nats::is_installed()
    }

    pub(crate) const fn is_acknowledged(self) -> bool {
        matches!(self, Self::Acknowledged)
    }

    pub(crate) fn serve(self, extra: &[&str]) -> Child {
        match self {
            Self::Floor => Child::serve("floor", extra),
            Self::Json | Self::Binary | Self::Acknowledged => Child::serve("agentmesh", extra),
            Self::Forwarder => Child::serve("forwarder", extra),
            Self::Nats => nats::serve(None),
        }
    }
}

/// One end: its connection, and an encoded message to the other end.
pub(crate) struct End {
    pub(crate) connection: Connection,
    pub(crate) message: Vec<u8>,
    /// Only if messages have ids and are acknowledged.
    pub(crate) numbered: Option<Numbered>,
}

impl End {
    pub(crate) const fn new(connection: Connection, message: Vec<u8>) -> Self {
        Self { connection, message, numbered: None }
    }

    /// The next message's bytes.
    pub(crate) fn next(&mut self) -> &[u8] {
        if let Some(numbered) = &mut self.numbered {
            numbered.number(&mut self.message);
        }
        &self.message
    }

    pub(crate) fn send(&mut self) {
        if let Some(numbered) = &mut self.numbered {
            numbered.number(&mut self.message);
        }
        self.connection.write(&self.message);
    }

    /// Reads once; how many messages came.
    pub(crate) fn receive(&mut self) -> usize {
        match &mut self.numbered {
            Some(numbered) => numbered.receive(&mut self.connection),
            None => self.connection.read().messages,
        }
    }
}

/// A running contender.
pub(crate) struct Running {
    pub(crate) system: System,
    pub(crate) child: Child,
}

impl Running {
    pub(crate) fn start(system: System) -> Self {
        Self { system, child: system.serve(&[]) }
    }

    /// Two clients that write to each other.
    pub(crate) fn pair(&self) -> [End; 2] {
        let addr = self.child.addr;
        match self.system {
            System::Floor => floor::pair(addr),
            System::Json | System::Binary | System::Acknowledged | System::Forwarder => {
                agentmesh::pair(addr, self.system)
            }
            System::Nats => nats::pair(addr),
        }
    }
}
