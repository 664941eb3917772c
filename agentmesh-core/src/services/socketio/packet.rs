//! Packets as text frames: one character for Engine.IO's type, one for Socket.IO's, then namespace, id and JSON.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

/// Bounds of a server's pings. A server that says less or more gets these.
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(300);
/// Digits of an id. Servers count from 0.
const MAX_ID_DIGITS: usize = 19;

/// What is wrong with a frame.
pub(super) type Fault = &'static str;

/// A frame of Engine.IO.
#[derive(Debug, PartialEq)]
pub(super) enum Engine<'a> {
    Open(Handshake),
    Close,
    Ping(&'a str),
    Message(&'a str),
    /// Pongs, upgrades and fillers: nothing to do.
    Idle,
}

/// What a server says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Handshake {
    /// Silence after which the server is gone.
    pub(super) silence: Duration,
    /// Bytes of a frame that the server takes.
    pub(super) max_payload: usize,
}

impl<'a> Engine<'a> {
    pub(super) fn parse(frame: &'a str) -> Result<Self, Fault> {
        let Some(kind) = frame.chars().next() else { return Err("an empty frame") };
        let rest = frame.get(kind.len_utf8()..).unwrap_or_default();
        Ok(match kind {
            '0' => Self::Open(Handshake::parse(rest)?),
            '1' => Self::Close,
            '2' => Self::Ping(rest),
            '4' => Self::Message(rest),
            '3' | '5' | '6' => Self::Idle,
            'b' => return Err("binary data"),
            _ => return Err("no frame of Engine.IO"),
        })
    }
}

impl Handshake {
    fn parse(text: &str) -> Result<Self, Fault> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Open {
            ping_interval: u64,
            ping_timeout: u64,
            max_payload: Option<usize>,
        }
        let open: Open =
            serde_json::from_str(text).map_err(|_| "a handshake that cannot be read")?;
        let bounded = |ms| Duration::from_millis(ms).clamp(SHORTEST, LONGEST);
        Ok(Self {
            silence: bounded(open.ping_interval) + bounded(open.ping_timeout),
            max_payload: open.max_payload.unwrap_or(super::MAX_PAYLOAD),
        })
    }
}

/// A packet of Socket.IO for a namespace.
#[derive(Debug, PartialEq)]
pub(super) struct Packet {
    pub(super) namespace: String,
    pub(super) body: Body,
}

/// What it says.
#[derive(Debug, PartialEq)]
pub(super) enum Body {
    Connected,
    Disconnected,
    Event {
        name: String,
        args: Vec<Value>,
        /// The server waits for an answer under this number.
        ack: Option<u64>,
    },
    /// An answer to an event; this client asks for none.
    Ack,
    Refused {
        message: String,
    },
}

impl Packet {
    pub(super) fn parse(text: &str) -> Result<Self, Fault> {
        let mut chars = text.chars();
        let kind = chars.next().ok_or("an empty packet")?;
        let rest = chars.as_str();
        if matches!(kind, '5' | '6') {
            return Err("a binary packet");
        }
        let (namespace, rest) = if rest.starts_with('/') {
            rest.split_once(',').unwrap_or((rest, ""))
        } else {
            ("/", rest)
        };
        // Whatever follows a question mark belongs to the address, not to the name.
        let namespace = namespace.split('?').next().unwrap_or("/").to_owned();
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits > MAX_ID_DIGITS {
            return Err("an id that is too long");
        }
        let (id, json) = rest.split_at_checked(digits).ok_or("an id that is cut")?;
        let id = if id.is_empty() {
            None
        } else {
            Some(id.parse::<u64>().map_err(|_| "an id that is too large")?)
        };
        let body = match kind {
            '0' => Body::Connected,
            '1' => Body::Disconnected,
            '2' => event(json, id)?,
            '3' => Body::Ack,
            '4' => Body::Refused { message: refusal(json) },
            _ => return Err("no packet of Socket.IO"),
        };
        Ok(Self { namespace, body })
    }
}

fn event(json: &str, ack: Option<u64>) -> Result<Body, Fault> {
    let Ok(Value::Array(mut args)) = serde_json::from_str(json) else {
        return Err("an event that is no JSON array");
    };
    if args.is_empty() {
        return Err("an event without a name");
    }
    let Value::String(name) = args.remove(0) else { return Err("an event without a name") };
    Ok(Body::Event { name, args, ack })
}

