//! `agentmesh store`: the state moves, the agent stays the same, and what it left behind cannot be used.

use std::fs;

use serde_json::Value;

use crate::support::{Server, User, listen};

fn url(scheme: &str, user: &User, name: &str) -> String {
    format!("{scheme}:{}", user.path(name).display())
}

#[test]
fn a_home_moves_to_another_store_and_goes_on_there() {
    let user = User::new();
    let _server = Server::start(&user, &[]);
    let (mut peer, amid) = listen(&user, "peer", &[]);
    user.json(&["send", &amid, "1", "--wait", "handled", "--home", "a"]);
    peer.message(&Value::from(1));
    let before = user.json(&["store", "info", "--home", "a"]);
    let (from, to) = (url("sqlite", &user, "a/agent.db"), url("file", &user, "elsewhere"));
    assert_eq!(before[0]["store"], from);
    assert_eq!(before[0]["durability"], "synced");

    let moved = user.json(&["store", "copy", &from, &to, "--home", "a"]);
    assert_eq!(moved[0]["records"], before[0]["records"], "{moved:?}");
    assert!(moved[0]["home"].is_string(), "{moved:?}");
    // The home uses the new store by itself; the session goes on in it.
    let now = user.json(&["store", "info", "--home", "a"]);
    assert_eq!(now[0]["store"], to);
    assert_eq!(now[0]["copied_from"], from);
    user.json(&["send", &amid, "2", "--wait", "handled", "--home", "a"]);
    peer.message(&Value::from(2));

    // What was left behind says where everything is, and is used by nobody.
    let left = user.run(&["outbox", "--home", "a", "--store", &from]);
    assert_eq!(left.code, 3, "{left:?}");
    assert!(left.stderr.contains(&to), "{left:?}");
    let info = user.json(&["store", "info", &from]);
    assert_eq!(info[0]["moved_to"], to);
    let doctor = user.run(&["doctor", "--home", "a", "--store", &from, "--json"]);
    assert!(doctor.stdout.contains("store copy"), "{doctor:?}");
    // Again is no harm; elsewhere is refused.
    user.json(&["store", "copy", &from, &to, "--home", "a"]);
    let third = url("file", &user, "third");
    let forked = user.run(&["store", "copy", &from, &third, "--home", "a"]);
    assert_eq!(forked.code, 3, "{forked:?}");
    assert!(forked.stderr.contains(&to), "{forked:?}");
    let full = user.run(&["store", "copy", &to, &url("sqlite", &user, "peer/agent.db")]);
    assert_ne!(full.code, 0, "the peer has it open: {full:?}");
}

#[test]
fn copying_explains_what_is_wrong_with_it() {
    let user = User::new();
    user.identity("a");
    user.identity("b");
    let (a, b) = (url("sqlite", &user, "a/agent.db"), url("sqlite", &user, "b/agent.db"));
    let same = user.run(&["store", "copy", &a, &a]);
    assert_eq!(same.code, 2, "{same:?}");
    let full = user.run(&["store", "copy", &a, &b]);
    assert_eq!(full.code, 3, "{full:?}");
    assert!(full.stderr.contains("not empty"), "{full:?}");
    let absent = user.run(&["store", "copy", &url("sqlite", &user, "none.db"), &b]);
    assert_eq!(absent.code, 3, "{absent:?}");
    assert!(!user.path("none.db").exists());
    let odd = user.run(&["store", "copy", "ftp://x", &b]);
    assert_eq!(odd.code, 2, "{odd:?}");
    assert!(odd.stderr.contains("s3://BUCKET/PREFIX"), "{odd:?}");
    for args in
        [&["store", "take-back", &a][..], &["store", "take-back", &a, "--copy-is-destroyed"]]
    {
        assert_ne!(user.run(args).code, 0, "{args:?}");
    }
    // Both are as they were.
    user.json(&["outbox", "--home", "a"]);
    user.json(&["outbox", "--home", "b"]);

    let moved = url("file", &user, "moved");
    user.json(&["store", "copy", &a, &moved]);
    fs::remove_dir_all(user.path("moved")).unwrap();
    assert_eq!(user.run(&["outbox", "--home", "a"]).code, 3);
    user.json(&["store", "take-back", &a, "--copy-is-destroyed"]);
    user.json(&["outbox", "--home", "a"]);
}
