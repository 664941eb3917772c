//! What an agent tells besides messages, as a receiver to be pulled.
//!
//! An event is an object with a `type`, the rest depends on it. Slow readers miss events and are told how many
//! (`lagged`); messages never come this way.

use agentmesh_core::{
    client::{AgentEvent, subscription::Subscription},
    engine::{Direction, Event as EngineEvent, PrekeyChange},
    wire::plaintext::Stage as Receipt,
};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::{FacadeError, Payload, owned::Owned};

/// Something that happened to an agent.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// What: `online`, `progress`, `session_established` and so on. New ones may come with every release.
    pub kind: &'static str,
    /// An object with everything else.
    pub details: Value,
    /// What a peer says, of `status` events.
    pub payload: Payload,
}

impl Event {
    fn new(kind: &'static str, details: Value) -> Self {
        Self { kind, details, payload: Payload::None }
    }
}

/// An agent's events.
#[derive(Debug)]
pub struct Events(Owned<Mutex<Subscription<AgentEvent>>>);

impl Events {
    pub(crate) fn new(events: Subscription<AgentEvent>) -> Self {
        Self(Owned::new(Mutex::new(events)))
    }

    /// The next event, `None` after the last. Safe to cancel. Readers at a time take turns.
    ///
    /// # Errors
    /// `BINDING_FORKED`.
    pub async fn next(&self) -> Result<Option<Event>, FacadeError> {
        Ok(self.0.get()?.lock().await.next().await.map(event))
    }
}

fn event(event: AgentEvent) -> Event {
    match event {
        AgentEvent::Online => Event::new("online", json!({})),
        AgentEvent::Offline { reason } => Event::new("offline", json!({"reason": reason})),
        AgentEvent::Connected { pending } => Event::new("connected", json!({"pending": pending})),
        AgentEvent::Disconnected { retry_in, reason } => {
            let retry_in = retry_in.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
            Event::new("disconnected", json!({"retry_in_ms": retry_in, "reason": reason}))
        }
        AgentEvent::Replaced => Event::new("replaced", json!({})),
        AgentEvent::Registered { newly } => Event::new("registered", json!({"newly": newly})),
        AgentEvent::Trouble { code, message } => {
            Event::new("trouble", json!({"code": code, "message": message}))
        }
        AgentEvent::Closed { reason } => Event::new("closed", json!({"reason": reason})),
        AgentEvent::PolicyReloaded => Event::new("policy_reloaded", json!({})),
        AgentEvent::PolicyReloadFailed { code, problem } => {
            Event::new("policy_reload_failed", json!({"code": code, "problem": problem}))
        }
        AgentEvent::RateLimited { to, scope, retry_after } => Event::new(
            "rate_limited",
            json!({
                "to": to, "scope": scope.as_str(),
                "retry_after_ms": u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX),
            }),
        ),
        AgentEvent::Superseded => Event::new("superseded", json!({})),
        AgentEvent::Engine(event) => engine_event(event),
        AgentEvent::Lagged { missed } => Event::new("lagged", json!({"missed": missed})),
        _ => Event::new("other", json!({})),
    }
}

fn engine_event(event: EngineEvent) -> Event {
    use EngineEvent as E;
    match event {
        E::MessageReady { from, id } => {
            Event::new("message_ready", json!({"sender": from, "id": id}))
        }
        E::Status { from, in_reply_to, payload } => Event {
            kind: "status",
            details: json!({"sender": from, "in_reply_to": in_reply_to}),
            payload: payload.into(),
        },
        E::Progress { to, id, stage } => {
            Event::new("progress", json!({"to": to, "id": id, "stage": stage as u8}))
        }
        E::SendFailed { to, id, reason } => {
            let error = FacadeError::from(agentmesh_core::Error::from(reason));
            Event::new(
                "send_failed",
                json!({"to": to, "id": id, "code": error.code, "message": error.message}),
            )
        }
        E::SessionEstablished { peer, session, suite, initiator, recovery } => Event::new(
            "session_established",
            json!({
                "peer": peer, "session": session.to_string(), "suite": suite.name(),
                "initiator": initiator, "recovery": recovery,
            }),
        ),
        E::PartProgress { direction, peer, id, done, total } => Event::new(
            "part_progress",
            json!({
                "sending": direction == Direction::Sending,
                "peer": peer, "id": id, "done": done, "total": total,
            }),
        ),
        E::PartsRefused { from, id, reason } => Event::new(
            "parts_refused",
            json!({"sender": from, "id": id, "reason": refusal(reason)}),
        ),
        E::PrekeysChanged { change } => {
            Event::new("prekeys_changed", json!({"change": prekey_change(change)}))
        }
        E::CircuitChanged { state, since } => Event::new(
            "circuit_changed",
            json!({"state": state.as_str(), "since": since.as_millis()}),
        ),
        E::SessionKilled { peer } => Event::new("session_killed", json!({"peer": peer})),
        E::PeerBlocked { peer } => Event::new("peer_blocked", json!({"peer": peer})),
        E::PeerUnblocked { peer } => Event::new("peer_unblocked", json!({"peer": peer})),
        E::ExchangeKeyRotated { .. } => Event::new("exchange_key_rotated", json!({})),
        #[cfg(feature = "legacy-0-2")]
        E::NotConfirmable { to, id } => Event::new("not_confirmable", json!({"to": to, "id": id})),
        #[cfg(feature = "legacy-0-2")]
        E::Unauthenticated { from, payload } => Event {
            kind: "unauthenticated",
            details: json!({"sender": from}),
            payload: Payload::Json(payload),
        },
        E::FrameDropped { from, reason } => {
            Event::new("frame_dropped", json!({"sender": from, "reason": reason.as_str()}))
        }
        knock => knock_event(knock),
    }
}

fn knock_event(event: EngineEvent) -> Event {
    use EngineEvent as E;
    match event {
        E::KnockReceived { peer, session } => {
            Event::new("knock_received", json!({"peer": peer, "session": session.to_string()}))
        }
        E::KnockDecided { peer, session, rejected } => Event::new(
            "knock_decided",
            json!({"peer": peer, "session": session.to_string(), "rejected": rejected}),
        ),
        E::KnockAccepted { peer, session } => {
            Event::new("knock_accepted", json!({"peer": peer, "session": session.to_string()}))
        }
        E::KnockRejected { peer, reason, retry_after_s } => Event::new(
            "knock_rejected",
            json!({"peer": peer, "reason": reason, "retry_after_s": retry_after_s}),
        ),
        E::SessionClosed { peer, session } => {
            Event::new("session_closed", json!({"peer": peer, "session": session.to_string()}))
        }
        _ => Event::new("other", json!({})),
    }
}

const fn prekey_change(change: PrekeyChange) -> &'static str {
    match change {
        PrekeyChange::Generated => "generated",
        PrekeyChange::Rotated => "rotated",
        PrekeyChange::Consumed => "consumed",
        PrekeyChange::Published => "published",
        _ => "other",
    }
}

const fn refusal(reason: Receipt) -> &'static str {
    match reason {
        Receipt::TooLarge => "too_large",
        Receipt::Damaged => "damaged",
        Receipt::Abandoned => "abandoned",
        Receipt::Busy => "busy",
        _ => "other",
    }
}
