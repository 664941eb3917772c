//! Request and response over messages.

use std::time::Duration;

use tokio::sync::oneshot;

use super::{Agent, AgentError, SendOptions};
use crate::{
    Error,
    client::driver::Command,
    engine::{IncomingMessage, Stage},
    identity::Amid,
    wire::{
        peer_error::PeerError,
        plaintext::{MessageType, Payload},
    },
};

impl Agent {
    /// Sends a request and waits for the response.
    ///
    /// `options.id` makes it idempotent: the peer handles a request of one id once, however often it is sent. The
    /// deadline covers everything. If it passes, the request stays in the outbox and may still be handled; a
    /// response that comes later arrives with the [`messages`](Self::messages).
    ///
    /// # Errors
    /// [`AgentError::NoResponse`], [`AgentError::ErrorResponse`], and those of [`send`](Self::send).
    pub async fn request(
        &self,
        to: Amid,
        payload: impl Into<Payload>,
        deadline: Duration,
        options: SendOptions,
    ) -> Result<IncomingMessage, Error> {
        let message =
            options.message(to, MessageType::Request, None, payload.into(), self.new_id());
        let id = message.id;
        let (reply, response) = oneshot::channel();
        let exchange = async {
            self.command(Command::AwaitResponse { id, from: to, reply }).await?;
            // Watched to the end, so that a failure to deliver ends the wait at once.
            let options = SendOptions { wait: Stage::Queued, ..options };
            self.send_message(message, &options).await?;
            response.await.map_err(|_| self.closed())?
        };
        let answer = match crate::client::platform::time::timeout(deadline, exchange).await {
            Ok(answer) => answer?,
            Err(_) => return Err(AgentError::NoResponse { id }.into()),
        };
        if answer.kind == MessageType::Error {
            let error = PeerError::parse(answer.payload.as_json().unwrap_or_default());
            return Err(AgentError::ErrorResponse { error: Box::new(error) }.into());
        }
        Ok(answer)
    }
}
