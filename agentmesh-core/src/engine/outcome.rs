//! What a step of the engine asks the driver to do, in this order: commit, then send and ack, then emit.

use core::fmt;

use crate::{
    error::errors,
    handshake::SessionId,
    identity::Amid,
    knock::{KnockError, KnockInfo},
    storage::Changes,
    time::Timestamp,
    wire::{
        id::MessageId, json::JsonError, plaintext::PlaintextError, relay_frame::RelayMessageType,
        relay_id::RelayMessageId,
    },
};

use super::event::Event;

/// The effects of one or more inputs. Nothing of it may be done before `changes` are on disk.
#[derive(Debug, Default)]
pub struct Outcome {
    /// One atomic batch for [`crate::storage::Storage::commit`].
    pub changes: Changes,
    /// Frames for the relay, in order.
    pub outgoing: Vec<Outgoing>,
    /// Relay messages that are dealt with and must not come again.
    pub acks: Vec<RelayAck>,
    /// What the application should know.
    pub events: Vec<Event>,
    /// What the engine needs from the outside world.
    pub requests: Vec<Request>,
}

impl Outcome {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
            && self.outgoing.is_empty()
            && self.acks.is_empty()
            && self.events.is_empty()
            && self.requests.is_empty()
    }
}

/// A frame for the relay.
#[derive(Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The recipient.
    pub to: Amid,
    /// Names the frame towards the relay.
    pub relay_id: RelayMessageId,
    /// The hint for the relay.
    pub kind: RelayMessageType,
    /// The native frame.
    pub frame: Vec<u8>,
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing")
            .field("to", &self.to)
            .field("relay_id", &self.relay_id)
            .field("kind", &self.kind)
            .field("bytes", &self.frame.len())
            .finish()
    }
}

/// Tells the relay that a frame arrived for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayAck {
    /// Who sent the frame.
    pub from: Amid,
    /// The name the sender gave it.
    pub relay_id: RelayMessageId,
}

/// Something that only the driver can get. Asking twice for the same thing is harmless.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// The prekey bundle of a peer, for [`Input::Bundle`](super::Input::Bundle).
    Bundle(Amid),
    /// The identity key of a peer that we only know by its AMID.
    PeerKey(Amid),
    /// The identity and exchange key of a peer that knocks in 0.2.
    #[cfg(feature = "legacy-0-2")]
    LegacyPeer(Amid),
    /// New public prekeys must be uploaded.
    PublishPrekeys,
    /// The application's policy must decide on a KNOCK, for [`Input::Decide`](super::Input::Decide).
    DecideKnock {
        /// The session that it opened.
        session: SessionId,
        /// Who knocks, and what for.
        knock: Box<KnockInfo>,
    },
}

/// How far a message of ours has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Stage {
    /// In our own outbox, on disk.
    Queued = 0,
    /// On the relay's disk. The peer may never fetch it: this is not delivery.
    StoredByRelay = 1,
    /// Decrypted by the peer and on its disk.
    Delivered = 2,
    /// The peer's handler returned.
    Handled = 3,
}

impl Stage {
    /// From its number in a record.
    pub const fn from_u8(n: u8) -> Option<Self> {
        match n {
            0 => Some(Self::Queued),
            1 => Some(Self::StoredByRelay),
            2 => Some(Self::Delivered),
            3 => Some(Self::Handled),
            _ => None,
        }
    }

