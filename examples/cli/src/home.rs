//! A home: one directory, one identity.
//!
//! ```text
//! DIR/agent.db      everything the agent knows, sealed (and agent.db-wal, agent.db.lock beside it); or another store
//! DIR/store.key     the key that it is sealed under
//! DIR/config.json   whose home it is, where it registered
//! DIR/audit         what happened to the agent (docs/audit.md)
//! DIR/control.sock  where a running agent takes orders
//! ```
//! The store is made first, then the key, then the identity, then `config.json`; so whatever a crash leaves behind can be
//! told from a home that lost a file, and only the latter is an error.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use agentmesh_core::{
    client::StoreUrl,
    engine::{Continuation, LoadError, StoredIdentity},
    storage::{Storage, StorageError},
    vault::{StoreKey, Vault},
};
use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

use crate::{config::Config, control, dev_hint, error::CliError, files};

const STORE: &str = "agent.db";
const KEY: &str = "store.key";
const AUDIT: &str = "audit";
/// What an identity that was never finished may have left, and what belongs to nobody's identity.
const HARMLESS: [&str; 9] = [
    "agent.db.lock",
    "agent.db.new",
    "agent.db.new-journal",
    "agent.db-wal",
    "config.json",
    "store.new",
    dev_hint::FILE,
    AUDIT,
    control::socket::FILE,
];
/// How long to wait for a process that is just ending.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// A directory that holds an agent, or may.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    dir: PathBuf,
    /// The store that was asked for, instead of the one that the home names, or its own file.
    store: Option<StoreUrl>,
}

/// What is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Nothing, or an empty directory: an identity may be made.
    Empty,
    /// A store.
    Store,
}

