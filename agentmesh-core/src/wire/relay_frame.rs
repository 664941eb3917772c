//! Text frames between an agent and a relay: 0.2 (`docs/protocol/relay.md`) and the negotiated extensions of
//! `docs/protocol/native.md` §8.
//!
//! Plain data. Knows the JSON shapes and their bounds; does not know what an `encrypted_payload` holds, who is
//! connected, or how frames reach a socket. Unknown frame types, unknown fields and unknown enumeration values are
//! never an error: servers and clients are upgraded one by one.

use serde::{Deserialize, Serialize};

use super::{
    json::Object, relay_error::RelayErrorCode, relay_features::Features, relay_id::RelayMessageId,
    text_enum::text_enum,
};
use crate::{error::errors, limits::MAX_RELAY_FRAME};

/// What `connect.protocol` says. Native extensions are announced in `features`, not here.
pub const RELAY_PROTOCOL: &str = "agentmesh/0.2";

errors! {
    /// Why a relay frame could not be parsed.
    pub enum RelayFrameError {
        /// The frame is longer than any valid one.
        #[error("relay frame of {actual} bytes exceeds the limit of {limit}")]
        TooLong {
            /// The limit in bytes.
            limit: usize,
            /// What was received.
            actual: usize,
        } = "RELAY_FRAME_TOO_LONG", Protocol, permanent;
        /// Not JSON, not an object with a `type`, or a known type with a missing or mistyped field.
        #[error("malformed relay frame")]
        Malformed = "RELAY_FRAME_MALFORMED", Protocol, permanent;
    }
}

text_enum! {
    /// What the relay may know about the content of a message: a hint that changes no state.
    pub enum RelayMessageType {
        /// A request to open a session. Native handshake frames travel as this.
        Knock = "knock";
        /// The answer to a KNOCK (0.2).
        Accept = "accept";
        /// The answer to a KNOCK (0.2).
        Reject = "reject";
        /// Anything else. Native frames other than handshakes travel as this.
        Message = "message";
        /// The end of a session (0.2).
        Close = "close";
        /// A status (0.2).
        Status = "status";
        /// A message sent together with its KNOCK (0.2).
        OptimisticMessage = "optimistic_message";
    }
}

text_enum! {
    /// Whether an agent can be reached.
    pub enum PresenceStatus {
        /// Connected.
        Online = "online";
        /// Connected, not attending.
        Away = "away";
        /// Not connected, or unknown to the relay.
        Offline = "offline";
        /// Connected, does not want to be disturbed.
        DoNotDisturb = "dnd";
    }
}

/// An ICE candidate, forwarded as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IceCandidate {
    /// The candidate line.
    pub candidate: String,
    /// Its media stream.
    #[serde(default)]
    pub sdp_mid: Option<String>,
    /// Index of its media stream.
    #[serde(default)]
    pub sdp_mline_index: Option<u32>,
}

/// `connect`: the first frame of a client, within 10 seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectFrame {
    /// [`RELAY_PROTOCOL`], or `agentmesh/0.1`.
    pub protocol: String,
    /// Who connects.
    pub amid: String,
    /// Ed25519 key in base64, with or without `ed25519:`.
    pub public_key: String,
    /// Signature over the timestamp, base64.
    pub signature: String,
    /// RFC 3339 with an offset, at most 5 minutes old.
    pub timestamp: String,
    /// Whether the client offers peer-to-peer transports.
    #[serde(default)]
    pub p2p_capable: bool,
    /// Extensions that the client knows; left out by plain 0.2.
    #[serde(default, skip_serializing_if = "Features::is_empty")]
    pub features: Features,
    /// With feature `auth`: base64 of a 16-byte nonce and a signature bound to this relay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<String>,
}

/// `send`: a message on its way to the relay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendFrame {
    /// The recipient's AMID.
    pub to: String,
    /// Opaque to the relay, at most [`crate::limits::MAX_ENCRYPTED_PAYLOAD`] bytes.
    pub encrypted_payload: String,
    /// A hint.
    pub message_type: RelayMessageType,
    /// Forwarded to a recipient that is connected, dropped when stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ice_candidates: Option<Vec<IceCandidate>>,
    /// With feature `ack`: the frame's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<RelayMessageId>,
}

/// `receive`: a message on its way to the recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiveFrame {
    /// The sender's AMID, as the relay authenticated it.
    pub from: String,
    /// As sent.
    pub encrypted_payload: String,
    /// As sent.
    pub message_type: RelayMessageType,
    /// When the relay got it, RFC 3339 with 0 to 9 digits of fraction.
    pub timestamp: String,
    /// As sent, unless the message was stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ice_candidates: Option<Vec<IceCandidate>>,
    /// With feature `ack`: what to acknowledge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<RelayMessageId>,
}

