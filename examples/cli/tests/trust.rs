//! Identity and trust, as typed: DID documents, rotation, moving, revocation, reputation, organizations.

use std::fs;

use agentmesh_core::identity::did::{DidDocument, Vouched};
use serde_json::json;

use crate::support::{Server, User, listen};

/// Two registered homes.
fn two(user: &User, server: &Server) -> (String, String) {
    let register = |home: &str| {
        let made = user.json(&["identity", "new", "--home", home])[0]["amid"].clone();
        user.json(&["register", "--home", home, "--registry", &server.registry]);
        made.as_str().unwrap().to_owned()
    };
    (register("a"), register("b"))
}

#[test]
fn did_documents_of_oneself_and_of_others() {
    let user = User::new();
    let server = Server::start(&user, &[]);
    let (a, b) = two(&user, &server);
    let own = user.json(&["did", "show", "--home", "a"])[0].to_string();
    let own = DidDocument::open(&own).unwrap();
    assert_eq!((own.amid().to_string(), own.vouched()), (a, Vouched::Owner));
    let others = user.json(&["did", "show", &b, "--home", "a"])[0].to_string();
    assert_eq!(DidDocument::parse(&others).unwrap().amid().to_string(), b);
}

#[test]
fn rotation_is_published_and_an_identity_moves_once() {
    let user = User::new();
    let server = Server::start(&user, &[]);
    let (amid, _) = two(&user, &server);
    let before = user.json(&["identity", "show", "--home", "a"])[0]["exchange_key"].clone();
    let rotated = user.json(&["identity", "rotate", "--home", "a"]);
    assert_eq!((&rotated[0]["amid"], &rotated[0]["published"]), (&json!(amid), &json!(true)));
    let after = user.json(&["identity", "show", "--home", "a"])[0]["exchange_key"].clone();
    assert_eq!(rotated[0]["exchange_key"], after);
    assert_ne!(before, after);

    fs::write(user.path("pass"), "correct horse\n").unwrap();
    let passphrase = ["--passphrase-file", "pass"];
    let backup = ["identity", "backup", "--home", "a", "--out", "b.txt"];
    user.json(&[&backup[..], &passphrase].concat());
    let restore = ["identity", "restore", "b.txt", "--home", "c"];
    user.json(&[&restore[..], &passphrase].concat());
    let shown = user.json(&["identity", "show", "--home", "c"]);
    assert_eq!(shown[0]["exchange_key"], after);
    user.json(&["register", "--home", "c", "--registry", &server.registry]);
    let old = user.run(&["register", "--home", "a", "--json"]);
    assert_eq!(old.lines()[0]["error"]["code"], "AGENT_SUPERSEDED", "{old:?}");
    // The new one goes on.
    let (listener, again) = listen(&user, "c", &[]);
    assert_eq!(again, amid);
    listener.stop();
}

#[test]
fn ratings_revocation_and_organizations() {
    let user = User::new();
    let server = Server::start(&user, &[]);
    let (a, b) = two(&user, &server);
    let rate =
        ["reputation", "rate", &a, "0.9", "--session", "s1", "--tag", "reliable", "--home", "b"];
    assert_eq!(user.json(&rate)[0]["score"], 0.9);
    assert_eq!(user.run(&rate).code, 4, "once a session");
    let shown = user.json(&["reputation", "show", "--home", "a"]);
    assert_eq!((&shown[0]["amid"], &shown[0]["feedback_count"]), (&json!(a), &json!(1)));
    assert_eq!(user.json(&["reputation", "leaders", "--home", "a"])[0]["amid"], a);

    let made = user.json(&["org", "register", "Example", "example.org", "--home", "a"]);
    let id = made[0]["organization_id"].as_str().unwrap().to_owned();
    assert_eq!(made[0]["dns_challenge"]["record_type"], "TXT");
    assert_eq!(user.json(&["org", "show", "example.org", "--home", "b"])[0]["verified"], false);
    let consent = user.json(&["org", "consent", &id, "--home", "b"]);
    fs::write(user.path("consent.json"), consent[0].to_string()).unwrap();
    let add = user.run(&["org", "add", "consent.json", "--home", "a", "--json"]);
    assert!(add.stderr.contains("not verified"), "{add:?}");
    assert!(user.json(&["oauth", "providers", "--home", "a"]).is_empty());

    let check = user.json(&["revoke", "--check", &a, &b, "--home", "a"]);
    assert_eq!((&check[0]["revoked"], &check[1]["revoked"]), (&json!(false), &json!(false)));
    assert_eq!(user.run(&["revoke", &b, "--home", "a", "--reason", "other"]).code, 4);
    assert_eq!(user.run(&["revoke", &a, "--home", "a"]).code, 2, "a reason is needed");
    let revoked = user.json(&["revoke", &a, "--home", "a", "--reason", "key_compromise"]);
    assert_eq!(revoked[0]["reason"], "key_compromise");
    let check = user.json(&["revoke", "--check", &a, "--home", "b"]);
    assert_eq!(check[0]["revocation"]["reason"], "key_compromise");
    assert_eq!(user.run(&["register", "--home", "a", "--timeout", "3s"]).code, 4);
}
