//! `agentmesh chat` against a development server.

use std::{
    fs,
    io::{Seek, Write},
    process::{Command, Stdio},
};

use crate::support::{Done, Running, Server, User, finish};

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
