//! The `agentmesh` command, which the package installs.

use std::ffi::OsString;

use napi_derive::napi;

/// Runs the command to its end and returns the exit code. The first argument is the name of the program.
#[napi]
pub fn run_command(arguments: Vec<String>) -> u32 {
    agentmesh_cli::main_with(arguments.into_iter().map(OsString::from)).into()
}
