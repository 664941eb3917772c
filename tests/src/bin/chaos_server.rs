//! The reference server as a process, to be killed by `chaos.rs` and others: always on the same port, over the same data.

#![allow(clippy::print_stdout, reason = "standard output is its interface")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test program: failing loudly is its job"
)]

use std::{io::Write, time::Duration};

use agentmesh_server::{Server, ServerConfig};

/// Half a minute in all.
const TRIES: u32 = 600;
const PAUSE: Duration = Duration::from_millis(50);

#[tokio::main]
async fn main() {
    agentmesh_server::raise_file_limit();
    let mut args = std::env::args().skip(1);
    let mut config = ServerConfig::for_development();
    config.listen = args.next().expect("address").parse().expect("address");
    config.data_dir = Some(args.next().expect("data directory").into());
    // A port that a killed process held may take a moment.
    let mut started = Server::start(config.clone()).await;
    for _ in 0..TRIES {
        if started.is_ok() {
            break;
        }
        tokio::time::sleep(PAUSE).await;
        started = Server::start(config.clone()).await;
    }
    let server = started.unwrap();
    let mut out = std::io::stdout().lock();
    writeln!(out, r#"{{"event":"listening","addr":"{}"}}"#, server.addr()).unwrap();
    out.flush().unwrap();
    std::future::pending::<()>().await;
}
