//! Homes: made once, never again; what is damaged is named, never replaced.

use std::fs;

use crate::support::{Done, PATIENCE, Running, Server, User, finish, listen, snapshot};

const NOBODY: &str = "3vaLv8qnmGSndxmYvHiHWN3cb312";

#[test]
fn an_identity_is_made_once() {
    let user = User::new();
    let amid = user.identity("a");
    let before = snapshot(&user.path("a"));
    let again = user.run(&["identity", "new", "--home", "a", "--json"]);
    assert_eq!(again.code, 3);
    assert!(again.stderr.contains(&amid), "{again:?}");
    assert_eq!(again.lines()[0]["error"]["exit"], 3);
    assert_eq!(snapshot(&user.path("a")), before);
    assert_eq!(user.json(&["identity", "show", "--home", "a"])[0]["amid"], amid);
}

#[cfg(unix)]
#[test]
fn secrets_are_for_the_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let user = User::new();
    user.identity("deep/er/a");
    let mode = |name: &str| fs::metadata(user.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("deep/er/a"), 0o700);
    assert_eq!(mode("deep/er/a/store.key"), 0o600);
    assert_eq!(mode("deep/er/a/agent.db"), 0o600);
}

/// Lesson C20: a damaged or missing file never leads to a fresh identity.
#[test]
fn a_damaged_home_is_an_error_that_names_the_file() {
    type Damage = fn(&User);
    let cases: [(&str, &str, Damage); 10] = [
        ("key lost", "store.key", |u| fs::remove_file(u.path("a/store.key")).unwrap()),
        ("key cut", "store.key", |u| fs::write(u.path("a/store.key"), "AAAA\n").unwrap()),
        ("key of another", "store.key", |u| {
            u.identity("b");
            fs::copy(u.path("b/store.key"), u.path("a/store.key")).unwrap();
        }),
        ("store lost", "agent.db", |u| fs::remove_file(u.path("a/agent.db")).unwrap()),
        ("store and key lost", "agent.db", |u| {
            fs::remove_file(u.path("a/agent.db")).unwrap();
            fs::remove_file(u.path("a/store.key")).unwrap();
        }),
        ("store empty", "agent.db", |u| fs::write(u.path("a/agent.db"), "").unwrap()),
        ("store garbage", "agent.db", |u| fs::write(u.path("a/agent.db"), [7; 9000]).unwrap()),
        ("store of another", "agent.db", |u| {
            u.identity("b");
            fs::copy(u.path("b/agent.db"), u.path("a/agent.db")).unwrap();
            fs::copy(u.path("b/store.key"), u.path("a/store.key")).unwrap();
        }),
        ("config garbage", "config.json", |u| fs::write(u.path("a/config.json"), "{").unwrap()),
        ("store flipped", "agent.db", |u| {
            let mut bytes = fs::read(u.path("a/agent.db")).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle..].fill(0xff);
            fs::write(u.path("a/agent.db"), bytes).unwrap();
        }),
    ];
    for (what, file, damage) in cases {
        let user = User::new();
        user.identity("a");
        damage(&user);
        // A store that is whole is opened before it is found to be somebody else's, which the audit log says. Closing it,
        // SQLite folds its log into its file: other bytes, the same content.
        let whole = what == "store of another";
        let before = snapshot_without_locks(&user, whole);
        for args in [
            &["send", NOBODY, "1", "--wait", "queued", "--home", "a"][..],
            &["listen", "--home", "a", "--for", "1s"],
            &["outbox", "--home", "a"],
            &["inbox", "--home", "a"],
            &["register", "--home", "a"],
        ] {
            let args = [args, &["--registry", "127.0.0.1:1", "--json"]].concat();
            let done = user.run(&args);
            assert_eq!(done.code, 3, "{what}: {args:?}: {done:?}");
            assert!(done.stderr.contains(file), "{what}: {args:?}: {done:?}");
        }
        assert_eq!(user.run(&["identity", "new", "--home", "a"]).code, 3, "{what}");
        assert!(snapshot_without_locks(&user, whole) == before, "{what}: files changed");
    }
}

/// The lock file holds the process id of whoever looked last.
fn snapshot_without_locks(user: &User, without_store: bool) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut files = snapshot(&user.path("a"));
    files.retain(|(path, _)| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let opened = name.starts_with("agent.db") || name.starts_with("audit-");
        name != "agent.db.lock" && !(without_store && opened)
    });
    files
}

