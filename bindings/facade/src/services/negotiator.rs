//! Who offers and what happens when both do, for WebRTC libraries: inputs in, actions out, as JSON.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use agentmesh_core::services::signaling::{
    Candidate, Description, DescriptionKind, IceState, Negotiator as CoreNegotiator, Payload,
    PeerAction, PeerId, PeerInput, PeerTimings,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Item, millis};
use crate::FacadeError;

/// What a negotiator is told.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum Input {
    /// The description that was asked for.
    Created { kind: String, sdp: String },
    /// A candidate of this side.
    Gathered {
        candidate: String,
        #[serde(default)]
        sdp_mid: Option<String>,
        #[serde(default)]
        sdp_m_line_index: Option<u16>,
        #[serde(default)]
        username_fragment: Option<String>,
    },
    /// Something has to be negotiated.
    NegotiationNeeded,
    /// The ICE transport changed.
    Ice { state: String },
    /// The peer left the room.
    Left,
    /// It is back.
    Back,
}

/// Negotiates with one peer. Its clock begins when it is made.
#[derive(Debug)]
pub struct Negotiator {
    began: Instant,
    negotiator: Mutex<CoreNegotiator>,
}

impl Negotiator {
    /// Begins with a peer; `offers` if it was in this client's first roster.
    pub fn new(local: &str, remote: &str, offers: bool, mode: Option<String>) -> Self {
        let (local, remote) = (PeerId::from(local), PeerId::from(remote));
        let timings = PeerTimings::default();
        let mut negotiator = CoreNegotiator::new(&local, &remote, offers, timings, Duration::ZERO);
        if let Some(mode) = mode {
            negotiator = negotiator.with_mode(mode);
        }
        Self { began: Instant::now(), negotiator: Mutex::new(negotiator) }
    }

    fn lock(&self) -> MutexGuard<'_, CoreNegotiator> {
        self.negotiator.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A signal of the peer's, JSON text. False if it is none of WebRTC's, but the application's own.
    ///
    /// # Errors
    /// `BINDING_ARGUMENT` for what is no JSON.
    pub fn received(&self, signal: &str) -> Result<bool, FacadeError> {
        let signal: Value = serde_json::from_str(signal)?;
        let Some(payload) = Payload::parse(&signal) else { return Ok(false) };
        self.lock().handle(PeerInput::Received(payload), self.began.elapsed());
        Ok(true)
    }

    /// Something happened here: an object with a `type`.
    ///
    /// # Errors
    /// `BINDING_ARGUMENT` for what is no input.
    pub fn handle(&self, input: &str) -> Result<(), FacadeError> {
        let input = match serde_json::from_str(input)? {
            Input::Created { kind, sdp } => {
                PeerInput::Created(Description { kind: description_kind(&kind)?, sdp })
            }
            Input::Gathered { candidate, sdp_mid, sdp_m_line_index, username_fragment } => {
                let mut made = Candidate::new(candidate);
                made.sdp_mid = sdp_mid;
                made.sdp_m_line_index = sdp_m_line_index;
                made.username_fragment = username_fragment;
                PeerInput::Gathered(made)
            }
            Input::NegotiationNeeded => PeerInput::NegotiationNeeded,
            Input::Ice { state } => PeerInput::Ice(ice_state(&state)?),
            Input::Left => PeerInput::Left,
            Input::Back => PeerInput::Back,
        };
        self.lock().handle(input, self.began.elapsed());
        Ok(())
    }

    /// Does whatever is due now.
    pub fn tick(&self) {
        self.lock().tick(self.began.elapsed());
    }

    /// Milliseconds until [`tick`](Self::tick) is due; `None` if nothing is.
    pub fn next_wake(&self) -> Option<u64> {
        let due = self.lock().next_wake()?;
        // Rounded up, so that who wakes then finds something to do.
        Some(due.checked_sub(self.began.elapsed()).map_or(0, |left| millis(left) + 1))
    }

    /// What there is to do, in this order.
    pub fn take_actions(&self) -> Vec<Item> {
        self.lock().take_actions().into_iter().map(action).collect()
    }

