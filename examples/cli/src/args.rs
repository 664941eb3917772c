//! What can be typed. The help texts are the short form of docs/cli.md.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use agentmesh_core::{client::StoreUrl, engine::Stage, identity::Amid, wire::id::MessageId};
use clap::{ArgAction, Parser, Subcommand, ValueEnum};

use crate::duration;

mod aiwm;
mod chat;
mod control;
mod signal;
mod trust;
mod user_data;

pub(crate) use aiwm::{AIWM_VARIABLES, AiwmArgs, AiwmCommand, AiwmRunArgs};
pub(crate) use chat::ChatArgs;
pub(crate) use control::{AuditCommand, PeerArgs, SessionsArgs};
pub(crate) use signal::{RoomArgs, SignalCommand, SignalJoinArgs, SignalSendArgs};
pub(crate) use trust::{
    DidCommand, OauthCommand, OrgCommand, ReasonArg, ReputationCommand, RevokeArgs,
};
pub(crate) use user_data::{ConversationsCommand, ServiceArgs, SkillsCommand};

const AFTER_HELP: &str = "\
Exit codes:
  0  done
  1  failed for a reason without a code of its own
  2  wrong usage or invalid input; nothing was done
  3  the home is missing, damaged, in use, or has an identity already
  4  registry or relay cannot be reached, or refused
  5  the stage was not reached in time; the message stays in the outbox
  6  the message will not be delivered
  7  the doctor found something to mend, or the audit log is not whole

Without --registry and --relay: what the home used before, else a running `agentmesh dev` of this user, else the public
servers. One of the two is enough if both run on one host, and 127.0.0.1:18787 is short for the whole URL.";

/// Agents that find each other and talk end-to-end encrypted.
#[derive(Debug, Parser)]
#[command(name = "agentmesh", version, after_help = AFTER_HELP, propagate_version = true)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags that mean the same for every command, before or after its name.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Global flags")]
pub(crate) struct GlobalArgs {
    /// Directory with the agent's identity and state [default: ~/.agentmesh]
    #[arg(long, global = true, value_name = "DIR", env = "AGENTMESH_HOME", hide_env_values = true)]
    pub(crate) home: Option<PathBuf>,
    /// Where the state is, if not in the home: sqlite:PATH, file:DIR or s3://BUCKET/PREFIX
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "AGENTMESH_STORE",
        hide_env_values = true
    )]
    pub(crate) store: Option<StoreUrl>,
    /// Base URL of the registry
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "AGENTMESH_REGISTRY_URL",
        hide_env_values = true
    )]
    pub(crate) registry: Option<String>,
    /// URL of the relay
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "AGENTMESH_RELAY_URL",
        hide_env_values = true
    )]
    pub(crate) relay: Option<String>,
    /// Let registry and relay be reached unencrypted on other machines
    #[arg(long, global = true, env = "AGENTMESH_ALLOW_INSECURE", hide_env_values = true,
          value_parser = clap::builder::BoolishValueParser::new())]
    pub(crate) allow_insecure: bool,
    /// One JSON object a line on standard output
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Log to standard error; twice for more. AGENTMESH_LOG sets a filter
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a development server, relay, registry and services, on loopback; with faults on demand
    Dev(DevArgs),
    /// Run programs under an AIWM controller
    #[command(subcommand, after_help = AIWM_VARIABLES)]
    Aiwm(AiwmCommand),
    /// Make, show, back up and restore the identity
    #[command(subcommand)]
    Identity(IdentityCommand),
    /// Register with the registry and publish prekeys
    Register(RegisterArgs),
    /// Find agents in the registry
    Search(SearchArgs),
    /// Send a message and say how far it came
    Send(SendArgs),
    /// Receive messages until stopped, one line each
    Listen(ListenArgs),
    /// Talk to an agent over its WebSocket, which is not end-to-end encrypted
    Chat(ChatArgs),
    /// Meet others in a room of a WebRTC signaling server, which is not end-to-end encrypted
    #[command(subcommand)]
    Signal(SignalCommand),
    /// A user's skills at a user data service, which is not end-to-end encrypted
    #[command(subcommand)]
    Skills(SkillsCommand),
    /// A user's conversations at a user data service
    #[command(subcommand)]
    Conversations(ConversationsCommand),
    /// Show messages that are not handled by their recipients yet, and send them
    Outbox(OutboxArgs),
    /// Show messages that were received and not handled yet
    Inbox(InboxArgs),
    /// Show the store, move it elsewhere, or take it back
    #[command(subcommand)]
    Store(StoreCommand),
    /// Say what is wrong with this setup, and what to do
    Doctor,
    /// Show sessions with other agents, without anything secret
    Sessions(SessionsArgs),
    /// Take no new sessions; those that exist go on
    Pause,
    /// Work again after `pause` or `emergency-stop`
    Resume,
    /// Shut a peer out: it is not answered any more, and not told
    Block(PeerArgs),
    /// Let a peer in again
    Unblock(PeerArgs),
    /// End all sessions with a peer; the next message, of either side, knocks anew
    KillSession(PeerArgs),
    /// End all sessions, give up what waits, go offline and stay there until `resume`
    EmergencyStop,
    /// Show what happened to the agent, and check that the record is whole
    #[command(subcommand)]
    Audit(AuditCommand),
    /// DID documents
    #[command(subcommand)]
    Did(DidCommand),
    /// Say that an agent must not be trusted any more, or ask
    Revoke(RevokeArgs),
    /// What agents say of each other
    #[command(subcommand)]
    Reputation(ReputationCommand),
    /// Organizations: a domain that vouches for agents
    #[command(subcommand)]
    Org(OrgCommand),
    /// Become verified by showing an account
    #[command(subcommand)]
    Oauth(OauthCommand),
}

