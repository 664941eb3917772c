//! Between the client's terms and relay frames, text or binary, as negotiated.
//!
//! Whatever a relay sends, the result is an event or nothing; nothing here fails.

use std::time::Duration;

use base64ct::{Base64, Encoding};
use bytes::Bytes;

use super::{Inbound, Outbound, RelayCommand, RelayEvent, RelayPayload};
use crate::{
    Timestamp,
    client::transport::{Incoming, Outgoing},
    wire::{
        relay_binary::{BinaryFrame, BinaryMessageType},
        relay_error::RelayErrorCode,
        relay_features::Features,
        relay_frame::{ClientFrame, PresenceStatus, ReceiveFrame, SendFrame, ServerFrame},
        relay_id::RelayMessageId,
    },
};

/// What one message from the relay comes to.
#[derive(Debug, PartialEq)]
pub(super) enum Received {
    /// Something the owner wants to know.
    Event(RelayEvent),
    /// The connection was accepted.
    Connected { session_id: String, pending: u64, features: Features },
    /// A message that cannot be handed on, because its sender is no agent: acknowledge it and forget it.
    AckOnly(Outgoing),
    /// The relay closes, with this code.
    Closed(Option<u16>),
    /// A sign of life without content.
    Nothing,
    /// It does not parse.
    Malformed,
}

/// Reads one message.
pub(super) fn receive(incoming: Incoming) -> Received {
    match incoming {
        Incoming::Close(code) => Received::Closed(code),
        Incoming::Binary(bytes) => receive_binary(&bytes),
        Incoming::Text(text) => ServerFrame::parse(&text).map_or(Received::Malformed, receive_text),
    }
}

fn receive_text(frame: ServerFrame) -> Received {
    let event = match frame {
        ServerFrame::Connected { session_id, pending_messages, features } => {
            return Received::Connected { session_id, pending: pending_messages, features };
        }
        ServerFrame::Receive(frame) => return receive_message(frame),
        ServerFrame::Ack { message_id } => RelayEvent::Acked(message_id),
        ServerFrame::PresenceResponse { amid, status, last_seen } => {
            let Ok(amid) = amid.parse() else { return Received::Malformed };
            let last_seen = last_seen.as_deref().and_then(Timestamp::parse_rfc3339);
            RelayEvent::Presence { amid, status, last_seen }
        }
        ServerFrame::Error { code: RelayErrorCode::Replaced, .. } => RelayEvent::Replaced,
        ServerFrame::Error { code, message, retry_after_seconds, message_id } => {
            RelayEvent::Error {
                code,
                message,
                id: message_id,
                retry_after: retry_after_seconds.map(Duration::from_secs),
            }
        }
        _ => return Received::Nothing,
    };
    Received::Event(event)
}

fn receive_message(frame: ReceiveFrame) -> Received {
    let id = frame.message_id;
    let Ok(from) = frame.from.parse() else {
        return id.map_or(Received::Malformed, |id| Received::AckOnly(text_ack(frame.from, id)));
    };
    Received::Event(RelayEvent::Frame(Inbound {
        from,
        id,
        message_type: frame.message_type,
        payload: payload(frame.encrypted_payload),
        received_at: Timestamp::parse_rfc3339(&frame.timestamp),
    }))
}

/// Strict base64 is a native frame; anything else is left to whoever understands it.
fn payload(text: String) -> RelayPayload {
    match Base64::decode_vec(&text) {
        Ok(bytes) if !bytes.is_empty() => RelayPayload::Native(bytes.into()),
        _ => RelayPayload::Text(text),
    }
}

fn receive_binary(bytes: &Bytes) -> Received {
    match BinaryFrame::parse(bytes) {
        Ok(BinaryFrame::Receive { from, id, message_type, time, frame }) => {
            let Ok(from) = from.parse() else {
                let ack = BinaryFrame::Ack { peer: from, id }.encode();
                return Received::AckOnly(Outgoing::Binary(ack.into()));
            };
            Received::Event(RelayEvent::Frame(Inbound {
                from,
                id: Some(id),
                message_type: message_type.to_text(),
                payload: RelayPayload::Native(bytes.slice_ref(frame)),
                received_at: Some(time),
            }))
        }
        Ok(BinaryFrame::Ack { id, .. }) => Received::Event(RelayEvent::Acked(id)),
        Ok(_) => Received::Nothing,
        Err(_) => Received::Malformed,
    }
}

/// Writes one command for a connection with these extensions; `None` if they leave nothing to send.
pub(super) fn send(command: RelayCommand, features: Features) -> Option<Outgoing> {
    Some(match command {
        RelayCommand::Send(message) => send_message(message, features),
        RelayCommand::Ack { .. } if !features.ack => return None,
        RelayCommand::Ack { from, id } if features.binary => {
            let ack = BinaryFrame::Ack { peer: &from.to_string(), id };
            Outgoing::Binary(ack.encode().into())
        }
        RelayCommand::Ack { from, id } => text_ack(from.to_string(), id),
        RelayCommand::QueryPresence(amid) => {
            text(&ClientFrame::PresenceQuery { amid: amid.to_string() })
        }
    })
}

fn send_message(message: Outbound, features: Features) -> Outgoing {
    let Outbound { to, id, message_type, payload } = message;
    // Binary frames always carry an id, so they make sense only together with `ack`.
    if features.binary
        && features.ack
        && let RelayPayload::Native(frame) = &payload
        && let Some(message_type) = BinaryMessageType::from_text(&message_type)
    {
        let frame = BinaryFrame::Send { to: &to.to_string(), id, message_type, frame };
        return Outgoing::Binary(frame.encode().into());
    }
    let encrypted_payload = match payload {
        RelayPayload::Native(frame) => Base64::encode_string(&frame),
        RelayPayload::Text(text) => text,
    };
    text(&ClientFrame::Send(SendFrame {
        to: to.to_string(),
        encrypted_payload,
        message_type,
        ice_candidates: None,
        message_id: features.ack.then_some(id),
    }))
}

fn text_ack(from: String, message_id: RelayMessageId) -> Outgoing {
    text(&ClientFrame::Ack { from, message_id })
}

/// The application's own sign of life.
pub(super) fn ping(now: Timestamp) -> Outgoing {
    text(&ClientFrame::Ping { timestamp: now.to_rfc3339_millis() })
}

/// The own presence.
pub(super) fn presence(status: PresenceStatus) -> Outgoing {
    text(&ClientFrame::Presence { status })
}

/// The goodbye.
pub(super) fn disconnect() -> Outgoing {
    text(&ClientFrame::Disconnect { reason: "client closed".into() })
}

pub(super) fn text(frame: &ClientFrame) -> Outgoing {
    Outgoing::Text(frame.to_json())
}
