//! The agent: opening, going online, sending, closing. What its owner does besides is in [`control`](crate::control).

use std::{sync::Arc, time::Duration};

use agentmesh_facade::{
    Agent, FacadeError, OpenMode, Opening, SendSettings, Sent, StoreKeySource, from_json,
};

use crate::{
    NativeAuditLog, NativeBackup, NativeContent, NativeError, NativeEvents, NativeIdentity,
    NativeIncomingStream, NativeKnocks, NativeMessages, NativePayload, NativeStorage,
    calls::{call, run, settings},
};

/// An agent that is open. It ends when it is closed or the last reference to it is dropped.
#[derive(uniffi::Object)]
pub struct NativeAgent(pub(crate) Agent);

/// What is done about an identity that is there, and about one that is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum NativeOpenMode {
    /// It must be there.
    Load,
    /// It may be there.
    OpenOrCreate,
    /// It must not be there.
    CreateNew,
}

impl From<NativeOpenMode> for OpenMode {
    fn from(mode: NativeOpenMode) -> Self {
        match mode {
            NativeOpenMode::Load => Self::Load,
            NativeOpenMode::OpenOrCreate => Self::OpenOrCreate,
            NativeOpenMode::CreateNew => Self::CreateNew,
        }
    }
}

/// Where the key comes from that seals what is stored.
#[derive(Clone, PartialEq, Eq, uniffi::Enum)]
pub enum NativeStoreKey {
    /// Nobody said; opening fails.
    Missing,
    /// 32 bytes.
    Bytes {
        /// The key.
        bytes: Vec<u8>,
    },
    /// A file, made together with a new identity.
    File {
        /// Where it is.
        path: String,
    },
    /// An environment variable.
    Variable {
        /// Its name.
        name: String,
    },
    /// A passphrase that locks a key in the store.
    Passphrase {
        /// The passphrase.
        passphrase: String,
    },
}

impl From<NativeStoreKey> for StoreKeySource {
    fn from(key: NativeStoreKey) -> Self {
        match key {
            NativeStoreKey::Missing => Self::Missing,
            NativeStoreKey::Bytes { bytes } => Self::Bytes(bytes.into()),
            NativeStoreKey::File { path } => Self::File(path.into()),
            NativeStoreKey::Variable { name } => Self::Variable(name),
            NativeStoreKey::Passphrase { passphrase } => Self::Passphrase(passphrase.into()),
        }
    }
}

/// What an agent is opened with.
#[derive(uniffi::Record)]
pub struct NativeOpening {
    /// Where its state is.
    pub storage: Option<Arc<NativeStorage>>,
    /// What it is sealed with.
    pub key: NativeStoreKey,
    /// The identity for a new store.
    pub identity: Option<Arc<NativeIdentity>>,
    /// A backup for a new store.
    pub backup: Option<Arc<NativeBackup>>,
    /// Who is asked about KNOCKs; of one agent each.
    pub knocks: Option<Arc<NativeKnocks>>,
    /// Everything else, a JSON object as the facade's `AgentSettings` reads it.
    pub settings: String,
    /// What is done about identities.
    pub mode: NativeOpenMode,
}

impl NativeOpening {
    fn opening(self) -> Result<Opening, FacadeError> {
        Ok(Opening {
            storage: self.storage.map(|storage| storage.0.clone()),
            key: self.key.into(),
            identity: self.identity.map(|identity| identity.0.clone()),
            knocks: self.knocks.map(|knocks| knocks.take_sink()).transpose()?,
            settings: from_json(&self.settings)?,
            mode: self.mode.into(),
            // Last: it is used up.
            backup: self.backup.map(|backup| backup.take()).transpose()?,
        })
    }
}

/// Opens an agent.
///
/// # Errors
/// As the facade's `Agent::open`.
#[uniffi::export]
pub async fn open_agent(opening: NativeOpening) -> Result<Arc<NativeAgent>, NativeError> {
    let opening = run(|| opening.opening())?;
    call(async move { Ok(Arc::new(NativeAgent(Agent::open(opening).await?))) }).await
}

/// What came of a message by the time that sending it returned.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct NativeSent {
    /// Its id.
    pub id: String,
    /// The recipient.
    pub to: String,
    /// How far it came, by number: queued 0, stored 1, delivered 2, handled 3.
    pub stage: u8,
}

impl From<Sent> for NativeSent {
    fn from(Sent { id, to, stage }: Sent) -> Self {
        Self { id, to, stage }
    }
}

/// Public keys, 32 bytes each.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct NativePublicKeys {
    /// For signatures; the address is its hash.
    pub signing: Vec<u8>,
    /// For key agreement.
    pub exchange: Vec<u8>,
}

