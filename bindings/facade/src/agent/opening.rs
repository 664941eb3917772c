//! Opening an agent: from which store, with which key, as whom.

use agentmesh_core::{client::Agent as CoreAgent, knock::Decision};
use zeroize::Zeroizing;

use super::Agent;
use crate::{
    AgentSettings, Backup, FacadeError, Identity, KnockSink, Storage, managers::store_key,
};

/// What is done about an identity that is there, and about one that is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OpenMode {
    /// It must be there.
    Load,
    /// It may be there.
    #[default]
    OpenOrCreate,
    /// It must not be there.
    CreateNew,
}

/// Where the key comes from that seals what is stored.
#[derive(Default)]
pub enum StoreKeySource {
    /// Nobody said; opening fails.
    #[default]
    Missing,
    /// 32 bytes.
    Bytes(Zeroizing<Vec<u8>>),
    /// A file, made together with a new identity.
    File(std::path::PathBuf),
    /// An environment variable.
    Variable(String),
    /// A passphrase that locks a key in the store.
    Passphrase(Zeroizing<String>),
}

impl std::fmt::Debug for StoreKeySource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Missing => "Missing",
            Self::Bytes(_) => "Bytes(…)",
            Self::File(_) => "File(…)",
            Self::Variable(_) => "Variable(…)",
            Self::Passphrase(_) => "Passphrase(…)",
        })
    }
}

/// What an agent is opened with.
#[derive(Debug, Default)]
pub struct Opening {
    /// Where its state is.
    pub storage: Option<Storage>,
    /// What it is sealed with.
    pub key: StoreKeySource,
    /// The identity for a new store.
    pub identity: Option<Identity>,
    /// A backup for a new store.
    pub backup: Option<Backup>,
    /// Who is asked about KNOCKs.
    pub knocks: Option<KnockSink>,
    /// Everything else.
    pub settings: AgentSettings,
    /// What is done about identities.
    pub mode: OpenMode,
}

impl Agent {
    /// Opens an agent.
    ///
    /// # Errors
    /// As the core's `AgentBuilder::{load, create, create_new}`.
    pub async fn open(opening: Opening) -> Result<Self, FacadeError> {
        let mut builder = opening.settings.apply(CoreAgent::builder())?;
        if let Some(storage) = opening.storage {
            builder = builder.storage(storage.shared()?);
        }
        builder = match opening.key {
            StoreKeySource::Missing => builder,
            StoreKeySource::Bytes(bytes) => builder.store_key(store_key(&bytes)?),
            StoreKeySource::File(path) => builder.store_key_file(path),
            StoreKeySource::Variable(name) => builder.store_key_variable(name),
            StoreKeySource::Passphrase(passphrase) => {
                builder.store_key_passphrase(passphrase.as_str())
            }
        };
        if let Some(identity) = opening.identity {
            builder = builder.identity(identity.duplicate()?);
        }
        if let Some(backup) = opening.backup {
            builder = builder.restored(backup.take()?);
        }
        if let Some(sink) = opening.knocks {
            builder = builder.on_knock(move |knock| {
                let sink = sink.clone();
                // Whom nobody answers for is decided about later, by the owner.
                async move { sink.ask(&knock).await.unwrap_or(Decision::Later) }
            });
        }
        let agent = match opening.mode {
            OpenMode::Load => builder.load().await?,
            OpenMode::OpenOrCreate => builder.create().await?,
            OpenMode::CreateNew => builder.create_new().await?,
        };
        Ok(Self::new(agent))
    }
}