#[derive(Debug, clap::Args)]
pub(crate) struct DevArgs {
    /// Where to listen; loopback only. Port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:18787")]
    pub(crate) listen: SocketAddr,
    /// Where the database lives [default: a temporary directory, removed at the end]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// The only bearer token that the user-data service takes [default: any]
    #[arg(long, value_name = "KEY")]
    pub(crate) api_key: Option<String>,
    #[command(flatten)]
    pub(crate) faults: FaultArgs,
}

/// Faults on demand. Probabilities are between 0 and 1.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Faults")]
pub(crate) struct FaultArgs {
    /// Lose messages
    #[arg(long, value_name = "P", num_args = 0..=1, default_value = "0", default_missing_value = "0.1",
          hide_default_value = true, value_parser = probability)]
    pub(crate) drop: f64,
    /// Deliver messages twice
    #[arg(long, value_name = "P", num_args = 0..=1, default_value = "0", default_missing_value = "0.1",
          hide_default_value = true, value_parser = probability)]
    pub(crate) duplicate: f64,
    /// Let later messages overtake
    #[arg(long, value_name = "P", num_args = 0..=1, default_value = "0", default_missing_value = "0.1",
          hide_default_value = true, value_parser = probability)]
    pub(crate) reorder: f64,
    /// Hold every delivery back for so long
    #[arg(long, value_name = "TIME", num_args = 0..=1, default_value = "0", default_missing_value = "200ms",
          hide_default_value = true, value_parser = duration::parse)]
    pub(crate) delay: Duration,
    /// Answer registry requests with 429
    #[arg(long = "http-429", value_name = "P", num_args = 0..=1, default_value = "0",
          default_missing_value = "0.1", hide_default_value = true, value_parser = probability)]
    pub(crate) http_429: f64,
    /// Let a connection go dead after a frame, without closing it
    #[arg(long, value_name = "P", num_args = 0..=1, default_value = "0", default_missing_value = "0.01",
          hide_default_value = true, value_parser = probability)]
    pub(crate) half_open: f64,
    /// The same seed gives the same faults in the same order
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub(crate) seed: u64,
}