#[uniffi::export]
impl NativeAgent {
    /// The agent's address.
    pub fn amid(&self) -> Result<String, NativeError> {
        run(|| self.0.amid())
    }

    /// The public keys.
    pub fn public_keys(&self) -> Result<NativePublicKeys, NativeError> {
        run(|| {
            let (signing, exchange) = self.0.public_keys()?;
            Ok(NativePublicKeys { signing, exchange })
        })
    }

    /// Goes online, with what the registry shall show from now on; what is absent stays as it was.
    pub async fn connect(
        &self,
        display_name: Option<String>,
        capabilities: Option<Vec<String>>,
    ) -> Result<(), NativeError> {
        call(self.0.connect_as(display_name, capabilities)).await
    }

    /// Goes offline and closes the store. Closing twice is fine.
    pub async fn close(&self) -> Result<(), NativeError> {
        let agent = self.0.clone();
        call(async move { agent.close().await }).await
    }

    /// Sends a message and waits until it reached the stage that the settings (`SendSettings`) ask for.
    pub async fn send(
        &self,
        to: String,
        payload: NativePayload,
        settings_json: Option<String>,
    ) -> Result<NativeSent, NativeError> {
        let agent = self.0.clone();
        let settings: SendSettings = settings(settings_json.as_deref())?;
        call(async move { Ok(agent.send(&to, payload.into(), settings).await?.into()) }).await
    }

    /// Sends a request and waits for the response.
    pub async fn request(
        &self,
        to: String,
        payload: NativePayload,
        deadline_ms: u64,
        settings_json: Option<String>,
    ) -> Result<NativeContent, NativeError> {
        let agent = self.0.clone();
        let settings: SendSettings = settings(settings_json.as_deref())?;
        let deadline = Duration::from_millis(deadline_ms);
        call(
            async move { Ok(agent.request(&to, payload.into(), deadline, settings).await?.into()) },
        )
        .await
    }

    /// Tells a peer how far something is, as news that nobody keeps.
    pub async fn status(
        &self,
        to: String,
        in_reply_to: Option<String>,
        payload: NativePayload,
    ) -> Result<(), NativeError> {
        let agent = self.0.clone();
        call(async move { agent.status(&to, in_reply_to.as_deref(), payload.into()).await }).await
    }

    /// Sends a request and reads the answer as it comes. Settings are `StreamSettings`.
    pub async fn stream(
        &self,
        to: String,
        payload: NativePayload,
        settings_json: Option<String>,
    ) -> Result<Arc<NativeIncomingStream>, NativeError> {
        let agent = self.0.clone();
        let settings = settings(settings_json.as_deref())?;
        call(async move {
            Ok(NativeIncomingStream::new(agent.stream(&to, payload.into(), settings).await?))
        })
        .await
    }

    /// Reads a stream on from a chunk.
    pub async fn resume_stream(
        &self,
        peer: String,
        id: String,
        from: u64,
        settings_json: Option<String>,
    ) -> Result<Arc<NativeIncomingStream>, NativeError> {
        let agent = self.0.clone();
        let settings = settings(settings_json.as_deref())?;
        call(async move {
            Ok(NativeIncomingStream::new(agent.resume_stream(&peer, &id, from, settings).await?))
        })
        .await
    }

    /// The messages that come in. A new receiver replaces the one before.
    pub async fn messages(&self) -> Result<Arc<NativeMessages>, NativeError> {
        let agent = self.0.clone();
        call(async move { Ok(NativeMessages::new(agent.messages().await?)) }).await
    }

    /// What happens to the agent, from now on.
    pub fn events(&self) -> Result<Arc<NativeEvents>, NativeError> {
        run(|| Ok(NativeEvents::new(self.0.events()?)))
    }

    /// How far a message of ours is, by number; nothing once it was handled, failed, or was never sent.
    pub async fn stage(&self, id: String) -> Result<Option<u8>, NativeError> {
        let agent = self.0.clone();
        call(async move { agent.stage(&id).await }).await
    }

    /// Takes a message back that was not delivered.
    pub async fn cancel(&self, id: String) -> Result<(), NativeError> {
        let agent = self.0.clone();
        call(async move { agent.cancel(&id).await }).await
    }

    /// A fresh message id.
    pub fn new_id(&self) -> Result<String, NativeError> {
        run(|| self.0.new_id())
    }

    /// The audit log, if the agent keeps one.
    pub fn audit_log(&self) -> Result<Option<Arc<NativeAuditLog>>, NativeError> {
        run(|| Ok(self.0.audit_log()?.map(NativeAuditLog::new)))
    }
}
