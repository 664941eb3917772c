//! One connection as a state machine: frames and a time go in, frames and what happened come out.
//!
//! Opened → the engine's handshake → joined to the namespace → … until the server leaves or the caller drops it. Times are
//! durations since whatever the caller counts from.

use std::{fmt, time::Duration};

use serde_json::Value;
use zeroize::Zeroizing;

use super::packet::{Body, Engine, Packet, head};

/// What a server says when it does not have a namespace.
const INVALID_NAMESPACE: &str = "Invalid namespace";
/// The one that every server has.
const ROOT: &str = "/";
/// Characters of a refusal.
const MAX_TEXT: usize = 200;

/// A frame to be sent. It may hold a token, so it prints nothing and is wiped.
#[derive(PartialEq, Eq)]
pub(crate) struct OutFrame(Zeroizing<String>);

impl OutFrame {
    fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for OutFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OutFrame({} bytes)", self.0.len())
    }
}

/// What a frame told.
#[derive(Debug, PartialEq)]
pub(crate) enum Happened {
    Joined,
    /// The server does not let us in.
    Refused {
        message: String,
    },
    Event {
        name: String,
        args: Vec<Value>,
        ack: Option<u64>,
    },
    /// The server took us out of the namespace: it does not want us back.
    Left,
    /// The server closes the connection.
    Closed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Opening,
    Joining,
    Joined,
}

/// See the module.
pub(crate) struct Connection {
    namespace: String,
    /// JSON for the server to know us by.
    auth: Option<Zeroizing<String>>,
    step: Step,
    heard: Duration,
    silence: Option<Duration>,
    max_payload: usize,
    frames: Vec<OutFrame>,
}

impl Connection {
    /// For a WebSocket that has just been opened.
    pub(crate) fn new(namespace: String, auth: Option<Zeroizing<String>>, now: Duration) -> Self {
        Self {
            namespace,
            auth,
            step: Step::Opening,
            heard: now,
            silence: None,
            max_payload: super::MAX_PAYLOAD,
            frames: Vec::new(),
        }
    }

    /// What is to be sent now, in this order.
    pub(crate) fn take_frames(&mut self) -> Vec<OutFrame> {
        std::mem::take(&mut self.frames)
    }

