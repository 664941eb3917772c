//! Frames to clients in the hot path, written straight into a connection's buffer.

use agentmesh_core::{
    Timestamp,
    wire::{
        relay_binary::{BinaryFrame, BinaryMessageType},
        relay_features::Features,
        relay_frame::RelayMessageType,
        relay_id::RelayMessageId,
    },
};

use super::websocket::{Opcode, write_frame};
use crate::envelope::{Envelope, Payload};

/// A message in the form it came in, borrowed from the frame or from the store.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Body<'a> {
    /// The inside of a JSON string.
    Json(&'a str),
    /// Bytes of a binary frame.
    Frame(&'a [u8]),
}

/// Everything that a `receive` says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Receive<'a> {
    pub(crate) from: &'a str,
    pub(crate) id: Option<RelayMessageId>,
    pub(crate) kind: &'a RelayMessageType,
    pub(crate) time: Timestamp,
    /// The same as text.
    pub(crate) time_text: &'a str,
    pub(crate) body: Body<'a>,
    /// Candidates as JSON; only on the way through.
    pub(crate) ice: Option<&'a str>,
}

impl Body<'_> {
    pub(crate) fn to_payload(self) -> Payload {
        match self {
            Self::Json(text) => Payload::Json(text.into()),
            Self::Frame(bytes) => Payload::Frame(bytes.into()),
        }
    }
}

/// Appends `receive` in the form that the recipient wants.
pub(crate) fn receive(out: &mut Vec<u8>, features: Features, message: &Receive<'_>) {
    if features.binary
        && let Some(id) = message.id
        && let Some(kind) = BinaryMessageType::from_text(message.kind)
    {
        match message.body {
            Body::Frame(frame) => return receive_binary(out, message, id, kind, frame),
            Body::Json(text) => {
                // Base64 has no escapes, so the inside of the string is the string.
                let payload = Payload::Json(text.into());
                if let Some(frame) = payload.to_frame() {
                    return receive_binary(out, message, id, kind, &frame);
                }
            }
        }
    }
    match message.body {
        Body::Json(text) => receive_json(out, features, message, text),
        Body::Frame(bytes) => {
            receive_json(out, features, message, &Payload::Frame(bytes.into()).to_json());
        }
    }
}

fn receive_binary(
    out: &mut Vec<u8>,
    message: &Receive<'_>,
    id: RelayMessageId,
    message_type: BinaryMessageType,
    frame: &[u8],
) {
    let header = BinaryFrame::Receive {
        from: message.from,
        id,
        message_type,
        time: message.time,
        frame: &[],
    };
    write_frame(out, Opcode::Binary, &[&header.encode(), frame]);
}

/// AMIDs, known kinds, ids and times need no escapes; payload and candidates are JSON already.
fn receive_json(out: &mut Vec<u8>, features: Features, message: &Receive<'_>, payload: &str) {
    const NONE: &[u8] = b"";
    let hex = message.id.filter(|_| features.ack).map(|id| id.to_hex());
    let (id_key, id) = match &hex {
        Some(hex) => (&b"\",\"message_id\":\""[..], &hex[..]),
        None => (NONE, NONE),
    };
    let (ice_key, ice, comma) = match message.ice {
        Some(candidates) => (&b"\"ice_candidates\":"[..], candidates.as_bytes(), &b","[..]),
        None => (NONE, NONE, NONE),
    };
    write_frame(
        out,
        Opcode::Text,
        &[
            b"{\"type\":\"receive\",",
            ice_key,
            ice,
            comma,
            b"\"from\":\"",
            message.from.as_bytes(),
            b"\",\"encrypted_payload\":\"",
            payload.as_bytes(),
            b"\",\"message_type\":\"",
            message.kind.as_str().as_bytes(),
            b"\",\"timestamp\":\"",
            message.time_text.as_bytes(),
            id_key,
            id,
            b"\"}",
        ],
    );
}

