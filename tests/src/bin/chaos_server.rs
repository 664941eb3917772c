//! The reference server as a process, to be killed by `chaos.rs` and others: always on the same port, over the same data.

#![allow(clippy::print_stdout, reason = "standard output is its interface")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test program: failing loudly is its job"
)]

use std::io::Write;

use agentmesh_server::{Server, ServerConfig};

#[tokio::main]
async fn main() {
    agentmesh_server::raise_file_limit();
    let mut args = std::env::args().skip(1);
    let mut config = ServerConfig::for_development();
    config.listen = args.next().expect("address").parse().expect("address");
    config.data_dir = Some(args.next().expect("data directory").into());
    // A port that a killed process held may take a moment.
    let server = loop {
        match Server::start(config.clone()).await {
            Ok(server) => break server,
            Err(error) => {
                eprint(&error.to_string());
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
    };
    let mut out = std::io::stdout().lock();
    writeln!(out, r#"{{"event":"listening","addr":"{}"}}"#, server.addr()).unwrap();
    out.flush().unwrap();
    std::future::pending::<()>().await;
}

fn eprint(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
