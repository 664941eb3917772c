//! What the engine tells the application, by way of the driver.

use crate::{
    handshake::{SessionId, Suite},
    identity::Amid,
    keys::DhPublicKey,
    time::Timestamp,
    wire::{
        id::MessageId,
        plaintext::{Headers, MessageType, Payload, Stage as ReceiptStage},
    },
};

use super::{
    circuit::CircuitState,
    outcome::{SendFailure, Stage},
    parts::Direction,
};

/// An event, emitted after the changes that it tells of are on disk.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A message waits in the inbox; [`super::Engine::message`] reads it, [`super::Input::Handled`] ends it.
    MessageReady {
        /// Who sent it.
        from: Amid,
        /// Its id, unique for that sender.
        id: MessageId,
    },
    /// A peer says how far something is. Told once and kept nowhere.
    Status {
        /// Who says it.
        from: Amid,
        /// What it is about, mostly a request of ours.
        in_reply_to: Option<MessageId>,
        /// What it says.
        payload: Payload,
    },
    /// A message of ours came one stage further.
    Progress {
        /// The recipient.
        to: Amid,
        /// The message.
        id: MessageId,
        /// How far it is now.
        stage: Stage,
    },
    /// A message of ours will not be delivered, or nobody can say whether it was.
    SendFailed {
        /// The recipient.
        to: Amid,
        /// The message.
        id: MessageId,
        /// Why.
        reason: SendFailure,
    },
    /// There is a new session.
    SessionEstablished {
        /// The peer.
        peer: Amid,
        /// The session.
        session: SessionId,
        /// Its suite.
        suite: Suite,
        /// Whether we sent the handshake.
        initiator: bool,
        /// Whether it replaces one that the peer lost or that fell behind.
        recovery: bool,
    },
    /// A peer knocked; the policy, and the application's handler if there is one, decide.
    KnockReceived {
        /// The peer.
        peer: Amid,
        /// The session that it opened.
        session: SessionId,
    },
    /// A peer's KNOCK was decided.
    KnockDecided {
        /// The peer.
        peer: Amid,
        /// The session.
        session: SessionId,
        /// Why it was rejected; `None` if it was accepted.
        rejected: Option<String>,
    },
    /// The peer accepted our KNOCK.
    KnockAccepted {
        /// The peer.
        peer: Amid,
        /// The session.
        session: SessionId,
    },
    /// The peer rejected our KNOCK.
    KnockRejected {
        /// The peer.
        peer: Amid,
        /// Its words.
        reason: String,
        /// Seconds to wait before knocking again.
        retry_after_s: Option<u64>,
    },
    /// More of a large payload is where it should be. Several parts at once are one event.
    PartProgress {
        /// Which way it goes.
        direction: Direction,
        /// The peer.
        peer: Amid,
        /// The message whose payload it is.
        id: MessageId,
        /// Parts that have arrived.
        done: u32,
        /// Parts in all.
        total: u32,
    },
    /// A peer's large payload was given up; its sender is told.
    PartsRefused {
        /// Who sends it.
        from: Amid,
        /// The message.
        id: MessageId,
        /// Why: too large, damaged, abandoned, or too many at a time.
        reason: ReceiptStage,
    },
    /// A session was closed, by the peer or by this agent.
    SessionClosed {
        /// The peer.
        peer: Amid,
        /// The session.
        session: SessionId,
    },
    /// The own prekeys changed.
    PrekeysChanged {
        /// How.
        change: PrekeyChange,
    },
    /// The agent was paused, stopped or resumed.
    CircuitChanged {
        /// What it is now.
        state: CircuitState,
        /// Since when.
        since: Timestamp,
    },
    /// Every session with a peer was ended by order; what was to be sent to it is given up.
    SessionKilled {
        /// The peer.
        peer: Amid,
    },
    /// A peer is shut out from now on.
    PeerBlocked {
        /// The peer.
        peer: Amid,
    },
    /// A peer is no longer shut out.
    PeerUnblocked {
        /// The peer.
        peer: Amid,
    },
    /// Our exchange key was replaced; the new bundle is published as soon as the registry can be reached.
    ExchangeKeyRotated {
        /// The new public key.
        key: DhPublicKey,
    },
    /// A message is at the relay, and that is the last that will be known of it: the peer speaks only 0.2, and
    /// confirms nothing.
    #[cfg(feature = "legacy-0-2")]
    NotConfirmable {
        /// The recipient.
        to: Amid,
        /// The message.
        id: MessageId,
    },
    /// Somebody sent JSON without encryption and without proof of who it is, as agents of 0.2 do. Nothing but the
    /// relay's word says that it is from `from`.
    #[cfg(feature = "legacy-0-2")]
    Unauthenticated {
        /// Whom the relay named as the sender.
        from: Amid,
        /// The JSON object.
        payload: String,
    },
    /// A frame was dropped without effect. Counting these shows attacks and bugs; nothing needs to be done.
    FrameDropped {
        /// Whom the relay named as the sender.
        from: Amid,
        /// Why, as a stable code.
        reason: DropReason,
    },
}

/// What happened to the own prekeys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PrekeyChange {
    /// New ones were made.
    Generated,
    /// The signed prekey was replaced.
    Rotated,
    /// A handshake used one-time prekeys up.
    Consumed,
    /// They reached the registry.
    Published,
}

/// Why a frame was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DropReason {
    /// The sender is on the block list.
    Blocked,
    /// It was opened before.
    Duplicate,
    /// It speaks the old protocol, which is not allowed here.
    Legacy,
    /// It does not parse.
    Malformed,
    /// No session could be found in time.
    NoSession,
    /// A handshake named a prekey that is gone.
    PrekeyGone,
    /// A signature, a key or a time in it is wrong.
    Rejected,
    /// It names a session that was closed.
    SessionClosed,
    /// It offers less than the sender was seen with, or than both sides can do.
    SuiteDowngrade,
    /// It does not decrypt.
    Undecryptable,
}

impl DropReason {
    /// Stable name, for metrics and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Blocked => "blocked",
            Self::Duplicate => "duplicate",
            Self::Legacy => "legacy",
            Self::Malformed => "malformed",
            Self::NoSession => "no_session",
            Self::PrekeyGone => "prekey_gone",
            Self::Rejected => "rejected",
            Self::SessionClosed => "session_closed",
            Self::SuiteDowngrade => "suite_downgrade",
            Self::Undecryptable => "undecryptable",
        }
    }
}

/// A message out of the inbox.
#[derive(Debug, Clone, PartialEq)]
pub struct IncomingMessage {
    /// Who sent it, proven by the session.
    pub from: Amid,
    /// The sender's id for it: the same if it is handed on again after a crash.
    pub id: MessageId,
    /// What it is.
    pub kind: MessageType,
    /// The sender's count of messages to us.
    pub seq: u64,
    /// The message of ours that it answers.
    pub in_reply_to: Option<MessageId>,
    /// When it was sent, by the sender's clock.
    pub sent_at: Timestamp,
    /// When it was opened here.
    pub received_at: Timestamp,
    /// What it says.
    pub payload: Payload,
    /// What its sender says of the payload.
    pub headers: Headers,
}
