//! `agentmesh chat` against a development server.

use std::{
    fs,
    io::{BufRead, BufReader, Seek, Write},
    net::{TcpListener, TcpStream},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{self, Message};

use crate::support::{Done, PATIENCE, Running, Server, User, finish, refusing};

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
    // The allocator's own level is reached after a few, and is not the same to some megabytes.
    let level = (0..5).map(|_| round()).max().unwrap();
    let after = (0..10).fold(0, |_, _| round());
    // A hundred of these sessions would be 3 MB a round.
    assert!(after < level + 15 * 1024, "{level} KiB, then {after} KiB");
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
fn who_wants_a_token_is_said_to_want_one() {
    let user = User::new();
    let addr = refusing("401 Unauthorized", "Unauthorized");
    let done = chat(&user, &[&addr], "x\n");
    assert_eq!(done.code, 4, "{done:?}");
    assert!(done.stderr.contains("HTTP 401: Unauthorized\n  --token-file FILE"), "{done:?}");
    fs::write(user.path("token"), "wrong").unwrap();
    let done = chat(&user, &[&addr, "--token-file", "token"], "x\n");
    assert!(done.stderr.trim_end().ends_with("HTTP 401: Unauthorized"), "{done:?}");
    // Also one line for who cannot be reached, which names it.
    let done = chat(&user, &["127.0.0.1:1"], "x\n");
    assert!(done.stderr.contains("cannot connect: 127.0.0.1:1: tcp connect error"), "{done:?}");
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

/// Answers everything but `slow`, which has to be cancelled. Returns what it was told.
fn patient_agent(listener: &TcpListener) -> Vec<String> {
    let (stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut socket = tungstenite::accept(stream).unwrap();
    let say = |socket: &mut tungstenite::WebSocket<TcpStream>,
               kind: &str,
               content: &str,
               id: &Value| {
        let at = "2026-01-01T00:00:00.000Z";
        let message = json!({"type": kind, "content": content, "timestamp": at, "correlationId": id, "sessionId": "s"});
        socket.send(Message::text(message.to_string())).unwrap();
    };
    say(&mut socket, "notification", "Connected to Agent WebSocket.", &Value::Null);
    let (mut seen, mut slow) = (Vec::new(), Value::Null);
    while let Ok(Message::Text(text)) = socket.read() {
        let message: Value = serde_json::from_str(&text).unwrap();
        let content = message["content"].as_str().unwrap();
        seen.push(content.to_owned());
        match content {
            "slow" => slow = message["id"].clone(),
            "cancel" => say(&mut socket, "error", "Cancelled", &slow),
            other => say(&mut socket, "response", &format!("it is {other}"), &message["id"]),
        }
    }
    seen
}

#[cfg(target_os = "linux")]
#[test]
fn at_a_terminal_commands_do_not_wait_for_answers_and_questions_do() {
    let user = User::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let agent = thread::spawn(move || patient_agent(&listener));
    let chat = format!("{} chat ws://{addr}/", env!("CARGO_BIN_EXE_agentmesh"));
    let mut terminal = Command::new("script");
    terminal.args(["-qfec", &chat, "/dev/null"]).env("HOME", user.path("user"));
    terminal.env_remove("RUST_LOG").env_remove("AGENTMESH_LOG").env_remove("AGENTMESH_HOME");
    let mut terminal = terminal.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut keyboard = terminal.stdin.take().unwrap();
    keyboard.write_all(b"slow\nnext\n/nonsense\n/cancel\n").unwrap();
    let mut screen = Vec::new();
    let (line, lines) = mpsc::channel();
    let output = BufReader::new(terminal.stdout.take().unwrap());
    thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|l| line.send(l)));
    while !screen.iter().any(|line: &String| line.contains("it is next")) {
        match lines.recv_timeout(PATIENCE) {
            Ok(line) => screen.push(line),
            Err(error) => {
                let _ = terminal.kill();
                panic!("{error}: {screen:?}");
            }
        }
    }
    keyboard.write_all(b"/quit\n").unwrap();
    screen.extend(lines.iter());
    assert_eq!(terminal.wait().unwrap().code(), Some(0), "{screen:?}");
    let shown = |text: &str| screen.iter().any(|line| line.contains(text));
    assert!(shown("\"/nonsense\" is no command"), "{screen:?}");
    assert!(shown("the agent answered with an error: Cancelled"), "{screen:?}");
    assert_eq!(agent.join().unwrap(), ["slow", "cancel", "next"]);
}
