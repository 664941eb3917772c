//! A home whose store is a bucket: moving there and back, who has it, and what `doctor` says of it. The S3 server is real, in
//! this process.

use std::{process::Command, sync::mpsc};

use agentmesh_tests::s3_server::{self, CREDENTIALS};
use serde_json::Value;

use crate::support::{Done, Server, User, finish, listen};

/// An S3 server that lives as long as the test's process, on a runtime of its own.
fn bucket(careless: bool) -> String {
    let (ready, address) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(s3_server::serve(careless, |address| ready.send(address).unwrap()))
    });
    address.recv().unwrap()
}

fn with_bucket(mut command: Command, endpoint: &str) -> Command {
    for (name, value) in [
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", CREDENTIALS.0),
        ("AWS_SECRET_ACCESS_KEY", CREDENTIALS.1),
    ] {
        command.env(name, value);
    }
    command
}

fn run(user: &User, endpoint: &str, args: &[&str]) -> Done {
    finish(with_bucket(user.command(&[args, &["--json"]].concat()), endpoint))
}

fn works(user: &User, endpoint: &str, args: &[&str]) -> Vec<Value> {
    let done = run(user, endpoint, args);
    assert_eq!(done.code, 0, "{args:?}: {done:?}");
    done.lines()
}

fn store_finding(lines: &[Value]) -> &Value {
    lines.iter().find(|line| line["check"] == "store").unwrap()
}

#[test]
fn a_home_moves_into_a_bucket_and_back() {
    let (user, endpoint) = (User::new(), bucket(false));
    let _server = Server::start(&user, &[]);
    let (mut peer, amid) = listen(&user, "peer", &[]);
    user.json(&["send", &amid, "1", "--wait", "handled", "--home", "a"]);
    peer.message(&Value::from(1));
    let file = format!("sqlite:{}", user.path("a/agent.db").display());
    let there = "s3://agents/anna";
    let moved = works(&user, &endpoint, &["store", "copy", &file, there, "--home", "a"]);
    assert!(moved[0]["home"].is_string(), "{moved:?}");
    works(&user, &endpoint, &["send", &amid, "2", "--wait", "handled", "--home", "a"]);
    peer.message(&Value::from(2));

    let info = works(&user, &endpoint, &["store", "info", "--home", "a"]);
    assert_eq!((&info[0]["store"], &info[0]["durability"]), (&there.into(), &"synced".into()));
    let lines = works(&user, &endpoint, &["doctor", "--home", "a"]);
    let found = store_finding(&lines);
    assert_eq!(found["status"], "ok");
    assert!(found["detail"].as_str().unwrap().contains(there), "{found}");

    let back = format!("file:{}", user.path("back").display());
    works(&user, &endpoint, &["store", "copy", there, &back, "--home", "a"]);
    user.json(&["send", &amid, "3", "--wait", "handled", "--home", "a"]);
    peer.message(&Value::from(3));
    // What stayed in the bucket is marked, too.
    let left = run(&user, &endpoint, &["outbox", "--home", "a", "--store", there]);
    assert_eq!(left.code, 3, "{left:?}");
    assert!(left.stderr.contains(&back), "{left:?}");
}

#[test]
fn doctor_says_what_is_wrong_with_a_bucket_and_what_to_do() {
    let (user, careless) = (User::new(), bucket(true));
    let _server = Server::start(&user, &[]);
    user.identity("a");
    let doctor = |endpoint: &str| {
        let done = run(&user, endpoint, &["doctor", "--home", "a", "--store", "s3://agents/x"]);
        assert_eq!(done.code, 7, "{done:?}");
        assert!(!format!("{done:?}").contains(CREDENTIALS.1), "{done:?}");
        let lines = done.lines();
        let found = store_finding(&lines);
        assert_eq!(found["status"], "fail", "{found}");
        let text = |name: &str| found[name].as_str().unwrap().to_owned();
        (text("detail"), text("todo"))
    };
    let (detail, todo) = doctor(&careless);
    assert!(detail.contains("conditional writes"), "{detail}");
    assert!(todo.contains("another --store"), "{todo}");
    let (detail, todo) = doctor("http://192.0.2.1:9000");
    assert!(detail.contains("use https") && detail.contains("AWS_ALLOW_HTTP"), "{detail}");
    assert!(todo.contains("AWS_"), "{todo}");
}
