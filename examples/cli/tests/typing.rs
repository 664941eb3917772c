//! What is typed: places of flags, environment, exit codes, nonsense.

use crate::support::{User, finish};

#[test]
fn global_flags_go_before_and_after_and_between() {
    let user = User::new();
    for (n, args) in [
        &["--home", "h0", "--json", "identity", "new"][..],
        &["identity", "new", "--json", "--home", "h1"],
        &["identity", "--home", "h2", "new", "--json"],
        &["--json", "identity", "--home=h3", "new"],
    ]
    .iter()
    .enumerate()
    {
        let done = user.run(args);
        assert_eq!(done.code, 0, "{done:?}");
        let lines = done.lines();
        assert_eq!(lines.len(), 1);
        let fields: Vec<_> = lines[0].as_object().unwrap().keys().collect();
        assert_eq!(fields, ["amid"]);
        assert!(user.path(&format!("h{n}/agent.db")).is_file());
    }
}

#[test]
fn the_environment_stands_in_for_flags_and_flags_win() {
    let user = User::new();
    let mut command = user.command(&["identity", "new"]);
    command.env("AGENTMESH_HOME", "from-env");
    assert_eq!(finish(command).code, 0);
    assert!(user.path("from-env/agent.db").is_file());

    let mut command = user.command(&["identity", "new", "--home", "from-flag"]);
    command.env("AGENTMESH_HOME", "from-env");
    assert_eq!(finish(command).code, 0);
    assert!(user.path("from-flag/agent.db").is_file());

    // Nothing listens on port 1: which address is tried shows who won.
    let mut command = user.command(&["search", "x"]);
    command.env("AGENTMESH_REGISTRY_URL", "http://127.0.0.1:1/v1");
    let done = finish(command);
    assert_eq!(done.code, 4, "{done:?}");
    assert!(done.stderr.contains("127.0.0.1:1"), "{done:?}");
    let mut command = user.command(&["search", "x", "--registry", "127.0.0.1:2"]);
    command.env("AGENTMESH_REGISTRY_URL", "http://127.0.0.1:1/v1");
    assert!(finish(command).stderr.contains("127.0.0.1:2"));
}

#[test]
fn nonsense_is_refused_with_2_before_anything_is_made() {
    let user = User::new();
    let nobody = "3vaLv8qnmGSndxmYvHiHWN3cb312";
    for args in [
        &["frobnicate"][..],
        &["send", "nobody", "1"],
        &["send", nobody, "{"],
        &["send", nobody, "1", "--wait", "sent"],
        &["send", nobody, "1", "--timeout", "soon"],
        &["send", nobody, "1", "--id", "7"],
        &["send", nobody, "1", "--registry", "ftp://x"],
        &["listen", "--accept", "some"],
        &["dev", "--listen", "0.0.0.0:0"],
        &["dev", "--drop", "2"],
        &["outbox", "--wait", "stored"],
        &["identity", "restore", "absent.txt"],
    ] {
        let done = user.run(args);
        assert_eq!(done.code, 2, "{args:?}: {done:?}");
        assert!(done.stdout.is_empty(), "{args:?}: {done:?}");
        assert!(!done.stderr.is_empty());
    }
    assert!(!user.path("user/.agentmesh").exists());
}

#[test]
fn help_tells_the_exit_codes_and_version_the_version() {
    let user = User::new();
    let help = user.run(&["--help"]);
    assert_eq!(help.code, 0);
    for line in ["0  done", "5  the stage was not reached", "7  the doctor found"] {
        assert!(help.stdout.contains(line), "{line}");
    }
    for command in
        ["dev", "identity", "register", "search", "send", "listen", "outbox", "inbox", "doctor"]
    {
        assert!(help.stdout.contains(&format!("\n  {command} ")), "{command}");
        assert_eq!(user.run(&[command, "--help"]).code, 0);
    }
    let version = user.run(&["--version"]);
    assert_eq!(version.stdout.trim(), format!("agentmesh {}", env!("CARGO_PKG_VERSION")));
}
