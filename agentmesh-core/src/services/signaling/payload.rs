//! What WebRTC clients put into signals (signaling protocol §6.1). Signals of any other shape are the application's.

use serde_json::{Map, Value, json};

/// Bytes of a session description.
const MAX_SDP: usize = 48 * 1024;
/// Bytes of a candidate, of a connection mode.
const MAX_TEXT: usize = 4096;

/// What a session description is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DescriptionKind {
    /// An offer.
    Offer,
    /// The final answer.
    Answer,
    /// An answer that may change.
    Pranswer,
    /// Back to before the offer.
    Rollback,
}

impl DescriptionKind {
    /// As it stands in `type`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Offer => "offer",
            Self::Answer => "answer",
            Self::Pranswer => "pranswer",
            Self::Rollback => "rollback",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let all = [Self::Offer, Self::Answer, Self::Pranswer, Self::Rollback];
        all.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A session description, as `RTCSessionDescription` has it.
#[derive(Clone, PartialEq, Eq)]
pub struct Description {
    /// What it is.
    pub kind: DescriptionKind,
    /// Its SDP. It names this machine's addresses.
    pub sdp: String,
}

impl std::fmt::Debug for Description {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Description")
            .field("kind", &self.kind)
            .field("bytes", &self.sdp.len())
            .finish()
    }
}

impl Description {
    /// The first `a=ice-ufrag`: the epoch that candidates belong to.
    pub fn ice_ufrag(&self) -> Option<&str> {
        self.attribute("ice-ufrag").next()
    }

    /// Every `a=fingerprint`, sorted, each once: the certificates that the other side has to show.
    pub fn fingerprints(&self) -> Vec<String> {
        let mut all: Vec<_> = self.attribute("fingerprint").map(str::to_ascii_lowercase).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    fn attribute<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let value = move |line: &'a str| {
            Some(line.strip_prefix("a=")?.strip_prefix(name)?.strip_prefix(':')?.trim())
        };
        self.sdp.lines().filter_map(value)
    }
}

/// A candidate, as `RTCIceCandidateInit` has it.
#[derive(Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Candidate {
    /// `candidate:…`.
    pub candidate: String,
    /// Which media section it is for, by name…
    pub sdp_mid: Option<String>,
    /// …and by number.
    pub sdp_m_line_index: Option<u16>,
    /// Which epoch it belongs to.
    pub username_fragment: Option<String>,
}

impl Candidate {
    /// A candidate without anything beside it.
    pub fn new(candidate: impl Into<String>) -> Self {
        Self { candidate: candidate.into(), ..Self::default() }
    }
}

impl std::fmt::Debug for Candidate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Candidate").field("sdp_mid", &self.sdp_mid).finish_non_exhaustive()
    }
}

/// A signal between two WebRTC clients. If it has both, `description` is to be applied first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Payload {
    /// An offer or answer.
    pub description: Option<Description>,
    /// A candidate.
    pub candidate: Option<Candidate>,
    /// There are no more candidates. Accepted from others, never sent.
    pub end_of_candidates: bool,
    /// How to connect; only `lan` has a known meaning: host candidates and no ICE servers. The answer echoes it.
    pub connection_mode: Option<String>,
}

impl Payload {
    /// A description by itself.
    pub fn description(kind: DescriptionKind, sdp: impl Into<String>) -> Self {
        Self { description: Some(Description { kind, sdp: sdp.into() }), ..Self::default() }
    }

    /// A candidate by itself.
    pub fn candidate(candidate: Candidate) -> Self {
        Self { candidate: Some(candidate), ..Self::default() }
    }

    /// The same, with a connection mode.
    #[must_use]
    pub fn with_mode(self, mode: impl Into<String>) -> Self {
        Self { connection_mode: Some(mode.into()), ..self }
    }

    /// Whether only addresses of this machine's own networks are to be used, without ICE servers.
    pub fn is_lan(&self) -> bool {
        self.connection_mode.as_deref() == Some("lan")
    }

    /// Reads a signal; `None` if it is an application's own. Takes `sdp` as an object, or as a string with `type` beside
    /// it.
    pub fn parse(signal: &Value) -> Option<Self> {
        let members = signal.as_object()?;
        let description = match members.get("sdp") {
            None | Some(Value::Null) => None,
            Some(Value::String(sdp)) => Some(description(members, sdp)?),
            Some(Value::Object(inner)) => Some(description(inner, inner.get("sdp")?.as_str()?)?),
            Some(_) => return None,
        };
        let (candidate, end_of_candidates) = match members.get("candidate") {
            None => (None, false),
            Some(Value::Null) => (None, true),
            Some(value) => match candidate(value)? {
                candidate if candidate.candidate.is_empty() => (None, true),
                candidate => (Some(candidate), false),
            },
        };
        if description.is_none() && candidate.is_none() && !end_of_candidates {
            return None;
        }
        let mode = members.get("connectionMode").and_then(Value::as_str);
        let connection_mode = mode.filter(|mode| mode.len() <= MAX_TEXT).map(str::to_owned);
        Some(Self { description, candidate, end_of_candidates, connection_mode })
    }

