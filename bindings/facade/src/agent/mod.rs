//! The agent: opening, going online, sending, closing. What it is told about and what it decides is in the files beside.

mod control;
mod opening;

pub use opening::{OpenMode, Opening, StoreKeySource};

use std::{future::Future, sync::Arc, time::Duration};

use agentmesh_core::{
    client::{Agent as CoreAgent, Profile},
    engine::Stage,
    identity::Amid,
};

use crate::{
    AuditLog, Events, FacadeError, IncomingStream, MessageContent, Messages, OpenStream, Payload,
    SendSettings, Sent, StreamSettings,
    owned::Owned,
    values::{amid, message_id, recipient},
};

/// An agent that is open. A clone is the same agent; it ends when it is closed or the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Agent(Arc<Owned<CoreAgent>>);

impl Agent {
    pub(crate) fn new(agent: CoreAgent) -> Self {
        Self(Arc::new(Owned::new(agent)))
    }

    pub(crate) fn core(&self) -> Result<&CoreAgent, FacadeError> {
        self.0.get()
    }

    /// The agent's address.
    ///
    /// # Errors
    /// `BINDING_FORKED`, as every method here.
    pub fn amid(&self) -> Result<String, FacadeError> {
        Ok(self.core()?.amid().to_string())
    }

    /// The public keys, signing and exchange, 32 bytes each.
    ///
    /// # Errors
    /// `BINDING_FORKED`
    pub fn public_keys(&self) -> Result<(Vec<u8>, Vec<u8>), FacadeError> {
        let public = self.core()?.identity();
        Ok((public.signing.as_bytes().to_vec(), public.exchange.as_bytes().to_vec()))
    }

    /// Goes online. Afterwards the agent stays online by itself.
    ///
    /// # Errors
    /// `AGENT_NOT_ONLINE`, and what the registry says.
    pub async fn connect(&self) -> Result<(), FacadeError> {
        Ok(self.core()?.connect().await?)
    }

