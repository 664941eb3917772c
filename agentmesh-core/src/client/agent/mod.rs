//! [`Agent`]: the paved path. One agent, its store, its relay connection.
//!
//! The agent is a handle; a driver task owns the engine. Cloning the handle is cheap, and the task ends when
//! [`Agent::close`] is called or the last handle is dropped.

mod audit;
mod builder;
mod connecting;
mod control;
mod error;
mod event;
mod message;
mod negotiate;
mod opening;
mod options;
mod policy;
mod request;
mod sessions;
mod stream;
mod syncing;

use std::{sync::Arc, time::Duration};

use tokio::sync::oneshot;
use tracing::Instrument;
use zeroize::Zeroizing;

pub use builder::{AgentBuilder, AgentConfig, KnockHandler, NegotiationHandler, TraceSource};
pub use connecting::Profile;
pub use error::AgentError;
pub use event::AgentEvent;
pub(crate) use message::{Completion, Consumer, Verdict, response_id};
pub use message::{Message, Messages};
pub use options::{SendOptions, Sent};
pub use stream::{
    Chunk, IncomingStream, OpenStream, OutgoingStream, StreamConfig, StreamError, StreamOptions,
    StreamWatch,
};
pub(crate) use stream::{Leave, OutgoingCell, ReaderEnd, StreamCommand, StreamHub, StreamItem};

pub use crate::engine::{Awaited, InboxItem, OutboxItem, PendingKnock};

use crate::{
    Error,
    audit::{AuditFields, AuditType},
    client::{
        driver::{Command, Passphrase, Shared},
        registry::{AgentSearch, Listing, RegistryClient, SearchPage},
        spans,
        subscription::Subscription,
    },
    engine::{NewMessage, NewStatus, Stage},
    handshake::SessionId,
    identity::{Amid, IdentityPublic},
    keys::DhPublicKey,
    knock::Decision,
    wire::{
        id::MessageId,
        plaintext::{Headers, MessageType, Payload},
    },
};

/// An agent: sends and receives end-to-end encrypted messages.
///
/// # Guarantees
/// * What [`send`](Self::send) reported as [`Stage::Queued`] or better survives a crash, and is sent until the peer
///   confirms it or 72 hours passed.
/// * [`Stage::StoredByRelay`] is the relay's word and no delivery; [`Stage::Delivered`] and
///   [`Stage::Handled`] are the peer's, authenticated by the session.
/// * A message is handed to the handler again only if the process died inside the handler, with the same id.
///
/// Not guaranteed: that the relay does not learn who talks to whom; see `SECURITY.md`.
///
/// # Example
/// ```no_run
/// use agentmesh_core::client::{Agent, SendOptions};
/// use agentmesh_core::storage::SqliteStorage;
///
/// # async fn example() -> Result<(), agentmesh_core::Error> {
/// let agent = Agent::builder()
///     .storage(SqliteStorage::open("agent.db")?)
///     .store_key_file("agent.key")
///     .registry_url("http://127.0.0.1:8787/v1")
///     .relay_url("ws://127.0.0.1:8787/v1/connect")
///     .open_or_create()
///     .await?;
/// agent.connect().await?;
/// let peer = "3vaLv8qnmGSndxmYvHiHWN3cb312".parse()?;
/// let sent = agent.send(peer, r#"{"hello":"world"}"#, SendOptions::default()).await?;
/// println!("{} is {}", sent.id, sent.stage);
/// agent.close().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Agent {
    shared: Arc<Shared>,
}

impl Agent {
    /// Starts describing an agent.
    pub fn builder() -> AgentBuilder {
        AgentBuilder::default()
    }

    pub(crate) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The agent's address.
    pub fn amid(&self) -> Amid {
        self.shared.amid
    }

    /// The public half of the identity, as of now: the exchange key can be rotated.
    pub fn identity(&self) -> IdentityPublic {
        self.shared.public()
    }

    /// Seals the identity under a passphrase, with what another store needs to go on from here
    /// ([`AgentBuilder::restored`]). Neither sessions nor messages are in it.
    ///
    /// # Errors
    /// [`BackupError`](crate::identity::backup::BackupError), and what the store says.
    pub async fn back_up(&self, passphrase: &str) -> Result<String, Error> {
        let (reply, done) = oneshot::channel();
        let passphrase = Passphrase::from(passphrase);
        self.command(Command::Backup { passphrase, reply }).await?;
        done.await.map_err(|_| self.closed())?
    }