/// Appends a stored message.
pub(crate) fn stored(out: &mut Vec<u8>, features: Features, envelope: &Envelope) {
    let Envelope { from, id, kind, time, payload } = envelope;
    let body = match payload {
        Payload::Json(text) => Body::Json(text),
        Payload::Frame(bytes) => Body::Frame(bytes),
    };
    let time_text = time.to_rfc3339_millis();
    let message =
        Receive { from, id: Some(*id), kind, time: *time, time_text: &time_text, body, ice: None };
    receive(out, features, &message);
}

/// Appends the relay's `ack` to a sender.
pub(crate) fn acknowledgement(
    out: &mut Vec<u8>,
    features: Features,
    recipient: &str,
    id: RelayMessageId,
) {
    if features.binary {
        write_frame(out, Opcode::Binary, &[&BinaryFrame::Ack { peer: recipient, id }.encode()]);
    } else {
        let hex = id.to_hex();
        write_frame(out, Opcode::Text, &[b"{\"type\":\"ack\",\"message_id\":\"", &hex, b"\"}"]);
    }
}

#[cfg(test)]
mod tests {
    use agentmesh_core::wire::relay_frame::{IceCandidate, ReceiveFrame, ServerFrame};

    use super::*;

    const ID: RelayMessageId = RelayMessageId::from_bytes([0xab; 16]);

    fn message<'a>(body: Body<'a>, ice: Option<&'a str>) -> Receive<'a> {
        Receive {
            from: "A",
            id: Some(ID),
            kind: &RelayMessageType::Knock,
            time: Timestamp::from_millis(1_770_206_400_123),
            time_text: "2026-02-04T12:00:00.123Z",
            body,
            ice,
        }
    }

    fn unframed(out: &[u8]) -> &[u8] {
        match out[1] {
            126 => &out[4..],
            127 => &out[10..],
            _ => &out[2..],
        }
    }

    fn as_json(features: Features, message: &Receive<'_>) -> ReceiveFrame {
        let mut out = Vec::new();
        receive(&mut out, features, message);
        assert_eq!(out[0], 0x81);
        let text = std::str::from_utf8(unframed(&out)).unwrap();
        match ServerFrame::parse(text) {
            Ok(ServerFrame::Receive(frame)) => frame,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn json_says_what_it_should() {
        let ice = r#"[{"candidate":"c","sdp_mid":null,"sdp_mline_index":null}]"#;
        let ack = Features { ack: true, ..Features::NONE };
        let plain = message(Body::Json(r#"{\"a\":\u00e4}"#), None);
        let with_ice = message(Body::Frame(&[3, 1]), Some(ice));
        let mut frame = as_json(Features::NONE, &plain);
        assert_eq!(frame.encrypted_payload, "{\"a\":ä}");
        assert_eq!((frame.message_id, frame.ice_candidates), (None, None));
        frame = as_json(ack, &with_ice);
        assert_eq!(frame.encrypted_payload, "AwE=");
        assert_eq!(frame.message_id, Some(ID));
        assert_eq!(frame.timestamp, "2026-02-04T12:00:00.123Z");
        assert_eq!(frame.message_type, RelayMessageType::Knock);
        let candidate =
            IceCandidate { candidate: "c".into(), sdp_mid: None, sdp_mline_index: None };
        assert_eq!(frame.ice_candidates, Some(vec![candidate]));
    }

    #[test]
    fn binary_clients_get_bytes_where_bytes_can_say_it() {
        let mut out = Vec::new();
        receive(&mut out, Features::ALL, &message(Body::Json("AwE="), None));
        assert_eq!(out[0], 0x82);
        let BinaryFrame::Receive { from, id, frame, .. } =
            BinaryFrame::parse(unframed(&out)).unwrap()
        else {
            panic!("not a receive");
        };
        assert_eq!((from, id, frame), ("A", ID, &[3, 1][..]));
        // Not base64, or a kind that binary frames have no number for.
        as_json(Features::ALL, &message(Body::Json("{}"), None));
        let accept = RelayMessageType::Accept;
        as_json(Features::ALL, &Receive { kind: &accept, ..message(Body::Json("AwE="), None) });
    }
}
