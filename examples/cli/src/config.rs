//! `config.json` of a home: whose it is, where it registered, what it says about itself there. No secrets.

use std::path::PathBuf;

use agentmesh_core::identity::Amid;
use serde::{Deserialize, Serialize};

use crate::{error::CliError, files, home::Home};

const VERSION: u32 = 1;

/// What a home remembers besides its store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Config {
    version: u32,
    /// Whose home it is. A home that had an identity never gets another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) amid: Option<Amid>,
    /// The registry that it registered with last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) registry: Option<String>,
    /// The relay that it connected to last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) relay: Option<String>,
    /// Where the state is, if not in the home.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) store: Option<String>,
    /// Shown in the registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) display_name: Option<String>,
    /// What the agent can do; whatever is registered, if nobody said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) capabilities: Option<Vec<String>>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            version: VERSION,
            amid: None,
            registry: None,
            relay: None,
            store: None,
            display_name: None,
            capabilities: None,
        }
    }
}

impl Config {
    /// Reads it; a home without one gets the defaults, a damaged one is an error.
    pub(crate) fn load(home: &Home) -> Result<Self, CliError> {
        let path = path(home);
        let Some(text) = files::read(&path).map_err(|e| CliError::file(&path, &e))? else {
            return Ok(Self::default());
        };
        let config: Self = serde_json::from_str(&text).map_err(|e| {
            CliError::home(&path, format!("is damaged ({e}): restore it from a copy, or delete it"))
        })?;
        if config.version > VERSION {
            return Err(CliError::home(&path, "was written by a newer release"));
        }
        Ok(config)
    }

    /// Writes it.
    pub(crate) fn save(&self, home: &Home) -> Result<(), CliError> {
        let path = path(home);
        let mut text = serde_json::to_string_pretty(self)
            .map_err(|e| CliError::failed(format!("config: {e}")))?;
        text.push('\n');
        files::replace(&path, &text).map_err(|e| CliError::file(&path, &e))
    }
}

fn path(home: &Home) -> PathBuf {
    home.path().join("config.json")
}
