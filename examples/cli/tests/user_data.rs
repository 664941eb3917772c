//! `agentmesh skills` and `agentmesh conversations` against a development server.

use std::{
    fs,
    io::{Seek, Write},
    process::Stdio,
};

use serde_json::{Value, json};

use crate::support::{Done, Running, Server, User, finish};

const KEY: &str = "an-api-key-that-is-hushed";

fn with_key(user: &User, args: &[&str]) -> Done {
    let mut command = user.command(args);
    command.env("AGENTMESH_API_KEY", KEY);
    finish(command)
}

fn piped(user: &User, args: &[&str], text: &str) -> Done {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file.rewind().unwrap();
    let mut command = user.command(args);
    command.env("AGENTMESH_API_KEY", KEY).stdin(Stdio::from(file));
    finish(command)
}

#[test]
fn skills_are_stored_listed_shown_byte_for_byte_and_deleted() {
    let user = User::new();
    let server = Server::start(&user, &[]);
    let url = format!("http://{}", server.addr);
    let at = ["--url", url.as_str(), "--user", "alice"];
    let run = |args: &[&str]| with_key(&user, &[&["skills"], args, &at].concat());
    let content = "# Debugging\n\nUmlaut ö\ttab, no newline at the end";
    fs::write(user.path("debugging.md"), content).unwrap();
    let done = run(&["put", "debugging.md", "debugging.md"]);
    assert_eq!((done.code, done.stdout.as_str()), (0, "debugging.md is stored\n"), "{done:?}");
    let args = ["skills", "put", "--json", "piped.md", "-"];
    let done = piped(&user, &[&args[..], &at].concat(), "text");
    assert_eq!(
        done.lines(),
        [json!({"user": "alice", "skill": "piped.md", "key": "users/alice/skills/piped.md"})]
    );
    assert_eq!(run(&["list"]).stdout, "debugging.md\npiped.md\n");
    assert_eq!(run(&["list", "--json"]).lines().len(), 2);
    assert_eq!(run(&["get", "debugging.md"]).stdout, content);
    let shown = run(&["get", "debugging.md", "--json"]).lines();
    assert_eq!((&shown[0]["content"], &shown[0]["size"]), (&json!(content), &json!(content.len())));
    for _ in 0..2 {
        assert_eq!(run(&["delete", "debugging.md"]).code, 0);
    }
    let missing = run(&["get", "debugging.md", "--json"]);
    assert_eq!(missing.code, 1, "{missing:?}");
    assert_eq!(missing.lines()[0]["error"]["code"], "USER_DATA_NOT_FOUND");
    // Without --url, the user's own development server is meant.
    let found = with_key(&user, &["skills", "list", "--user", "alice"]);
    assert_eq!(found.stdout, "piped.md\n", "{found:?}");
    // It takes any key, so that none need be made up.
    let found = user.run(&["skills", "list", "--user", "alice"]);
    assert_eq!(found.stdout, "piped.md\n", "{found:?}");
    let elsewhere = user.run(&[&["skills", "list"], &at[..]].concat());
    assert_eq!(elsewhere.code, 4, "{elsewhere:?}");
}

#[test]
fn conversations_are_saved_with_all_their_fields() {
    let user = User::new();
    let server = Server::start(&user, &[]);
    let url = format!("http://{}", server.addr);
    let at = ["--url", url.as_str(), "--user", "alice"];
    let run = |args: &[&str]| with_key(&user, &[&["conversations"], args, &at].concat());
    let body = json!({"conversationId": "conv-1", "messages": [{"role": "user", "content": "Hello"}], "more": [1, null]});
    fs::write(user.path("c.json"), body.to_string()).unwrap();
    let done = run(&["save", "c.json"]);
    assert_eq!((done.code, done.stdout.as_str()), (0, "conv-1 is saved\n"), "{done:?}");
    let args = ["conversations", "save", "--id", "conv-2", "-"];
    assert_eq!(piped(&user, &[&args[..], &at].concat(), "{}").code, 0);
    let list = run(&["list", "--json"]).lines();
    let ids: Vec<_> = list.iter().map(|line| &line["conversation"]).collect();
    assert_eq!(ids, [&json!("conv-1"), &json!("conv-2")]);
    assert!(run(&["list"]).stdout.starts_with("conv-1  2"));
    let shown: Value = serde_json::from_str(&run(&["get", "conv-1"]).stdout).unwrap();
    assert_eq!(shown, body);
    assert_eq!(run(&["get", "conv-1", "--json"]).lines()[0]["body"], body);
    assert_eq!(run(&["delete", "conv-1"]).code, 0);
    assert_eq!(run(&["get", "conv-1"]).code, 1);
    for (text, args) in [("{}", &["save", "-"][..]), ("[]", &["save", "-"]), ("{", &["save", "-"])]
    {
        let done = piped(&user, &[&["conversations"], args, &at].concat(), text);
        assert_eq!(done.code, 2, "{text}: {done:?}");
    }
}

#[test]
fn wrong_usage_wrong_keys_and_absent_servers_have_exit_codes() {
    let user = User::new();
    let args = ["skills", "list", "--user", "alice", "--json"];
    let done = with_key(&user, &args);
    assert_eq!(done.code, 2, "no server is known: {done:?}");
    let code = |done: &Done| done.lines()[0]["error"]["code"].as_str().unwrap().to_owned();
    let done = with_key(&user, &[&args[..], &["--url", "http://example.com"]].concat());
    assert_eq!((done.code, code(&done).as_str()), (2, "USER_DATA_CONFIG"));
    let done = with_key(
        &user,
        &["skills", "get", "--user", "a", "--url", "http://127.0.0.1:1", "--json", "../x"],
    );
    assert_eq!((done.code, code(&done).as_str()), (2, "USER_DATA_INVALID_NAME"));
    let done = with_key(
        &user,
        &[&args[..], &["--url", "http://127.0.0.1:1", "--api-key-file", "absent"]].concat(),
    );
    assert_eq!(done.code, 2, "{done:?}");
    let done = with_key(&user, &[&args[..], &["--url", "http://127.0.0.1:1"]].concat());
    assert_eq!((done.code, code(&done).as_str()), (4, "USER_DATA_UNREACHABLE"));
    let done = with_key(&user, &[&args[..], &["--url", "127.0.0.1:8787"]].concat());
    assert_eq!(done.code, 2, "{done:?}");
    assert!(done.stderr.contains("https://"), "{done:?}");
}

#[test]
fn key_and_content_are_in_no_log_of_either_process() {
    let user = User::new();
    let args = ["dev", "--listen", "127.0.0.1:0", "--data-dir", "server"];
    let mut server = Running::traced(&user, &args, "server.log");
    let url = format!("http://{}", server.event("listening")["addr"].as_str().unwrap());
    fs::write(user.path("key"), format!("{KEY}\n")).unwrap();
    fs::write(user.path("skill.md"), "of one syllable").unwrap();
    let mut command = user.command(&[
        "skills",
        "put",
        "--url",
        &url,
        "--user",
        "u",
        "--api-key-file",
        "key",
        "s.md",
        "skill.md",
    ]);
    command.env("RUST_LOG", "trace");
    let done = finish(command);
    assert_eq!(done.code, 0, "{done:?}");
    server.stop();
    for log in [fs::read_to_string(user.path("server.log")).unwrap(), done.stderr] {
        for secret in [KEY, "of one syllable"] {
            let line = log.lines().find(|line| line.contains(secret));
            assert!(line.is_none(), "{secret}: {line:?}");
        }
        assert!(log.contains("DEBUG") || log.contains("TRACE"), "nothing was logged");
    }
}