    /// The signal to send.
    pub fn to_value(&self) -> Value {
        let mut members = Map::new();
        if let Some(Description { kind, sdp }) = &self.description {
            members.insert("sdp".into(), json!({"type": kind.as_str(), "sdp": sdp}));
        }
        if let Some(candidate) = &self.candidate {
            let mut inner = Map::new();
            inner.insert("candidate".into(), candidate.candidate.as_str().into());
            let mut add = |name: &str, value: Option<Value>| {
                value.map(|value| inner.insert(name.into(), value));
            };
            add("sdpMid", candidate.sdp_mid.as_deref().map(Value::from));
            add("sdpMLineIndex", candidate.sdp_m_line_index.map(Value::from));
            add("usernameFragment", candidate.username_fragment.as_deref().map(Value::from));
            members.insert("candidate".into(), inner.into());
        }
        if let Some(mode) = &self.connection_mode {
            members.insert("connectionMode".into(), mode.as_str().into());
        }
        members.into()
    }
}

fn description(of: &Map<String, Value>, sdp: &str) -> Option<Description> {
    let kind = DescriptionKind::parse(of.get("type")?.as_str()?)?;
    (sdp.len() <= MAX_SDP).then(|| Description { kind, sdp: sdp.to_owned() })
}

fn candidate(value: &Value) -> Option<Candidate> {
    let short = |text: &str| (text.len() <= MAX_TEXT).then(|| text.to_owned());
    let text = |name: &str| value.get(name).and_then(Value::as_str).and_then(short);
    let index = value.get("sdpMLineIndex").and_then(Value::as_u64);
    Some(Candidate {
        candidate: short(value.get("candidate")?.as_str()?)?,
        sdp_mid: text("sdpMid"),
        sdp_m_line_index: index.and_then(|index| u16::try_from(index).ok()),
        username_fragment: text("usernameFragment"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documented_shapes_are_read_and_written() {
        for signal in [
            json!({"sdp": {"type": "offer", "sdp": "v=0\n"}, "connectionMode": "lan"}),
            json!({"candidate": {"candidate": "candidate:1", "sdpMid": "0", "sdpMLineIndex": 0, "usernameFragment": "u"}}),
            json!({"sdp": {"type": "answer", "sdp": ""}, "candidate": {"candidate": "candidate:1"}}),
        ] {
            assert_eq!(Payload::parse(&signal).unwrap().to_value(), signal);
        }
        let lan = Payload::description(DescriptionKind::Offer, "v=0").with_mode("lan");
        assert!(lan.is_lan());
    }

    #[test]
    fn bare_sdp_and_both_ends_of_candidates_are_tolerated() {
        let bare = Payload::parse(&json!({"type": "answer", "sdp": "v=0"})).unwrap();
        assert_eq!(bare.description.unwrap().kind, DescriptionKind::Answer);
        for end in [json!({"candidate": null}), json!({"candidate": {"candidate": ""}})] {
            assert!(Payload::parse(&end).unwrap().end_of_candidates);
        }
    }

    #[test]
    fn everything_else_is_the_applications() {
        for signal in [
            json!({"type": "agent-ping", "message": "hello"}),
            json!({}),
            json!("offer"),
            json!({"sdp": 5}),
            json!({"sdp": {"type": "bid", "sdp": ""}}),
            json!({"sdp": {"type": "offer"}}),
            json!({"candidate": 5}),
            json!({"candidate": [{"candidate": "a"}]}),
            json!({"sdp": {"type": "offer", "sdp": "x".repeat(MAX_SDP + 1)}}),
        ] {
            assert_eq!(Payload::parse(&signal), None);
        }
    }

    #[test]
    fn epoch_and_fingerprints_are_read_from_the_sdp() {
        let sdp = "v=0\r\na=ice-ufrag:abcd\r\na=fingerprint:sha-256 BB:AA\r\nm=x\r\na=fingerprint:sha-256 bb:aa\r\n";
        let description = Description { kind: DescriptionKind::Offer, sdp: sdp.into() };
        assert_eq!(description.ice_ufrag(), Some("abcd"));
        assert_eq!(description.fingerprints(), ["sha-256 bb:aa"]);
    }
}
