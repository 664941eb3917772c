//! `agentmesh chat`.

use std::{path::PathBuf, time::Duration};

use crate::duration;

#[derive(Debug, clap::Args)]
pub(crate) struct ChatArgs {
    /// The agent's address; 127.0.0.1:18787 is short for the whole URL of a development server
    #[arg(value_name = "URL")]
    pub(crate) url: String,
    /// How long to wait for each answer
    #[arg(long, value_name = "TIME", default_value = "90s", value_parser = duration::parse)]
    pub(crate) timeout: Duration,
    /// File with a token for servers that want one
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Show answers piece by piece, where the server can
    #[arg(long)]
    pub(crate) stream: bool,
}