/// `ice_offer` and `ice_answer`. On the way to the recipient, `to` holds the *sender's* AMID.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IceFrame {
    /// The recipient on the way to the relay, the sender on the way from it.
    pub to: String,
    /// Session description.
    pub sdp: String,
    /// Candidates.
    #[serde(default)]
    pub candidates: Vec<IceCandidate>,
}

/// A frame from an agent to the relay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ClientFrame {
    /// The first frame.
    Connect(ConnectFrame),
    /// A message.
    Send(SendFrame),
    /// Sets the own presence.
    Presence {
        /// The new status.
        status: PresenceStatus,
    },
    /// Asks for another agent's presence.
    PresenceQuery {
        /// Whose.
        amid: String,
    },
    /// Offers a peer-to-peer transport.
    IceOffer(IceFrame),
    /// Answers an offer.
    IceAnswer(IceFrame),
    /// Says that a peer-to-peer transport works. Spelled `p2_p_established` by 0.2.
    #[serde(rename = "p2_p_established", alias = "p2p_established")]
    P2pEstablished {
        /// The other side.
        peer: String,
    },
    /// Asks for a `pong`.
    Ping {
        /// RFC 3339, comes back in the `pong`.
        timestamp: String,
    },
    /// With feature `ack`: the recipient has the message, durably.
    Ack {
        /// Who sent the message.
        from: String,
        /// Its id.
        message_id: RelayMessageId,
    },
    /// The client leaves.
    Disconnect {
        /// Why, for the log.
        reason: String,
    },
    /// A type that this build does not know.
    #[serde(other)]
    Unknown,
}

/// A frame from the relay to an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ServerFrame {
    /// The answer to a good `connect`.
    Connected {
        /// Names the connection in the relay's log.
        #[serde(default)]
        session_id: String,
        /// How many stored messages follow.
        #[serde(default)]
        pending_messages: u64,
        /// The extensions in use: what both sides know.
        #[serde(default, skip_serializing_if = "Features::is_empty")]
        features: Features,
    },
    /// A message.
    Receive(ReceiveFrame),
    /// With feature `ack`: the relay has the message on its disk, or the recipient acknowledged it.
    Ack {
        /// Which.
        message_id: RelayMessageId,
    },
    /// The answer to `presence_query`.
    PresenceResponse {
        /// Whose.
        amid: String,
        /// `offline` for an agent that the relay does not know.
        status: PresenceStatus,
        /// Last sign of life.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last_seen: Option<String>,
    },
    /// An offer of another agent.
    IceOffer(IceFrame),
    /// An answer of another agent.
    IceAnswer(IceFrame),
    /// Another agent's side of a peer-to-peer transport works.
    #[serde(rename = "p2_p_established", alias = "p2p_established")]
    P2pEstablished {
        /// The other agent.
        peer: String,
    },
    /// The answer to `ping`.
    Pong {
        /// The instant of the `ping`, re-rendered.
        #[serde(default)]
        timestamp: String,
    },
    /// Something was not done. The connection stays, unless a close follows.
    Error {
        /// What, for programs.
        code: RelayErrorCode,
        /// What, for people.
        #[serde(default)]
        message: String,
        /// When to try again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after_seconds: Option<u64>,
        /// With feature `ack`: which of the client's frames this is about.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message_id: Option<RelayMessageId>,
    },
    /// A type that this build does not know.
    #[serde(other)]
    Unknown,
}

fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, RelayFrameError> {
    if text.len() > MAX_RELAY_FRAME {
        return Err(RelayFrameError::TooLong { limit: MAX_RELAY_FRAME, actual: text.len() });
    }
    let read = serde_json::from_str::<Object<T>>(text).map_err(|_| RelayFrameError::Malformed)?;
    Ok(read.0)
}

impl ClientFrame {
    /// Parses a text frame.
    ///
    /// # Errors
    /// [`RelayFrameError`], if the text is too long, not JSON, or lacks a field of its type.
    pub fn parse(text: &str) -> Result<Self, RelayFrameError> {
        parse(text)
    }

    /// The frame as JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl ServerFrame {
    /// Parses a text frame.
    ///
    /// # Errors
    /// [`RelayFrameError`], if the text is too long, not JSON, or lacks a field of its type.
    pub fn parse(text: &str) -> Result<Self, RelayFrameError> {
        parse(text)
    }

    /// The frame as JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// An `error` frame without the optional fields.
    pub fn error(code: RelayErrorCode, message: impl Into<String>) -> Self {
        Self::Error { code, message: message.into(), retry_after_seconds: None, message_id: None }
    }
}

#[cfg(test)]
#[path = "relay_frame_tests.rs"]
mod tests;
