//! What the managers tell of sessions and messages.

use serde::Serialize;

use super::X3dhMessage;
use crate::{
    engine::records::{Decision, SessionEntry},
    handshake::Suite,
    identity::Amid,
    session::{Session, SessionDescription},
    time::Timestamp,
    wire::{
        id::MessageId,
        plaintext::{MessageType, Payload},
    },
};

/// A session that was opened, and what the peer needs to open its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Initiated {
    /// The session. Natively the peer computes the same id.
    pub session_id: String,
    /// For the peer's [`accept_session`](super::SessionManager::accept_session), before anything else of this session.
    pub x3dh_message: X3dhMessage,
}

/// Where a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum SessionState {
    /// We opened it and nothing of the peer has come yet. Natively it can be used all the same.
    Pending,
    /// Both ends have it.
    Active,
}

/// A session, without anything secret.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionInfo {
    /// The session.
    pub session_id: String,
    /// The peer.
    pub peer_amid: Amid,
    /// Where it stands.
    pub state: SessionState,
    /// Whether we opened it.
    pub is_initiator: bool,
    /// Whether its KNOCK was accepted by the responder, as far as we know.
    pub is_accepted: bool,
    /// Whether messages to the peer go here: at most one session a peer. The others only receive.
    pub is_sending: bool,
    /// The suite.
    pub suite: Suite,
    /// When this end was made.
    pub created_at: Timestamp,
    /// Where its chains stand; nothing in 0.2.
    pub description: Option<SessionDescription>,
}

impl SessionInfo {
    pub(super) fn new(entry: &SessionEntry, session: &Session, is_sending: bool) -> Self {
        Self {
            session_id: entry.id.to_string(),
            peer_amid: entry.peer,
            state: if entry.is_unconfirmed_initiator() {
                SessionState::Pending
            } else {
                SessionState::Active
            },
            is_initiator: entry.role == crate::engine::records::Role::Initiator,
            is_accepted: entry.decision == Decision::Accepted,
            is_sending,
            suite: session.suite(),
            created_at: session.created_at(),
            description: Some(session.describe()),
        }
    }
}

/// A message that was decrypted, of whatever type.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Incoming {
    /// Who sent it.
    pub from: Amid,
    /// Its id. An application that must not handle a message twice remembers it together with `from`.
    pub id: Option<MessageId>,
    /// What kind of message it is.
    pub kind: MessageType,
    /// The message that it answers.
    pub in_reply_to: Option<MessageId>,
    /// When it was sent, by the sender's clock.
    pub sent_at: Option<Timestamp>,
    /// What it says.
    pub payload: Payload,
}
