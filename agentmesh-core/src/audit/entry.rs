//! One event of an audit log: names and severities are those of AgentMesh 0.2, with what it had no name for.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    Timestamp, handshake::SessionId, identity::Amid, wire::id::MessageId,
    wire::text_enum::text_enum,
};

use super::{MAX_MESSAGE, MAX_METADATA};

/// How grave an event is. Ordered.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum Severity {
    /// Single messages and frames.
    Debug,
    /// Changes of state.
    #[default]
    Info,
    /// Something was refused or did not work.
    Warning,
    /// Something went wrong that should not.
    Error,
    /// The owner should look at once.
    Critical,
}

impl Severity {
    /// Its name, as in the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
            Self::Critical => "CRITICAL",
        }
    }

    /// The severity of that name, in any case of letters.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Debug, Self::Info, Self::Warning, Self::Error, Self::Critical]
            .into_iter()
            .find(|severity| severity.as_str().eq_ignore_ascii_case(name))
    }
}

text_enum! {
    /// What happened. An application may log types of its own: `AuditType::from("DEPLOYED")`.
    pub enum AuditType {
        /// An identity was made.
        IdentityCreated = "IDENTITY_CREATED";
        /// An identity was opened.
        IdentityLoaded = "IDENTITY_LOADED";
        /// An identity's exchange key was replaced.
        IdentityRotated = "IDENTITY_ROTATED";
        /// A session was opened by this agent.
        SessionInitiated = "SESSION_INITIATED";
        /// A session was accepted, by either side.
        SessionAccepted = "SESSION_ACCEPTED";
        /// A session was rejected, by either side.
        SessionRejected = "SESSION_REJECTED";
        /// A session ended.
        SessionClosed = "SESSION_CLOSED";
        /// A session was kept for later (0.2).
        SessionCached = "SESSION_CACHED";
        /// Sessions with a peer were ended by order.
        SessionKilled = "SESSION_KILLED";
        /// Kept sessions were forgotten (0.2).
        CacheCleared = "CACHE_CLEARED";
        /// A message came one stage further on its way to its recipient.
        MessageSent = "MESSAGE_SENT";
        /// A message was received.
        MessageReceived = "MESSAGE_RECEIVED";
        /// A message will not be delivered.
        MessageFailed = "MESSAGE_FAILED";
        /// A frame did not decrypt.
        MessageDecryptionFailed = "MESSAGE_DECRYPTION_FAILED";
        /// A frame was dropped for another reason.
        FrameDropped = "FRAME_DROPPED";
        /// A KNOCK was sent.
        KnockSent = "KNOCK_SENT";
        /// A KNOCK was received; its signature is good.
        KnockReceived = "KNOCK_RECEIVED";
        /// A KNOCK was accepted.
        KnockValidated = "KNOCK_VALIDATED";
        /// A KNOCK was rejected, by either side.
        KnockRejected = "KNOCK_REJECTED";
        /// New prekeys were made.
        PrekeyGenerated = "PREKEY_GENERATED";
        /// The signed prekey was replaced.
        PrekeyRotated = "PREKEY_ROTATED";
        /// One-time prekeys were used up by a handshake.
        PrekeyConsumed = "PREKEY_CONSUMED";
        /// Prekeys reached the registry.
        PrekeyPublished = "PREKEY_PUBLISHED";
        /// A certificate was verified.
        CertificateVerified = "CERTIFICATE_VERIFIED";
        /// A certificate was refused.
        CertificateInvalid = "CERTIFICATE_INVALID";
        /// The relay connection stands.
        ConnectionEstablished = "CONNECTION_ESTABLISHED";
        /// The relay connection is gone.
        ConnectionLost = "CONNECTION_LOST";
        /// Another connection of this identity took over.
        ConnectionReplaced = "CONNECTION_REPLACED";
        /// A connection could not be made.
        ConnectionFailed = "CONNECTION_FAILED";
        /// The registry knows this agent.
        RegistryRegistered = "REGISTRY_REGISTERED";
        /// The registry was asked for an agent.
        RegistryLookup = "REGISTRY_LOOKUP";
        /// The registry was searched.
        RegistrySearch = "REGISTRY_SEARCH";
        /// The registry failed or refused.
        RegistryFailed = "REGISTRY_FAILED";
        /// A policy judged a KNOCK.
        PolicyEvaluated = "POLICY_EVALUATED";
        /// Another policy is in force.
        PolicyReloaded = "POLICY_RELOADED";
        /// The policy's file is missing or malformed.
        PolicyReloadFailed = "POLICY_RELOAD_FAILED";
        /// New sessions are not taken any more.
        CircuitPaused = "CIRCUIT_PAUSED";
        /// The agent works again.
        CircuitResumed = "CIRCUIT_RESUMED";
        /// The agent was stopped.
        EmergencyStop = "EMERGENCY_STOP";
        /// A peer was shut out.
        PeerBlocked = "PEER_BLOCKED";
        /// A peer was let in again.
        PeerUnblocked = "PEER_UNBLOCKED";
        /// A message was refused by the limits on sending.
        RateLimited = "RATE_LIMITED";
        /// The agent was closed, or ended by an error.
        AgentClosed = "AGENT_CLOSED";
        /// Events were not logged, because they came too fast or the disk was full.
        AuditDropped = "AUDIT_DROPPED";
        /// The end of the log was incomplete and was cut off.
        AuditRepaired = "AUDIT_REPAIRED";
        /// Old files were removed.
        AuditPruned = "AUDIT_PRUNED";
        /// An error of the application.
        Error = "ERROR";
        /// A warning of the application.
        Warning = "WARNING";
    }
}

