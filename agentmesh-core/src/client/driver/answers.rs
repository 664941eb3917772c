//! What the agent answers by itself: proposals of capabilities, and payloads that do not follow their schema.

use super::Driver;
use crate::{
    ErrorInfo,
    client::agent::{AgentConfig, response_id},
    engine::{IncomingMessage, Input, NewMessage},
    wire::{
        capability::{Agreement, Proposal, match_all},
        peer_error::PeerError,
        plaintext::{Headers, MessageType, Payload},
    },
};

impl Driver {
    /// Deals with a message that the application need not see. False if it should.
    pub(super) fn answer_by_itself(&mut self, message: &IncomingMessage) -> bool {
        if let Some(error) = schema_violation(&self.config, message) {
            // Whoever waits for this answer hears that it is none.
            let refused = IncomingMessage {
                kind: MessageType::Error,
                payload: Payload::Json(error.to_json()),
                ..message.clone()
            };
            let _ = self.waiting.response(&refused);
            let answer = (message.kind != MessageType::Error)
                .then(|| (MessageType::Error, Payload::Json(error.to_json())));
            self.answer_with(message, answer);
            return true;
        }
        if message.kind != MessageType::CapabilityNegotiation {
            return false;
        }
        let answer = match self.agree(message) {
            Ok(json) => (MessageType::CapabilityNegotiationResponse, Payload::Json(json)),
            Err(error) => (MessageType::Error, Payload::Json(error.to_json())),
        };
        self.answer_with(message, Some(answer));
        true
    }

    fn agree(&self, message: &IncomingMessage) -> Result<String, PeerError> {
        let refused = |error: &dyn ErrorInfo| PeerError::new(error.code(), error.to_string());
        let proposal = Proposal::parse(message.payload.as_json().unwrap_or_default())
            .map_err(|error| refused(&error))?;
        let wanted = proposal.wanted.iter().map(String::as_str);
        let offered = self.config.capabilities.as_deref().unwrap_or_default();
        let mut agreement = Agreement { agreed: match_all(wanted, offered) };
        if let Some(handler) = &self.config.capability_handler {
            agreement = handler(message.from, &proposal, agreement);
        }
        agreement.to_json().map_err(|error| refused(&error))
    }

    /// The message is handled; its answer, if there is one, is queued in the same commit.
    fn answer_with(&mut self, message: &IncomingMessage, answer: Option<(MessageType, Payload)>) {
        if let Some((kind, payload)) = answer {
            self.answers.push(Input::Send(NewMessage {
                id: response_id(self.engine.identity().amid(), message),
                to: message.from,
                kind,
                in_reply_to: Some(message.id),
                payload,
                headers: Headers { trace: message.headers.trace.clone(), ..Headers::NONE },
                knock_request: None,
                expires_in: None,
            }));
        }
        self.answers.push(Input::Handled { from: message.from, id: message.id });
        self.streams.hub().poke();
    }
}

/// What is wrong with a payload whose schema is known here.
#[cfg(feature = "schema")]
fn schema_violation(config: &AgentConfig, message: &IncomingMessage) -> Option<PeerError> {
    use crate::schema::SchemaError;

    let name = message.headers.schema.as_deref().filter(|name| config.schemas.contains(name))?;
    // Bytes follow no schema, and neither does nothing.
    let json = message.payload.as_json().unwrap_or_default();
    let error = config.schemas.check(name, json).err()?;
    let (path, keyword) = match &error {
        SchemaError::Violation { path, keyword, .. } => (path.clone(), keyword.clone()),
        other => (String::new(), other.code().to_lowercase()),
    };
    let details = serde_json::json!({
        "schema": name,
        "violations": [{"path": path, "keyword": keyword}],
    });
    let words = "the payload does not follow its schema";
    Some(PeerError::new("SCHEMA_VIOLATION", words).with_details(details.to_string()))
}

#[cfg(not(feature = "schema"))]
const fn schema_violation(_: &AgentConfig, _: &IncomingMessage) -> Option<PeerError> {
    None
}
