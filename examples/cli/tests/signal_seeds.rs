//! The signaling document's own clients (`tests/seeds/agent-signaling-server/`) against `agentmesh dev`: as printed, with
//! the address and the room set from here, and with the patches beside them, each of which says what it cures.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    time::{Duration, Instant},
};

use serde_json::json;

use crate::support::{PATIENCE, Running, Server, User, not_run};

const ADDRESS: &str = "\"http://localhost:3000\"";
const ROOM: &str = "\"AGENT-COORDINATION\"";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Python with httpx, and where eventsource is; empty for what is not to be had, of which the script tells.
fn tools() -> (String, String) {
    let output = Command::new(root().join("scripts/signaling-clients.sh"))
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines = text.lines().map(str::to_owned);
    (lines.next().unwrap_or_default(), lines.next().unwrap_or_default())
}

fn seed(name: &str) -> String {
    fs::read_to_string(root().join("tests/seeds/agent-signaling-server").join(name)).unwrap()
}

/// The text, patched, with this server and room.
fn prepared(user: &User, name: &str, patches: &[&str], server: &Server) -> String {
    let directory = user.path("patched");
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join(name), seed(name)).unwrap();
    for patch in patches {
        let patch = root().join("tests/seeds/agent-signaling-server").join(patch);
        let mut git = Command::new("git");
        // Outside of any repository.
        git.env("GIT_CEILING_DIRECTORIES", &directory).current_dir(&directory);
        let applied = git.args(["apply", "--unsafe-paths"]).arg(&patch).output().unwrap();
        assert!(applied.status.success(), "{}: {applied:?}", patch.display());
    }
    let text = fs::read_to_string(directory.join(name)).unwrap();
    assert!(text.contains(ADDRESS) && text.contains(ROOM));
    text.replace(ADDRESS, &format!("\"http://{}\"", server.addr)).replace(ROOM, "\"seeds\"")
}

/// A client of the document, and its lines.
struct Theirs {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Theirs {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stdin(Stdio::null()).spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines, seen: Vec::new() }
    }

    /// Waits for a line with this in it, and gives what follows it.
    fn wait_for(&mut self, text: &str, patience: Duration) -> String {
        let after = |line: &String| line.split_once(text).map(|(_, rest)| rest.trim().to_owned());
        if let Some(found) = self.seen.iter().find_map(after) {
            return found;
        }
        let deadline = Instant::now() + patience;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("no {text} among {:#?}", self.seen);
            };
            let found = after(&line);
            self.seen.push(line);
            if let Some(found) = found {
                return found;
            }
        }
    }

    fn end(mut self) -> i32 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            assert!(Instant::now() < deadline, "still running");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Theirs {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn clients_of_the_document_find_each_other_and_ours() {
    let (python, modules) = tools();
    if python.is_empty() || modules.is_empty() {
        return not_run("the document's signaling clients");
    }
    let user = User::new();
    let server = Server::start(&user, &[]);
    let join = ["signal", "join", "seeds", "--server", &server.addr];

    // Its reader is told to write `onSignal`; this one answers.
    let answering =
        "\nagent.onSignal = (sender) => agent.sendSignal(sender, { type: 'agent-pong' });\n";
    let program = Path::new(&modules).join(format!("client-{}.mjs", std::process::id()));
    fs::write(&program, prepared(&user, "09.js", &[], &server) + answering).unwrap();
    let mut node = Command::new("node");
    node.arg(&program);
    let mut node = Theirs::start(node);
    let node_id = node.wait_for("[Joined] Assigned ID:", PATIENCE);
    fs::remove_file(&program).unwrap();

    let program = user.path("client.py");
    fs::write(&program, prepared(&user, "08.py", &["08-aiter_lines.patch"], &server)).unwrap();
    let mut command = Command::new(&python);
    command.arg("-u").arg(&program).env("NO_PROXY", "*");
    let mut python = Theirs::start(command);
    let python_id = python.wait_for("[Joined] Assigned Peer ID:", PATIENCE);
    // It greets the first peer of its roster, and gets the answer.
    node.wait_for(&format!("[Signal Received] From {python_id}:"), PATIENCE);
    python.wait_for(&format!("Successfully sent payload to {node_id}"), PATIENCE);
    let answer = python.wait_for(&format!("[Signal Received] From {node_id}:"), PATIENCE);
    assert_eq!(answer, "{'type': 'agent-pong'}");
    node.wait_for(&format!("Dispatched payload to {python_id}"), PATIENCE);

    let mut ours = Running::start(&user, &join);
    let own = ours.event("joined")["id"].as_str().unwrap().to_owned();
    let roster = ours.event("roster");
    assert_eq!(roster["peers"], json!([node_id, python_id]));
    for id in [&node_id, &python_id] {
        ours.order(&json!({"to": id, "signal": {"from": "ours"}}));
    }
    let got = ours.wait_for("an answer", |line| line["event"] == "signal");
    assert_eq!((&got["sender"], &got["signal"]["type"]), (&json!(node_id), &json!("agent-pong")));
    python.wait_for(&format!("[Signal Received] From {own}:"), PATIENCE);

    let interrupted = Command::new("kill").args(["-INT", &node.child.id().to_string()]).status();
    assert!(interrupted.unwrap().success());
    node.wait_for("Left room successfully.", PATIENCE);
    assert_eq!(node.end(), 0);
    ours.wait_for("Node out of the roster", |line| line["left"] == json!([node_id]));
    // It leaves by itself after half a minute.
    python.wait_for("Left the room.", PATIENCE * 3);
    ours.wait_for("Python out of the roster", |line| line["left"] == json!([python_id]));
    assert_eq!(python.end(), 0);
    ours.stop();
}

#[test]
fn without_its_patch_the_python_client_fails_as_the_patch_says() {
    let (python, _) = tools();
    if python.is_empty() {
        return not_run("the document's Python client without its patch");
    }
    let user = User::new();
    let server = Server::start(&user, &[]);
    fs::write(user.path("printed.py"), prepared(&user, "08.py", &[], &server)).unwrap();
    let run = "import asyncio, printed\n\
               client = printed.AgentSignalingClient(printed.SIGNAL_SERVER_URL, 'r')\n\
               asyncio.run(asyncio.wait_for(client.connect(), 20))";
    let mut command = Command::new(python);
    command.args(["-c", run]).current_dir(user.path("")).env("NO_PROXY", "*");
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(!child.wait().unwrap().success());
    let patch = seed("08-aiter_lines.patch");
    let error = patch.lines().find(|line| line.contains("TypeError")).unwrap().trim();
    let stable = error.split(", got").next().unwrap();
    assert!(said.contains(stable), "{stable}\n{said}");
}
