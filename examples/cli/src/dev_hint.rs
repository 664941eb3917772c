//! `~/.agentmesh/dev.json`: where this user's `agentmesh dev` can be reached, so that nobody has to type it.
//!
//! Written by `dev`, removed when it ends. A server that was killed leaves it behind; readers therefore ask whether it
//! answers.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

#[cfg(feature = "server")]
use crate::error::CliError;
use crate::{files, home};

/// The file's name, in `~/.agentmesh`.
pub(crate) const FILE: &str = "dev.json";

/// Where a development server is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DevHint {
    /// Base URL of its registry.
    pub(crate) registry: String,
    /// URL of its relay.
    pub(crate) relay: String,
    /// Its process.
    pub(crate) pid: u32,
}

/// Where the hint is, whatever `--home` says: it is about the user, not about one agent.
pub(crate) fn path() -> Option<PathBuf> {
    home::default_dir().map(|dir| dir.join(FILE))
}

impl DevHint {
    /// The hint, if there is one that can be read. It is a convenience: nothing fails for want of it.
    pub(crate) fn read() -> Option<Self> {
        let text = files::read(&path()?).ok().flatten()?;
        serde_json::from_str(&text).ok()
    }

    /// Leaves the hint for other commands.
    #[cfg(feature = "server")]
    pub(crate) fn write(&self) -> Result<(), CliError> {
        let path = path().ok_or_else(|| CliError::failed("no home directory is known"))?;
        let text = serde_json::to_string(self).map_err(|e| CliError::failed(e.to_string()))?;
        path.parent()
            .map_or(Ok(()), files::create_directory)
            .and_then(|()| files::replace(&path, &format!("{text}\n")))
            .map_err(|e| CliError::file(&path, &e))
    }

    /// Takes the hint back, unless another server has left its own since.
    #[cfg(feature = "server")]
    pub(crate) fn remove(&self) {
        if Self::read().as_ref() == Some(self)
            && let Some(path) = path()
        {
            // Readers find out that nobody answers.
            let _ = std::fs::remove_file(path);
        }
    }
}