#[test]
fn a_directory_of_something_else_is_left_alone() {
    let user = User::new();
    fs::create_dir(user.path("a")).unwrap();
    fs::write(user.path("a/thesis.txt"), "…").unwrap();
    fs::write(user.path("file"), "…").unwrap();
    for (home, named) in [("a", "thesis.txt"), ("file", "file")] {
        for args in
            [&["identity", "new"][..], &["send", NOBODY, "1", "--wait", "queued"], &["listen"]]
        {
            let args = [args, &["--home", home, "--registry", "127.0.0.1:1"]].concat();
            let done = user.run(&args);
            assert_eq!(done.code, 3, "{args:?}: {done:?}");
            assert!(done.stderr.contains(named), "{done:?}");
        }
    }
    assert_eq!(snapshot(&user.path("a")).len(), 1);
}

#[test]
fn an_empty_home_is_filled_by_send_and_listen_only() {
    let user = User::new();
    fs::create_dir(user.path("a")).unwrap();
    for args in [&["outbox"][..], &["inbox"], &["register"], &["identity", "show"]] {
        let done = user.run(&[args, &["--home", "a", "--registry", "127.0.0.1:1"]].concat());
        assert_eq!(done.code, 3, "{args:?}: {done:?}");
        assert!(done.stderr.contains("identity new"), "{done:?}");
    }
    assert!(snapshot(&user.path("a")).is_empty());
    let args =
        ["send", NOBODY, "1", "--wait", "queued", "--home", "a", "--registry", "127.0.0.1:1"];
    let done = user.run(&args);
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(user.json(&["outbox", "--home", "a"]).len(), 1);
}

#[test]
fn a_backup_brings_the_identity_back_and_needs_its_passphrase() {
    let user = User::new();
    let amid = user.identity("a");
    fs::write(user.path("pass"), "correct horse\n").unwrap();
    fs::write(user.path("wrong"), "incorrect horse\n").unwrap();
    let made = user.json(&[
        "identity",
        "backup",
        "--home",
        "a",
        "--out",
        "b.txt",
        "--passphrase-file",
        "pass",
    ]);
    assert_eq!(made[0]["amid"], amid);
    let text = fs::read_to_string(user.path("b.txt")).unwrap();
    assert!(text.starts_with("agentmesh-backup-v2:"));

    let restore = |home: &str, pass: &str| -> Done {
        user.run(&[
            "identity",
            "restore",
            "b.txt",
            "--home",
            home,
            "--passphrase-file",
            pass,
            "--json",
        ])
    };
    assert_eq!(restore("c", "wrong").code, 2);
    assert!(!user.path("c").exists());
    let restored = restore("c", "pass");
    assert_eq!(restored.code, 0, "{restored:?}");
    assert_eq!(restored.lines()[0]["amid"], amid);
    assert_eq!(restore("a", "pass").code, 3, "a home that has an identity keeps it");
    // The file is there: it is not overwritten. And without a terminal nobody is asked.
    let args = ["identity", "backup", "--home", "a", "--out", "b.txt", "--passphrase-file", "pass"];
    assert_eq!(user.run(&args).code, 2);
    assert_eq!(user.run(&["identity", "backup", "--home", "a"]).code, 2);
}

#[test]
fn a_home_serves_one_process_at_a_time() {
    let user = User::new();
    let server = Server::start(&user, &[]);
    let (listener, amid) = listen(&user, "a", &[]);
    let done = user.run(&["outbox", "--home", "a", "--json"]);
    assert_eq!(done.code, 3, "{done:?}");
    assert!(done.stderr.contains(&format!("process {}", listener.pid())), "{done:?}");
    // What is public can be had all the same.
    assert_eq!(user.json(&["identity", "show", "--home", "a"])[0]["amid"], amid);
    // A process that was killed leaves nothing behind that has to be cleaned up.
    listener.kill();
    let (listener, again) = listen(&user, "a", &[]);
    assert_eq!(again, amid);
    listener.stop();
    drop(server);
}

#[test]
fn sigterm_ends_a_listener_that_never_got_online() {
    let user = User::new();
    let mut listener =
        Running::start(&user, &["listen", "--home", "a", "--registry", "127.0.0.1:1"]);
    listener.event("started");
    listener.event("offline");
    let started = std::time::Instant::now();
    listener.stop();
    assert!(started.elapsed() < PATIENCE);
}

#[test]
fn the_identity_key_of_the_environment_is_what_the_identity_is_called() {
    let user = User::new();
    let run = |key: &str, args: &[&str]| {
        let mut command = user.command(args);
        command.env("AGENT_IDENTITY_KEY", key);
        finish(command)
    };
    let made = run("worker-agent", &["identity", "new", "--home", "a", "--json"]);
    assert_eq!(made.code, 0, "{made:?}");
    let outbox = ["outbox", "--home", "a", "--json"];
    assert_eq!(run("worker-agent", &outbox).code, 0);
    assert_eq!(user.run(&outbox).code, 0, "who asks for no name gets what is there");
    let other = run("another", &outbox);
    assert_eq!((other.code, &other.lines()[0]["error"]["code"]), (3, &"AGENT_IDENTITY_KEY".into()));
}
