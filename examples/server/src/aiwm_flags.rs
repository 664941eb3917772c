//! Flags of the AIWM service. Its secrets come from the environment: other users see a process's arguments.

use agentmesh_server::{AiwmConfig, SecretCheck};
use clap::Args;

/// The service is on if `JWT_SECRET` is set.
#[derive(Args)]
#[command(
    next_help_heading = "AIWM (on if the environment has JWT_SECRET; AIWM_ADMIN_TOKEN administers it)"
)]
pub(crate) struct AiwmFlags {
    /// Base URL that agents are told.
    #[arg(long, value_name = "URL", env = "AIWM_PUBLIC_URL")]
    aiwm_public_url: Option<String>,
    /// An MCP server that agents are told of.
    #[arg(long, value_name = "URL")]
    aiwm_mcp_url: Option<String>,
    /// Do not give agents the tokens of platforms and of the model's provider: they are in their environment.
    #[arg(long)]
    aiwm_withhold_tokens: bool,
    /// Connects of an agent from one address in a minute; 0 switches the limit off.
    #[arg(long, value_name = "N", default_value_t = AiwmConfig::CONNECTS_PER_MINUTE)]
    aiwm_connects_per_minute: u32,
    /// Origin of web pages that may use the service; repeat for several.
    #[arg(long, value_name = "ORIGIN")]
    aiwm_allowed_origin: Vec<String>,
}

impl AiwmFlags {
    pub(crate) fn config(self) -> AiwmConfig {
        let secret = |name| std::env::var(name).ok().filter(|text| !text.is_empty());
        let per_minute = self.aiwm_connects_per_minute;
        AiwmConfig {
            jwt_secret: secret("JWT_SECRET"),
            admin_token: secret("AIWM_ADMIN_TOKEN"),
            public_url: self.aiwm_public_url,
            mcp_url: self.aiwm_mcp_url,
            withhold_tokens: self.aiwm_withhold_tokens,
            connects_per_minute: (per_minute > 0).then_some(per_minute),
            allowed_origins: self.aiwm_allowed_origin,
            secret_check: SecretCheck::Bcrypt,
        }
    }
}
