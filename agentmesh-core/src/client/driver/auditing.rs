//! What the audit log says of each event: types and severities of 0.2, ids and numbers, never what messages say.

use crate::{
    ErrorInfo,
    audit::{AuditFields, AuditType, Severity},
    client::{agent::AgentEvent, audit::AuditLog},
    engine::{CircuitState, DropReason, Event, PrekeyChange, Stage},
    identity::Amid,
    wire::id::MessageId,
};

use AuditType as T;
use Severity::{Critical, Debug, Error, Info, Warning};

fn fields() -> AuditFields {
    AuditFields::new()
}

fn about(peer: &Amid) -> AuditFields {
    fields().peer(*peer)
}

/// Logs an event.
pub(super) fn record(log: &AuditLog, event: &AgentEvent) {
    match event {
        AgentEvent::Engine(event) => engine_event(log, event),
        AgentEvent::Connected { pending } => {
            let fields = fields().with("pending", *pending);
            log.log(T::ConnectionEstablished, Info, "connected to the relay", fields);
        }
        AgentEvent::Disconnected { retry_in, reason } => {
            let fields = match retry_in {
                Some(pause) => fields().with("retryInMs", millis(*pause)),
                None => fields(),
            };
            log.log(T::ConnectionLost, Warning, reason.as_str(), fields);
        }
        AgentEvent::Replaced => {
            let text = "another connection of this identity took over";
            log.log(T::ConnectionReplaced, Critical, text, fields());
        }
        AgentEvent::Superseded => {
            let text = "this identity is in use elsewhere, with a newer store";
            log.log(T::ConnectionReplaced, Critical, text, fields());
        }
        AgentEvent::Revoked { reason } => {
            let fields = fields().with("reason", reason.as_str());
            log.log(T::RegistryFailed, Critical, "this identity was revoked", fields);
        }
        AgentEvent::Registered { newly } => {
            let fields = fields().with("newly", *newly);
            log.log(T::RegistryRegistered, Info, "registered", fields);
        }
        AgentEvent::Trouble { code, message } => {
            log.log(T::RegistryFailed, Warning, message.as_str(), fields().with("code", *code));
        }
        AgentEvent::PolicyReloaded => {
            log.log(T::PolicyReloaded, Info, "another policy is in force", fields());
        }
        AgentEvent::PolicyReloadFailed { code, problem } => {
            log.log(T::PolicyReloadFailed, Error, problem.as_str(), fields().with("code", *code));
        }
        AgentEvent::RateLimited { to, scope, retry_after } => {
            let fields =
                about(to).with("scope", scope.as_str()).with("retryAfterMs", millis(*retry_after));
            log.log(T::RateLimited, Warning, "message refused by the limits on sending", fields);
        }
        AgentEvent::Closed { reason: None } => {
            log.log(T::AgentClosed, Info, "closed", fields());
        }
        AgentEvent::Closed { reason: Some(reason) } => {
            log.log(T::AgentClosed, Critical, reason.as_str(), fields());
        }
        _ => {}
    }
}

