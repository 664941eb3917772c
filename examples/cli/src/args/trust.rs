//! What can be typed about identity and trust: DID documents, revocation, reputation, organizations, accounts.

use std::{path::PathBuf, time::Duration};

use agentmesh_core::identity::Amid;
use clap::{Subcommand, ValueEnum};

use crate::duration;

#[derive(Debug, Subcommand)]
pub(crate) enum DidCommand {
    /// Show a DID document: another agent's from the registry, or this one's, signed
    Show {
        /// Whose; this agent's own if absent
        amid: Option<Amid>,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct RevokeArgs {
    /// Whom. This agent itself, or another if the registry lets this one
    #[arg(required = true, num_args = 1..)]
    pub(crate) amids: Vec<Amid>,
    /// Only ask whether they are revoked
    #[arg(long, conflicts_with_all = ["reason", "notes"])]
    pub(crate) check: bool,
    /// Why. There is no way back
    #[arg(long, value_name = "REASON", value_enum, required_unless_present = "check")]
    pub(crate) reason: Option<ReasonArg>,
    /// Words for people
    #[arg(long, value_name = "TEXT")]
    pub(crate) notes: Option<String>,
}

/// Why an agent is revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum ReasonArg {
    KeyCompromise,
    PolicyViolation,
    Superseded,
    CessationOfOperation,
    PrivilegeWithdrawn,
    AdminRequest,
    Other,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ReputationCommand {
    /// Show what others think of an agent
    Show {
        /// Whose; this agent's own if absent
        amid: Option<Amid>,
    },
    /// Rate an agent after a session
    Rate {
        /// Whom
        amid: Amid,
        /// Between 0 and 1
        score: f64,
        /// The session that is rated, once
        #[arg(long, value_name = "ID")]
        session: String,
        /// A word for it, such as reliable or slow_response. Repeat for more
        #[arg(long = "tag", value_name = "TAG")]
        tags: Vec<String>,
    },
    /// Show the agents of the best reputation
    Leaders {
        /// Of those with exactly this capability
        #[arg(long, value_name = "CAPABILITY")]
        intent: Option<String>,
        /// How many
        #[arg(long, value_name = "N", default_value_t = 10)]
        limit: u64,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum OrgCommand {
    /// Register an organization with this agent as its admin, and say what to put into the DNS
    Register {
        /// Its name
        name: String,
        /// Its domain
        domain: String,
    },
    /// Have the registry look into the DNS
    Verify {
        /// The organization's id
        id: String,
    },
    /// This agent's consent to belong to an organization, for its admin; good for a day
    Consent {
        /// The organization's id
        id: String,
    },
    /// Take an agent in that gave its consent
    Add {
        /// The consent; `-` is standard input
        file: PathBuf,
    },
    /// Show the organization of a domain
    Show {
        /// The domain
        domain: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum OauthCommand {
    /// Show the providers that the registry knows
    Providers,
    /// Show an account to the registry, to become verified
    Start {
        /// Which provider's
        provider: String,
        /// Wait so long for the account's owner to come back
        #[arg(long, value_name = "TIME", value_parser = duration::parse)]
        wait: Option<Duration>,
    },
    /// Show how far an attempt is
    Status {
        /// What `start` printed
        state: String,
    },
}
