//! `agentmesh aiwm`: an agent's configuration from an AIWM controller, and any program under its supervisor.

mod health;
mod process;
mod run;

use std::{fmt, path::Path};

use agentmesh_core::{
    Error,
    services::aiwm::{
        AgentConfig, AiwmClient, AiwmError, AiwmOptions, Environment, InstructionSource,
        instruction_file,
    },
};
use serde::Serialize;

use crate::{
    args::{AiwmArgs, AiwmCommand},
    context::Context,
    error::CliError,
};

pub(super) async fn run(command: AiwmCommand, context: Context) -> Result<(), CliError> {
    match command {
        AiwmCommand::Connect(args) => connect(&args, &context).await,
        AiwmCommand::Run(args) => run::run(args, &context).await,
    }
}

/// The file of variables, if none is named.
const ENV_FILE: &str = ".env";

fn failed(error: AiwmError) -> CliError {
    Error::from(error).into()
}

/// The environment, and the controller if it is enabled.
fn load(args: &AiwmArgs) -> Result<(Environment, Option<AiwmOptions>), CliError> {
    let file = args.env_file.as_deref().unwrap_or(Path::new(ENV_FILE));
    if args.env_file.is_some() && !file.exists() {
        return Err(CliError::usage(format!("{}: no such file", file.display())));
    }
    let environment = Environment::load(Some(file)).map_err(failed)?;
    let mut options = AiwmOptions::from_environment(&environment).map_err(failed)?;
    if let Some(options) = &mut options {
        options.allow_insecure = args.allow_insecure;
    }
    Ok((environment, options))
}

/// Why there is no controller, for people who thought that there is one.
fn not_enabled(args: &AiwmArgs) -> String {
    let file = args.env_file.as_deref().unwrap_or(Path::new(ENV_FILE));
    let missing = if file.exists() { "" } else { ", which does not exist" };
    format!("AIWM_ENABLED is true neither in the environment nor in {}{missing}", file.display())
}

async fn connect(args: &AiwmArgs, context: &Context) -> Result<(), CliError> {
    let (environment, options) = load(args)?;
    let options = options.ok_or_else(|| CliError::usage(not_enabled(args)))?;
    let client = AiwmClient::new(options).map_err(failed)?;
    let connected = client.connect().await.map_err(failed)?;
    let config =
        AgentConfig::merge(Some(&connected), &environment, &instruction_file(&environment));
    if let Some(problem) = &config.instruction_problem {
        context.out.note(format_args!("the instruction file is not used: {problem}"));
    }
    context.out.show(&Shown::new(&config, connected.lifetime.as_secs()))
}

/// A configuration without its secrets.
#[derive(Serialize)]
struct Shown {
    event: &'static str,
    name: Option<String>,
    model: String,
    max_turns: u64,
    permission_mode: String,
    resume: bool,
    instruction: Option<String>,
    instruction_from_controller: bool,
    tools: Option<Vec<String>>,
    discord: bool,
    telegram: bool,
    mcp_servers: Vec<String>,
    token_seconds: u64,
}

impl Shown {
    fn new(config: &AgentConfig, token_seconds: u64) -> Self {
        let tools = config.tools.as_ref();
        Self {
            event: "connected",
            name: config.name.clone(),
            model: config.model.clone(),
            max_turns: config.max_turns,
            permission_mode: config.permission_mode.clone(),
            resume: config.resume,
            instruction: config.instruction.clone(),
            instruction_from_controller: config.instruction_source == InstructionSource::Controller,
            tools: tools.map(|tools| tools.iter().map(|tool| tool.name.clone()).collect()),
            discord: config.discord.token.is_some(),
            telegram: config.telegram.token.is_some(),
            mcp_servers: config.mcp_servers.keys().cloned().collect(),
            token_seconds,
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let yes = |flag| if flag { "configured" } else { "no" };
        writeln!(f, "agent        {}", self.name.as_deref().unwrap_or("(no name)"))?;
        writeln!(f, "model        {}, {} turns", self.model, self.max_turns)?;
        writeln!(f, "permissions  {}", self.permission_mode)?;
        writeln!(f, "resume       {}", self.resume)?;
        let tools = match self.tools.as_deref() {
            None => "not said".to_owned(),
            Some([]) => "none".to_owned(),
            Some(tools) => tools.join(", "),
        };
        writeln!(f, "tools        {tools}")?;
        writeln!(f, "discord      {}", yes(self.discord))?;
        writeln!(f, "telegram     {}", yes(self.telegram))?;
        writeln!(f, "token        good for {} s", self.token_seconds)?;
        write!(f, "instruction  {}", self.instruction.as_deref().unwrap_or("none"))
    }
}
