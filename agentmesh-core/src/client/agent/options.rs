//! How a message is to be sent, and what came of it.

use std::time::Duration;

use crate::{
    engine::{NewMessage, Stage},
    identity::Amid,
    knock::{KnockRequest, SessionType},
    wire::{
        id::MessageId,
        plaintext::{Headers, MessageType, Payload},
    },
};

/// How to send a message.
#[derive(Debug, Clone, PartialEq)]
pub struct SendOptions {
    /// The stage to wait for. Default: [`Stage::StoredByRelay`].
    pub wait: Stage,
    /// How long to wait for it. Default: 30 s. The message stays in the outbox when the time is up.
    pub timeout: Duration,
    /// The message's id, to make sending it again after a crash harmless. Default: a fresh one.
    pub id: Option<MessageId>,
    /// What the KNOCK asks for, should this message open a session.
    pub knock_request: Option<KnockRequest>,
    /// How the session is to be used, should this message open one. Default: what `knock_request` says.
    pub session_type: Option<SessionType>,
    /// A W3C `traceparent`, sealed with the message. Default: none; answers carry that of their request.
    pub trace: Option<String>,
    /// The schema that the payload follows. A JSON payload is checked against it if the agent knows the schema.
    pub schema: Option<String>,
    /// How long the session is to live that this message may open; the peer decides. When the time is over, the next
    /// message knocks anew. Default: what the KNOCK request says, five minutes if there is none.
    pub session_ttl: Option<Duration>,
    /// When to give up, if earlier than 72 h.
    pub expires_in: Option<Duration>,
}

impl Default for SendOptions {
    fn default() -> Self {
        Self {
            wait: Stage::StoredByRelay,
            timeout: Duration::from_secs(30),
            id: None,
            knock_request: None,
            session_type: None,
            trace: None,
            schema: None,
            session_ttl: None,
            expires_in: None,
        }
    }
}

impl SendOptions {
    /// The defaults, waiting for `stage`.
    pub fn wait_for(stage: Stage) -> Self {
        Self { wait: stage, ..Self::default() }
    }

    pub(super) fn message(
        &self,
        to: Amid,
        kind: MessageType,
        in_reply_to: Option<MessageId>,
        payload: Payload,
        fresh: MessageId,
    ) -> NewMessage {
        NewMessage {
            id: self.id.unwrap_or(fresh),
            to,
            kind,
            in_reply_to,
            payload,
            headers: Headers {
                trace: self.trace.clone(),
                stream: None,
                schema: self.schema.clone(),
            },
            knock_request: self.knock_request.clone(),
            expires_in: self.expires_in.map(|d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX)),
        }
    }
}

/// What came of a message by the time that [`Agent::send`](super::Agent::send) returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// Its id.
    pub id: MessageId,
    /// The recipient.
    pub to: Amid,
    /// How far it came, at least as far as was asked for.
    pub stage: Stage,
}
