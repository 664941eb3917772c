//! `agentmesh-server serve`: the reference server as a program.
//!
//! Prints one line of JSON on stdout when it is ready; logs go to stderr (`RUST_LOG` sets how much). Ends within five
//! seconds of SIGTERM or SIGINT. Exit codes: 0 stopped as asked, 1 could not start or go on, 2 wrong flags.

mod agent_ws_flags;
mod aiwm_flags;
mod signaling_flags;
mod user_data_flags;

use std::{
    io::{IsTerminal, Write},
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use agent_ws_flags::AgentWsFlags;
use agentmesh_core::identity::Amid;
use agentmesh_server::{Limits, OAuthProvider, Profile, Server, ServerConfig};
use aiwm_flags::AiwmFlags;
use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::Serialize;
use signaling_flags::SignalingFlags;
use tracing_subscriber::EnvFilter;
use user_data_flags::UserDataFlags;

#[derive(Parser)]
#[command(name = "agentmesh-server", version, about = "AgentMesh relay and registry")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server until SIGTERM or SIGINT.
    Serve(Serve),
}

#[derive(Args)]
struct Serve {
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, 8787)))]
    listen: SocketAddr,
    /// Directory of the database; created if absent.
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// Whose shapes the HTTP interfaces answer with.
    #[arg(long, value_enum, default_value_t)]
    profile: ProfileFlag,
    /// A name under which clients reach this server, as in their Host header; repeat for several. Without it,
    /// signatures bound to a server are accepted for whatever name the client used.
    #[arg(long, value_name = "HOST[:PORT]")]
    public_host: Vec<String>,
    /// An agent that may revoke any other; repeat for several.
    #[arg(long, value_name = "AMID")]
    admin_amid: Vec<Amid>,
    /// A provider whose accounts make an agent verified; repeat for several. An OpenID Connect provider:
    /// NAME=issuer:URL,client_id:ID. Any OAuth 2 provider: NAME=authorize:URL,token:URL,userinfo:URL,client_id:ID, and
    /// subject:MEMBER if userinfo names the account by another member than id. Either may add secret_env:VARIABLE,
    /// display:TEXT, scope:WORD.
    #[arg(long, value_name = "NAME=…")]
    oauth_provider: Vec<OAuthProvider>,
    /// DNS over HTTPS in JSON, to verify the domains of organizations.
    #[arg(long, value_name = "URL", default_value_t = ServerConfig::default().dns_url)]
    dns_url: String,
    #[command(flatten)]
    limits: LimitFlags,
    #[command(flatten)]
    signaling: SignalingFlags,
    #[command(flatten)]
    aiwm: AiwmFlags,
    #[command(flatten)]
    agent_ws: AgentWsFlags,
    #[command(flatten)]
    user_data: UserDataFlags,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum ProfileFlag {
    /// The published documents.
    #[default]
    Documented,
    /// Today's public source.
    Head,
}

/// 0 switches a limit off.
#[derive(Args)]
#[command(next_help_heading = "Limits (0 = off)")]
struct LimitFlags {
    /// Frames other than KNOCKs that an agent may send in a minute.
    #[arg(long, value_name = "N", default_value_t = Limits::default().messages_per_minute)]
    messages_per_minute: u32,
    /// KNOCKs that an agent may send in a minute.
    #[arg(long, value_name = "N", default_value_t = Limits::default().knocks_per_minute)]
    knocks_per_minute: u32,
    /// WebSocket connections that an IP address may open in a minute.
    #[arg(long, value_name = "N", default_value_t = Limits::default().connects_per_minute_per_ip)]
    connects_per_minute_per_ip: u32,
    /// Requests of one agent for another's one-time prekeys in an hour.
    #[arg(long, value_name = "N", default_value_t = Limits::default().one_time_keys_per_hour)]
    one_time_keys_per_hour: u32,
    /// Unacknowledged messages kept for one agent.
    #[arg(long, value_name = "N", default_value_t = Limits::default().pending_per_agent)]
    pending_per_agent: u32,
    /// Unacknowledged messages kept in all.
    #[arg(long, value_name = "N", default_value_t = Limits::default().stored_messages)]
    stored_messages: u32,
    /// Bytes of an encrypted_payload.
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().payload_bytes)]
    payload_bytes: u32,
    /// How long a message waits for its recipient.
    #[arg(long, value_name = "SECONDS", default_value_t = Limits::default().message_ttl.as_secs())]
    message_ttl_seconds: u64,
    /// When a connected recipient that has not acknowledged a message gets it again.
    #[arg(long, value_name = "SECONDS", default_value_t = Limits::default().redeliver_after.as_secs())]
    redeliver_after_seconds: u64,
    /// Silence after which a connection is closed.
    #[arg(long, value_name = "SECONDS", default_value_t = Limits::default().idle_timeout.as_secs())]
    idle_timeout_seconds: u64,
    /// How long a connection may stand on which nothing gets through to the client (Linux).
    #[arg(long, value_name = "SECONDS", default_value_t = Limits::default().stalled_timeout.as_secs())]
    stalled_timeout_seconds: u64,
    /// Time for a connection's first frame.
    #[arg(long, value_name = "SECONDS", default_value_t = Limits::default().connect_timeout.as_secs())]
    connect_timeout_seconds: u64,
    /// Bytes waiting on a connection beyond which it counts as slow.
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().outgoing_bytes)]
    outgoing_bytes: u32,
    /// Sockets open at a time; fewer, if the process may not have as many files.
    #[arg(long, value_name = "N", default_value_t = Limits::default().connections)]
    connections: u32,
    /// Sockets that an IP address may have open. Behind a proxy all clients have the proxy's address: switch the limits per address off there, and set them in the proxy.
    #[arg(long, value_name = "N", default_value_t = Limits::default().connections_per_ip)]
    connections_per_ip: u32,
    /// HTTP requests that an IP address may make in a minute.
    #[arg(long, value_name = "N", default_value_t = Limits::default().requests_per_minute_per_ip)]
    requests_per_minute_per_ip: u32,
    /// Time for a request's head, and for an idle HTTP connection to send another.
    #[arg(long, value_name = "SECONDS", default_value_t = Limits::default().head_timeout.as_secs())]
    head_timeout_seconds: u64,
}

