//! The contenders, each in a process of its own.

use std::net::SocketAddr;

use agentmesh_server::{Rate, Server, ServerConfig, SignalingLimits};

use crate::floor;

/// Prints the address and serves until killed.
pub(crate) async fn run(what: &str, listen: Option<SocketAddr>) {
    match what {
        "agentmesh" => {
            let signaling = SignalingLimits {
                rooms: 0,
                // So that what is measured is not the limit. Counted all the same.
                signals: Rate { burst: 1_000_000, per_minute: 60_000_000 },
                connects: None,
                ..SignalingLimits::default()
            };
            let development = ServerConfig::for_development();
            let listen = listen.unwrap_or(development.listen);
            let config = ServerConfig { listen, signaling, ..development };
            let server = Server::start(config).await.unwrap();
            println!("{}", server.addr());
            std::future::pending::<()>().await;
        }
        "floor" => floor::serve().await,
        other => panic!("no such server: {other:?}"),
    }
}
