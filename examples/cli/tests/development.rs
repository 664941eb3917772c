//! `agentmesh dev`: found by itself, never by mistake; faults on demand.

use std::time::Instant;

use serde_json::json;

use crate::support::{PATIENCE, Running, Server, User, listen};

#[test]
fn it_leaves_a_hint_and_takes_it_back() {
    let user = User::new();
    let server = Server::start(&user, &[]);
    let hint = user.path("user/.agentmesh/dev.json");
    let text = std::fs::read_to_string(&hint).unwrap();
    assert!(
        text.contains(&server.registry) && text.contains(&server.running.pid().to_string()),
        "{text}"
    );
    // The hint does not make the default home look used.
    user.json(&["identity", "new"]);
    server.running.stop();
    assert!(!hint.exists());
    assert!(user.path("user/.agentmesh/agent.db").exists());
}

#[test]
fn a_hint_is_not_used_for_a_home_of_another_registry() {
    let user = User::new();
    let first = Server::start(&user, &[]);
    user.identity("a");
    user.json(&["register", "--home", "a", "--capability", "demo/x"]);
    let (other, addr) = {
        let mut running = Running::start(&user, &["dev", "--listen", "127.0.0.1:0"]);
        let line = running.event("listening");
        (running, line["addr"].as_str().unwrap().to_owned())
    };
    let done = user.run(&["register", "--home", "a", "--json"]);
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(done.lines()[0]["registry"], json!(first.registry));
    assert!(done.stderr.contains(&addr) && done.stderr.contains(&first.registry), "{done:?}");
    assert!(user.json(&["search", "demo/x", "--registry", &addr]).is_empty());
    // Unless somebody says so.
    user.json(&["register", "--home", "a", "--registry", &addr]);
    assert_eq!(user.json(&["search", "demo/x", "--home", "a"]).len(), 1);
    drop(other);
}

#[test]
fn a_hint_of_a_server_that_was_killed_is_not_believed() {
    let user = User::new();
    let server = Server::start(&user, &[]);
    let addr = server.addr.clone();
    server.running.kill();
    assert!(user.path("user/.agentmesh/dev.json").exists());
    // The public registry cannot be reached from a test; that it was tried is what counts.
    let done = user.run(&["search", "x", "--registry", "127.0.0.1:1"]);
    assert_eq!(done.code, 4);
    assert!(!done.stderr.contains(&addr), "{done:?}");
}

#[test]
fn without_a_data_directory_nothing_is_left() {
    let user = User::new();
    let mut running = Running::start(&user, &["dev", "--listen", "127.0.0.1:0"]);
    let line = running.event("listening");
    let dir = std::path::PathBuf::from(line["data_dir"].as_str().unwrap());
    assert!(dir.is_dir());
    running.stop();
    assert!(!dir.exists());
}

#[test]
fn a_port_that_is_taken_is_named() {
    let user = User::new();
    let server = Server::start(&user, &[]);
    let done = user.run(&["dev", "--listen", &server.addr, "--data-dir", "other"]);
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.stderr.contains(&server.addr), "{done:?}");
    let done = user.run(&["dev", "--listen", "127.0.0.1:0", "--data-dir", "server"]);
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.stderr.contains("server"), "{done:?}");
}

#[test]
fn duplicates_reordering_and_delay_do_not_show() {
    let user = User::new();
    let faults = [
        "--duplicate",
        "1",
        "--reorder",
        "0.5",
        "--delay",
        "20ms",
        "--http-429",
        "0.2",
        "--seed",
        "7",
    ];
    let _server = Server::start(&user, &faults);
    let (mut alice, amid) = listen(&user, "a", &[]);
    for n in 0..5 {
        user.json(&["send", &amid, &n.to_string(), "--wait", "handled", "--home", "b"]);
    }
    for n in 0..5 {
        assert_eq!(alice.count_after(std::time::Duration::from_millis(200), &json!(n)), 1);
    }
}

/// A registry that lost everything, as a development server without `--data-dir` does at each start.
#[test]
fn a_registry_that_forgot_its_agents_learns_them_again() {
    let user = User::new();
    let start = |addr: &str| {
        let mut running = Running::start(&user, &["dev", "--listen", addr]);
        let line = running.event("listening");
        (running, line["addr"].as_str().unwrap().to_owned())
    };
    let (first, addr) = start("127.0.0.1:0");
    let (alice, amid) = listen(&user, "a", &[]);
    alice.stop();
    first.stop();

    let (second, _) = start(&addr);
    let (mut alice, _) = listen(&user, "a", &[]);
    user.json(&["send", &amid, "1", "--wait", "handled", "--home", "b"]);
    alice.message(&json!(1));

    // And under a listener that goes on all the while.
    second.kill();
    alice.event("offline");
    let (_third, _) = start(&addr);
    let deadline = Instant::now() + PATIENCE;
    while user.run(&["doctor", "--home", "a", "--json"]).stdout.contains("\"todo\"") {
        assert!(Instant::now() < deadline, "{:?}", user.run(&["doctor", "--home", "a"]));
    }
    user.json(&["send", &amid, "2", "--wait", "handled", "--home", "c"]);
    alice.message(&json!(2));
}
