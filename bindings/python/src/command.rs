//! The `agentmesh` command, which the wheel installs, without its server: that is in a package of its own.

use std::ffi::OsString;

use pyo3::prelude::*;

/// Runs the command to its end and returns the exit code. The first argument is the name of the program.
#[pyfunction]
pub(crate) fn run_command(py: Python<'_>, arguments: Vec<OsString>) -> u8 {
    py.detach(|| agentmesh_cli::main_without_server(arguments))
}