/// `{"message":…}`, or a text in old servers.
fn refusal(json: &str) -> String {
    let message = match serde_json::from_str(json) {
        Ok(Value::Object(mut body)) => body.remove("message"),
        Ok(other) => Some(other),
        Err(_) => None,
    };
    match message {
        Some(Value::String(text)) => text,
        _ => String::new(),
    }
}

/// What goes before the JSON: both types, and the namespace if it is not the root.
pub(super) fn head(kind: char, namespace: &str) -> String {
    match namespace {
        "/" => format!("4{kind}"),
        other => format!("4{kind}{other},"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn frames_of_the_engine_are_told_apart() {
        let text =
            r#"{"sid":"x","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":9}"#;
        let open = format!("0{text}");
        let Ok(Engine::Open(handshake)) = Engine::parse(&open) else { panic!("{open}") };
        assert_eq!((handshake.silence, handshake.max_payload), (Duration::from_secs(45), 9));
        assert_eq!(Engine::parse("2probe"), Ok(Engine::Ping("probe")));
        assert_eq!(Engine::parse("40"), Ok(Engine::Message("0")));
        assert_eq!(Engine::parse("1"), Ok(Engine::Close));
        assert_eq!(Engine::parse("3"), Ok(Engine::Idle));
        for fault in ["", "0{}", "0", "bAAAA", "9", "é"] {
            assert!(Engine::parse(fault).is_err(), "{fault}");
        }
    }

    #[test]
    fn pings_of_a_hostile_server_are_bounded() {
        let parse = |ms: u64| {
            Handshake::parse(&json!({"pingInterval": ms, "pingTimeout": ms}).to_string()).unwrap()
        };
        assert_eq!(parse(0).silence, SHORTEST * 2);
        assert_eq!(parse(u64::MAX).silence, LONGEST * 2);
        assert_eq!(parse(0).max_payload, super::super::MAX_PAYLOAD);
    }

    #[test]
    fn packets_are_read_with_namespace_id_and_arguments() {
        let event =
            |name: &str, args: Vec<Value>, ack| Body::Event { name: name.into(), args, ack };
        for (text, namespace, body) in [
            (r#"0{"sid":"a"}"#, "/", Body::Connected),
            (r#"0/ws,{"sid":"a"}"#, "/ws", Body::Connected),
            (r#"0/ws?sessionId=1,{"sid":"a"}"#, "/ws", Body::Connected),
            ("1", "/", Body::Disconnected),
            ("1/ws,", "/ws", Body::Disconnected),
            (r#"2["a",1,null]"#, "/", event("a", vec![json!(1), json!(null)], None)),
            (r#"2/ws,12["a"]"#, "/ws", event("a", vec![], Some(12))),
            (r#"20["a"]"#, "/", event("a", vec![], Some(0))),
            ("31[]", "/", Body::Ack),
            (r#"4{"message":"no"}"#, "/", Body::Refused { message: "no".into() }),
            (r#"4"no""#, "/", Body::Refused { message: "no".into() }),
            ("4", "/", Body::Refused { message: String::new() }),
        ] {
            let packet = Packet { namespace: namespace.into(), body };
            assert_eq!(Packet::parse(text), Ok(packet), "{text}");
        }
        for fault in [
            "",
            "2",
            "2[]",
            "2{}",
            "2[1]",
            r#"2["a""#,
            r#"51-["a",{"_placeholder":true,"num":0}]"#,
            "61-1[]",
            "7",
            "299999999999999999999[\"a\"]",
            "218446744073709551616[\"a\"]",
        ] {
            assert!(Packet::parse(fault).is_err(), "{fault}");
        }
    }

    #[test]
    fn nesting_without_end_is_refused() {
        let deep = format!("2[\"a\",{}{}]", "[".repeat(100_000), "]".repeat(100_000));
        assert!(Packet::parse(&deep).is_err());
    }

    proptest! {
        #[test]
        fn reading_never_panics(text in "[0-9b]{0,3}(/[a-z?]{0,3},)?[0-9]{0,25}.{0,20}") {
            let _ = Engine::parse(&text);
            let _ = Packet::parse(&text);
        }
    }
}
