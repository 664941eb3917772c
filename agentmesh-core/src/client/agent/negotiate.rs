//! Settling capabilities with a peer (`docs/protocol/native.md` §6.4).

use std::time::Duration;

use tokio::sync::oneshot;

use super::{Agent, AgentError, SendOptions};
use crate::{
    Error,
    client::driver::Command,
    engine::Stage,
    identity::Amid,
    wire::{
        capability::{Agreement, Proposal},
        peer_error::PeerError,
        plaintext::{MessageType, Payload},
    },
};

impl Agent {
    /// Asks a peer for capabilities and returns what it grants: for each wish the best that it offers.
    ///
    /// A wish may have `*` for any characters. The peer answers by itself, from
    /// [`AgentConfig::capabilities`](super::AgentConfig::capabilities); its application may have a say in it. What the
    /// registry says of a peer is a claim of the registry's; this is the peer's own word.
    ///
    /// # Errors
    /// [`CapabilityError`](crate::wire::capability::CapabilityError) for wishes beyond the limits, and for an answer that
    /// is none; [`AgentError::NoResponse`], [`AgentError::ErrorResponse`], and those of [`send`](Self::send).
    pub async fn negotiate(
        &self,
        peer: Amid,
        wanted: impl IntoIterator<Item = impl Into<String>>,
        deadline: Duration,
    ) -> Result<Agreement, Error> {
        let proposal = Proposal { wanted: wanted.into_iter().map(Into::into).collect() };
        let payload = Payload::Json(proposal.to_json()?);
        let options = SendOptions::wait_for(Stage::Queued);
        let kind = MessageType::CapabilityNegotiation;
        let message = options.message(peer, kind, None, payload, self.new_id());
        let id = message.id;
        let (reply, response) = oneshot::channel();
        let exchange = async {
            self.command(Command::AwaitResponse { id, from: peer, reply }).await?;
            self.send_message(message, &options).await?;
            response.await.map_err(|_| self.closed())?
        };
        let answer = match crate::client::platform::time::timeout(deadline, exchange).await {
            Ok(answer) => answer?,
            Err(_) => return Err(AgentError::NoResponse { id }.into()),
        };
        let json = answer.payload.as_json().unwrap_or_default();
        if answer.kind == MessageType::Error {
            let error = Box::new(PeerError::parse(json));
            return Err(AgentError::ErrorResponse { error }.into());
        }
        Ok(Agreement::parse(json, &proposal)?)
    }
}
