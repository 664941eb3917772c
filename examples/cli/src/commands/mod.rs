//! One file a command.

mod aiwm;
mod answer;
mod audit;
mod chat;
#[cfg(feature = "server")]
mod dev;
mod did;
mod doctor;
mod identity;
mod inbox;
mod listen;
mod oauth;
mod org;
mod outbox;
mod profile;
mod register;
mod reputation;
mod revoke;
mod search;
mod send;
pub(crate) mod signal;
mod store;
mod user_data;

use agentmesh_core::client::registry::RegistryClient;

use crate::{
    args::Command,
    config::Config,
    context::Context,
    control::{self, Order},
    error::CliError,
    opened::{Create, Opened},
};

/// Runs what was typed.
pub(crate) async fn run(command: Command, context: Context) -> Result<(), CliError> {
    match command {
        Command::Aiwm(command) => aiwm::run(command, context).await,
        #[cfg(feature = "server")]
        Command::Dev(args) => dev::run(args, context).await,
        #[cfg(not(feature = "server"))]
        Command::Dev(_) => Err(CliError::no_server()),
        Command::Identity(command) => identity::run(command, context).await,
        Command::Register(args) => register::run(args, context).await,
        Command::Search(args) => search::run(args, context).await,
        Command::Send(args) => send::run(args, context).await,
        Command::Listen(args) => listen::run(args, context).await,
        Command::Chat(args) => chat::run(args, context).await,
        Command::Signal(command) => signal::run(command, context).await,
        Command::Skills(command) => user_data::skills(command, context).await,
        Command::Conversations(command) => user_data::conversations(command, context).await,
        Command::Outbox(args) => outbox::run(args, context).await,
        Command::Inbox(args) => inbox::run(args, context).await,
        Command::Store(command) => store::run(command, context).await,
        Command::Sessions(args) => {
            control::run(Order::Sessions { peer: args.peer }, &context).await
        }
        Command::Pause => control::run(Order::Pause, &context).await,
        Command::Resume => control::run(Order::Resume, &context).await,
        Command::Block(args) => control::run(Order::Block { peer: args.peer }, &context).await,
        Command::Unblock(args) => control::run(Order::Unblock { peer: args.peer }, &context).await,
        Command::KillSession(args) => {
            control::run(Order::KillSession { peer: args.peer }, &context).await
        }
        Command::EmergencyStop => control::run(Order::EmergencyStop, &context).await,
        Command::Audit(command) => audit::run(command, context).await,
        Command::Doctor => doctor::run(context).await,
        Command::Did(command) => did::run(command, context).await,
        Command::Revoke(args) => revoke::run(args, context).await,
        Command::Reputation(command) => reputation::run(command, context).await,
        Command::Org(command) => org::run(command, context).await,
        Command::Oauth(command) => oauth::run(command, context).await,
    }
}

/// The home's agent, not online, and its registry.
async fn registry_of(context: &Context) -> Result<(Opened, RegistryClient), CliError> {
    let home = context.home()?;
    let config = Config::load(&home)?;
    let (opened, _) = Opened::with_servers(context, home, config, Create::No, |_| {}).await?;
    let registry = opened.agent.registry_client()?;
    Ok((opened, registry))
}