    /// Stable name, as in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::StoredByRelay => "stored",
            Self::Delivered => "delivered",
            Self::Handled => "handled",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

errors! {
    /// Why a message of ours will never be delivered.
    pub enum SendFailure {
        /// No receipt came within 72 hours. The message may or may not have arrived.
        #[error("the peer did not confirm the message within 72 hours")]
        Unconfirmed = "SEND_UNCONFIRMED", Timeout, retryable;
        /// The peer rejected our KNOCK.
        #[error("the peer rejected the KNOCK: {reason}")]
        Rejected {
            /// The peer's words.
            reason: String,
            /// Seconds to wait before knocking again, if the peer gave them.
            retry_after_s: Option<u64>,
        } = "SEND_KNOCK_REJECTED", Policy, permanent;
        /// The registry knows no such agent.
        #[error("the registry knows no agent {amid}")]
        UnknownRecipient {
            /// The agent asked for.
            amid: Amid,
        } = "SEND_UNKNOWN_RECIPIENT", NotFound, permanent;
        /// The peer has published no native bundle: it speaks only the old protocol, which is not used silently.
        #[error("{amid} has published no native prekey bundle")]
        NativeBundleUnavailable {
            /// The agent asked for.
            amid: Amid,
        } = "SEND_NATIVE_BUNDLE_UNAVAILABLE", NotFound, retryable;
        /// The peer speaks only 0.2, which carries JSON objects of up to 46 KB and nothing else.
        #[error("{amid} speaks agentmesh/0.2, which takes JSON objects only, and short ones")]
        NotForLegacy {
            /// The recipient.
            amid: Amid,
        } = "SEND_NOT_FOR_LEGACY", InvalidInput, permanent;
        /// The peer's bundle was refused, because the registry is faulty or hostile.
        #[error("the bundle of {amid} was refused: {code}")]
        BundleRefused {
            /// The agent asked for.
            amid: Amid,
            /// The code of the bundle error.
            code: &'static str,
        } = "SEND_BUNDLE_REFUSED", Authentication, permanent;
        /// The bundle offers less than the peer was seen with before.
        #[error("{amid} was seen with suite {pinned}, its bundle offers at most {offered}")]
        SuiteDowngrade {
            /// The agent asked for.
            amid: Amid,
            /// The strongest suite seen.
            pinned: u8,
            /// What the bundle offers.
            offered: u8,
        } = "SEND_SUITE_DOWNGRADE", Authentication, permanent;
        /// The registry says that the peer was revoked, and the policy asks for that to be checked.
        #[error("{amid} was revoked")]
        Revoked {
            /// The agent asked for.
            amid: Amid,
        } = "SEND_RECIPIENT_REVOKED", Policy, permanent;
        /// The relay takes no message of this size.
        #[error("the relay refused the message as too large")]
        TooLarge = "SEND_TOO_LARGE_FOR_RELAY", InvalidInput, permanent;
        /// The peer takes no payload of this size.
        #[error("the peer takes no payload of {actual} bytes")]
        PayloadTooLargeForPeer {
            /// The payload's size.
            actual: u64,
        } = "SEND_PAYLOAD_TOO_LARGE_FOR_PEER", Policy, permanent;
        /// What the peer put together from the parts is not what was sent, or a part is gone here.
        #[error("the parts of the payload do not make the whole that was sent")]
        PayloadDamaged = "SEND_PAYLOAD_DAMAGED", Protocol, retryable;
        /// The peer waited for missing parts for as long as it does, and gave up.
        #[error("the peer gave up waiting for missing parts of the payload")]
        PayloadAbandoned = "SEND_PAYLOAD_ABANDONED", Timeout, retryable;
        /// The peer puts as many large payloads together as it can at a time.
        #[error("the peer receives as many large payloads as it can at a time")]
        PeerBusy = "SEND_PEER_BUSY", RateLimited, retryable;
        /// The message was taken back before it was delivered.
        #[error("the message was cancelled")]
        Cancelled = "SEND_CANCELLED", Closed, permanent;
        /// The session with the peer was ended by order before the message was delivered.
        #[error("the session was ended by order before the message was delivered")]
        SessionKilled = "SEND_SESSION_KILLED", Policy, permanent;
        /// The peer was blocked before the message was delivered.
        #[error("the peer was blocked before the message was delivered")]
        PeerBlocked = "SEND_PEER_BLOCKED", Policy, permanent;
        /// The agent was stopped before the message was delivered.
        #[error("the agent was stopped before the message was delivered")]
        Stopped = "SEND_AGENT_STOPPED", Policy, permanent;
    }
}

errors! {
    /// Why the engine took no message, or no order.
    pub enum SendError {
        /// The payload does not fit one message.
        #[error("the payload has {actual} bytes, a message takes at most {limit}")]
        PayloadTooLarge {
            /// The limit in bytes.
            limit: usize,
            /// The payload's size.
            actual: usize,
        } = "PAYLOAD_TOO_LARGE", InvalidInput, permanent;
        /// The outbox is full; messages leave it as peers confirm them.
        #[error("the outbox holds {entries} messages in {bytes} bytes and takes no more")]
        OutboxFull {
            /// Messages in it.
            entries: usize,
            /// Bytes in it.
            bytes: usize,
        } = "OUTBOX_FULL", Conflict, retryable;
        /// An agent cannot write to itself.
        #[error("the recipient is the sender")]
        ToSelf = "SEND_TO_SELF", InvalidInput, permanent;
        /// The peer rejected an earlier KNOCK and asked to wait.
        #[error("the peer asked not to be knocked on for another {retry_after_s} s")]
        RejectedRecently {
            /// Seconds to wait.
            retry_after_s: u64,
        } = "SEND_REJECTED_RECENTLY", Policy, retryable;
        /// The JSON payload is not JSON, or nested too deeply.
        #[error("the payload: {source}")]
        InvalidJson {
            /// Where and why.
            source: JsonError,
        } = "PAYLOAD_INVALID_JSON", InvalidInput, permanent;
        /// The trace context, the name of the schema or the stream's terms are not valid.
        #[error("a header of the message: {problem}")]
        InvalidHeader {
            /// Which, and what is wrong with it.
            problem: String,
        } = "MESSAGE_HEADER_INVALID", InvalidInput, permanent;
        /// So many streams are open that no more is remembered.
        #[error("{limit} streams are open, which is the limit")]
        TooManyStreams {
            /// The limit.
            limit: usize,
        } = "SEND_TOO_MANY_STREAMS", Conflict, retryable;
        /// There is no session to send a status in; statuses open none.
        #[error("there is no session with the recipient yet")]
        NoSession = "SEND_NO_SESSION", NotFound, retryable;
        /// What the KNOCK should ask for is not valid.
        #[error("what the KNOCK asks for: {problem}")]
        InvalidKnockRequest {
            /// What is wrong with it.
            problem: String,
        } = "KNOCK_REQUEST_INVALID", InvalidInput, permanent;
        /// The id was used for another recipient.
        #[error("message id {id} is in use for another recipient")]
        IdInUse {
            /// The id.
            id: MessageId,
        } = "MESSAGE_ID_IN_USE", InvalidInput, permanent;
        /// The recipient is blocked. Nothing goes to it until it is unblocked.
        #[error("{amid} is blocked")]
        PeerBlocked {
            /// The recipient.
            amid: Amid,
        } = "PEER_BLOCKED", Policy, permanent;
        /// The agent was stopped. It neither connects nor sends until it is resumed explicitly, also after a restart.
        #[error("the agent is stopped since {}; resume it first", since.to_rfc3339_millis())]
        Stopped {
            /// Since when.
            since: Timestamp,
        } = "AGENT_STOPPED", Policy, permanent;
        /// No more peers can be blocked; an allow list in the policy serves better.
        #[error("{limit} peers are blocked; no more can be")]
        BlockListFull {
            /// The limit.
            limit: usize,
        } = "BLOCK_LIST_FULL", InvalidInput, permanent;
        /// A bug in this library; please report it.
        #[error("internal error: {what}")]
        Internal {
            /// What went wrong.
            what: &'static str,
        } = "ENGINE_INTERNAL", Internal, permanent;
    }
}

impl SendError {
    pub(super) fn of(error: PlaintextError) -> Self {
        match error {
            PlaintextError::Json { source } => Self::InvalidJson { source },
            PlaintextError::Cbor { source } => Self::InvalidHeader { problem: source.to_string() },
            error => Self::InvalidHeader { problem: error.to_string() },
        }
    }

    pub(super) fn knock_request(error: &KnockError) -> Self {
        Self::InvalidKnockRequest { problem: error.to_string() }
    }
}
