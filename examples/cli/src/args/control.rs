//! What can be typed about control and what is to be seen: sessions, the audit log.

use std::{path::PathBuf, time::Duration};

use agentmesh_core::{
    audit::{Anchor, Severity},
    identity::Amid,
};
use clap::Subcommand;

use crate::duration;

#[derive(Debug, clap::Args)]
pub(crate) struct SessionsArgs {
    /// Only with this peer
    pub(crate) peer: Option<Amid>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct PeerArgs {
    /// The peer
    pub(crate) peer: Amid,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Show events, oldest first
    Show {
        /// Only so grave or graver: debug, info, warning, error, critical
        #[arg(long, value_name = "SEVERITY", value_parser = severity)]
        min_severity: Option<Severity>,
        /// Only of this type, such as SESSION_INITIATED; repeat for several
        #[arg(long = "type", value_name = "TYPE")]
        kinds: Vec<String>,
        /// Only about this peer
        #[arg(long, value_name = "AMID")]
        peer: Option<Amid>,
        /// Only of so long ago or later
        #[arg(long, value_name = "TIME", value_parser = duration::parse)]
        since: Option<Duration>,
        /// The newest so many
        #[arg(long, value_name = "N")]
        limit: Option<usize>,
        /// Another directory than the home's log
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
    /// Print a signed statement of where the log stands, to be kept where the log is not
    Anchor,
    /// Check that nothing was changed, removed or put in; changes nothing itself
    Verify {
        /// What `audit anchor` printed: the log must still have all that it had then
        #[arg(long, value_name = "TEXT")]
        anchor: Option<Anchor>,
        /// Another directory than the home's log
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
}

fn severity(name: &str) -> Result<Severity, String> {
    Severity::parse(name).ok_or_else(|| "none of debug, info, warning, error, critical".to_owned())
}
