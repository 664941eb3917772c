//! `agentmesh dev`: relay, registry and services on loopback, in this process, without limits, with faults on demand.

use std::{fmt, sync::Arc};

use agentmesh_core::services::agent_ws::service::AgentWebSocketConfig;
use agentmesh_server::{
    AgentWsBackend, AgentWsConfig, AiwmConfig, Faults, Secret, Server, ServerConfig, ServerError,
    UserDataConfig,
};
use serde::Serialize;

use crate::{
    args::{DevArgs, FaultArgs},
    context::Context,
    dev_hint::{self, DevHint},
    error::{CliError, Exit},
    signals::StopSignal,
};

/// The administrator of the AIWM service, if not a fresh one is to be made and shown.
const ADMIN_TOKEN: &str = "AIWM_ADMIN_TOKEN";

pub(super) async fn run(args: DevArgs, context: Context) -> Result<(), CliError> {
    let mut stop = StopSignal::catch()?;
    if !args.listen.ip().is_loopback() {
        return Err(CliError::usage(format!(
            "{} can be reached by others: `dev` has no limits and no credentials and stays on loopback; use \
             `agentmesh-server serve`",
            args.listen
        )));
    }
    let temporary = match &args.data_dir {
        Some(_) => None,
        None => Some(
            tempfile::Builder::new()
                .prefix("agentmesh-dev-")
                .tempdir()
                .map_err(|e| CliError::failed(format!("temporary directory: {e}")))?,
        ),
    };
    let data_dir = args.data_dir.or_else(|| temporary.as_ref().map(|dir| dir.path().to_owned()));
    let given = std::env::var(ADMIN_TOKEN).ok().filter(|token| !token.is_empty());
    let mut aiwm = AiwmConfig::for_development().map_err(explain)?;
    let fresh = if given.is_none() { aiwm.admin_token.clone() } else { None };
    aiwm.admin_token = given.or(aiwm.admin_token);
    let config = ServerConfig {
        aiwm,
        listen: args.listen,
        data_dir: data_dir.clone(),
        faults: faults(&args.faults),
        agent_ws: agent()?,
        user_data: user_data(args.api_key),
        ..ServerConfig::for_development()
    };
    agentmesh_server::raise_file_limit();
    let server = Server::start(config).await.map_err(explain)?;

    let hint = DevHint {
        registry: server.registry_url(),
        relay: server.relay_url(),
        pid: std::process::id(),
    };
    let found = match hint.write() {
        Ok(()) => true,
        Err(error) => {
            context
                .out
                .note(format_args!("other commands need --registry {}: {error}", hint.registry));
            false
        }
    };
    let shown = context.out.show(&Listening {
        event: "listening",
        addr: server.addr().to_string(),
        registry: &hint.registry,
        relay: &hint.relay,
        aiwm: server.url(),
        aiwm_admin_token: fresh,
        agent_websocket: &server.agent_websocket_url(),
        signaling: server.url(),
        user_data: server.url(),
        pid: hint.pid,
        data_dir: data_dir.map(|dir| dir.display().to_string()).unwrap_or_default(),
        temporary: temporary.is_some(),
        faults: &args.faults,
        found,
    });
    if shown.is_ok() {
        stop.requested().await;
    }
    hint.remove();
    server.shutdown().await;
    shown
}

/// Echo, or OpenRouter if the environment has a key for it; no limit per address.
fn agent() -> Result<AgentWsConfig, CliError> {
    let config = AgentWsConfig::from_env(&AgentWsBackend::Auto, |name| std::env::var(name).ok())
        .map_err(explain)?;
    let service = Arc::into_inner(config.service).map_or_else(Default::default, |service| {
        AgentWebSocketConfig { max_sessions_per_ip: 0, ..service }
    });
    Ok(AgentWsConfig { service: Arc::new(service), ..config })
}

/// Any token is good, unless one was given. The channel is open either way, as documents show it.
fn user_data(api_key: Option<String>) -> UserDataConfig {
    UserDataConfig {
        insecure: api_key.is_none(),
        open_realtime: true,
        api_key: api_key.map(Secret::new),
        ..UserDataConfig::for_development()
    }
}

fn faults(args: &FaultArgs) -> Faults {
    Faults {
        drop: args.drop,
        duplicate: args.duplicate,
        reorder: args.reorder,
        delay: args.delay,
        http_429: args.http_429,
        half_open: args.half_open,
        seed: args.seed,
    }
}

fn explain(error: ServerError) -> CliError {
    let taken = matches!(&error, ServerError::Listen { source, .. }
        if source.kind() == std::io::ErrorKind::AddrInUse);
    let explained = CliError { exit: Exit::Failed, ..CliError::failed(error.to_string()) };
    match DevHint::read().filter(|_| taken) {
        Some(hint) => explained.with_hint(format_args!(
            "the last `agentmesh dev` was process {}; --listen 127.0.0.1:0 takes a free port",
            hint.pid
        )),
        None => explained,
    }
}

#[derive(Serialize)]
struct Listening<'a> {
    event: &'static str,
    addr: String,
    registry: &'a str,
    relay: &'a str,
    aiwm: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    aiwm_admin_token: Option<String>,
    agent_websocket: &'a str,
    /// Its base, before `/api`.
    signaling: String,
    user_data: String,
    pid: u32,
    data_dir: String,
    #[serde(skip)]
    temporary: bool,
    #[serde(skip)]
    faults: &'a FaultArgs,
    #[serde(skip)]
    found: bool,
}

impl fmt::Display for Listening<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            registry,
            relay,
            aiwm,
            agent_websocket,
            signaling,
            user_data,
            pid,
            data_dir,
            ..
        } = self;
        let kept = if self.temporary { " (removed at the end)" } else { "" };
        writeln!(f, "agentmesh dev, process {pid}")?;
        writeln!(f, "  registry  {registry}")?;
        writeln!(f, "  relay     {relay}")?;
        writeln!(f, "  aiwm      {aiwm}, described at {aiwm}/api-docs")?;
        match &self.aiwm_admin_token {
            Some(token) => writeln!(f, "            admin token {token}")?,
            None => writeln!(f, "            admin token as in {ADMIN_TOKEN}")?,
        }
        writeln!(f, "  agent     {agent_websocket}")?;
        writeln!(f, "  signaling {signaling}")?;
        writeln!(f, "  user data {user_data}, channel {user_data}/socket.io/")?;
        writeln!(f, "  data      {data_dir}{kept}")?;
        writeln!(f, "  faults    {}", Shown(self.faults))?;
        if let Some(path) = dev_hint::path().filter(|_| self.found) {
            writeln!(f, "Commands of this user find it by {}; elsewhere:", path.display())?;
        }
        writeln!(f, "  export AGENTMESH_REGISTRY_URL={registry} AGENTMESH_RELAY_URL={relay}")?;
        write!(f, "Ctrl-C ends it.")
    }
}

struct Shown<'a>(&'a FaultArgs);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FaultArgs { drop, duplicate, reorder, delay, http_429, half_open, seed } = self.0;
        let mut any = false;
        for (name, p) in [
            ("drop", drop),
            ("duplicate", duplicate),
            ("reorder", reorder),
            ("http-429", http_429),
            ("half-open", half_open),
        ] {
            if *p > 0.0 {
                any = true;
                write!(f, "{name} {p}  ")?;
            }
        }
        if !delay.is_zero() {
            any = true;
            write!(f, "delay {} ms  ", delay.as_millis())?;
        }
        if any { write!(f, "seed {seed}") } else { f.write_str("none") }
    }
}
