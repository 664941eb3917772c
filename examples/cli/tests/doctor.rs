//! `agentmesh doctor`: says what is wrong, and nothing where nothing is.

use std::{collections::BTreeMap, fs};

use serde_json::Value;

use crate::support::{Server, User, finish, listen, snapshot};

fn findings(lines: &[Value]) -> BTreeMap<String, String> {
    let text = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
    lines
        .iter()
        .filter(|line| line.get("check").is_some())
        .map(|line| {
            let todo = line.get("todo").is_some();
            assert_eq!(todo, line["status"] != "ok", "{line}");
            (text(line, "check"), text(line, "status"))
        })
        .collect()
}

#[test]
fn a_healthy_setup_is_called_healthy_and_left_as_it_is() {
    let user = User::new();
    let _server = Server::start(&user, &[]);
    user.identity("a");
    user.json(&["register", "--home", "a"]);
    let before = snapshot(&user.path("a"));
    let found = findings(&user.json(&["doctor", "--home", "a"]));
    assert!(found.values().all(|status| status == "ok"), "{found:?}");
    for check in [
        "home",
        "key",
        "store",
        "outbox",
        "servers",
        "proxy",
        "certificates",
        "registry",
        "clock",
        "registration",
        "prekeys",
        "relay",
    ] {
        assert!(found.contains_key(check), "{check}");
    }
    let names = |files: Vec<(std::path::PathBuf, Vec<u8>)>| {
        files.into_iter().map(|(path, _)| path).collect::<Vec<_>>()
    };
    assert_eq!(names(snapshot(&user.path("a"))), names(before));
}

#[test]
fn a_running_agent_is_not_disturbed() {
    let user = User::new();
    let _server = Server::start(&user, &[]);
    let (mut alice, amid) = listen(&user, "a", &[]);
    let found = findings(&user.json(&["doctor", "--home", "a"]));
    assert!(found.values().all(|status| status == "ok"), "{found:?}");
    user.json(&["send", &amid, "1", "--wait", "handled", "--home", "b"]);
    alice.message(&Value::from(1));
    let seen = alice.stop();
    assert!(!seen.iter().any(|line| line["event"] == "offline"), "{seen:?}");
}

#[test]
fn what_is_missing_is_said_with_what_to_do() {
    let user = User::new();
    let fresh = user.run(&["doctor", "--home", "a", "--registry", "127.0.0.1:1", "--json"]);
    assert_eq!(fresh.code, 7, "{fresh:?}");
    let found = findings(&fresh.lines());
    assert_eq!(found["home"], "warn");
    assert_eq!((&*found["registry"], &*found["relay"]), ("fail", "fail"));
    assert!(!user.path("a").exists());

    let server = Server::start(&user, &[]);
    user.identity("a");
    let unregistered =
        findings(&user.json(&["doctor", "--home", "a", "--registry", &server.registry]));
    assert_eq!(unregistered["registration"], "warn");

    fs::remove_file(user.path("a/store.key")).unwrap();
    let broken = user.run(&["doctor", "--home", "a", "--json"]);
    assert_eq!(broken.code, 7);
    assert_eq!(findings(&broken.lines())["key"], "fail");
    assert!(broken.stdout.contains("store.key"), "{broken:?}");
}

#[test]
fn proxies_and_certificates_of_the_environment_are_told() {
    let user = User::new();
    let _server = Server::start(&user, &[]);
    user.identity("a");
    let with = |name: &str, value: &str| {
        let remote = ["--registry", "https://registry.invalid/v1", "--json"];
        let mut command = user.command(
            &[&["doctor", "--home", "a", "--relay", "wss://relay.invalid/"][..], &remote].concat(),
        );
        command.env(name, value);
        finish(command)
    };
    let proxied = with("HTTPS_PROXY", "socks5h://user:hush@127.0.0.1:1");
    assert_eq!(proxied.code, 7, "{proxied:?}");
    assert!(proxied.stdout.contains("through socks5h://127.0.0.1:1"), "{proxied:?}");
    assert!(!proxied.stdout.contains("hush") && !proxied.stderr.contains("hush"), "{proxied:?}");
    let certificates = with("SSL_CERT_FILE", "/no/such/file.pem");
    assert_eq!(findings(&certificates.lines())["certificates"], "fail");
    assert!(certificates.stdout.contains("/no/such/file.pem"), "{certificates:?}");
    let clear = user.run(&["doctor", "--home", "a", "--registry", "http://registry.invalid/v1"]);
    assert_eq!(clear.code, 2, "{clear:?}");
    assert!(clear.stderr.contains("--allow-insecure"), "{clear:?}");
}