    /// [`connect`](Self::connect) with what the registry shall show from now on; what is `None` stays as it was. The way online
    /// begins with the call: what is sent right after it waits for it.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub fn connect_as(
        &self,
        display_name: Option<String>,
        capabilities: Option<Vec<String>>,
    ) -> impl Future<Output = Result<(), FacadeError>> + Send + use<> {
        let mut profile = Profile::new();
        profile.display_name = display_name;
        profile.capabilities = capabilities;
        let connecting = self.core().map(|agent| agent.connect_as(profile));
        async move { Ok(connecting?.await?) }
    }

    /// One visit to the relay: takes what waits, hands it on, sends what is to be sent, and goes offline again. Whether all was
    /// done within `limit`.
    ///
    /// # Errors
    /// As the core's `Agent::sync`.
    pub async fn sync(&self, limit: Duration) -> Result<bool, FacadeError> {
        Ok(self.core()?.sync(limit).await?)
    }

    /// Goes offline and closes the store. Closing twice is fine.
    ///
    /// # Errors
    /// What the store says.
    pub async fn close(&self) -> Result<(), FacadeError> {
        Ok(self.core()?.close().await?)
    }

    /// Sends a message and waits until it reached the stage that the settings ask for. Dropping the future gives up waiting,
    /// not the message.
    ///
    /// # Errors
    /// As the core's `Agent::send`.
    pub async fn send(
        &self,
        to: &str,
        payload: Payload,
        settings: SendSettings,
    ) -> Result<Sent, FacadeError> {
        let (to, options) = (recipient(to)?, settings.options()?);
        Ok(self.core()?.send(to, payload, options).await?.into())
    }

    /// Sends a request and waits for the response.
    ///
    /// # Errors
    /// `REQUEST_NO_RESPONSE`, `REQUEST_ERROR_RESPONSE` with what the peer said, and those of [`send`](Self::send).
    pub async fn request(
        &self,
        to: &str,
        payload: Payload,
        deadline: Duration,
        settings: SendSettings,
    ) -> Result<MessageContent, FacadeError> {
        let (to, options) = (recipient(to)?, settings.options()?);
        let answer = self.core()?.request(to, payload, deadline, options).await?;
        Ok(MessageContent::new(&answer))
    }

    /// Tells a peer how far something is, as news that nobody keeps.
    ///
    /// # Errors
    /// `SEND_NO_SESSION` if there is no session.
    pub async fn status(
        &self,
        to: &str,
        in_reply_to: Option<&str>,
        payload: Payload,
    ) -> Result<(), FacadeError> {
        let in_reply_to = in_reply_to.map(message_id).transpose()?;
        Ok(self.core()?.status(recipient(to)?, in_reply_to, payload).await?)
    }

    /// Sends a request and reads the answer as it comes.
    ///
    /// # Errors
    /// As the core's `Agent::stream`.
    pub async fn stream(
        &self,
        to: &str,
        payload: Payload,
        settings: StreamSettings,
    ) -> Result<IncomingStream, FacadeError> {
        let (to, options) = (recipient(to)?, settings.options()?);
        Ok(IncomingStream::new(self.core()?.stream(to, payload, options).await?))
    }

    /// Reads a stream on from chunk `from`.
    ///
    /// # Errors
    /// As the core's `Agent::resume_stream`.
    pub async fn resume_stream(
        &self,
        peer: &str,
        id: &str,
        from: u64,
        settings: StreamSettings,
    ) -> Result<IncomingStream, FacadeError> {
        let (peer, id) = (amid(peer)?, message_id(id)?);
        let stream = self.core()?.resume_stream(peer, id, from, settings.options()?).await?;
        Ok(IncomingStream::new(stream))
    }

    /// Streams that have not ended.
    ///
    /// # Errors
    /// `AGENT_CLOSED`
    pub async fn open_streams(&self) -> Result<Vec<OpenStream>, FacadeError> {
        let open = self.core()?.open_streams().await?;
        Ok(open.into_iter().map(Into::into).collect())
    }

    /// The messages that come in. A new receiver replaces the one before.
    ///
    /// # Errors
    /// `AGENT_CLOSED`
    pub async fn messages(&self) -> Result<Messages, FacadeError> {
        Ok(Messages::new(self.clone(), self.core()?.messages().await?))
    }

    /// What happens to the agent, from now on.
    ///
    /// # Errors
    /// `BINDING_FORKED`
    pub fn events(&self) -> Result<Events, FacadeError> {
        Ok(Events::new(self.core()?.events()))
    }

    /// How far a message of ours is, by number; `None` once it was handled, failed, or was never sent.
    ///
    /// # Errors
    /// `AGENT_CLOSED`
    pub async fn stage(&self, id: &str) -> Result<Option<u8>, FacadeError> {
        let stage: Option<Stage> = self.core()?.stage(message_id(id)?).await?;
        Ok(stage.map(|stage| stage as u8))
    }

    /// Takes a message back that was not delivered.
    ///
    /// # Errors
    /// `AGENT_CLOSED`
    pub async fn cancel(&self, id: &str) -> Result<(), FacadeError> {
        Ok(self.core()?.cancel(message_id(id)?).await?)
    }

    /// A fresh message id.
    ///
    /// # Errors
    /// `BINDING_FORKED`
    pub fn new_id(&self) -> Result<String, FacadeError> {
        Ok(self.core()?.new_id().to_string())
    }

    /// The audit log, if the agent keeps one.
    ///
    /// # Errors
    /// `BINDING_FORKED`
    pub fn audit_log(&self) -> Result<Option<AuditLog>, FacadeError> {
        Ok(self.core()?.audit_log().cloned().map(AuditLog::new))
    }

    pub(crate) fn peer(text: &str) -> Result<Amid, FacadeError> {
        amid(text)
    }
}
