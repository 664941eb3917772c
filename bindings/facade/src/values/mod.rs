//! What bindings hand to applications, as plain data: addresses, ids and keys are text, times are milliseconds since 1970.
//!
//! Every value serialises to JSON, so that a binding may take it over member by member or as one object. Nothing here is secret.

mod knock;
mod session;
mod traffic;

pub use knock::{KnockDetails, PendingKnock};
pub use session::{CircuitStatus, SessionChains, SessionSummary};
pub use traffic::{
    Agreement, Bucket, CapabilityMatch, InboxItem, Listing, OpenStream, OutboxItem, RateStatus,
    SearchPage, Sent,
};

use agentmesh_core::{
    handshake::SessionId, identity::Amid, knock::SessionType, wire::id::MessageId,
    wire::plaintext::MessageType,
};

use crate::FacadeError;

/// An address.
pub(crate) fn amid(text: &str) -> Result<Amid, FacadeError> {
    Ok(text.parse::<Amid>()?)
}

/// The address of whom something goes to.
pub(crate) fn recipient(text: &str) -> Result<Amid, FacadeError> {
    amid(text).map_err(|error| FacadeError {
        message: format!("the recipient is {}", error.message),
        ..error
    })
}

/// The id of a message.
pub(crate) fn message_id(text: &str) -> Result<MessageId, FacadeError> {
    text.parse::<MessageId>()
        .map_err(|_| FacadeError::argument("the id of a message is a UUID of version 7"))
}

/// The id of a native session.
pub(crate) fn session_id(text: &str) -> Result<SessionId, FacadeError> {
    text.parse::<SessionId>()
        .map_err(|_| FacadeError::argument("the id of a session has 32 hexadecimal digits"))
}

/// How a session is to be used.
pub(crate) fn session_type(text: &str) -> Result<SessionType, FacadeError> {
    [SessionType::OneShot, SessionType::Streaming, SessionType::Persistent]
        .into_iter()
        .find(|known| known.as_str() == text)
        .ok_or_else(|| {
            FacadeError::argument("session types are one-shot, streaming and persistent")
        })
}

/// The name of a type of message, as in JSON.
pub(crate) fn message_type(kind: MessageType) -> String {
    match kind {
        MessageType::Request => "request",
        MessageType::Response => "response",
        MessageType::Stream => "stream",
        MessageType::Status => "status",
        MessageType::Error => "error",
        MessageType::Message => "message",
        MessageType::Receipt => "receipt",
        MessageType::Close => "close",
        MessageType::CapabilityNegotiation => "capability_negotiation",
        MessageType::CapabilityNegotiationResponse => "capability_negotiation_response",
        MessageType::Knock => "knock",
        MessageType::Accept => "accept",
        MessageType::Reject => "reject",
        other => return format!("unknown-{}", other.code()),
    }
    .to_owned()
}
