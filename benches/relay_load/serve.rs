//! The contenders that are part of this program, each in a process of its own.

use std::{net::SocketAddr, path::PathBuf};

use agentmesh_server::{Limits, Server, ServerConfig};

use crate::{awake, floor, forwarder};

/// `agentmesh [DIR | ADDRESS]`, `floor [BUFFER]` or `forwarder`: listens, prints the address, serves until killed.
pub(crate) fn run(args: &[String]) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let argument = args.get(1);
    match args.first().map(String::as_str) {
        Some("agentmesh") => {
            let listen = argument.and_then(|text| text.parse().ok());
            let data_dir = argument.filter(|_| listen.is_none()).map(PathBuf::from);
            runtime.block_on(agentmesh(data_dir, listen));
        }
        Some("floor") => {
            let buffer = argument.map_or(64 * 1024, |text| text.parse().unwrap());
            runtime.block_on(floor::serve(buffer));
        }
        Some("forwarder") => runtime.block_on(forwarder::serve()),
        Some("spin") => awake::spin(),
        other => panic!("no such server: {other:?}"),
    }
}

async fn agentmesh(data_dir: Option<PathBuf>, listen: Option<SocketAddr>) {
    let limits = Limits { pending_per_agent: 0, stored_messages: 0, ..Limits::for_development() };
    let development = ServerConfig::for_development();
    let listen = listen.unwrap_or(development.listen);
    let config = ServerConfig { listen, data_dir, limits, ..development };
    let server = Server::start(config).await.unwrap();
    println!("{}", server.addr());
    std::future::pending::<()>().await;
}
