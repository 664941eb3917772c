//! What goes in and out of a relay connection, in terms of its owner.

use std::{fmt, time::Duration};

use bytes::Bytes;

use super::RelayError;
use crate::{
    Timestamp,
    identity::Amid,
    wire::{
        relay_error::RelayErrorCode,
        relay_features::Features,
        relay_frame::{PresenceStatus, RelayMessageType},
        relay_id::RelayMessageId,
    },
};

/// What `encrypted_payload` holds.
#[derive(Clone, PartialEq, Eq)]
pub enum RelayPayload {
    /// A native frame. Travels as bytes where `binary` was negotiated, else as base64.
    Native(Bytes),
    /// Anything else, as it is: 0.2, or unencrypted JSON.
    Text(String),
}

impl fmt::Debug for RelayPayload {
    /// Shows the size only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Native(bytes) => write!(f, "Native({} bytes)", bytes.len()),
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
        }
    }
}

/// A message on its way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outbound {
    /// The recipient.
    pub to: Amid,
    /// A random id for this frame; the same for the same frame sent again. Used where `ack` was negotiated.
    pub id: RelayMessageId,
    /// A hint for the relay.
    pub message_type: RelayMessageType,
    /// The content.
    pub payload: RelayPayload,
}

/// A message that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inbound {
    /// The sender, as the relay says.
    pub from: Amid,
    /// What to acknowledge; `None` from relays that know no acknowledgements.
    pub id: Option<RelayMessageId>,
    /// A hint.
    pub message_type: RelayMessageType,
    /// The content.
    pub payload: RelayPayload,
    /// When the relay got it, if it says so readably.
    pub received_at: Option<Timestamp>,
}

/// What the owner can ask of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RelayCommand {
    /// Send a message.
    Send(Outbound),
    /// Tell the relay that a message is durable here. Does nothing where `ack` was not negotiated.
    Ack {
        /// Who sent it.
        from: Amid,
        /// Its id.
        id: RelayMessageId,
    },
    /// Ask for another agent's presence.
    QueryPresence(Amid),
}

/// What happens on a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RelayEvent {
    /// The relay accepted the connection. Everything sent before it and not [`RelayEvent::Acked`] is to be sent again.
    Connected {
        /// The relay's name for the connection.
        session_id: String,
        /// How many stored messages follow.
        pending: u64,
        /// The extensions in use.
        features: Features,
    },
    /// A message.
    Frame(Inbound),
    /// The relay has this message durably. It says nothing about the recipient.
    Acked(RelayMessageId),
    /// The relay did not do something; the connection stays.
    Error {
        /// What.
        code: RelayErrorCode,
        /// In the relay's words.
        message: String,
        /// The message concerned, where `ack` was negotiated and it is known.
        id: Option<RelayMessageId>,
        /// When to try again.
        retry_after: Option<Duration>,
    },
    /// The answer to [`RelayCommand::QueryPresence`].
    Presence {
        /// Whose.
        amid: Amid,
        /// The status.
        status: PresenceStatus,
        /// Last sign of life.
        last_seen: Option<Timestamp>,
    },
    /// The connection is gone, or could not be made. Queued commands were dropped.
    Disconnected {
        /// Why.
        error: RelayError,
        /// When the next attempt starts.
        retry_in: Duration,
    },
    /// Another connection of the same agent took over. Nothing follows.
    Replaced,
}
