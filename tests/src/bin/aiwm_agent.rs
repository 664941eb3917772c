//! The program of `docs/guides/aiwm.md`, which a test runs.
#![allow(clippy::print_stdout, reason = "a program says what it does")]

use agentmesh_core::services::aiwm::{
    AgentStatus, AiwmError, AiwmOptions, AiwmSupervisor, Environment, SupervisorOptions,
};

#[tokio::main]
async fn main() -> Result<(), AiwmError> {
    let environment = Environment::load(Some(".env".as_ref()))?;
    let controller = AiwmOptions::from_environment(&environment)?;
    let options = SupervisorOptions::new(environment);
    let supervisor = AiwmSupervisor::start(controller, options).await?;

    let config = supervisor.config();
    println!("{:?}: {}, {} turns", supervisor.state(), config.model, config.max_turns);
    supervisor.status().set(AgentStatus::Busy);
    // Work goes here. `supervisor.events()` tells of new configurations, and of a controller that forgot us.

    supervisor.shutdown().await;
    Ok(())
}
