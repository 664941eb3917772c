//! The owner's orders, to an agent at rest and to one that runs, and what its audit log says afterwards.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Running, Server, User, finish, listen};

fn order(user: &User, home: &str, order: &[&str]) -> Value {
    let lines = user.json(&[order, &["--home", home]].concat());
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines[0].clone()
}

#[test]
fn orders_to_an_agent_at_rest_hold_when_it_runs() {
    let user = User::new();
    let _server = Server::start(&user, &[]);
    let (a, b) = (user.identity("a"), user.identity("b"));
    assert_eq!(order(&user, "a", &["pause"]), json!({"state": "paused", "blocked": []}));
    let (listener, _) = listen(&user, "a", &[]);
    let refused = user.run(&["send", &a, "1", "--wait", "delivered", "--home", "b", "--json"]);
    assert_eq!(refused.code, 6, "{refused:?}");
    assert!(refused.stdout.contains("agent_paused"), "{refused:?}");
    listener.stop();

    assert_eq!(order(&user, "a", &["resume"])["state"], "running");
    assert_eq!(order(&user, "a", &["block", &b])["blocked"], json!([b]));
    let refused = user.run(&["send", &b, "1", "--home", "a", "--json"]);
    assert!(refused.stdout.contains("PEER_BLOCKED"), "{refused:?}");
    assert_eq!(order(&user, "a", &["unblock", &b])["blocked"], json!([]));

    assert_eq!(order(&user, "a", &["emergency-stop"])["state"], "stopped");
    for args in [
        ["listen", "--home", "a", "--json"].as_slice(),
        &["send", &b, "1", "--home", "a", "--json"],
    ] {
        let stopped = user.run(args);
        assert_eq!(stopped.code, 1, "{stopped:?}");
        assert!(stopped.stdout.contains("AGENT_STOPPED"), "{stopped:?}");
        assert!(stopped.stderr.contains("agentmesh resume"), "{stopped:?}");
    }
    order(&user, "a", &["resume"]);
    let (listener, _) = listen(&user, "a", &[]);
    listener.stop();
}

#[test]
fn agent_that_runs_takes_orders_and_shows_its_sessions() {
    let user = User::new();
    let _server = Server::start(&user, &[]);
    let (mut alice, amid) = listen(&user, "a", &[]);
    assert!(user.json(&["sessions", "--home", "a"]).is_empty());
    user.json(&["send", &amid, "1", "--wait", "handled", "--home", "b"]);
    let b = user.json(&["identity", "show", "--home", "b"])[0]["amid"].as_str().unwrap().to_owned();
    let here = user.json(&["sessions", &b, "--home", "a"]);
    let there = user.json(&["sessions", "--home", "b"]);
    assert_eq!((here.len(), there.len()), (1, 1));
    assert_eq!((&here[0]["session"], &here[0]["peer"]), (&there[0]["session"], &json!(b)));
    assert_eq!((&here[0]["initiator"], &there[0]["initiator"]), (&json!(false), &json!(true)));
    assert!(!here[0].to_string().contains("key"));

    order(&user, "a", &["kill-session", &b]);
    assert!(user.json(&["sessions", "--home", "a"]).is_empty());
    assert_eq!(order(&user, "a", &["emergency-stop"])["state"], "stopped");
    alice.event("offline");
    alice.seen.clear();
    assert_eq!(order(&user, "a", &["resume"])["state"], "running");
    alice.event("online");
    user.json(&["send", &amid, "2", "--wait", "handled", "--home", "b"]);
    alice.message(&json!(2));
    alice.stop();
    assert!(!user.path("a/control.sock").exists());
}

#[test]
fn socket_of_a_dead_process_is_in_nobodys_way() {
    let user = User::new();
    let _server = Server::start(&user, &[]);
    let (alice, _) = listen(&user, "a", &[]);
    alice.kill();
    assert!(user.path("a/control.sock").exists());
    assert_eq!(order(&user, "a", &["pause"])["state"], "paused");
    let (alice, _) = listen(&user, "a", &[]);
    assert_eq!(order(&user, "a", &["resume"])["state"], "running");
    alice.stop();
}

