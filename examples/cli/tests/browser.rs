//! The document's own client, `tests/seeds/agent-websocket/07.js`, as printed, against `agentmesh dev`: in Node 22, which
//! has browsers' WebSocket, and in a browser. Only the address is set from outside, and the functions that it leaves to
//! its reader.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use crate::support::{Running, User, finish, not_run};

/// A browser takes its time to start.
const PATIENCE: Duration = Duration::from_secs(90);
const PRINTED: &str = include_str!("../../../tests/seeds/agent-websocket/07.js");
const THEIRS: &str = "wss://your-project-ref.supabase.co/functions/v1/agent_websocket";
/// What the document leaves to its reader. `finished` is the platform's.
const READERS: &str = r"
const shown = [];
const log = console.log;
console.log = (...all) => { shown.push(all.join(' ')); log(...all); };
function displayResponse(content) { console.log('RESPONSE ' + content); socket.close(1000); }
function showNotification(content) { console.log('NOTIFICATION ' + content); sendMessage('from the document'); }
function updateStatus(content) { console.log('STATUS ' + content); }
function showError(content) { console.log('ERROR ' + content); finished(shown); }
setTimeout(() => socket.addEventListener('close', () => finished(shown)), 0);
";

/// The printed program, with the address of a server.
fn program(url: &str) -> String {
    assert!(PRINTED.contains(THEIRS));
    format!("{READERS}{}", PRINTED.replace(THEIRS, url))
}

fn assert_conversation(text: &str) {
    let mut rest = text;
    for line in [
        "Connected to Agent WebSocket",
        "NOTIFICATION Connected to Agent WebSocket. Session ID: ",
        "STATUS Thinking...",
        "RESPONSE from the document",
        "Connection closed: 1000",
    ] {
        let at = rest.find(line).unwrap_or_else(|| panic!("no {line} in order in\n{text}"));
        rest = &rest[at + line.len()..];
    }
    assert!(!text.contains("ERROR"), "{text}");
}

fn server(user: &User) -> (Running, String) {
    let mut server = Running::start(user, &["dev", "--listen", "127.0.0.1:0"]);
    let url = server.event("listening")["agent_websocket"].as_str().unwrap().to_owned();
    (server, url)
}

#[test]
fn client_of_the_document_runs_as_printed_in_node_22() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let found = Command::new(root.join("scripts/node22.sh")).stderr(Stdio::inherit()).output();
    let node = String::from_utf8(found.unwrap().stdout).unwrap().trim().to_owned();
    if node.is_empty() {
        return not_run("the document's client in Node 22");
    }
    let user = User::new();
    let (_server, url) = server(&user);
    let mut command = Command::new(node);
    command.arg("-e").arg(format!("const finished = () => {{}};{}", program(&url)));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let done = finish(command);
    assert_eq!(done.code, 0, "{done:?}");
    assert_conversation(&done.stdout);
}

fn chromium() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let mut all = std::env::split_paths(&path).flat_map(|dir| names.map(|name| dir.join(name)));
    all.find(|file| file.is_file())
}

/// Serves a page, and returns what its script reports.
fn reported(listener: &TcpListener, page: &str, report: &mpsc::Sender<String>) {
    for socket in listener.incoming() {
        let Ok(socket) = socket else { return };
        let (head, body) = request(&socket);
        let answer = if head.starts_with("GET / ") { page } else { "" };
        let kind =
            "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nConnection: close\r\n";
        let _ = write!(&socket, "{kind}Content-Length: {}\r\n\r\n{answer}", answer.len());
        if head.starts_with("POST /report ") && report.send(body).is_err() {
            return;
        }
    }
}

/// The first line of a request, and its body.
fn request(socket: &TcpStream) -> (String, String) {
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut reader = BufReader::new(socket);
    let (mut first, mut length) = (String::new(), 0);
    if reader.read_line(&mut first).is_err() {
        return Default::default();
    }
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).is_err() || line.trim().is_empty() {
            break;
        }
        if let Some(("content-length", value)) = line.to_ascii_lowercase().split_once(':') {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    // Browsers open connections that they do not use; such a request is empty.
    let _ = reader.read_exact(&mut body);
    (first, String::from_utf8_lossy(&body).into_owned())
}

/// A process and its helpers, killed together.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        let group = format!("-{}", self.0.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.0.wait();
    }
}

#[test]
fn client_of_the_document_runs_as_printed_in_a_browser() {
    let Some(browser) = chromium() else { return not_run("the document's client in Chromium") };
    let user = User::new();
    let (_server, url) = server(&user);
    // A page of another origin, as the document's would be.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    let finished =
        "function finished(shown) { fetch('/report', {method: 'POST', body: shown.join('\\n')}); }";
    let script = format!("{finished}\n{}", program(&url));
    let page =
        format!("<!doctype html><meta charset=utf-8><title>x</title><script>{script}</script>");
    let (report, reports) = mpsc::channel();
    thread::spawn(move || reported(&listener, &page, &report));

    let log = std::fs::File::create(user.path("browser.log")).unwrap();
    let mut command = Command::new(browser);
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]);
    command.args(["--no-first-run", "--no-proxy-server", "--disable-background-networking"]);
    command.arg(format!("--user-data-dir={}", user.path("profile").display())).arg(address);
    command.env("HOME", user.path("user")).stdin(Stdio::null());
    command.stdout(log.try_clone().unwrap()).stderr(log).process_group(0);
    let running = Group(command.spawn().unwrap());
    let text = reports.recv_timeout(PATIENCE);
    drop(running);
    let said = || std::fs::read_to_string(user.path("browser.log")).unwrap();
    assert_conversation(&text.unwrap_or_else(|_| panic!("no report from the page; {}", said())));
}