    /// The identity as the JSON file of `agentmesh/0.2`, **with the private keys in the clear**: for SDKs that read
    /// nothing else. Whoever reads it is this agent. To keep a copy, use [`back_up`](Self::back_up), which is sealed.
    ///
    /// # Errors
    /// [`AgentError::Closed`]
    pub async fn identity_json(&self) -> Result<Zeroizing<String>, Error> {
        let (reply, identity) = oneshot::channel();
        self.command(Command::Identity { reply }).await?;
        Ok(identity.await.map_err(|_| self.closed())?.to_json())
    }

    /// Replaces the exchange key, with which peers open new sessions. Returns the new one once it is on disk; the bundle
    /// with it is published right after, or as soon as the registry can be reached.
    ///
    /// Sessions live on. Handshakes that peers began with the old bundle are still answered, for 96 hours after the
    /// new one was published. [`Identity::derive_secret`](crate::identity::Identity::derive_secret) gives other
    /// secrets from then on.
    ///
    /// # Errors
    /// [`RotationError`](crate::engine::RotationError) after very many rotations within those hours;
    /// [`AgentError::ExchangeKeyFixed`] with a registry of plain 0.2; what the store says.
    pub async fn rotate_exchange_key(&self) -> Result<DhPublicKey, Error> {
        let (reply, done) = oneshot::channel();
        self.command(Command::RotateExchangeKey { reply }).await?;
        done.await.map_err(|_| self.closed())??;
        Ok(self.shared.public().exchange)
    }

    /// Sends a message and waits until it reached the stage that `options` asks for, [`Stage::StoredByRelay`] by
    /// default.
    ///
    /// The message is in the outbox, on disk, before anything is sent. Works offline, too: then it waits in the
    /// outbox. Dropping the future gives up waiting, not the message.
    ///
    /// # Errors
    /// * a [`SendError`](crate::engine::SendError): nothing was queued;
    /// * a [`SendFailure`](crate::engine::SendFailure): it will not be delivered;
    /// * [`AgentError::StageNotReached`]: the time is up; the message stays queued and `reached` says how far it is.
    pub async fn send(
        &self,
        to: Amid,
        payload: impl Into<Payload>,
        options: SendOptions,
    ) -> Result<Sent, Error> {
        let message =
            options.message(to, MessageType::Message, None, payload.into(), self.new_id());
        self.send_message(message, &options).await
    }

    pub(super) async fn send_message(
        &self,
        mut message: NewMessage,
        options: &SendOptions,
    ) -> Result<Sent, Error> {
        self.prepare(&mut message, options)?;
        let span = spans::sending(&message);
        let sent = self.hand_over(message, options).instrument(span.clone()).await;
        spans::sent(&span, &sent);
        sent
    }

    async fn hand_over(&self, message: NewMessage, options: &SendOptions) -> Result<Sent, Error> {
        let (id, to) = (message.id, message.to);
        let (queued, on_disk) = oneshot::channel();
        let (reached, stage) = oneshot::channel();
        let watch = (options.wait > Stage::Queued).then_some((options.wait, reached));
        self.command(Command::Send { message, queued, watch }).await?;
        on_disk.await.map_err(|_| self.closed())??;
        if options.wait == Stage::Queued {
            return Ok(Sent { id, to, stage: Stage::Queued });
        }
        match crate::client::platform::time::timeout(options.timeout, stage).await {
            Ok(Ok(Ok(stage))) => Ok(Sent { id, to, stage }),
            Ok(Ok(Err(failure))) => Err(failure.into()),
            Ok(Err(_)) => Err(self.closed()),
            Err(_) => {
                let reached = self.stage(id).await?.unwrap_or(Stage::Queued);
                Err(AgentError::StageNotReached { id, wanted: options.wait, reached }.into())
            }
        }
    }

