//! The servers, each in a process of its own.

use std::sync::Arc;

use agentmesh_core::services::agent_ws::service::AgentWebSocketConfig;
use agentmesh_server::{AgentWsConfig, AiwmConfig, SecretCheck, Server, ServerConfig};

/// Administers the servers of this bench.
pub(crate) const ADMIN: &str = "the-administrator-of-a-bench";

/// `aiwm`, `aiwm-without-bcrypt` or `chat`: listens, prints the address, serves until killed.
pub(crate) fn run(args: &[String]) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let config = match args.first().map(String::as_str) {
        Some("aiwm") => aiwm(SecretCheck::Bcrypt),
        Some("aiwm-without-bcrypt") => aiwm(SecretCheck::Sha256),
        Some("chat") => chat(),
        other => panic!("no such server: {other:?}"),
    };
    runtime.block_on(async {
        let server = Server::start(config).await.unwrap();
        println!("{}", server.addr());
        std::future::pending::<()>().await;
    });
}

fn aiwm(secret_check: SecretCheck) -> ServerConfig {
    let development = AiwmConfig::for_development().unwrap();
    let aiwm = AiwmConfig { admin_token: Some(ADMIN.to_owned()), secret_check, ..development };
    ServerConfig { aiwm, ..ServerConfig::for_development() }
}

fn chat() -> ServerConfig {
    let service = AgentWebSocketConfig {
        rate: None,
        max_sessions_per_ip: 0,
        ..AgentWebSocketConfig::default()
    };
    let agent_ws = AgentWsConfig { service: Arc::new(service), ..AgentWsConfig::default() };
    ServerConfig { agent_ws, ..ServerConfig::for_development() }
}
