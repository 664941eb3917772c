//! NATS, as far as it takes to publish, to be delivered to, and to store in JetStream.

use std::{
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use agentmesh_benches::child::Child;

use crate::{
    connection::{Connection, Framing},
    system::{End, SIZE},
};

const CONNECT: &str = "CONNECT {\"verbose\":false,\"pedantic\":false}\r\n";

pub(crate) fn is_installed() -> bool {
    let mut command = Command::new("nats-server");
    command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// A server, with JetStream if there is a directory for it.
pub(crate) fn serve(jetstream: Option<&Path>) -> Child {
    // Closed before the server opens it again; nobody else on the machine takes ports at random here.
    let addr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut command = Command::new("nats-server");
    command.args(["-a", "127.0.0.1", "-p", &addr.port().to_string()]);
    if let Some(dir) = jetstream {
        fs::create_dir_all(dir).unwrap();
        command.arg("-js").arg("-sd").arg(dir);
    }
    let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let child = Child::new(process, addr);
    while TcpStream::connect(addr).is_err() {
        std::thread::sleep(Duration::from_millis(20));
    }
    child
}

/// Connects and subscribes.
pub(crate) fn connect(addr: SocketAddr, subject: &str) -> Connection {
    let mut connection = Connection::open(addr, Framing::Nats);
    connection.read_until(b"\r\n");
    connection.write(format!("{CONNECT}SUB {subject} 1\r\nPING\r\n").as_bytes());
    connection.read_until(b"PONG\r\n");
    connection
}

pub(crate) fn pair(addr: SocketAddr) -> [End; 2] {
    // As long as an AMID.
    let names = ["a", "b"].map(|name| name.repeat(27));
    [0, 1].map(|own: usize| End::new(connect(addr, &names[own]), publication(&names[1 - own], "")))
}

/// A message of [`SIZE`] bytes to `subject`, to be answered to `reply` if it is not empty.
pub(crate) fn publication(subject: &str, reply: &str) -> Vec<u8> {
    let head = format!("PUB {subject} {reply} {SIZE}\r\n").replace("  ", " ");
    [head.as_bytes(), &[b'x'; SIZE], b"\r\n"].concat()
}

/// A connection that gets JetStream's acknowledgements of what it publishes, and such a publication.
pub(crate) fn jetstream(addr: SocketAddr) -> End {
    let mut connection = connect(addr, "acks");
    let config = r#"{"name":"B","subjects":["b"],"storage":"file","num_replicas":1}"#;
    let create = format!("PUB $JS.API.STREAM.CREATE.B acks {}\r\n{config}\r\n", config.len());
    connection.write(create.as_bytes());
    connection.await_frame();
    End::new(connection, publication("b", "acks"))
}

/// Length of the whole message at the start of `bytes`, and of its payload, 0 for other lines; `None` if it is not all
/// there.
pub(crate) fn scan(bytes: &[u8]) -> Option<(usize, usize)> {
    // MSG <subject> <sid> [reply] <bytes>, or a line such as PING.
    let end = bytes.iter().take(512).position(|byte| *byte == b'\n')? + 1;
    let line = bytes.get(..end)?;
    if !line.starts_with(b"MSG ") {
        return Some((end, 0));
    }
    let digits = line[..end - 2].rsplit(|byte| *byte == b' ').next()?;
    let payload = digits.iter().fold(0, |n, digit| n * 10 + usize::from(digit - b'0'));
    (bytes.len() >= end + payload + 2).then_some((end + payload + 2, payload))
}
