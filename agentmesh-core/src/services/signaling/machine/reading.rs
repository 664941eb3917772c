//! What the events of a stream mean (signaling protocol §1.4 and §2.1).

use std::time::Duration;

use rand_core::CryptoRng;
use serde::Deserialize;
use serde_json::Value;

use super::{
    super::{
        Author, PeerId, Roster, SecretText, SessionCredentials, Signal, SignalingError,
        SignalingEvent, normalize_ice_servers,
    },
    MAX_BUFFERED, Machine, Phase,
};
use crate::{maps::HashSet, services::sse::SseEvent};

#[derive(Deserialize)]
struct Joined {
    id: Option<String>,
    token: Option<String>,
    #[serde(rename = "iceServers", default)]
    ice_servers: Value,
}

impl Machine {
    pub(super) fn event_came(&mut self, event: SseEvent, now: Duration, rng: &mut dyn CryptoRng) {
        let resuming = self.credentials.is_some();
        match &mut self.phase {
            Phase::AwaitJoined { until, buffered } => {
                *until = now + self.timings.joined;
                match event.name.as_str() {
                    "joined" => self.joined(&event.data, now, rng),
                    "superseded" => self.superseded(),
                    // A server may leave `joined` out for who comes back.
                    "roster" | "signal" if resuming => {
                        self.resumed(now);
                        self.read(&event, now, rng);
                    }
                    "roster" | "signal" if buffered.len() < MAX_BUFFERED => buffered.push(event),
                    "roster" | "signal" => {
                        let problem = "a stream that does not begin with joined";
                        self.lost(SignalingError::Protocol { problem }, None, now, rng);
                    }
                    _ => {}
                }
            }
            Phase::Online { .. } => self.read(&event, now, rng),
            _ => {}
        }
    }

    fn read(&mut self, event: &SseEvent, now: Duration, rng: &mut dyn CryptoRng) {
        match event.name.as_str() {
            "joined" => self.joined(&event.data, now, rng),
            "roster" => self.roster(&event.data, now, rng),
            "signal" => self.signal(&event.data),
            "superseded" => self.superseded(),
            _ => {}
        }
    }

    fn joined(&mut self, data: &str, now: Duration, rng: &mut dyn CryptoRng) {
        let Ok(joined) = serde_json::from_str::<Joined>(data) else {
            self.unreadable("joined that is no JSON");
            return;
        };
        let token = joined.token.filter(|token| !token.is_empty()).map(SecretText::new);
        let id = joined.id.as_deref().and_then(PeerId::plausible);
        let (Some(id), Some(token)) = (id, token) else {
            let problem = "joined without id or token";
            self.lost(SignalingError::Protocol { problem }, None, now, rng);
            return;
        };
        self.ice_servers = normalize_ice_servers(&joined.ice_servers);
        let header_auth = self.header_auth;
        let before = self.credentials.take().map(|held| held.id).or_else(|| self.lost.take());
        self.credentials = Some(SessionCredentials { id: id.clone(), token, header_auth });
        match before {
            Some(old) if old == id => self.resumed(now),
            before => {
                let buffered = self.go_online(now);
                let ice_servers = self.ice_servers.clone();
                match before {
                    Some(old) => {
                        self.fail_identity();
                        self.event(SignalingEvent::IdentityChanged { old, new: id, ice_servers });
                    }
                    None => self.event(SignalingEvent::Joined { id, ice_servers }),
                }
                for event in buffered {
                    self.read(&event, now, rng);
                }
            }
        }
    }

    /// The stream is that of the session that this client held.
    fn resumed(&mut self, now: Duration) {
        let was_online = self.is_online();
        self.go_online(now);
        if let Some(held) = self.credentials.as_ref().filter(|_| !was_online) {
            let id = held.id.clone();
            self.event(SignalingEvent::Resumed { id, ice_servers: self.ice_servers.clone() });
        }
    }

    /// What came before this client was online.
    fn go_online(&mut self, now: Duration) -> Vec<SseEvent> {
        if self.is_online() {
            return Vec::new();
        }
        match std::mem::replace(&mut self.phase, Phase::Online { since: now, heard: now }) {
            Phase::AwaitJoined { buffered, .. } => buffered,
            _ => Vec::new(),
        }
    }

    fn roster(&mut self, data: &str, now: Duration, rng: &mut dyn CryptoRng) {
        let Ok(ids) = serde_json::from_str::<Vec<String>>(data) else {
            self.unreadable("a roster that is no list of ids");
            return;
        };
        let Some(own) = self.credentials.as_ref().map(|held| held.id.clone()) else { return };
        let (mut seen, mut here) = (HashSet::default(), false);
        let mut peers = Vec::with_capacity(ids.len());
        for id in ids.iter().filter_map(|id| PeerId::plausible(id)) {
            if id == own {
                here = true;
            } else if seen.insert(id.clone()) {
                peers.push(id);
            }
        }
        if !here {
            let reason = "the server has forgotten this client".to_owned();
            self.lost(SignalingError::StreamLost { reason }, None, now, rng);
            return;
        }
        let before: HashSet<_> = self.peers.iter().collect();
        let joined = peers.iter().filter(|id| !before.contains(id)).cloned().collect();
        let left: Vec<_> = self.peers.iter().filter(|id| !seen.contains(*id)).cloned().collect();
        let first = !std::mem::replace(&mut self.seen_roster, true);
        self.outbound.roster_came(&seen, &left, &mut self.actions);
        self.peers.clone_from(&peers);
        self.event(SignalingEvent::Roster(Roster { peers, joined, left, first }));
    }

    fn signal(&mut self, data: &str) {
        let Ok(Value::Object(mut members)) = serde_json::from_str(data) else {
            self.unreadable("a signal that is no JSON object");
            return;
        };
        let sender = members.get("sender").and_then(Value::as_str).and_then(PeerId::plausible);
        match (sender, members.remove("signal")) {
            (Some(sender), Some(value)) if !value.is_null() => {
                let signal = Signal { sender, value, author: Author::Unsigned };
                self.event(SignalingEvent::Signal(signal));
            }
            _ => self.unreadable("a signal without sender or content"),
        }
    }

    fn superseded(&mut self) {
        self.event(SignalingEvent::Superseded);
        self.end(SignalingError::Superseded);
    }

    fn unreadable(&mut self, problem: &'static str) {
        tracing::warn!(target: "agentmesh", problem, "signaling: an event was ignored");
        self.event(SignalingEvent::Unreadable { problem });
    }
}