#[derive(Debug, Subcommand)]
pub(crate) enum IdentityCommand {
    /// Make an identity in a home that has none
    New,
    /// Show the public half: address, keys, fingerprint
    Show {
        /// Also show the safety number to compare with this agent's owner
        #[arg(long, value_name = "AMID")]
        with: Option<Amid>,
    },
    /// Seal the identity under a passphrase
    Backup {
        /// Write it to a new file instead of standard output
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        #[command(flatten)]
        passphrase: PassphraseArgs,
    },
    /// Replace the exchange key, with which others open sessions. Sessions live on
    Rotate {
        /// How long to try to publish it
        #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration::parse)]
        timeout: Duration,
    },
    /// Put an identity from a backup into a home that has none
    Restore {
        /// The backup; `-` is standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
        #[command(flatten)]
        passphrase: PassphraseArgs,
    },
}

/// Stores are sqlite:PATH, file:DIR or s3://BUCKET/PREFIX.
#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Say where the state is, what is in it, and who has it
    Info {
        /// Another store than the home's
        #[arg(value_name = "URL")]
        url: Option<StoreUrl>,
    },
    /// Move everything into an empty store. FROM cannot be used afterwards; interrupted, the same command goes on
    Copy {
        /// The store to move. If it is the home's, the home uses TO afterwards
        #[arg(value_name = "FROM")]
        from: StoreUrl,
        /// Where to
        #[arg(value_name = "TO")]
        to: StoreUrl,
    },
    /// Make a store usable again whose copy was not finished and is destroyed
    TakeBack {
        /// The store that was to be moved
        #[arg(value_name = "URL")]
        url: StoreUrl,
        /// Yes: the copy is destroyed, and was never used
        #[arg(long)]
        copy_is_destroyed: bool,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct PassphraseArgs {
    /// Read the passphrase from the first line of this file (`-`: standard input) instead of asking for it
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
}

/// What the agent says of itself in the registry. Kept in the home for later.
#[derive(Debug, clap::Args)]
pub(crate) struct ProfileArgs {
    /// Name for people. Registries keep the first one they are told
    #[arg(long, value_name = "TEXT")]
    pub(crate) name: Option<String>,
    /// What the agent can do, for searches. Repeat for more; the former list is replaced
    #[arg(long = "capability", value_name = "NAME")]
    pub(crate) capabilities: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RegisterArgs {
    #[command(flatten)]
    pub(crate) profile: ProfileArgs,
    /// How long to try
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration::parse)]
    pub(crate) timeout: Duration,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SearchArgs {
    /// With exactly this capability
    #[arg(value_name = "CAPABILITY")]
    pub(crate) positional: Option<String>,
    /// The same as the argument
    #[arg(long, value_name = "NAME", conflicts_with = "positional")]
    pub(crate) capability: Option<String>,
    /// Of this tier or a higher one
    #[arg(long, value_name = "TIER", value_enum)]
    pub(crate) min_tier: Option<TierArg>,
    /// With this status: online, away, offline or dnd
    #[arg(long, value_name = "STATUS")]
    pub(crate) status: Option<String>,
    /// How many
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) limit: u64,
    /// How many to skip
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) offset: u64,
    /// Revoked agents as well
    #[arg(long)]
    pub(crate) revoked: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TierArg {
    Anonymous,
    Verified,
    Organization,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SendArgs {
    /// The recipient's address
    pub(crate) amid: Amid,
    /// The message, as JSON; `-` reads it from standard input
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    pub(crate) message: Option<String>,
    /// Send the bytes of this file instead, up to 64 MiB
    #[arg(long, value_name = "PATH")]
    pub(crate) file: Option<PathBuf>,
    /// The stage to wait for
    #[arg(long, value_enum, default_value_t = StageArg::Stored)]
    pub(crate) wait: StageArg,
    /// How long to wait for it. After that the message stays in the outbox
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration::parse)]
    pub(crate) timeout: Duration,
    /// Id of the message, a UUIDv7: sending the same one again sends it once
    #[arg(long, value_name = "ID")]
    pub(crate) id: Option<MessageId>,
    /// What the session is for, should this message open one: the capability in our KNOCK
    #[arg(long, value_name = "CAPABILITY")]
    pub(crate) intent: Option<String>,
    /// How long the session is to live that this message may open
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    pub(crate) session_ttl: Option<Duration>,
    /// Give up, if earlier than after 72 hours
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    pub(crate) expires_in: Option<Duration>,
}

