//! The `agentmesh` program. What it does is in the library, which the Python package runs, too.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(agentmesh_cli::main_with(std::env::args_os()))
}