    /// Whether this side gives way if both offer at once.
    pub fn is_polite(&self) -> bool {
        self.lock().is_polite()
    }

    /// Whether it is over.
    pub fn is_closed(&self) -> bool {
        self.lock().is_closed()
    }
}

fn description_kind(kind: &str) -> Result<DescriptionKind, FacadeError> {
    use DescriptionKind as K;
    [K::Offer, K::Answer, K::Pranswer, K::Rollback]
        .into_iter()
        .find(|known| known.as_str() == kind)
        .ok_or_else(|| FacadeError::argument("there is no such kind of description"))
}

/// The states of `RTCIceConnectionState` and `RTCPeerConnectionState`.
fn ice_state(state: &str) -> Result<IceState, FacadeError> {
    Ok(match state {
        "new" | "checking" | "connecting" => IceState::Checking,
        "connected" | "completed" => IceState::Connected,
        "disconnected" => IceState::Disconnected,
        "failed" | "closed" => IceState::Failed,
        _ => return Err(FacadeError::argument("there is no such state of ICE")),
    })
}

fn action(action: PeerAction) -> Item {
    match action {
        PeerAction::CreateChannel => {
            Item::new("create_channel", json!({"label": CoreNegotiator::CHANNEL}))
        }
        PeerAction::CreateOffer { ice_restart } => {
            Item::new("create_offer", json!({"ice_restart": ice_restart}))
        }
        PeerAction::CreateAnswer => Item::new("create_answer", json!({})),
        PeerAction::Rollback => Item::new("rollback", json!({})),
        PeerAction::Rebuild => Item::new("rebuild", json!({})),
        PeerAction::SetRemote(Description { kind, sdp }) => {
            Item::new("set_remote", json!({"kind": kind.as_str(), "sdp": sdp}))
        }
        PeerAction::AddCandidate(candidate) => Item::new(
            "add_candidate",
            json!({
                "candidate": candidate.candidate,
                "sdp_mid": candidate.sdp_mid,
                "sdp_m_line_index": candidate.sdp_m_line_index,
                "username_fragment": candidate.username_fragment,
            }),
        ),
        PeerAction::Send(payload) => Item::new("send", json!({"signal": payload.to_value()})),
        PeerAction::Close => Item::new("close", json!({})),
        _ => Item::new("other", json!({})),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(negotiator: &Negotiator) -> Vec<&'static str> {
        negotiator.take_actions().iter().map(|action| action.kind).collect()
    }

    #[test]
    fn an_offer_and_its_answer_go_through_as_json() {
        let offerer = Negotiator::new("b", "a", true, Some("lan".into()));
        let answerer = Negotiator::new("a", "b", false, None);
        assert_eq!(kinds(&offerer), ["create_channel", "create_offer"]);
        offerer.handle(r#"{"type":"created","kind":"offer","sdp":"v=0\r\n"}"#).unwrap();
        let sent = offerer.take_actions();
        let signal = &sent[0].details["signal"];
        assert_eq!(signal["connectionMode"], "lan");
        assert!(answerer.received(&signal.to_string()).unwrap());
        assert_eq!(kinds(&answerer), ["set_remote", "create_answer"]);
        assert!(answerer.is_polite() && !offerer.is_polite());
        assert!(offerer.next_wake().is_some_and(|wake| wake > 0));
    }

    #[test]
    fn what_is_no_signal_of_webrtc_is_the_applications_and_what_is_no_input_an_error() {
        let negotiator = Negotiator::new("a", "b", false, None);
        assert!(!negotiator.received(r#"{"type":"agent-ping"}"#).unwrap());
        for bad in [
            "",
            "{}",
            r#"{"type":"ice","state":"warm"}"#,
            r#"{"type":"created","kind":"x","sdp":""}"#,
        ] {
            assert_eq!(negotiator.handle(bad).unwrap_err().code, "BINDING_ARGUMENT", "{bad}");
        }
        negotiator.handle(r#"{"type":"ice","state":"failed"}"#).unwrap();
        negotiator.tick();
        assert!(!negotiator.is_closed());
    }
}
