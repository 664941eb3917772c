//! Statuses: news about a conversation that is worth nothing once it is old (`docs/protocol/native.md` §6.1).
//!
//! A status is sent in the session that there is, until the relay has it, and handed on as an event. It takes no
//! number, is not kept for a handler and not receipted: what must arrive is a message.

use rand_core::CryptoRng;

use crate::{
    identity::Amid,
    limits,
    time::Timestamp,
    wire::{
        id::MessageId,
        plaintext::{Headers, MessageType, Payload, Plaintext},
    },
};

use super::{Engine, Event, SendError, outbound::control, records::Decision};
use crate::handshake::SessionId;

/// A status that the application wants sent.
#[derive(Debug, Clone, PartialEq)]
pub struct NewStatus {
    /// The recipient.
    pub to: Amid,
    /// What it is about, mostly a request of the recipient's.
    pub in_reply_to: Option<MessageId>,
    /// What it says.
    pub payload: Payload,
    /// What is said of the payload.
    pub headers: Headers,
}

impl Engine {
    pub(super) fn send_status(
        &mut self,
        status: NewStatus,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), SendError> {
        let NewStatus { to, in_reply_to, payload, headers } = status;
        if to == self.identity.amid() {
            return Err(SendError::ToSelf);
        }
        let actual = payload.len();
        if actual > limits::MAX_PAYLOAD {
            return Err(SendError::PayloadTooLarge { limit: limits::MAX_PAYLOAD, actual });
        }
        let mut plaintext = control(MessageType::Status, now, rng);
        plaintext.in_reply_to = in_reply_to;
        plaintext.payload = payload;
        plaintext.headers = headers;
        plaintext.encode().map_err(SendError::of)?;
        let session = self.sending_session(to).ok_or(SendError::NoSession)?;
        self.send_control(to, session, &plaintext, now, rng);
        Ok(())
    }

    /// A status that says something is handed on. One of a peer whose KNOCK is undecided is not.
    pub(super) fn on_status(&mut self, from: Amid, session: SessionId, plaintext: Plaintext) {
        let undecided =
            self.sessions.get(&session).is_none_or(|entry| entry.decision == Decision::Pending);
        let Plaintext { in_reply_to, payload, part, .. } = plaintext;
        if undecided || part.is_some() || payload == Payload::None && in_reply_to.is_none() {
            return;
        }
        self.out.events.push(Event::Status { from, in_reply_to, payload });
    }
}
