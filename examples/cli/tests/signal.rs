//! `agentmesh signal` against a development server.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Running, Server, User, refusing};

fn id(running: &mut Running) -> String {
    running.event("joined")["id"].as_str().unwrap().to_owned()
}

#[test]
fn two_processes_meet_signal_and_leave() {
    let user = User::new();
    let server = Server::start(&user, &[]);
    let mut first = Running::start(&user, &["signal", "join", "agents", "--server", &server.addr]);
    let a = id(&mut first);
    // Without an address: the development server of this user.
    let mut second = Running::start(&user, &["signal", "join", " AGENTS "]);
    let b = id(&mut second);
    first.wait_for("b in the roster", |line| line["joined"] == json!([b]));
    let signal = json!({"sdp": {"type": "offer", "sdp": "v=0\n"}, "connectionMode": "lan"});
    first.order(&json!({"to": b, "signal": signal}));
    first.event("sent");
    let got = second.event("signal");
    assert_eq!((&got["sender"], &got["signal"]), (&json!(a), &signal));
    first.order(&json!({"to": "nobody", "signal": 1}));
    first.wait_for("gone", |line| line["error"]["code"] == "SIGNALING_PEER_GONE");
    first.order(&json!("nonsense"));
    first.wait_for("usage", |line| line["error"]["code"] == "CLI_USAGE");
    let seen = second.stop();
    first.wait_for("b out of the roster", |line| line["left"] == json!([b]));
    first.stop();
    let token = |line: &Value| line.get("token").is_some();
    assert!(!seen.iter().any(token), "tokens are shown to nobody");
}

#[test]
fn send_reaches_everybody_and_says_if_there_is_nobody() {
    let user = User::new();
    let server = Server::start(&user, &[]);
    let room = ["signal", "join", "agents", "--server", &server.addr];
    let (mut a, mut b) = (Running::start(&user, &room), Running::start(&user, &room));
    id(&mut a);
    id(&mut b);
    let ping = json!({"type": "agent-ping"});
    let send = |room: &str, more: &[&str]| {
        let args = ["signal", "send", room, &ping.to_string(), "--server", &server.addr, "--json"];
        user.run(&[&args[..], more].concat())
    };
    let done = send("agents", &[]);
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(done.lines().len(), 2);
    assert_eq!(a.event("signal")["signal"], ping);
    assert_eq!(b.event("signal")["signal"], ping);
    assert_eq!(send("empty", &["--timeout", "100ms"]).code, 5);
    let done = send("agents", &["--to", "nobody"]);
    assert_eq!(done.code, 6, "{done:?}");
    // Nobody is waited for, and nothing asked, for what cannot be sent.
    assert_eq!(send("agents", &["--to", ""]).code, 2);
    for signal in ["{", "hello", "null"] {
        let done = user.run(&["signal", "send", "agents", signal, "--server", "127.0.0.1:1"]);
        assert_eq!(done.code, 2, "{done:?}");
    }
    let done = user.run(&["signal", "join", "x", "--server", "127.0.0.1:1"]);
    assert!(done.stderr.contains("cannot connect: http://127.0.0.1:1: tcp connect"), "{done:?}");
    let wrong = format!("{}/elsewhere", server.addr);
    let done = user.run(&["signal", "join", "x", "--server", &wrong]);
    assert!(done.stderr.trim().ends_with("HTTP 404: Not found"), "{done:?}");
    assert_eq!(user.run(&["signal", "join", " ", "--server", &server.addr]).code, 2);
    assert_eq!(user.run(&["signal", "join", "x", "--server", "127.0.0.1:1"]).code, 4);
    assert_eq!(user.run(&["signal", "join", "x", "--server", "http://192.0.2.1"]).code, 2);
}

#[test]
fn room_that_wants_a_key_is_said_to_want_one() {
    let user = User::new();
    let addr = refusing("403 Forbidden", r#"{"error":"invalid join key"}"#);
    let join =
        |more: &[&str]| user.run(&[&["signal", "join", "r", "--server", &addr][..], more].concat());
    let done = join(&[]);
    assert_eq!(done.code, 4, "{done:?}");
    assert!(done.stderr.contains("invalid join key\n  --join-key-file FILE"), "{done:?}");
    fs::write(user.path("key"), "wrong").unwrap();
    let done = join(&["--join-key-file", "key"]);
    assert!(done.stderr.trim_end().ends_with("invalid join key"), "{done:?}");
}

#[test]
fn join_ends_when_it_is_told_to() {
    let user = User::new();
    let server = Server::start(&user, &[]);
    let args = ["signal", "join", "r", "--server", &server.addr, "--for", "300ms", "--json"];
    let done = user.run(&args);
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(done.lines()[0]["event"], "joined");
}

#[test]
fn case_25_no_token_key_or_signal_is_in_a_log_at_trace_level() {
    let user = User::new();
    let args = ["dev", "--listen", "127.0.0.1:0", "--data-dir", "server"];
    let mut server = Running::traced(&user, &args, "server.log");
    let addr = server.event("listening")["addr"].as_str().unwrap().to_owned();
    fs::write(user.path("key"), "open-sesame\n").unwrap();
    let join = ["signal", "join", "r", "--server", &addr, "--join-key-file", "key"];
    let mut client = Running::traced(&user, &join, "client.log");
    let own = id(&mut client);
    client.order(&json!({"to": own, "signal": {"message": "hush-hush"}}));
    client.event("signal");
    client.stop();
    server.stop();
    for name in ["server.log", "client.log"] {
        let log = fs::read_to_string(user.path(name)).unwrap();
        assert!(log.contains("TRACE") || log.contains("DEBUG"), "{name}: nothing was logged");
        for secret in ["open-sesame", "hush-hush", "token\":\"", "token="] {
            let line = log.lines().find(|line| line.contains(secret));
            assert!(line.is_none(), "{name}: {secret}: {line:?}");
        }
    }
}
