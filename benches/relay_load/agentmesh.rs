//! Clients of our relay.

use std::{
    net::SocketAddr,
    time::{SystemTime, UNIX_EPOCH},
};

use agentmesh_core::{
    Timestamp,
    identity::Identity,
    rng::SystemRng,
    wire::{
        relay_binary::{BinaryFrame, BinaryMessageType},
        relay_features::Features,
        relay_frame::{ClientFrame, ConnectFrame, RELAY_PROTOCOL, RelayMessageType, SendFrame},
        relay_id::RelayMessageId,
    },
};
use base64ct::{Base64, Encoding};

use crate::{
    connection::Connection,
    system::{End, SIZE, System},
    websocket::{self, BINARY, TEXT},
};

/// What native clients announce, without `auth`: proofs are not what is measured.
pub(crate) const NATIVE: Features = Features { auth: false, ..Features::ALL };

#[expect(clippy::disallowed_methods, reason = "the relay wants to know the time")]
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap())
}

pub(crate) fn identity() -> Identity {
    Identity::generate(now(), &mut SystemRng)
}

/// Connects and waits until the relay has accepted.
pub(crate) fn connect(addr: SocketAddr, identity: &Identity, features: Features) -> Connection {
    let mut connection = websocket::connect(addr);
    let (timestamp, signature) = identity.sign_timestamp(now());
    let frame = ClientFrame::Connect(ConnectFrame {
        protocol: RELAY_PROTOCOL.into(),
        amid: identity.amid().to_string(),
        public_key: Base64::encode_string(identity.signing_key().as_bytes()),
        signature,
        timestamp,
        p2p_capable: false,
        features,
        auth: None,
    });
    connection.write(&websocket::frame(TEXT, frame.to_json().as_bytes()));
    connection.await_frame();
    connection
}

/// A message in the form of this kind of client. `id` counts only for those that acknowledge.
pub(crate) fn message(system: System, to: &str, id: RelayMessageId) -> Vec<u8> {
    if matches!(system, System::Json | System::Forwarder) {
        let frame = ClientFrame::Send(SendFrame {
            to: to.to_owned(),
            encrypted_payload: "x".repeat(SIZE),
            message_type: RelayMessageType::Message,
            ice_candidates: None,
            message_id: None,
        });
        return websocket::frame(TEXT, frame.to_json().as_bytes());
    }
    let frame = BinaryFrame::Send {
        to,
        id,
        message_type: BinaryMessageType::Message,
        frame: &[b'x'; SIZE],
    };
    websocket::frame(BINARY, &frame.encode())
}

/// The recipient's acknowledgement.
pub(crate) fn acknowledgement(peer: &str, id: RelayMessageId) -> Vec<u8> {
    websocket::frame(BINARY, &BinaryFrame::Ack { peer, id }.encode())
}

/// Where the id of a binary frame is in a client's frame of `length` bytes: behind the WebSocket's head, its kind and
/// the name.
fn id_at(length: usize, name: &str) -> usize {
    if length < 126 + 6 { 6 + 2 + name.len() } else { 8 + 2 + name.len() }
}

/// What an end of an acknowledged conversation keeps.
pub(crate) struct Numbered {
    next: u64,
    id_at: usize,
    /// Acknowledges a message of the peer, once its id is in it.
    acknowledgement: Vec<u8>,
    acknowledgement_id_at: usize,
    /// Where the id is in the frames that come: their head has 4 bytes.
    incoming_id_at: usize,
    out: Vec<u8>,
}

impl Numbered {
    pub(crate) fn new(message: &[u8], peer: &str) -> Self {
        let id = RelayMessageId::from_bytes([0; 16]);
        let acknowledgement = acknowledgement(peer, id);
        Self {
            next: 0,
            id_at: id_at(message.len(), peer),
            acknowledgement_id_at: id_at(acknowledgement.len(), peer),
            acknowledgement,
            incoming_id_at: 4 + 2 + peer.len(),
            out: Vec::new(),
        }
    }

    /// Gives a message the next id.
    pub(crate) fn number(&mut self, message: &mut [u8]) {
        self.next += 1;
        message[self.id_at..self.id_at + 8].copy_from_slice(&self.next.to_be_bytes());
    }

    /// Reads once and acknowledges every message that came.
    pub(crate) fn receive(&mut self, connection: &mut Connection) -> usize {
        let Self { out, acknowledgement, acknowledgement_id_at: at, incoming_id_at, .. } = self;
        out.clear();
        let counts = connection.read_each(|message| {
            let id = &message[*incoming_id_at..*incoming_id_at + 16];
            acknowledgement[*at..*at + 16].copy_from_slice(id);
            out.extend_from_slice(acknowledgement);
        });
        connection.write(out);
        counts.messages
    }
}

pub(crate) fn pair(addr: SocketAddr, system: System) -> [End; 2] {
    let features = match system {
        System::Json | System::Forwarder => Features::NONE,
        System::Binary => Features { binary: true, ..Features::NONE },
        _ => NATIVE,
    };
    let identities = [identity(), identity()];
    [0, 1].map(|own: usize| {
        let other = identities[1 - own].amid().to_string();
        let connection = connect(addr, &identities[own], features);
        let message = message(system, &other, RelayMessageId::from_bytes([0; 16]));
        let numbered = system.is_acknowledged().then(|| Numbered::new(&message, &other));
        End { connection, message, numbered }
    })
}