impl Home {
    /// The home given, or `~/.agentmesh`.
    pub(crate) fn resolve(
        given: Option<PathBuf>,
        store: Option<StoreUrl>,
    ) -> Result<Self, CliError> {
        let dir = given.filter(|dir| !dir.as_os_str().is_empty()).or_else(default_dir);
        dir.map(|dir| Self { dir, store }).ok_or_else(|| {
            CliError::usage("no home directory is known: give --home DIR or set AGENTMESH_HOME")
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.dir
    }

    /// Where the state is: what was asked for, what `config.json` says, or a file of the home.
    pub(crate) fn store(&self) -> Result<StoreUrl, CliError> {
        if let Some(store) = &self.store {
            return Ok(store.clone());
        }
        match Config::load(self)?.store {
            Some(text) => text.parse().map_err(|error: StorageError| {
                CliError::home(&self.dir.join("config.json"), format!("store: {error}"))
            }),
            None => Ok(self.own_store()),
        }
    }

    fn own_store(&self) -> StoreUrl {
        StoreUrl::Sqlite(self.dir.join(STORE))
    }

    /// The store as a path, for messages.
    pub(crate) fn store_path(&self) -> PathBuf {
        match self.store() {
            Ok(StoreUrl::Sqlite(path) | StoreUrl::File(path)) => path,
            Ok(other) => other.to_string().into(),
            Err(_) => self.dir.join(STORE),
        }
    }

    pub(crate) fn key_path(&self) -> PathBuf {
        self.dir.join(KEY)
    }

    /// Where the agent's audit log is.
    pub(crate) fn audit_path(&self) -> PathBuf {
        self.dir.join(AUDIT)
    }

    /// Looks without touching anything. What is neither empty nor whole is an error that names the file.
    pub(crate) fn state(&self) -> Result<State, CliError> {
        let names = match self.names() {
            Ok(names) => names,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(State::Empty),
            Err(e) => return Err(CliError::file(&self.dir, &e)),
        };
        let has = |name: &str| names.iter().any(|n| n == name);
        if self.store()? != self.own_store() {
            // Whether that one is there is found out when it is opened.
            let in_use = has(KEY) || Config::load(self)?.amid.is_some();
            return Ok(if in_use { State::Store } else { State::Empty });
        }
        if has(STORE) {
            return Ok(State::Store);
        }
        let missing = |proof: &str| {
            let restore = "restore it from a copy, or the identity from a backup into another home";
            CliError::home(&self.store_path(), format!("is missing, but {proof}; {restore}"))
        };
        if has(KEY) {
            return Err(missing("its key store.key is there"));
        }
        if let Some(amid) = Config::load(self)?.amid {
            return Err(missing(&format!("config.json says that this is the home of {amid}")));
        }
        match names.iter().find(|name| !HARMLESS.contains(&name.as_str())) {
            Some(name) => Err(CliError::home(
                &self.dir.join(name),
                "is no part of a home: give --home a directory that is empty or absent",
            )),
            None => Ok(State::Empty),
        }
    }

    fn names(&self) -> io::Result<Vec<String>> {
        fs::read_dir(&self.dir)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect()
    }

    /// Opens the store; with `create`, makes directory and store where nothing is yet.
    pub(crate) async fn open_store(&self, create: bool) -> Result<Arc<dyn Storage>, CliError> {
        match self.state()? {
            State::Store => {}
            State::Empty if create => {
                files::create_directory(&self.dir).map_err(|e| CliError::file(&self.dir, &e))?;
            }
            State::Empty => {
                let hint = "there is no identity here; `agentmesh identity new` makes one";
                return Err(CliError::home(&self.dir, hint));
            }
        }
        let store = self.store()?;
        let deadline = Instant::now() + LOCK_PATIENCE;
        loop {
            match store.open().await {
                Err(StorageError::Locked { .. }) if Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Err(error @ StorageError::Locked { .. }) => {
                    return Err(self.explain(error.into()).with_hint(
                        "a home serves one process at a time; a running `listen` takes orders such as `pause`, and with --stdin sends as well",
                    ));
                }
                opened => return opened.map_err(|error| self.explain(error.into())),
            }
        }
    }

    /// Reads the identity for commands that need the private key itself: backup, and showing it offline.
    pub(crate) async fn identity(&self) -> Result<StoredIdentity, CliError> {
        let store = self.open_store(false).await?;
        let vault = Vault::new(&self.read_key()?);
        let found = StoredIdentity::find(store.as_ref(), &vault).await;
        let closed = store.close().await;
        let found = found.map_err(|error| self.explain(error.into()))?;
        closed.map_err(|error| self.explain(error.into()))?;
        found.ok_or_else(|| CliError::home(&self.store_path(), "holds no identity yet"))
    }

    /// The identity, and what another store needs to go on from here.
    pub(crate) async fn identity_to_move(
        &self,
    ) -> Result<(StoredIdentity, Continuation), CliError> {
        let store = self.open_store(false).await?;
        let vault = Vault::new(&self.read_key()?);
        let found = StoredIdentity::find(store.as_ref(), &vault).await;
        let continuation = Continuation::read(store.as_ref(), &vault).await;
        let closed = store.close().await;
        let found = found.map_err(|error| self.explain(error.into()))?;
        let continuation = continuation.map_err(|error| self.explain(error.into()))?;
        closed.map_err(|error| self.explain(error.into()))?;
        let found =
            found.ok_or_else(|| CliError::home(&self.store_path(), "holds no identity yet"))?;
        Ok((found, continuation))
    }

    /// The key of the store.
    pub(crate) fn read_key(&self) -> Result<StoreKey, CliError> {
        let path = self.key_path();
        let text = files::read(&path).map_err(|e| CliError::file(&path, &e))?;
        let text = Zeroizing::new(text.ok_or_else(|| {
            CliError::home(
                &path,
                "is missing; without it the store cannot be read: restore it from a copy",
            )
        })?);
        let mut key = Zeroizing::new([0; 32]);
        match Base64::decode(text.trim_end(), key.as_mut_slice()) {
            Ok(bytes) if bytes.len() == 32 => Ok(StoreKey::from_bytes(*key)),
            _ => Err(CliError::home(&path, "is damaged: restore it from a copy")),
        }
    }

    /// Names the files that an error of the core is about, where it does not do so itself.
    pub(crate) fn explain(&self, error: agentmesh_core::Error) -> CliError {
        use agentmesh_core::Error;
        let names_no_file = matches!(&error, Error::Vault(_));
        let wrong_key =
            matches!(&error, Error::Vault(_) | Error::Load(LoadError::WrongStoreKey { .. }));
        let mut explained = CliError::from(error);
        if names_no_file {
            explained.message = format!("{}: {}", self.store_path().display(), explained.message);
        }
        if wrong_key {
            let key = self.key_path();
            return explained
                .with_hint(format_args!("{} is not the key of this store", key.display()));
        }
        explained
    }
}

/// `~/.agentmesh`.
pub(crate) fn default_dir() -> Option<PathBuf> {
    std::env::home_dir()
        .filter(|home| !home.as_os_str().is_empty())
        .map(|home| home.join(".agentmesh"))
}
