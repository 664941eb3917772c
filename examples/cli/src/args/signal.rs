//! `agentmesh signal`.

use std::{path::PathBuf, time::Duration};

use clap::{Subcommand, builder::NonEmptyStringValueParser};

use crate::duration;

#[derive(Debug, Subcommand)]
pub(crate) enum SignalCommand {
    /// Join a room and show what happens in it; lines on standard input are sent
    Join(SignalJoinArgs),
    /// Join a room, send one signal to those in it, and leave
    Send(SignalSendArgs),
}

/// Where the room is.
#[derive(Debug, clap::Args)]
pub(crate) struct RoomArgs {
    /// The room; case and white space around do not matter
    #[arg(value_name = "ROOM")]
    pub(crate) room: String,
    /// The signaling server [default: a running `agentmesh dev` of this user]
    #[arg(long, value_name = "URL")]
    pub(crate) server: Option<String>,
    /// File with the key that the room wants
    #[arg(long, value_name = "FILE")]
    pub(crate) join_key_file: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SignalJoinArgs {
    #[command(flatten)]
    pub(crate) room: RoomArgs,
    /// Leave after so long
    #[arg(long = "for", value_name = "TIME", value_parser = duration::parse)]
    pub(crate) time: Option<Duration>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SignalSendArgs {
    #[command(flatten)]
    pub(crate) room: RoomArgs,
    /// The signal: any JSON but null
    #[arg(value_name = "JSON")]
    pub(crate) signal: String,
    /// Whom to send it to; repeat for several [default: everybody in the room]
    #[arg(long, value_name = "ID", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) to: Vec<String>,
    /// How long to wait for somebody to be there
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration::parse)]
    pub(crate) timeout: Duration,
}
