//! The lines of `listen`. With `--json` each is an object with an `event`; the names are part of the manual.

use std::{fmt, time::Duration};

use agentmesh_core::{
    ErrorInfo,
    client::Sent,
    engine::{DropReason, Event, IncomingMessage},
    identity::Amid,
    knock::{Decision, KnockInfo},
    wire::{id::MessageId, plaintext::MessageType},
};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{endpoints::Endpoints, error::CliError, json_text, output::Output};

/// The agent is open; what comes is shown from now on.
#[derive(Serialize)]
pub(super) struct Started<'a> {
    event: &'static str,
    amid: Amid,
    pid: u32,
    registry: &'a str,
    relay: &'a str,
}

impl<'a> Started<'a> {
    pub(super) fn new(amid: Amid, endpoints: &'a Endpoints) -> Self {
        let Endpoints { registry, relay, .. } = endpoints;
        Self { event: "started", amid, pid: std::process::id(), registry, relay }
    }
}

impl fmt::Display for Started<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} listens (registry {}, process {})", self.amid, self.registry, self.pid)
    }
}

/// A message, exactly once a message.
#[derive(Serialize)]
pub(super) struct MessageLine {
    event: &'static str,
    id: MessageId,
    from: Amid,
    payload: Box<RawValue>,
    /// Left out for plain messages.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    in_reply_to: Option<MessageId>,
}

impl MessageLine {
    pub(super) fn new(message: &IncomingMessage) -> Result<Self, CliError> {
        Ok(Self {
            event: "message",
            id: message.id,
            from: message.from,
            payload: json_text::payload(&message.payload)?,
            kind: match message.kind {
                MessageType::Request => Some("request"),
                MessageType::Response => Some("response"),
                MessageType::Stream => Some("stream"),
                MessageType::Status => Some("status"),
                MessageType::Error => Some("error"),
                _ => None,
            },
            in_reply_to: message.in_reply_to,
        })
    }
}

impl fmt::Display for MessageLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.from, self.payload.get())
    }
}

/// Registered, and connected to the relay.
#[derive(Serialize)]
pub(super) struct Online {
    event: &'static str,
}

impl Online {
    pub(super) const fn new() -> Self {
        Self { event: "online" }
    }
}

impl fmt::Display for Online {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("- online")
    }
}

/// Not connected; it goes on trying.
#[derive(Serialize)]
pub(super) struct Offline<'a> {
    event: &'static str,
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_in_ms: Option<u64>,
}

impl<'a> Offline<'a> {
    pub(super) fn new(reason: &'a str, retry_in: Option<Duration>) -> Self {
        let retry_in_ms = retry_in.map(|d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX));
        Self { event: "offline", reason, retry_in_ms }
    }
}

impl fmt::Display for Offline<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "- offline: {}; trying again", self.reason)
    }
}

/// Somebody asked for a session.
#[derive(Serialize)]
pub(super) struct Knocked {
    event: &'static str,
    from: Amid,
    capability: String,
    action: String,
    suite: &'static str,
    decision: &'static str,
}

impl Knocked {
    pub(super) fn new(knock: &KnockInfo, decision: &Decision) -> Self {
        Self {
            event: "knock",
            from: knock.from,
            capability: knock.request.intent.capability.clone(),
            action: knock.request.intent.action.clone(),
            suite: knock.suite.name(),
            decision: if decision.is_accept() { "accepted" } else { "rejected" },
        }
    }
}

impl fmt::Display for Knocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, capability, suite, decision, .. } = self;
        write!(f, "- {from} knocks for {capability} ({suite}): {decision}")
    }
}

/// A message of ours is on disk and on its way.
#[derive(Serialize)]
pub(super) struct Queued {
    event: &'static str,
    id: MessageId,
    to: Amid,
}

impl Queued {
    pub(super) const fn new(sent: Sent) -> Self {
        Self { event: "queued", id: sent.id, to: sent.to }
    }
}

impl fmt::Display for Queued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "- {} to {}: queued", self.id, self.to)
    }
}

/// An order that was not taken: nothing was sent.
#[derive(Serialize)]
pub(super) struct Refused<'a> {
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<Amid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<MessageId>,
    code: &'static str,
    reason: &'a str,
}

impl<'a> Refused<'a> {
    pub(super) fn new(to: Option<Amid>, id: Option<MessageId>, error: &'a CliError) -> Self {
        Self { event: "refused", to, id, code: error.code, reason: &error.message }
    }
}

impl fmt::Display for Refused<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "- not sent: {}", self.reason)
    }
}

/// Events were missed, because this process was too slow. Messages are not among them.
#[derive(Serialize)]
pub(super) struct Lagged {
    event: &'static str,
    missed: u64,
}

impl Lagged {
    pub(super) const fn new(missed: u64) -> Self {
        Self { event: "lagged", missed }
    }
}

impl fmt::Display for Lagged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "- {} events were missed, but no message", self.missed)
    }
}

/// What became of something; the fields that it has are told.
#[derive(Serialize, Default)]
struct Told<'a> {
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<MessageId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<Amid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<Amid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    suite: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip)]
    text: String,
}

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "- {}", self.text)
    }
}

/// Shows what the engine tells, as far as it is of interest.
pub(super) fn show_event(out: Output, event: &Event) -> Result<(), CliError> {
    let reason_text;
    let told = match event {
        Event::Progress { to, id, stage } => Told {
            event: "progress",
            id: Some(*id),
            to: Some(*to),
            stage: Some(stage.as_str()),
            text: format!("{id} to {to}: {stage}"),
            ..Told::default()
        },
        Event::SendFailed { to, id, reason } => {
            reason_text = reason.to_string();
            Told {
                event: "failed",
                id: Some(*id),
                to: Some(*to),
                code: Some(reason.code()),
                reason: Some(&reason_text),
                text: format!("{id} to {to} will not be delivered: {reason}"),
                ..Told::default()
            }
        }
        Event::SessionEstablished { peer, suite, recovery, .. } => Told {
            event: "session",
            peer: Some(*peer),
            suite: Some(suite.name()),
            text: format!(
                "{} session with {peer}, {}",
                if *recovery { "recovered" } else { "new" },
                suite.name()
            ),
            ..Told::default()
        },
        Event::KnockAccepted { peer, .. } => Told {
            event: "knock_accepted",
            peer: Some(*peer),
            text: format!("{peer} accepted our KNOCK"),
            ..Told::default()
        },
        Event::KnockRejected { peer, reason, .. } => Told {
            event: "knock_rejected",
            peer: Some(*peer),
            reason: Some(reason),
            text: format!("{peer} rejected our KNOCK: {reason}"),
            ..Told::default()
        },
        Event::FrameDropped { from, reason } if *reason != DropReason::Duplicate => Told {
            event: "dropped",
            peer: Some(*from),
            reason: Some(reason.as_str()),
            text: format!("a frame of {from} was dropped: {}", reason.as_str()),
            ..Told::default()
        },
        _ => return Ok(()),
    };
    out.show(&told)
}