    /// What the options say of a message besides the message itself.
    fn prepare(&self, message: &mut NewMessage, options: &SendOptions) -> Result<(), Error> {
        if let Some(session_type) = options.session_type {
            let default = &self.shared.config.engine.default_knock_request;
            let request = message.knock_request.take().unwrap_or_else(|| default.clone());
            message.knock_request = Some(request.with_session_type(session_type));
        }
        if message.headers.trace.is_none() {
            let source = self.shared.config.trace_source.as_ref();
            message.headers.trace = source.and_then(|source| source()).map(|t| t.to_string());
        }
        if let Some(ttl) = options.session_ttl {
            let default = &self.shared.config.engine.default_knock_request;
            let request = message.knock_request.get_or_insert_with(|| default.clone());
            request.ttl_s = ttl.as_secs().max(1);
        }
        #[cfg(feature = "schema")]
        if let (Some(name), Some(json)) = (&message.headers.schema, message.payload.as_json())
            && self.shared.config.schemas.contains(name)
        {
            self.shared.config.schemas.check(name, json)?;
        }
        Ok(())
    }

    /// Tells a peer how far something is, as news that nobody keeps: in the session that there is, at most once, not
    /// receipted. The peer's application finds it among its [`events`](Self::events). What must arrive is a message.
    ///
    /// # Errors
    /// [`SendError::NoSession`](crate::engine::SendError::NoSession) if there is no session with the peer.
    pub async fn status(
        &self,
        to: Amid,
        in_reply_to: Option<MessageId>,
        payload: impl Into<Payload>,
    ) -> Result<(), Error> {
        let status = NewStatus { to, in_reply_to, payload: payload.into(), headers: Headers::NONE };
        let (reply, done) = oneshot::channel();
        self.command(Command::Status { status, reply }).await?;
        done.await.map_err(|_| self.closed())?
    }

    /// How far a message of ours is; `None` once it was handled, failed, or was never sent.
    ///
    /// # Errors
    /// [`AgentError::Closed`]
    pub async fn stage(&self, id: MessageId) -> Result<Option<Stage>, Error> {
        let (reply, answer) = oneshot::channel();
        self.command(Command::Stage { id, reply }).await?;
        answer.await.map_err(|_| self.closed())
    }

    /// Messages that are not handled yet, oldest first.
    ///
    /// # Errors
    /// [`AgentError::Closed`]
    pub async fn outbox(&self) -> Result<Vec<OutboxItem>, Error> {
        let (reply, answer) = oneshot::channel();
        self.command(Command::Outbox { reply }).await?;
        answer.await.map_err(|_| self.closed())
    }

    /// Messages that came in and are not handled, oldest first: handed on or not, held for a KNOCK, or unfinished.
    ///
    /// # Errors
    /// [`AgentError::Closed`]
    pub async fn inbox(&self) -> Result<Vec<InboxItem>, Error> {
        let (reply, answer) = oneshot::channel();
        self.command(Command::Inbox { reply }).await?;
        answer.await.map_err(|_| self.closed())
    }

    /// KNOCKs without a decision, oldest first: those that a handler left for [later](Decision::Later), and those that
    /// policy or handler are busy with.
    ///
    /// # Errors
    /// [`AgentError::Closed`]
    pub async fn pending_knocks(&self) -> Result<Vec<PendingKnock>, Error> {
        let (reply, answer) = oneshot::channel();
        self.command(Command::PendingKnocks { reply }).await?;
        answer.await.map_err(|_| self.closed())
    }

    /// Decides on a KNOCK by the session that it opened. Returns when the decision is on disk. The policy is not asked
    /// again.
    ///
    /// # Errors
    /// [`AgentError::NoSuchKnock`] if it is unknown or decided, [`AgentError::Closed`].
    pub async fn decide(&self, session: SessionId, decision: Decision) -> Result<(), Error> {
        let (reply, done) = oneshot::channel();
        self.command(Command::Decide { session, decision, reply }).await?;
        done.await.map_err(|_| self.closed())?
    }

    /// Takes a message back that was not delivered. It may arrive all the same if it was sent already.
    ///
    /// # Errors
    /// [`AgentError::Closed`]
    pub async fn cancel(&self, id: MessageId) -> Result<(), Error> {
        let (reply, done) = oneshot::channel();
        self.command(Command::Cancel { id, reply }).await?;
        done.await.map_err(|_| self.closed())?
    }

