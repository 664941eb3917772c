//! One file a command.

mod dev;
mod doctor;
mod identity;
mod inbox;
mod listen;
mod outbox;
mod profile;
mod register;
mod search;
mod send;

use crate::{args::Command, context::Context, error::CliError};

/// Runs what was typed.
pub(crate) async fn run(command: Command, context: Context) -> Result<(), CliError> {
    match command {
        Command::Dev(args) => dev::run(args, context).await,
        Command::Identity(command) => identity::run(command, context).await,
        Command::Register(args) => register::run(args, context).await,
        Command::Search(args) => search::run(args, context).await,
        Command::Send(args) => send::run(args, context).await,
        Command::Listen(args) => listen::run(args, context).await,
        Command::Outbox(args) => outbox::run(args, context).await,
        Command::Inbox => inbox::run(context).await,
        Command::Doctor => doctor::run(context).await,
    }
}
