//! Server-sent events, encoded. The data of each is one line of JSON: clients dispatch line by line.

use axum::body::Bytes;
use serde::Serialize;
use serde_json::{Value, value::RawValue};

/// Keeps proxies from closing an idle stream.
pub(super) const KEEPALIVE: &[u8] = b": keepalive\n\n";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Joined<'a> {
    id: &'a str,
    token: &'a str,
    ice_servers: &'a [Value],
}

/// The first event of a stream: who the client is, how it proves that, which ICE servers it may use.
pub(super) fn joined(id: &str, token: &str, ice_servers: &[Value]) -> Bytes {
    event("joined", &Joined { id, token, ice_servers })
}

/// Everybody in the room, in the order of joining.
pub(super) fn roster(ids: &[&str]) -> Bytes {
    event("roster", &ids)
}

/// A signal as its recipient gets it. `signal` holds no line breaks: see [`super::body`].
pub(super) fn signal(sender: &str, signal: &RawValue) -> Bytes {
    #[derive(Serialize)]
    struct Signal<'a> {
        sender: &'a str,
        signal: &'a RawValue,
    }
    event("signal", &Signal { sender, signal })
}

/// Another stream of the same session took over.
pub(super) fn superseded() -> Bytes {
    Bytes::from_static(b"event: superseded\ndata: {\"reason\":\"replaced\"}\n\n")
}

fn event(name: &str, data: &impl Serialize) -> Bytes {
    // What is serialised here are strings and JSON that was parsed: it cannot fail.
    let data = serde_json::to_string(data).unwrap_or_default();
    format!("event: {name}\ndata: {data}\n\n").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &Bytes) -> &str {
        std::str::from_utf8(bytes).unwrap()
    }

    #[test]
    fn events_are_three_lines() {
        let ice = [serde_json::json!({"urls": ["stun:stun.example:3478"]})];
        assert_eq!(
            text(&joined("i", "t", &ice)),
            "event: joined\ndata: {\"id\":\"i\",\"token\":\"t\",\"iceServers\":[{\"urls\":[\"stun:stun.example:3478\"]}]}\n\n"
        );
        assert_eq!(text(&roster(&["a", "b"])), "event: roster\ndata: [\"a\",\"b\"]\n\n");
        let raw = RawValue::from_string(r#"{"sdp":"v=0\no"}"#.to_owned()).unwrap();
        assert_eq!(
            text(&signal("a", &raw)),
            "event: signal\ndata: {\"sender\":\"a\",\"signal\":{\"sdp\":\"v=0\\no\"}}\n\n"
        );
    }
}