/// What an event is about. Never put keys, payloads or anything else in it that must stay secret.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AuditFields {
    pub(crate) peer: Option<Amid>,
    pub(crate) session: Option<String>,
    pub(crate) metadata: Map<String, Value>,
}

impl AuditFields {
    /// Nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// The other agent.
    #[must_use]
    pub const fn peer(mut self, peer: Amid) -> Self {
        self.peer = Some(peer);
        self
    }

    /// The session.
    #[must_use]
    pub fn session(mut self, session: SessionId) -> Self {
        self.session = Some(session.to_string());
        self
    }

    /// Anything else.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.metadata.insert(name.to_owned(), value.into());
        self
    }
}

/// An event as the log has it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct AuditEntry {
    /// Its id.
    pub id: MessageId,
    /// When it happened.
    pub timestamp: Timestamp,
    /// What happened.
    pub kind: AuditType,
    /// How grave it is.
    pub severity: Severity,
    /// The agent whose log this is.
    pub amid: Amid,
    /// The other agent.
    pub peer: Option<Amid>,
    /// The session.
    pub session: Option<String>,
    /// In words.
    pub message: String,
    /// Anything else.
    pub metadata: Map<String, Value>,
}

impl AuditEntry {
    /// An event. Messages and metadata beyond their bounds are cut.
    pub fn new(
        id: MessageId,
        timestamp: Timestamp,
        amid: Amid,
        kind: AuditType,
        severity: Severity,
        message: impl Into<String>,
        fields: AuditFields,
    ) -> Self {
        let AuditFields { peer, session, metadata } = fields;
        let mut message: String = message.into();
        if let Some((end, _)) = message.char_indices().nth(MAX_MESSAGE) {
            message.truncate(end);
        }
        let size = serde_json::to_vec(&metadata).map_or(usize::MAX, |json| json.len());
        let metadata = if size <= MAX_METADATA {
            metadata
        } else {
            [("omittedBytes".to_owned(), Value::from(size))].into_iter().collect()
        };
        Self { id, timestamp, kind, severity, amid, peer, session, message, metadata }
    }
}

/// The part of an event that an encrypted log hides, in the order of 0.2.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Body {
    #[serde(rename = "type")]
    pub(super) kind: AuditType,
    pub(super) severity: Severity,
    pub(super) amid: Amid,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) peer_amid: Option<Amid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) session_id: Option<String>,
    pub(super) message: String,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(super) metadata: Map<String, Value>,
}

impl Body {
    pub(super) fn of(entry: &AuditEntry) -> Self {
        Self {
            kind: entry.kind.clone(),
            severity: entry.severity,
            amid: entry.amid,
            peer_amid: entry.peer,
            session_id: entry.session.clone(),
            message: entry.message.clone(),
            metadata: entry.metadata.clone(),
        }
    }

    pub(super) fn into_entry(self, id: MessageId, timestamp: Timestamp) -> AuditEntry {
        let Self { kind, severity, amid, peer_amid: peer, session_id: session, message, metadata } =
            self;
        AuditEntry { id, timestamp, kind, severity, amid, peer, session, message, metadata }
    }
}

/// An event as `export` gives it and `--json` shows it: the fields of 0.2, in their order.
impl Serialize for AuditEntry {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut s = serializer.serialize_struct("AuditEntry", 9)?;
        s.serialize_field("id", &self.id)?;
        s.serialize_field("type", &self.kind)?;
        s.serialize_field("severity", &self.severity)?;
        s.serialize_field("timestamp", &self.timestamp.to_rfc3339_millis())?;
        s.serialize_field("amid", &self.amid)?;
        if let Some(peer) = &self.peer {
            s.serialize_field("peerAmid", peer)?;
        }
        if let Some(session) = &self.session {
            s.serialize_field("sessionId", session)?;
        }
        s.serialize_field("message", &self.message)?;
        if !self.metadata.is_empty() {
            s.serialize_field("metadata", &self.metadata)?;
        }
        s.end()
    }
}
