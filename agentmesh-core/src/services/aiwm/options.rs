//! Where the controller is and who we are there.

use std::{path::PathBuf, time::Duration};

use url::{Host, ParseError, Url};

use super::{SecretText, environment::Environment, error::AiwmError};
use crate::client::http::HttpConfig;

/// Variable that names the file of the instruction that is used while the controller gives none, and the file that is
/// meant otherwise.
pub(super) const INSTRUCTION_FILE: &str = "AIWM_INSTRUCTION_FILE";
const DEFAULT_FILE: &str = "instruction.md";

/// How to reach the controller.
#[derive(Debug)]
pub struct AiwmOptions {
    /// Base URL, with its path.
    pub base_url: Url,
    /// The agent's id, 24 hexadecimal digits.
    pub agent_id: String,
    /// The agent's secret.
    pub secret: SecretText,
    /// Allow `http` to other machines. Everybody on the way then reads the secret.
    pub allow_insecure: bool,
    /// Timeouts, proxies, bounds. One request has ten seconds and one try: the supervisor repeats.
    pub http: HttpConfig,
}

impl AiwmOptions {
    /// With the defaults.
    ///
    /// # Errors
    /// [`AiwmError::Config`] for a URL that is none.
    pub fn new(base_url: &str, agent_id: &str, secret: SecretText) -> Result<Self, AiwmError> {
        let base_url = Url::parse(base_url.trim()).map_err(|error| {
            AiwmError::config(match error {
                ParseError::RelativeUrlWithoutBase => {
                    "AIWM_BASE_URL: it has to begin with https:// or http://".to_owned()
                }
                error => format!("AIWM_BASE_URL: {error}"),
            })
        })?;
        Ok(Self {
            base_url,
            agent_id: agent_id.trim().to_owned(),
            secret,
            allow_insecure: false,
            http: HttpConfig {
                connect_timeout: TIMEOUT,
                read_timeout: TIMEOUT,
                try_timeout: TIMEOUT,
                total_timeout: TIMEOUT,
                attempts: 1,
                ..HttpConfig::default()
            },
        })
    }

    /// From `AIWM_ENABLED`, `AIWM_BASE_URL`, `AIWM_AGENT_ID` and `AIWM_AGENT_SECRET`; `None` if it is not enabled.
    ///
    /// # Errors
    /// [`AiwmError::Config`] that lists what is missing.
    pub fn from_environment(environment: &Environment) -> Result<Option<Self>, AiwmError> {
        let enabled = environment.get("AIWM_ENABLED").unwrap_or_default().to_ascii_lowercase();
        if !["true", "1", "yes"].contains(&enabled.as_str()) {
            return Ok(None);
        }
        let names = ["AIWM_BASE_URL", "AIWM_AGENT_ID", "AIWM_AGENT_SECRET"];
        let [Some(url), Some(id), Some(secret)] = names.map(|name| environment.get(name)) else {
            let absent = names.into_iter().filter(|name| environment.get(name).is_none());
            let absent = absent.collect::<Vec<_>>().join(", ");
            return Err(AiwmError::config(format!("{absent} not set, but AIWM_ENABLED is true")));
        };
        Self::new(url, id, SecretText::new(secret)).map(Some)
    }

    /// # Errors
    /// [`AiwmError::Config`] for what cannot be used, or should not be.
    pub(super) fn check(&self) -> Result<(), AiwmError> {
        let loopback = match self.base_url.host() {
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        match self.base_url.scheme() {
            "https" => {}
            "http" if loopback || self.allow_insecure => {}
            "http" => {
                let problem =
                    "AIWM_BASE_URL: http would show the secret to everybody on the way; use https";
                return Err(AiwmError::config(problem));
            }
            _ => return Err(AiwmError::config("AIWM_BASE_URL: neither http nor https")),
        }
        if self.agent_id.is_empty() || self.agent_id.chars().all(|c| c == '.') {
            return Err(AiwmError::config("AIWM_AGENT_ID: no id"));
        }
        let hex = self.agent_id.bytes().all(|byte| byte.is_ascii_hexdigit());
        if self.agent_id.len() != 24 || !hex {
            tracing::warn!(target: "agentmesh", "AIWM: the agent's id does not have 24 hexadecimal digits");
        }
        Ok(())
    }
}

/// For one request.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The file whose content is the instruction while the controller gives none: `AIWM_INSTRUCTION_FILE`, or
/// `./instruction.md`.
pub fn instruction_file(environment: &Environment) -> PathBuf {
    environment.get(INSTRUCTION_FILE).unwrap_or(DEFAULT_FILE).into()
}
