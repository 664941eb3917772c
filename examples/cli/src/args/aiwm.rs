//! `agentmesh aiwm`.

use std::{net::SocketAddr, path::PathBuf};

use clap::Subcommand;

/// Where the settings come from, for `--help`.
pub(crate) const AIWM_VARIABLES: &str = "\
Settings come from the environment, and from a .env file for what it does not have:
  AIWM_ENABLED           true, or everything is local
  AIWM_BASE_URL          the controller, with its path
  AIWM_AGENT_ID, AIWM_AGENT_SECRET
                         who the agent is
  AIWM_INSTRUCTION_FILE  the instruction while the controller gives none [default: ./instruction.md]
  CLAUDE_MODEL and so on what the controller does not say; see docs/guides/aiwm.md";

#[derive(Debug, Subcommand)]
pub(crate) enum AiwmCommand {
    /// Connect once and show what the controller gives, without its secrets. The controller counts it
    #[command(after_help = AIWM_VARIABLES)]
    Connect(AiwmArgs),
    /// Run a program under a supervisor: configuration as environment variables, heartbeats, signals passed on. Ends
    /// with the program's exit code
    #[command(after_help = AIWM_VARIABLES)]
    Run(AiwmRunArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct AiwmArgs {
    /// File of variables; those of the environment count more [default: .env, if there is one]
    #[arg(long, value_name = "FILE")]
    pub(crate) env_file: Option<PathBuf>,
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
