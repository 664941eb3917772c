//! What servers of services send.

#[cfg(any(feature = "user-data", feature = "agent-ws", feature = "signaling"))]
use super::text;

/// However a stream is cut, the same events come out of it.
#[cfg(feature = "signaling")]
pub(super) fn sse(data: &[u8]) {
    use crate::services::sse::Decoder;
    let Some((cut, data)) = data.split_first() else { return };
    let mut whole = Decoder::new();
    let events = whole.feed(data);
    let mut pieces = Decoder::new();
    let mut cut_events = Ok(Vec::new());
    for piece in data.chunks(usize::from(*cut).max(1)) {
        match (&mut cut_events, pieces.feed(piece)) {
            (Ok(all), Ok(more)) => all.extend(more),
            (state, Err(too_long)) => *state = Err(too_long),
            (Err(_), Ok(_)) => {}
        }
    }
    if let (Ok(events), Ok(cut_events)) = (&events, &cut_events) {
        assert_eq!(events, cut_events);
        assert_eq!(whole.retry(), pieces.retry());
    }
}

#[cfg(feature = "signaling")]
pub(super) fn signal(data: &[u8]) {
    use crate::services::signaling::{Payload, PeerId, RoomName, normalize_ice_servers};
    let Some(text) = text(data) else { return };
    if let Some(name) = RoomName::parse(text) {
        let name = String::from(name);
        assert_eq!(RoomName::parse(&name).map(String::from).as_deref(), Some(name.as_str()));
    }
    let _ = PeerId::from(text);
    let Ok(value) = serde_json::from_str(text) else { return };
    let _ = normalize_ice_servers(&value);
    if let Some(payload) = Payload::parse(&value) {
        assert_eq!(Payload::parse(&payload.to_value()), Some(payload));
    }
}

/// Each line is a frame.
#[cfg(feature = "user-data")]
pub(super) fn socket_io(data: &[u8]) {
    use std::time::Duration;

    use crate::services::socketio::Connection;
    let Some(text) = text(data) else { return };
    let mut connection = Connection::new("/".into(), None, Duration::ZERO);
    for (i, frame) in text.split('\n').enumerate() {
        let now = Duration::from_millis(i as u64);
        if connection.receive(frame, now).is_err() {
            return;
        }
        // A server cannot make this send more than it sent.
        let answers = connection.take_frames();
        assert!(answers.iter().map(|frame| frame.text().len()).sum::<usize>() <= frame.len() + 64);
    }
}

#[cfg(feature = "agent-ws")]
pub(super) fn agent_websocket(data: &[u8]) {
    use crate::{Timestamp, services::agent_ws::Message};
    if let Some(text) = text(data) {
        let _ = Message::parse(text, Timestamp::from_millis(0));
    }
}

#[cfg(feature = "aiwm")]
pub(super) fn aiwm_answer(data: &[u8]) {
    let _ = crate::services::aiwm::Connected::parse(data);
}
