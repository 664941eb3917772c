//! The reference server as a process of its own, to be killed: on a port that it keeps over its deaths, over the same data.

use std::{
    io::{BufRead, BufReader},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU16, Ordering},
};

pub(crate) struct ServerProcess {
    dir: PathBuf,
    port: u16,
    child: Child,
}

impl ServerProcess {
    /// Returns when it listens.
    pub(crate) fn start(dir: &Path) -> Self {
        let port = port();
        Self { dir: dir.to_owned(), port, child: spawn(port, dir) }
    }

    pub(crate) fn registry_url(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }

    pub(crate) fn relay_url(&self) -> String {
        format!("ws://127.0.0.1:{}/v1/connect", self.port)
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Of the process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn kill_and_restart(&mut self) {
        self.kill();
        self.restart();
    }

    /// A new process over the same data. Returns when it listens.
    pub(crate) fn restart(&mut self) {
        self.child = spawn(self.port, &self.dir);
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A free port that the system gives to nobody who asks for any, so that nobody has it while its server is dead.
fn port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Other runs of these tests may go on.
    let own = u16::try_from(std::process::id() % 10_000).unwrap_or_default();
    let mut ports =
        (0..10_000).map(|_| 20_000 + (own + NEXT.fetch_add(1, Ordering::Relaxed)) % 10_000);
    ports.find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok()).expect("a free port")
}

fn spawn(port: u16, dir: &Path) -> Child {
    let mut child = Command::new(env!("CARGO_BIN_EXE_chaos_server"))
        .arg(format!("127.0.0.1:{port}"))
        .arg(dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.contains("listening"), "the server said {first:?} first");
    child
}