impl LimitFlags {
    fn into_limits(self) -> Limits {
        Limits {
            messages_per_minute: self.messages_per_minute,
            knocks_per_minute: self.knocks_per_minute,
            connects_per_minute_per_ip: self.connects_per_minute_per_ip,
            one_time_keys_per_hour: self.one_time_keys_per_hour,
            pending_per_agent: self.pending_per_agent,
            stored_messages: self.stored_messages,
            payload_bytes: self.payload_bytes,
            message_ttl: Duration::from_secs(self.message_ttl_seconds),
            redeliver_after: Duration::from_secs(self.redeliver_after_seconds),
            idle_timeout: Duration::from_secs(self.idle_timeout_seconds),
            stalled_timeout: Duration::from_secs(self.stalled_timeout_seconds),
            connect_timeout: Duration::from_secs(self.connect_timeout_seconds),
            outgoing_bytes: self.outgoing_bytes,
            connections: self.connections,
            connections_per_ip: self.connections_per_ip,
            requests_per_minute_per_ip: self.requests_per_minute_per_ip,
            head_timeout: Duration::from_secs(self.head_timeout_seconds),
        }
    }
}

impl Serve {
    fn into_config(self) -> Result<ServerConfig, String> {
        Ok(ServerConfig {
            listen: self.listen,
            data_dir: Some(self.data_dir),
            profile: match self.profile {
                ProfileFlag::Documented => Profile::Documented,
                ProfileFlag::Head => Profile::Head,
            },
            limits: self.limits.into_limits(),
            public_hosts: self.public_host,
            signaling: self.signaling.limits(),
            signaling_origins: self.signaling.origins(),
            join_keys: self.signaling.join_keys()?,
            ice: self.signaling.ice()?,
            aiwm: self.aiwm.config(),
            agent_ws: self.agent_ws.config(matches!(self.profile, ProfileFlag::Head))?,
            user_data: self.user_data.config()?,
            admins: self.admin_amid,
            oauth_providers: self.oauth_provider,
            dns_url: self.dns_url,
            ..ServerConfig::default()
        })
    }
}

fn main() -> ExitCode {
    let Cli { command: Command::Serve(serve) } = Cli::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    // At trace level it would print every frame.
    let filter = match "tungstenite=debug".parse() {
        Ok(quiet) => filter.add_directive(quiet),
        Err(_) => filter,
    };
    tracing_subscriber::fmt()
        .fmt_fields(agentmesh_server::one_line())
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let result = match runtime {
        Ok(runtime) => serve.into_config().and_then(|config| runtime.block_on(run(config))),
        Err(error) => Err(error.to_string()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(mut config: ServerConfig) -> Result<(), String> {
    // Before the line that says we are ready, so that a signal right after it is not missed.
    let stop = stop_signal()?;
    if let Some(files) = agentmesh_server::raise_file_limit()
        && config.limits.fit(files)
    {
        let connections = config.limits.connections;
        tracing::warn!(files, connections, "fewer connections, for want of open files");
    }
    let server = Server::start(config).await.map_err(|error| error.to_string())?;
    announce(server.addr()).map_err(|error| format!("cannot write to stdout: {error}"))?;
    stop.await;
    server.shutdown().await;
    Ok(())
}

/// What is printed when the server is ready.
#[derive(Serialize)]
struct Listening {
    event: &'static str,
    addr: SocketAddr,
}

fn announce(addr: SocketAddr) -> std::io::Result<()> {
    let line = serde_json::to_string(&Listening { event: "listening", addr })?;
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}

#[cfg(unix)]
fn stop_signal() -> Result<impl Future<Output = ()>, String> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| error.to_string())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn stop_signal() -> Result<impl Future<Output = ()>, String> {
    Ok(async {
        // Without signals there is only the console.
        let _ = tokio::signal::ctrl_c().await;
    })
}