/// How far a message came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StageArg {
    /// On this machine's disk
    Queued,
    /// On the relay's disk
    Stored,
    /// Decrypted by the recipient and on its disk
    Delivered,
    /// The recipient's program is done with it
    Handled,
}

impl From<StageArg> for Stage {
    fn from(stage: StageArg) -> Self {
        match stage {
            StageArg::Queued => Self::Queued,
            StageArg::Stored => Self::StoredByRelay,
            StageArg::Delivered => Self::Delivered,
            StageArg::Handled => Self::Handled,
        }
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct ListenArgs {
    /// Who may open sessions
    #[arg(long, value_enum, default_value_t = AcceptArg::All)]
    pub(crate) accept: AcceptArg,
    #[command(flatten)]
    pub(crate) profile: ProfileArgs,
    /// Stop after so many messages
    #[arg(long, value_name = "N")]
    pub(crate) count: Option<u64>,
    /// Stop after so long
    #[arg(long = "for", value_name = "TIME", value_parser = duration::parse)]
    pub(crate) duration: Option<Duration>,
    /// Also send: each line of standard input is {"to":AMID,"payload":JSON}, with "id" and "intent" if wanted
    #[arg(long)]
    pub(crate) stdin: bool,
}

/// Whose KNOCKs are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AcceptArg {
    /// Everybody's
    All,
    /// Those whom the registry calls verified, of some reputation
    Verified,
    /// Those whom the registry calls organizations, of good reputation
    Organization,
    /// Nobody's; sessions that exist go on
    None,
}

#[derive(Debug, clap::Args)]
pub(crate) struct InboxArgs {
    /// Accept a KNOCK that waits, by its session
    #[arg(long, value_name = "SESSION", conflicts_with = "reject")]
    pub(crate) accept: Option<String>,
    /// Reject a KNOCK that waits, by its session
    #[arg(long, value_name = "SESSION")]
    pub(crate) reject: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct OutboxArgs {
    /// Go online and send what waits
    #[arg(long, conflicts_with = "cancel")]
    pub(crate) flush: bool,
    /// The stage that --flush waits for
    #[arg(long, value_enum, default_value_t = StageArg::Stored, requires = "flush")]
    pub(crate) wait: StageArg,
    /// How long --flush waits
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration::parse, requires = "flush")]
    pub(crate) timeout: Duration,
    /// Take a message back; it may arrive all the same if it was sent already
    #[arg(long, value_name = "ID")]
    pub(crate) cancel: Option<MessageId>,
}

fn probability(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(p) if (0.0..=1.0).contains(&p) => Ok(p),
        _ => Err("a number between 0 and 1".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn clap_finds_no_contradiction() {
        Args::command().debug_assert();
    }

    #[test]
    fn faults_have_defaults_with_and_without_a_value() {
        let faults = |args: &[&str]| match Args::try_parse_from(args).unwrap().command {
            Command::Dev(dev) => dev.faults,
            other => panic!("{other:?}"),
        };
        let none = faults(&["agentmesh", "dev"]);
        assert_eq!((none.drop, none.delay, none.http_429), (0.0, Duration::ZERO, 0.0));
        let some =
            faults(&["agentmesh", "dev", "--drop", "--delay", "--http-429", "0.5", "--json"]);
        assert_eq!((some.drop, some.delay, some.http_429), (0.1, Duration::from_millis(200), 0.5));
        assert!(Args::try_parse_from(["agentmesh", "dev", "--drop", "1.1"]).is_err());
        assert!(Args::try_parse_from(["agentmesh", "dev", "--drop", "NaN"]).is_err());
    }
}
