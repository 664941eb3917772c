//! The S3 server of the tests as a process of its own.
//!
//! `s3_server [careless]` prints its address. It ends when its standard input does, so that it never outlives who
//! started it.

#![allow(clippy::print_stdout, reason = "standard output is its interface")]

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let careless = std::env::args().nth(1).as_deref() == Some("careless");
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        std::process::exit(0);
    });
    agentmesh_tests::s3_server::serve(careless, |address| println!("{address}")).await
}