#[test]
fn audit_log_shows_what_happened_and_that_nobody_changed_it() {
    let user = User::new();
    let _server = Server::start(&user, &[]);
    let (alice, amid) = listen(&user, "a", &[]);
    user.json(&["send", &amid, "1", "--wait", "handled", "--home", "b"]);
    // While it runs, the chain is checked, and says that it was not more.
    let running = user.run(&["audit", "verify", "--home", "a", "--json"]);
    assert_eq!(running.code, 0, "{running:?}");
    assert!(running.stderr.contains("signatures are not checked"), "{running:?}");
    order(&user, "a", &["pause"]);
    alice.stop();

    let accepted = user.json(&["audit", "show", "--type", "SESSION_ACCEPTED", "--home", "a"]);
    assert_eq!(accepted.len(), 1, "{accepted:?}");
    let grave = user.json(&["audit", "show", "--min-severity", "warning", "--home", "a"]);
    assert!(grave.iter().any(|entry| entry["type"] == "CIRCUIT_PAUSED"), "{grave:?}");
    assert_eq!(user.json(&["audit", "show", "--limit", "2", "--home", "a"]).len(), 2);
    let report = order(&user, "a", &["audit", "verify"]);
    assert_eq!((&report["ok"], &report["anchors_unchecked"]), (&json!(true), &json!(0)));
    assert!(report["anchors"].as_u64().unwrap() > 0, "{report}");

    let file = user.path("a/audit/audit-000001.jsonl");
    let anchor = order(&user, "a", &["audit", "anchor"]);
    let anchor = anchor["anchor"].as_str().unwrap();
    order(&user, "a", &["audit", "verify", "--anchor", anchor]);
    let text = fs::read_to_string(&file).unwrap();
    // Whole lines at the end are missed by nobody but who kept an anchor.
    let lines: Vec<_> = text.lines().collect();
    fs::write(&file, lines[..4].join("\n") + "\n").unwrap();
    assert_eq!(order(&user, "a", &["audit", "verify"])["ok"], true);
    let cut = user.run(&["audit", "verify", "--anchor", anchor, "--home", "a"]);
    assert_eq!(cut.code, 7, "{cut:?}");
    fs::write(&file, text.replacen("session accepted", "session declined", 1)).unwrap();
    let changed = user.run(&["audit", "verify", "--home", "a", "--json"]);
    assert_eq!(changed.code, 7, "{changed:?}");
    assert!(changed.stdout.contains("AUDIT_"), "{changed:?}");
    let absent = user.run(&["audit", "verify", "--dir", "nowhere", "--home", "a"]);
    assert_ne!(absent.code, 0);
}

#[test]
fn nothing_that_any_process_says_at_trace_level_holds_a_secret() {
    let user = User::new();
    let args = ["dev", "--listen", "127.0.0.1:0", "--data-dir", "server"];
    let mut server = Running::traced(&user, &args, "server.log");
    server.event("listening");
    let mut alice = Running::traced(&user, &["listen", "--home", "a"], "listen.log");
    let amid = alice.event("started")["amid"].as_str().unwrap().to_owned();
    alice.event("online");
    let said = json!({"words": "of one syllable"});
    let mut send =
        user.command(&["send", &amid, &said.to_string(), "--wait", "handled", "--home", "b"]);
    send.env("RUST_LOG", "trace");
    let sent = finish(send);
    assert_eq!(sent.code, 0, "{sent:?}");
    alice.message(&said);
    fs::write(user.path("pass"), "a phrase to pass\n").unwrap();
    let mut backup =
        user.command(&["identity", "backup", "--passphrase-file", "pass", "--home", "b"]);
    backup.env("RUST_LOG", "trace");
    let backed_up = finish(backup);
    assert_eq!(backed_up.code, 0, "{backed_up:?}");
    alice.stop();
    server.stop();

    let mut secrets = vec!["of one syllable".to_owned(), "a phrase to pass".to_owned()];
    for home in ["a", "b"] {
        let key = fs::read_to_string(user.path(home).join("store.key")).unwrap();
        secrets.push(key.trim().to_owned());
    }
    let read = |name| fs::read_to_string(user.path(name)).unwrap();
    let logs = [read("server.log"), read("listen.log"), sent.stderr, backed_up.stderr];
    for log in &logs {
        for secret in &secrets {
            let line = log.lines().find(|line| line.contains(secret.as_str()));
            assert!(line.is_none(), "{secret}: {line:?}");
        }
    }
    // Not every process has something to say at the finest level; all of them say more than by default.
    let fine = |log: &String| log.contains("TRACE") || log.contains("DEBUG");
    assert!(logs[..3].iter().all(fine), "{:?}", logs.each_ref().map(String::len));
}
