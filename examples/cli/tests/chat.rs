//! `agentmesh chat` against a development server.

use std::{
    fs,
    io::{Seek, Write},
    net::TcpStream,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{self, Message};

use crate::support::{Done, PATIENCE, Running, Server, User, finish};

/// The command with these lines on its standard input.
fn command(user: &User, args: &[&str], lines: &str) -> Command {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(lines.as_bytes()).unwrap();
    file.rewind().unwrap();
    let mut command = user.command(&[&["chat"][..], args].concat());
    command.stdin(Stdio::from(file));
    command
}

fn chat(user: &User, args: &[&str], lines: &str) -> Done {
    finish(command(user, args, lines))
}

#[test]
fn piped_questions_are_answered_in_order() {
    let user = User::new();
    let server = Server::start(&user, &[]);
    let done = chat(&user, &[&server.addr], "one\n\n two \n/clear\n");
    assert_eq!((done.code, done.stdout.as_str()), (0, "one\ntwo\n/clear\n"), "{done:?}");

    let done = chat(&user, &[&server.addr, "--json", "--stream"], "Hello wörld\n");
    assert_eq!(done.code, 0, "{done:?}");
    let lines = done.lines();
    let of = |event: &str| -> Vec<String> {
        let ours = lines.iter().filter(|line| line["event"] == event);
        ours.map(|line| line["content"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(of("connected")[0].len(), 36);
    assert_eq!(of("delta").concat(), "Hello wörld");
    assert_eq!(of("response"), ["Hello wörld"]);
}

#[test]
fn more_questions_than_the_agent_allows_wait_for_their_turn() {
    let user = User::new();
    let server = Server::start(&user, &[]);
    // Ten may be asked at once, then one every two seconds; who asks five times too early is thrown out.
    let questions: String = (1..=13).map(|n| format!("{n}\n")).collect();
    let done = chat(&user, &[&server.addr], &questions);
    assert_eq!((done.code, &done.stdout), (0, &questions), "{done:?}");
    assert!(done.stderr.contains("waiting: the agent wants to be asked again in"), "{done:?}");
}

#[test]
fn conversation_goes_on_after_the_server_was_killed() {
    let user = User::new();
    let server = Server::start(&user, &[]);
    let mut chat = Running::start(&user, &["chat", &server.addr]);
    chat.event("connected");
    let ask = |chat: &mut Running, question: &str| {
        chat.order(&json!(question));
        let quoted = json!(question).to_string();
        chat.wait_for(question, |line| line["event"] == "response" && line["content"] == *quoted);
    };
    ask(&mut chat, "before");
    let _server = server.kill_and_restart(&user);
    chat.event("disconnected");
    chat.event("new_session");
    ask(&mut chat, "after");
}

#[test]
fn memory_of_the_server_returns_to_its_level() {
    let user = User::new();
    let server = Server::start(&user, &[]);
    let url = format!("ws://{}/functions/v1/agent_websocket", server.addr);
    let memory = || {
        let pid = server.running.pid();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    };
    // Clients with a question of 30 KB under way, which then are gone without a word.
    let query = json!({"type": "query", "content": "x".repeat(30_000)}).to_string();
    let round = || {
        let clients: Vec<_> = (0..100)
            .map(|_| {
                let stream = TcpStream::connect(&server.addr).unwrap();
                let (mut socket, _) = tungstenite::client(url.as_str(), stream).unwrap();
                socket.read().unwrap();
                socket.send(Message::text(query.as_str())).unwrap();
                socket
            })
            .collect();
        drop(clients);
        let health = format!("http://{}/health", server.addr);
        let empty = || {
            let done = Command::new("curl").args(["-sS", "--noproxy", "*", &health]).output();
            let health: Value = serde_json::from_slice(&done.unwrap().stdout).unwrap();
            health["agent_websocket"]["sessions"] == 0
        };
        let deadline = Instant::now() + PATIENCE;
        while !empty() {
            assert!(Instant::now() < deadline, "sessions without clients");
            thread::sleep(Duration::from_millis(20));
        }
        memory()
    };
    // The allocator's own level is reached after a few.
    let level = (0..3).map(|_| round()).max().unwrap();
    let after = (0..5).fold(0, |_, _| round());
    // A hundred of these sessions would be 3 MB a round.
    assert!(after < level + 6 * 1024, "{level} KiB, then {after} KiB");
}

#[test]
fn server_that_is_not_there_is_an_error_of_the_network() {
    let user = User::new();
    let done = chat(&user, &["127.0.0.1:1", "--json"], "x\n");
    assert_eq!(done.code, 4, "{done:?}");
    assert_eq!(done.lines()[0]["error"]["code"], "AGENT_WS_CONNECT");
    let done = chat(&user, &["ftp://x", "--json"], "x\n");
    assert_eq!(done.code, 2, "{done:?}");
}

#[test]
fn token_and_question_are_in_no_log_of_either_process() {
    let user = User::new();
    let args = ["dev", "--listen", "127.0.0.1:0", "--data-dir", "server"];
    let mut server = Running::traced(&user, &args, "server.log");
    let addr = server.event("listening")["addr"].as_str().unwrap().to_owned();
    fs::write(user.path("token"), "open-sesame\n").unwrap();
    let mut asking = command(&user, &[&addr, "--token-file", "token"], "of one syllable\n");
    asking.env("RUST_LOG", "trace");
    let done = finish(asking);
    assert_eq!((done.code, done.stdout.as_str()), (0, "of one syllable\n"), "{done:?}");
    server.stop();
    for log in [fs::read_to_string(user.path("server.log")).unwrap(), done.stderr] {
        for secret in ["open-sesame", "of one syllable"] {
            let line = log.lines().find(|line| line.contains(secret));
            assert!(line.is_none(), "{secret}: {line:?}");
        }
        assert!(log.contains("DEBUG") || log.contains("TRACE"), "nothing was logged");
    }
}