fn engine_event(log: &AuditLog, event: &Event) {
    match event {
        Event::MessageReady { from, id } => {
            message(log, T::MessageReceived, "message received", from, id);
        }
        Event::Progress { to, id, stage } => sent(log, to, id, *stage),
        Event::SendFailed { to, id, reason } => {
            let fields = about(to).with("messageId", id.to_string()).with("code", reason.code());
            log.log(T::MessageFailed, Warning, reason.to_string(), fields);
        }
        Event::SessionEstablished { peer, session, suite, initiator, recovery } => {
            let fields = about(peer)
                .session(*session)
                .with("suite", suite.name())
                .with("recovery", *recovery);
            if *initiator {
                log.log(T::SessionInitiated, Info, "session opened", fields.clone());
                log.log(T::KnockSent, Info, "KNOCK sent", fields);
            }
        }
        Event::KnockReceived { peer, session } => {
            log.log(T::KnockReceived, Info, "KNOCK received", about(peer).session(*session));
        }
        Event::KnockDecided { peer, session, rejected } => {
            let fields = about(peer).session(*session).with("accepted", rejected.is_none());
            let reason = rejected.as_deref().unwrap_or("accepted");
            log.log(T::PolicyEvaluated, Info, reason, fields);
            let fields = about(peer).session(*session).with("by", "us");
            match rejected {
                None => log.log(T::SessionAccepted, Info, "session accepted", fields),
                Some(reason) => log.log(T::KnockRejected, Warning, reason.as_str(), fields),
            }
        }
        Event::KnockAccepted { peer, session } => {
            let fields = about(peer).session(*session).with("by", "peer");
            log.log(T::SessionAccepted, Info, "session accepted", fields);
        }
        Event::KnockRejected { peer, reason, retry_after_s } => {
            let fields = about(peer).with("by", "peer").with("retryAfterS", *retry_after_s);
            log.log(T::SessionRejected, Warning, reason.as_str(), fields);
        }
        Event::SessionClosed { peer, session } => {
            log.log(T::SessionClosed, Info, "session closed", about(peer).session(*session));
        }
        Event::FrameDropped { from, reason } => dropped(log, from, *reason),
        Event::PrekeysChanged { change } => prekeys(log, *change),
        Event::ExchangeKeyRotated { .. } => {
            log.log(T::IdentityRotated, Info, "new exchange key", fields());
        }
        Event::PartsRefused { from, .. } => {
            log.log(T::FrameDropped, Warning, "a payload in parts was refused", about(from));
        }
        event => circuit(log, event),
    }
}

fn circuit(log: &AuditLog, event: &Event) {
    match event {
        Event::CircuitChanged { state, .. } => {
            let (kind, severity, text) = match state {
                CircuitState::Running => (T::CircuitResumed, Warning, "works again"),
                CircuitState::Paused => (T::CircuitPaused, Warning, "takes no new sessions"),
                CircuitState::Stopped => (T::EmergencyStop, Critical, "stopped"),
            };
            log.log(kind, severity, text, fields());
        }
        Event::SessionKilled { peer } => {
            log.log(T::SessionKilled, Warning, "sessions ended by order", about(peer));
        }
        Event::PeerBlocked { peer } => {
            log.log(T::PeerBlocked, Warning, "peer shut out", about(peer));
        }
        Event::PeerUnblocked { peer } => {
            log.log(T::PeerUnblocked, Warning, "peer let in again", about(peer));
        }
        _ => {}
    }
}

fn prekeys(log: &AuditLog, change: PrekeyChange) {
    let (kind, text) = match change {
        PrekeyChange::Generated => (T::PrekeyGenerated, "new prekeys"),
        PrekeyChange::Rotated => (T::PrekeyRotated, "new signed prekey"),
        PrekeyChange::Consumed => (T::PrekeyConsumed, "one-time prekeys used"),
        PrekeyChange::Published => (T::PrekeyPublished, "prekeys published"),
    };
    log.log(kind, Info, text, fields());
}

fn dropped(log: &AuditLog, from: &Amid, reason: DropReason) {
    let fields = about(from).with("reason", reason.as_str());
    match reason {
        DropReason::Undecryptable => {
            log.log(T::MessageDecryptionFailed, Warning, "a frame did not decrypt", fields);
        }
        DropReason::Duplicate | DropReason::Blocked => {
            log.log(T::FrameDropped, Debug, "frame dropped", fields);
        }
        _ => log.log(T::FrameDropped, Warning, "frame dropped", fields),
    }
}

/// A message of ours came one stage further.
pub(super) fn sent(log: &AuditLog, to: &Amid, id: &MessageId, stage: Stage) {
    message(log, T::MessageSent, stage.as_str(), to, id);
}

fn message(log: &AuditLog, kind: AuditType, text: &str, peer: &Amid, id: &MessageId) {
    if log.wants(Debug) {
        log.log(kind, Debug, text, about(peer).with("messageId", id.to_string()));
    }
}

fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
