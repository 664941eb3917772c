//! Opening an agent: which identity, when one is made, and when none may be.
//!
//! A store holds at most one agent. Its identity has a name, the identity key, so that "load, else create" asks twice for
//! the same one. A store that cannot be read is never taken for an empty one.

use super::{
    Agent, AgentBuilder, AgentError,
    builder::{KeySource, missing},
};
use crate::{
    Error,
    client::{driver, policy_file, store_key},
    engine::{Continuation, DEFAULT_IDENTITY_KEY, Engine, LoadError, Origin, StoredIdentity},
    identity::{Identity, backup::BackupError},
    rng::SystemRng,
    storage::Storage,
    vault::Vault,
};

/// The environment variable that names the identity key.
const IDENTITY_KEY_VARIABLE: &str = "AGENT_IDENTITY_KEY";

/// What is done about an identity that is there, and about one that is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// It must be there.
    Load,
    /// It may be there.
    Create,
    /// It must not be there.
    CreateNew,
}

impl AgentBuilder {
    /// Opens the identity that the store holds.
    ///
    /// A failed call has changed nothing, and the builder can be used again: "load, else create" with one builder is safe,
    /// since [`create`](Self::create) asks for the same identity and opens it if it is there after all.
    ///
    /// ```no_run
    /// # use agentmesh_core::{client::{Agent, AgentBuilder}, storage::SqliteStorage};
    /// # async fn example() -> Result<(), agentmesh_core::Error> {
    /// let builder = Agent::builder()
    ///     .storage(SqliteStorage::open("agent.db")?)
    ///     .store_key_file("agent.key")
    ///     .identity_key("worker-agent");
    /// let agent = match builder.load().await {
    ///     Ok(agent) => agent,
    ///     Err(_) => builder.create().await?,
    /// };
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`AgentError::NoIdentity`] if the store is empty; [`AgentError::IdentityKey`] if its identity has another name;
    /// [`LoadError`] if the store is not whole or the key is another one's.
    pub async fn load(&self) -> Result<Agent, Error> {
        self.start(Mode::Load).await
    }

    /// Creates an identity, or opens the one that the store holds already. A store that cannot be read is an error.
    ///
    /// # Errors
    /// As [`load`](Self::load), but for `NoIdentity`.
    pub async fn create(&self) -> Result<Agent, Error> {
        self.start(Mode::Create).await
    }

    /// Creates an identity in an empty store.
    ///
    /// # Errors
    /// [`LoadError::IdentityExists`] if there is one already.
    pub async fn create_new(&self) -> Result<Agent, Error> {
        self.start(Mode::CreateNew).await
    }

    /// As [`create`](Self::create), by the name of what happens on all starts but the first.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub async fn open_or_create(&self) -> Result<Agent, Error> {
        self.start(Mode::Create).await
    }

    async fn start(&self, mode: Mode) -> Result<Agent, Error> {
        let Some(storage) = self.storage.clone() else {
            return Err(missing("storage", "a store is required"));
        };
        let wanted = self.wanted_key();
        let no_identity = || AgentError::NoIdentity {
            store: storage.location(),
            key: wanted.clone().unwrap_or_else(|| DEFAULT_IDENTITY_KEY.to_owned()),
        };
        let key = match &self.key {
            Some(KeySource::Key(key)) => key.duplicate(),
            Some(KeySource::File(path)) => {
                let create = mode != Mode::Load;
                let key = store_key::load_or_create(path, storage.as_ref(), create).await?;
                key.ok_or_else(no_identity)?
            }
            Some(KeySource::Variable(name)) => store_key::from_variable(name)?,
            Some(KeySource::Passphrase(passphrase)) => {
                let create = mode != Mode::Load;
                let key = store_key::unlock_or_create(passphrase, storage.as_ref(), create).await?;
                key.ok_or_else(no_identity)?
            }
            None => return Err(missing("store_key", "a key for the store is required")),
        };
        let mut config = self.config.clone();
        if let Some(path) = &config.policy_file {
            config.policy = policy_file::load(path)?;
        }
        let vault = Vault::new(&key);
        let found = StoredIdentity::find(storage.as_ref(), &vault).await?;
        let created = found.is_none();
        let stored = match (found, mode) {
            (Some(_), Mode::CreateNew) => {
                return Err(LoadError::IdentityExists { store: storage.location() }.into());
            }
            (Some(stored), Mode::Load | Mode::Create) => {
                self.check_found(&stored, wanted.as_deref(), storage.as_ref(), &vault).await?;
                stored
            }
            (None, Mode::Load) => return Err(no_identity().into()),
            (None, Mode::Create | Mode::CreateNew) => {
                self.make(wanted.as_deref(), storage.as_ref(), &vault).await?
            }
        };
        let now = config.clock.now();
        let (engine_config, rng) = (driver::engine_config(&config), &mut SystemRng);
        let engine = Engine::open(storage.as_ref(), vault, stored, engine_config, now, rng).await?;
        let audit = self.audit.clone().map(|plan| plan.open(engine.identity(), &key, created));
        driver::start(engine, storage, key, config, audit.transpose()?)
    }

    /// The identity key, if anybody asked for a certain one.
    fn wanted_key(&self) -> Option<String> {
        let variable = || std::env::var(IDENTITY_KEY_VARIABLE).ok();
        self.identity_key.clone().or_else(variable).filter(|key| !key.is_empty())
    }

    /// Whether it is the one that was asked for.
    async fn check_found(
        &self,
        stored: &StoredIdentity,
        wanted: Option<&str>,
        storage: &dyn Storage,
        vault: &Vault,
    ) -> Result<(), Error> {
        let amid = stored.identity.amid();
        if self.identity.as_ref().is_some_and(|wanted| wanted.amid() != amid) {
            return Err(missing("identity", "the store holds another identity"));
        }
        let Some(wanted) = wanted else { return Ok(()) };
        let key = StoredIdentity::peek(storage, vault).await?.map(|(_, key)| key);
        match key {
            Some(found) if found != wanted => {
                let (store, wanted) = (storage.location(), wanted.to_owned());
                Err(AgentError::IdentityKey { store, wanted, found, amid }.into())
            }
            _ => Ok(()),
        }
    }

    /// Puts an identity into a store that has none.
    async fn make(
        &self,
        wanted: Option<&str>,
        storage: &dyn Storage,
        vault: &Vault,
    ) -> Result<StoredIdentity, Error> {
        let (now, rng) = (self.config.clock.now(), &mut SystemRng);
        let name = wanted.unwrap_or(DEFAULT_IDENTITY_KEY);
        if name.len() > MAX_KEY {
            return Err(missing("identity_key", "an identity key has 1 to 256 bytes"));
        }
        let continuation = self.continuation.as_deref().map(Continuation::from_bytes).transpose();
        let continuation = continuation.map_err(|source| BackupError::Damaged { source })?;
        let (identity, origin) = match &self.identity {
            // It may have been in use before.
            Some(identity) => (identity.duplicate(), Origin::Elsewhere(continuation.as_ref())),
            None => (Identity::generate(now, rng), Origin::New),
        };
        let made = StoredIdentity::create_as(storage, vault, identity, name, origin, now, rng);
        Ok(made.await?)
    }
}

const MAX_KEY: usize = 256;
