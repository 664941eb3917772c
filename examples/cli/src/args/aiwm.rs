//! `agentmesh aiwm`.

use std::{net::SocketAddr, path::PathBuf};

use clap::Subcommand;

/// Settings come from the environment and from a `.env` file: AIWM_ENABLED, AIWM_BASE_URL, AIWM_AGENT_ID,
/// AIWM_AGENT_SECRET, and what the controller does not say.
#[derive(Debug, Subcommand)]
pub(crate) enum AiwmCommand {
    /// Connect once and show what the controller gives, without its secrets. The controller counts it
    Connect(AiwmArgs),
    /// Run a program under a supervisor: configuration as environment variables, heartbeats, signals passed on. Ends
    /// with the program's exit code
    Run(AiwmRunArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct AiwmArgs {
    /// File of variables; those of the environment count more
    #[arg(long, value_name = "FILE", default_value = ".env")]
    pub(crate) env_file: PathBuf,
    /// Allow http to other machines: everybody on the way then reads the secret
    #[arg(long)]
    pub(crate) allow_insecure: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct AiwmRunArgs {
    #[command(flatten)]
    pub(crate) aiwm: AiwmArgs,
    /// Do not start if the controller refuses, instead of starting with the local configuration
    #[arg(long)]
    pub(crate) fail_fast: bool,
    /// Serve /health and /metrics here
    #[arg(long, value_name = "ADDR")]
    pub(crate) health_listen: Option<SocketAddr>,
    /// The program and its arguments
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "COMMAND"
    )]
    pub(crate) command: Vec<String>,
}
