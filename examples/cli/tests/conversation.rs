//! Two agents talk through `agentmesh dev`.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Running, Server, User, finish, listen};

/// Long enough for a second copy to show up, if there were one.
const SECOND_COPY: Duration = Duration::from_millis(1500);

#[test]
fn a_message_is_handled_and_shown_once_in_one_exact_line() {
    let user = User::new();
    let server = Server::start(&user, &[]);
    let (mut alice, amid) = listen(&user, "a", &[]);
    // White space, order of keys, digits and umlauts as they were typed.
    let typed = "{ \"hello\" : \"wörld\",\n \"n\": 1.10, \"big\": 123456789012345678901234567890 }";
    let done = user.run(&["send", &amid, typed, "--wait", "handled", "--json", "--home", "b"]);
    assert_eq!(done.code, 0, "{done:?}");
    // No address was given: the hint of the development server was used, and said so.
    assert!(done.stderr.contains(&server.registry), "{done:?}");
    let sent = &done.lines()[0];
    assert_eq!(sent["stage"], "handled");
    assert_eq!(sent["to"], amid);

    let message = alice.event("message");
    let fields: Vec<_> = message.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(fields.len(), 4);
    assert_eq!(message["id"], sent["id"]);
    assert_eq!(message["from"], user.json(&["identity", "show", "--home", "b"])[0]["amid"]);
    assert_eq!(message["payload"]["hello"], "wörld");
    let knock = alice.event("knock");
    assert_eq!((&knock["from"], &knock["decision"]), (&message["from"], &json!("accepted")));

    let seen = alice.stop();
    assert_eq!(seen.iter().filter(|line| line["event"] == "message").count(), 1);
}