    /// Reads a frame. `Err` says what is wrong with it; nothing more can be made of the connection then.
    pub(crate) fn receive(
        &mut self,
        frame: &str,
        now: Duration,
    ) -> Result<Option<Happened>, &'static str> {
        self.heard = now;
        match Engine::parse(frame)? {
            Engine::Open(handshake) if self.step == Step::Opening => {
                self.silence = Some(handshake.silence);
                self.max_payload = handshake.max_payload.min(super::MAX_PAYLOAD);
                self.join();
            }
            _ if self.step == Step::Opening => return Err("a frame before the handshake"),
            Engine::Open(_) => return Err("a second handshake"),
            Engine::Ping(data) => self.frames.push(OutFrame::new(format!("3{data}"))),
            Engine::Idle => {}
            Engine::Close => return Ok(Some(Happened::Closed)),
            Engine::Message(text) => return self.packet(Packet::parse(text)?),
        }
        Ok(None)
    }

    fn packet(&mut self, packet: Packet) -> Result<Option<Happened>, &'static str> {
        if packet.namespace != self.namespace {
            return Ok(None);
        }
        Ok(match packet.body {
            Body::Connected if self.step == Step::Joining => {
                self.step = Step::Joined;
                Some(Happened::Joined)
            }
            Body::Connected => return Err("joined twice"),
            Body::Refused { message } if self.step == Step::Joining => {
                if message == INVALID_NAMESPACE && self.namespace != ROOT {
                    ROOT.clone_into(&mut self.namespace);
                    self.join();
                    return Ok(None);
                }
                let message = message.chars().filter(|c| !c.is_control()).take(MAX_TEXT).collect();
                Some(Happened::Refused { message })
            }
            Body::Event { name, args, ack } if self.step == Step::Joined => {
                Some(Happened::Event { name, args, ack })
            }
            Body::Disconnected => Some(Happened::Left),
            Body::Refused { .. } | Body::Event { .. } | Body::Ack => None,
        })
    }

    fn join(&mut self) {
        self.step = Step::Joining;
        let auth = self.auth.as_ref().map_or("", |auth| auth.as_str());
        let text = Zeroizing::new(format!("{}{auth}", head('0', &self.namespace)));
        self.frames.push(OutFrame(text));
    }

    /// Sends an event.
    ///
    /// # Errors
    /// How many bytes the server takes, if it is more.
    pub(crate) fn emit(&mut self, name: &str, arg: Option<&Value>) -> Result<(), usize> {
        let name = Value::from(name);
        let json = match arg {
            Some(arg) => format!("[{name},{arg}]"),
            None => format!("[{name}]"),
        };
        let text = format!("{}{json}", head('2', &self.namespace));
        if text.len() > self.max_payload {
            return Err(self.max_payload);
        }
        self.frames.push(OutFrame::new(text));
        Ok(())
    }

    /// Answers an event.
    pub(crate) fn answer(&mut self, ack: u64, arg: &Value) {
        let text = format!("{}{ack}[{arg}]", head('3', &self.namespace));
        self.frames.push(OutFrame::new(text));
    }

    /// Takes leave of the namespace.
    pub(crate) fn leave(&mut self) {
        self.frames.push(OutFrame::new(head('1', &self.namespace)));
    }

    /// When a server that stays silent is gone; `None` before its handshake, for which the caller has a bound.
    pub(crate) fn dead_at(&self) -> Option<Duration> {
        self.silence.map(|silence| self.heard + silence)
    }

    pub(crate) fn is_joined(&self) -> bool {
        self.step == Step::Joined
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("step", &self.step)
            .field("heard", &self.heard)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const OPEN: &str =
        r#"0{"sid":"s","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":50}"#;

    fn opened(namespace: &str, auth: Option<&str>) -> Connection {
        let auth = auth.map(|auth| Zeroizing::new(auth.to_owned()));
        let mut connection = Connection::new(namespace.to_owned(), auth, Duration::ZERO);
        assert_eq!(connection.receive(OPEN, Duration::ZERO), Ok(None));
        connection
    }

    fn sent(connection: &mut Connection) -> Vec<String> {
        connection.take_frames().iter().map(|frame| frame.text().to_owned()).collect()
    }

    fn joined() -> Connection {
        let mut connection = opened("/", None);
        assert_eq!(sent(&mut connection), ["40"]);
        assert_eq!(
            connection.receive("40{\"sid\":\"x\"}", Duration::ZERO),
            Ok(Some(Happened::Joined))
        );
        connection
    }

    #[test]
    fn joins_with_what_it_is_known_by_and_answers_pings() {
        let mut connection = opened("/", Some(r#"{"token":"hush"}"#));
        let frames = connection.take_frames();
        assert_eq!(frames[0].text(), r#"40{"token":"hush"}"#);
        assert!(!format!("{frames:?} {connection:?}").contains("hush"));
        let mut connection = joined();
        let later = Duration::from_secs(7);
        assert_eq!(connection.receive("2", later), Ok(None));
        assert_eq!(sent(&mut connection), ["3"]);
        assert_eq!(connection.dead_at(), Some(later + Duration::from_secs(45)));
    }

    #[test]
    fn unknown_namespace_is_tried_once_more_as_the_root() {
        let mut connection = opened("/ws", None);
        assert_eq!(sent(&mut connection), ["40/ws,"]);
        let refusal = r#"44/ws,{"message":"Invalid namespace"}"#;
        assert_eq!(connection.receive(refusal, Duration::ZERO), Ok(None));
        assert_eq!(sent(&mut connection), ["40"]);
        let message = "Invalid namespace".to_owned();
        assert_eq!(
            connection.receive(r#"44{"message":"Invalid namespace"}"#, Duration::ZERO),
            Ok(Some(Happened::Refused { message }))
        );
    }

    #[test]
    fn events_go_both_ways_with_answers() {
        let mut connection = joined();
        let event = connection.receive(r#"425["hook_request",{"event":"Stop"}]"#, Duration::ZERO);
        let args = vec![json!({"event": "Stop"})];
        let name = "hook_request".to_owned();
        assert_eq!(event, Ok(Some(Happened::Event { name, args, ack: Some(5) })));
        connection.answer(5, &json!({"action": "continue"}));
        connection.emit("get_history", None).unwrap();
        connection.emit("m\"", Some(&json!({"prompt": "x"}))).unwrap();
        connection.leave();
        assert_eq!(
            sent(&mut connection),
            [
                r#"435[{"action":"continue"}]"#,
                r#"42["get_history"]"#,
                r#"42["m\"",{"prompt":"x"}]"#,
                "41"
            ]
        );
        assert_eq!(connection.emit("m", Some(&json!("x".repeat(60)))), Err(50));
        assert_eq!(connection.receive("41", Duration::ZERO), Ok(Some(Happened::Left)));
        assert_eq!(connection.receive("1", Duration::ZERO), Ok(Some(Happened::Closed)));
    }

    #[test]
    fn what_is_for_others_or_comes_too_early_is_ignored_or_refused() {
        let mut connection = joined();
        assert_eq!(connection.receive(r#"42/admin,["x"]"#, Duration::ZERO), Ok(None));
        assert_eq!(connection.receive("431[]", Duration::ZERO), Ok(None));
        assert_eq!(connection.receive("6", Duration::ZERO), Ok(None));
        assert!(connection.receive(OPEN, Duration::ZERO).is_err());
        assert!(connection.receive(r#"451-["x",{}]"#, Duration::ZERO).is_err());
        assert!(connection.receive("40{}", Duration::ZERO).is_err());
        let mut fresh = Connection::new("/".into(), None, Duration::ZERO);
        assert!(fresh.receive("40", Duration::ZERO).is_err());
        assert_eq!(fresh.dead_at(), None);
        let mut joining = opened("/", None);
        assert_eq!(joining.receive(r#"42["early"]"#, Duration::ZERO), Ok(None));
        assert!(!joining.is_joined());
    }
}
