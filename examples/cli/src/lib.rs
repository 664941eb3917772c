//! The `agentmesh` command: a thin layer over `agentmesh_core`'s client and, for `dev`, `agentmesh_server`.
//!
//! `args` is what can be typed, `commands` has one file a command, `output` the only way to standard output. Nothing
//! here knows a key: identities are made, sealed and used by the core. `docs/cli.md` is the manual.

mod args;
mod commands;
mod config;
mod context;
mod control;
mod dev_hint;
mod duration;
mod endpoints;
mod error;
mod files;
mod home;
mod json_text;
mod opened;
mod output;
mod passphrase;
mod signals;
mod units;

use std::ffi::OsString;

use clap::Parser;
use tracing::Level;
use tracing_subscriber::{
    filter::{Targets, filter_fn},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use crate::{
    args::{Args, Command},
    context::Context,
    error::{CliError, Exit},
};

/// Runs the command, the name of the program being the first argument, and returns the exit code.
///
/// For a process that does nothing else: it catches signals, reads standard input and writes to standard output, and
/// `agentmesh aiwm run` ends the process with the code of the program that it ran. Logs go to standard error, unless the
/// process has a subscriber of its own.
pub fn main_with(args: impl IntoIterator<Item = OsString>) -> u8 {
    start(args, cfg!(feature = "server"))
}

/// As [`main_with`], but `agentmesh dev` says where its server is to be had, whether or not the server is in this build: for
/// packages that leave it to another.
pub fn main_without_server(args: impl IntoIterator<Item = OsString>) -> u8 {
    start(args, false)
}

fn start(args: impl IntoIterator<Item = OsString>, has_server: bool) -> u8 {
    let args = match Args::try_parse_from(args) {
        Ok(args) => args,
        Err(problem) => {
            // Help goes to standard output, mistakes to standard error; nobody is left to tell if that is gone.
            let _ = problem.print();
            return u8::try_from(problem.exit_code()).unwrap_or(Exit::Usage as u8);
        }
    };
    let out = output::Output::new(args.global.json);
    start_logging(args.global.verbose);
    let result = match args.command {
        Command::Dev(_) if !has_server => Err(CliError::no_server()),
        _ => run(args, out),
    };
    match result {
        Ok(()) => 0,
        Err(error) => {
            out.failure(&error);
            error.exit as u8
        }
    }
}

fn run(args: Args, out: output::Output) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| CliError::failed(format!("no runtime: {e}")))?;
    let context = Context::new(args.global, out);
    let result = runtime.block_on(commands::run(args.command, context));
    // A read of standard input that nobody waits for any more must not keep the process.
    runtime.shutdown_background();
    result
}

/// Logs go to standard error. They hold no payloads and no keys.
fn start_logging(verbose: u8) {
    let default = match verbose {
        0 => Targets::new().with_default(Level::ERROR),
        1 => ours(Level::INFO).with_default(Level::WARN),
        _ => ours(Level::DEBUG).with_default(Level::INFO),
    };
    let given = |name| std::env::var(name).ok().filter(|text| !text.is_empty())?.parse().ok();
    let filter = given("AGENTMESH_LOG").or_else(|| given("RUST_LOG")).unwrap_or(default);
    // At trace level it would print requests with their tokens, and every frame.
    let quiet = filter_fn(|event| {
        *event.level() != Level::TRACE || !event.target().starts_with("tungstenite")
    });
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    // A server logs what strangers send.
    #[cfg(feature = "server")]
    let lines = lines.fmt_fields(agentmesh_server::one_line());
    // Fails only where a subscriber is set already.
    let _ = tracing_subscriber::registry().with(filter).with(quiet).with(lines).try_init();
}

fn ours(level: Level) -> Targets {
    Targets::new().with_target("agentmesh", level).with_target("agentmesh_server", level)
}