#[test]
fn the_payload_is_passed_on_character_by_character() {
    let user = User::new();
    let _server = Server::start(&user, &[]);
    let mut command = user.command(&["listen", "--home", "a", "--json", "--count", "1"]);
    command.stdin(std::process::Stdio::null());
    let amid = user.identity("a");
    let listener = std::thread::spawn(move || finish(command));
    let args = ["send", &amid, "[1.10, 1e400,\"\\u00e9\\/\"]", "--home", "b", "--wait", "handled"];
    // The listener may not have registered yet.
    let deadline = Instant::now() + Duration::from_secs(20);
    while user.run(&args).code != 0 {
        assert!(Instant::now() < deadline);
    }
    let shown = listener.join().unwrap();
    assert_eq!(shown.code, 0);
    assert!(shown.stdout.contains(r#""payload":[1.10,1e400,"\u00e9\/"]}"#), "{shown:?}");
}

#[test]
fn an_absent_recipient_gets_it_once_even_if_the_server_is_killed_in_between() {
    let user = User::new();
    let server = Server::start(&user, &[]);
    let (alice, amid) = listen(&user, "a", &[]);
    alice.stop();

    let sent = user.json(&["send", &amid, "{\"n\":1}", "--wait", "stored", "--home", "b"]);
    assert_eq!(sent[0]["stage"], "stored");
    let _server = server.kill_and_restart(&user);
    let (mut alice, _) = listen(&user, "a", &[]);
    let message = alice.message(&json!({"n": 1}));
    assert_eq!(message["id"], sent[0]["id"]);
    assert_eq!(alice.count_after(SECOND_COPY, &json!({"n": 1})), 1);

    // The sender learns of it when it is online again.
    let flushed = user.json(&["outbox", "--flush", "--wait", "handled", "--home", "b"]);
    assert_eq!(flushed[0]["stage"], "handled");
    assert!(user.json(&["outbox", "--home", "b"]).is_empty());

    // And again after a restart of the recipient, nothing comes twice.
    alice.kill();
    let (mut alice, _) = listen(&user, "a", &[]);
    assert_eq!(alice.count_after(SECOND_COPY, &json!({"n": 1})), 0);
}

#[test]
fn with_the_server_down_a_message_waits_and_goes_out_later() {
    let user = User::new();
    let server = Server::start(&user, &[]);
    let (alice, amid) = listen(&user, "a", &[]);
    // The home knows its server from now on.
    user.json(&["send", &amid, "0", "--wait", "handled", "--home", "b"]);
    alice.stop();
    let addr = server.addr.clone();
    server.running.kill();

    let queued = user.json(&["send", &amid, "1", "--wait", "queued", "--home", "b"]);
    assert_eq!(queued[0]["stage"], "queued");
    let started = Instant::now();
    let stuck = user.run(&["send", &amid, "2", "--timeout", "2s", "--home", "b", "--json"]);
    assert_eq!(stuck.code, 5, "{stuck:?}");
    assert!(started.elapsed() < Duration::from_secs(10));
    let error = &stuck.lines()[0]["error"];
    assert_eq!((&error["code"], &error["retryable"]), (&json!("STAGE_NOT_REACHED"), &json!(true)));
    assert!(stuck.stderr.contains("outbox") && stuck.stderr.contains(&addr), "{stuck:?}");
    let waiting = user.json(&["outbox", "--home", "b"]);
    assert_eq!(waiting.len(), 2);
    assert_eq!(waiting[1]["id"], error["id"]);

    let _server = Server::at(&user, &addr, &[]);
    let flushed = user.json(&["outbox", "--flush", "--home", "b"]);
    assert!(flushed.iter().all(|line| line["stage"] == "stored"), "{flushed:?}");
    let (mut alice, _) = listen(&user, "a", &[]);
    alice.message(&json!(1));
    alice.message(&json!(2));
}

#[test]
fn the_same_id_is_one_message() {
    let user = User::new();
    let _server = Server::start(&user, &[]);
    let (mut alice, amid) = listen(&user, "a", &[]);
    let first = user.json(&["send", &amid, "7", "--wait", "delivered", "--home", "b"]);
    let id = first[0]["id"].as_str().unwrap();
    user.run(&["send", &amid, "7", "--wait", "queued", "--home", "b", "--id", id]);
    user.json(&["send", &amid, "8", "--wait", "handled", "--home", "b"]);
    assert_eq!(alice.count_after(SECOND_COPY, &json!(7)), 1);
}

#[test]
fn what_will_not_be_delivered_is_said_so() {
    let user = User::new();
    let _server = Server::start(&user, &[]);
    let unknown = user.run(&["send", "3vaLv8qnmGSndxmYvHiHWN3cb312", "1", "--home", "b", "--json"]);
    assert_eq!(unknown.code, 6, "{unknown:?}");
    assert_eq!(unknown.lines()[0]["error"]["code"], "SEND_UNKNOWN_RECIPIENT");

    let (mut alice, amid) = listen(&user, "a", &["--accept", "none"]);
    let rejected = user.run(&["send", &amid, "1", "--wait", "handled", "--home", "b", "--json"]);
    assert_eq!(rejected.code, 6, "{rejected:?}");
    assert_eq!(rejected.lines()[0]["error"]["code"], "SEND_KNOCK_REJECTED");
    assert_eq!(alice.event("knock")["decision"], "rejected");
    assert_eq!(alice.count_after(SECOND_COPY, &json!(1)), 0);
}

#[test]
fn agents_are_found_by_what_they_can_do() {
    let user = User::new();
    let _server = Server::start(&user, &[]);
    let amid = user.identity("a");
    user.json(&[
        "register",
        "--home",
        "a",
        "--name",
        "Al",
        "--capability",
        "demo/one",
        "--capability",
        "demo/two",
    ]);
    user.identity("b");
    user.json(&["register", "--home", "b", "--capability", "demo/two"]);
    let found = user.json(&["search", "demo/one"]);
    assert_eq!(found.len(), 1);
    assert_eq!((&found[0]["amid"], &found[0]["display_name"]), (&json!(amid), &json!("Al")));
    assert_eq!(user.json(&["search", "--capability", "demo/two"]).len(), 2);
    assert!(user.json(&["search", "demo/three"]).is_empty());
    // What was registered once stays, whichever command goes online next.
    user.run(&["send", &amid, "1", "--home", "b"]);
    assert_eq!(user.json(&["search", "demo/two"]).len(), 2);
}

#[test]
fn a_command_that_only_sends_decides_about_no_knock() {
    let user = User::new();
    let _server = Server::start(&user, &[]);
    let amid = user.identity("a");
    user.json(&["register", "--home", "a"]);
    user.json(&["send", &amid, "1", "--home", "b"]);
    // Fetches the KNOCK and the message, and leaves both for `listen`.
    user.json(&["register", "--home", "a"]);
    std::thread::sleep(Duration::from_millis(300));
    user.json(&["register", "--home", "a"]);
    let (mut alice, _) = listen(&user, "a", &[]);
    alice.message(&json!(1));
    assert_eq!(alice.event("knock")["decision"], "accepted");
}

#[test]
fn what_was_received_and_not_handled_is_in_the_inbox() {
    let user = User::new();
    let _server = Server::start(&user, &[]);
    let (alice, amid) = listen(&user, "a", &[]);
    user.json(&["send", &amid, "0", "--wait", "handled", "--home", "b"]);
    alice.stop();
    user.json(&["send", &amid, "{\"n\":1}", "--home", "b"]);
    assert!(user.json(&["inbox", "--home", "a"]).is_empty(), "it is at the relay still");
    let deadline = Instant::now() + Duration::from_secs(20);
    let waiting = loop {
        // Goes online and fetches; nothing is handed to anybody.
        user.json(&["register", "--home", "a"]);
        let waiting = user.json(&["inbox", "--home", "a"]);
        if !waiting.is_empty() {
            break waiting;
        }
        assert!(Instant::now() < deadline);
    };
    assert_eq!(waiting[0]["payload"], json!({"n": 1}));
    assert_eq!(user.json(&["inbox", "--home", "a"]).len(), 1, "looking does not handle it");
    let (mut alice, _) = listen(&user, "a", &[]);
    alice.message(&json!({"n": 1}));
    alice.stop();
    assert!(user.json(&["inbox", "--home", "a"]).is_empty());
}

#[test]
fn a_file_is_sent_in_parts_and_a_knock_waits_for_a_word() {
    let user = User::new();
    let _server = Server::start(&user, &[]);
    let amid = user.identity("a");
    user.json(&["register", "--home", "a"]);
    let path = user.path("large.bin");
    let bytes: Vec<u8> = (0..300_000u32).map(|n| (n % 251) as u8).collect();
    std::fs::write(&path, &bytes).unwrap();
    let file = path.to_str().unwrap();
    // Nobody decides about the KNOCK yet, so its parts wait in the outbox.
    let sent = user.run(&["send", &amid, "--file", file, "--home", "b", "--timeout", "1s"]);
    assert_eq!(sent.code, 5, "{sent:?}");
    let waiting = user.json(&["outbox", "--home", "b"]);
    assert_eq!((&waiting[0]["size"], &waiting[0]["parts"]), (&json!(300_000), &json!([0, 7])));
    let deadline = Instant::now() + Duration::from_secs(20);
    let knock = loop {
        user.json(&["register", "--home", "a"]);
        if let Some(knock) = user.json(&["inbox", "--home", "a"]).pop() {
            break knock;
        }
        assert!(Instant::now() < deadline);
    };
    let session = knock["knock"].as_str().unwrap();
    let decided = user.json(&["inbox", "--home", "a", "--accept", session]);
    assert_eq!(decided[0]["decision"], "accepted");
    assert!(user.json(&["inbox", "--home", "a"]).is_empty());
    let (mut alice, _) = listen(&user, "a", &[]);
    user.json(&["outbox", "--home", "b", "--flush", "--wait", "handled"]);
    let received = alice.event("message");
    let base64 = received["payload"]["base64"].as_str().unwrap();
    assert_eq!(base64.len(), 400_000, "all of it");
    alice.stop();
}

#[test]
fn one_process_sends_and_receives_and_survives_being_killed() {
    let user = User::new();
    let _server = Server::start(&user, &[]);
    let (mut alice, a) = listen(&user, "a", &["--stdin"]);
    let (mut bob, b) = listen(&user, "b", &["--stdin"]);
    alice.order(&json!({"to": b, "payload": {"from": "alice"}}));
    let received = bob.message(&json!({"from": "alice"}));
    let handled = |id: Value| move |line: &Value| line["id"] == id && line["stage"] == "handled";
    alice.wait_for("handled", handled(received["id"].clone()));
    bob.order(&json!({"to": a, "payload": {"from": "bob"}}));
    alice.message(&json!({"from": "bob"}));
    alice.order(&json!({"to": "nobody"}));
    alice.event("refused");

    bob.kill();
    alice.order(&json!({"to": b, "payload": 2}));
    alice.wait_for("stored", |line| line["stage"] == "stored" && line["id"] != received["id"]);
    alice.kill();
    let (mut bob, _) = listen(&user, "b", &[]);
    let second = bob.message(&json!(2));
    // The receipts reach the sender's next process.
    let (mut alice, _) = listen(&user, "a", &[]);
    alice.wait_for("handled", handled(second["id"].clone()));
    assert_eq!(bob.count_after(SECOND_COPY, &json!(2)), 1);
    assert_eq!(bob.count_after(Duration::ZERO, &json!({"from": "alice"})), 0);
}

#[test]
fn a_listener_can_be_told_when_to_end() {
    let user = User::new();
    let _server = Server::start(&user, &[]);
    let (listener, _) = listen(&user, "a", &["--for", "500ms"]);
    assert_eq!(listener.end().0, 0);

    let (listener, amid) = listen(&user, "a", &["--count", "2"]);
    for n in 0..3 {
        user.run(&["send", &amid, &n.to_string(), "--home", "b"]);
    }
    let (code, seen) = listener.end();
    assert_eq!(code, 0);
    assert_eq!(seen.iter().filter(|line| line["event"] == "message").count(), 2);
    let (mut listener, _): (Running, _) = listen(&user, "a", &[]);
    listener.message(&json!(2));
}

#[test]
fn a_listener_whose_reader_is_gone_handles_nothing() {
    let user = User::new();
    let _server = Server::start(&user, &[]);
    let amid = user.identity("a");
    user.json(&["register", "--home", "a"]);
    user.json(&["send", &amid, "1", "--home", "b"]);
    let mut child = user.command(&["listen", "--home", "a", "--json"]).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(1), "it cannot write to anybody");
    let (mut alice, _) = listen(&user, "a", &[]);
    alice.message(&json!(1));
}