    /// The messages that come in, each to be acknowledged. One reader at a time: a new stream replaces the one
    /// before, and gets what that one did not acknowledge.
    ///
    /// # Errors
    /// [`AgentError::Closed`]
    pub async fn messages(&self) -> Result<Messages, Error> {
        let (consumer, messages) = Messages::channel(self.shared.config.delivery_window);
        self.command(Command::Consume { consumer }).await?;
        Ok(messages)
    }

    /// Connection changes, progress of messages, dropped frames. A reader that falls behind is told how many
    /// events it missed; messages never come this way, so none is lost.
    pub fn events(&self) -> Subscription<AgentEvent> {
        self.shared.events.subscribe()
    }

    /// Ends the session with a peer. The next message to it knocks anew.
    ///
    /// # Errors
    /// [`AgentError::Closed`]
    pub async fn close_session(&self, peer: Amid) -> Result<(), Error> {
        let (reply, done) = oneshot::channel();
        self.command(Command::CloseSession { peer, reply }).await?;
        done.await.map_err(|_| self.closed())?
    }

    /// Agents with a capability, from the registry. What it says of them is not proven.
    ///
    /// # Errors
    /// What the registry client says.
    pub async fn search(&self, search: &AgentSearch) -> Result<SearchPage, Error> {
        let page = self.registry()?.search(search).await.map_err(Error::from)?;
        let fields = AuditFields::new().with("found", page.agents.len());
        self.audit(AuditType::RegistrySearch, "registry searched", fields);
        Ok(page)
    }

    /// An agent's entry in the registry; its signing key is checked against the AMID.
    ///
    /// # Errors
    /// What the registry client says.
    pub async fn lookup(&self, amid: &Amid) -> Result<Listing, Error> {
        let listing = self.registry()?.lookup(amid).await.map_err(Error::from)?;
        let fields = AuditFields::new().peer(*amid);
        self.audit(AuditType::RegistryLookup, "agent looked up", fields);
        Ok(listing)
    }

    /// Tells the registry what this agent can do; kept for the next registration.
    ///
    /// # Errors
    /// What the registry client says.
    pub async fn set_capabilities(&self, capabilities: Vec<String>) -> Result<(), Error> {
        let (reply, done) = oneshot::channel();
        self.command(Command::SetCapabilities { capabilities, reply }).await?;
        done.await.map_err(|_| self.closed())?
    }

    /// Goes offline and closes the store. Waiting messages stay in the outbox on disk.
    ///
    /// # Errors
    /// What the store says on closing. Closing twice is fine.
    pub async fn close(&self) -> Result<(), Error> {
        let (reply, done) = oneshot::channel();
        if self.shared.commands.send(Command::Close { reply }).await.is_err() {
            return Ok(());
        }
        match crate::client::platform::time::timeout(CLOSE_TIMEOUT, done).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Ok(()),
            Err(_) => {
                self.shared.abort();
                Ok(())
            }
        }
    }

    /// A fresh message id, for callers that want to send the same message again after a crash of their own.
    pub fn new_id(&self) -> MessageId {
        MessageId::new_v7(self.shared.config.clock.now(), &mut crate::rng::SystemRng)
    }

    /// The client of the registry, for everything that the agent itself has no word for: revocation, organizations,
    /// reputation, OAuth, DID documents, certificates. Works before [`connect`](Self::connect), too.
    ///
    /// # Errors
    /// [`AgentError::NoRegistry`]
    pub fn registry_client(&self) -> Result<RegistryClient, Error> {
        self.registry().cloned()
    }

    pub(super) fn registry(&self) -> Result<&RegistryClient, Error> {
        self.shared.registry.as_ref().ok_or_else(|| AgentError::NoRegistry.into())
    }

    pub(super) async fn command(&self, command: Command) -> Result<(), Error> {
        self.shared.commands.send(command).await.map_err(|_| self.closed())
    }

    pub(super) fn closed(&self) -> Error {
        AgentError::Closed { reason: self.shared.end_reason() }.into()
    }
}

/// How long closing may take before the driver is stopped where it stands; the store is consistent at any moment.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
