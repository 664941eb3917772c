//! `agentmesh aiwm`: any program under a controller.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Running, User};

/// A development server and an agent's `.env` in the working directory.
fn prepared(user: &User) -> (Running, String, String) {
    let mut server = Running::start(user, &["dev", "--listen", "127.0.0.1:0"]);
    let line = server.event("listening");
    let text = |name: &str| line[name].as_str().unwrap().to_owned();
    let (url, token) = (text("aiwm"), text("aiwm_admin_token"));
    let tool = json!({"name": "read-file", "type": "builtin", "description": "d", "category": "data", "status": "active", "schema": {}});
    let tool = call(&url, &token, "POST", "/tools", &tool)["_id"].clone();
    let agent = json!({"name": "A", "description": "d", "status": "active", "allowedToolIds": [tool],
        "settings": {"claudeModel": "from-the-controller", "discord": {"token": "bot-token-of-discord"}}});
    let id = call(&url, &token, "POST", "/agents", &agent)["_id"].as_str().unwrap().to_owned();
    let path = format!("/agents/{id}");
    let made = call(&url, &token, "POST", &format!("{path}/credentials/regenerate"), &Value::Null);
    std::fs::write(user.path(".env"), made["envConfig"].as_str().unwrap()).unwrap();
    (server, url + &path, token)
}

fn call(url: &str, token: &str, method: &str, path: &str, body: &Value) -> Value {
    let done = Command::new("curl")
        .args(["-sS", "--noproxy", "*", "-X", method, &format!("{url}{path}")])
        .args([
            "-H",
            &format!("Authorization: Bearer {token}"),
            "-H",
            "Content-Type: application/json",
        ])
        .args(["-d", &body.to_string()])
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
    serde_json::from_slice(&done.stdout).unwrap()
}

#[test]
fn a_program_gets_the_configuration_and_its_code_is_ours() {
    let user = User::new();
    let (_server, agent, token) = prepared(&user);
    let print =
        "echo \"$CLAUDE_MODEL $AIWM_ALLOWED_TOOLS $DISCORD_TOKEN [$AIWM_AGENT_SECRET]\"; exit 7";
    let done = user.run(&["aiwm", "run", "--", "sh", "-c", print]);
    assert_eq!(
        (done.code, done.stdout.as_str()),
        (7, "from-the-controller read-file bot-token-of-discord []\n")
    );
    let shown = call(&agent, &token, "GET", "", &Value::Null);
    assert_eq!(shown["connectionCount"], 1);
    assert_eq!(shown["lastConnectedAt"], Value::Null, "it said goodbye");
    let line = &user.json(&["aiwm", "connect"])[0];
    assert_eq!((&line["model"], &line["discord"]), (&json!("from-the-controller"), &json!(true)));
    assert!(!line.to_string().contains("bot-token"), "{line}");
    let done = user.run(&["aiwm", "run", "--", "no-such-program"]);
    assert_eq!(done.code, 2, "{done:?}");
}

#[test]
fn case_24_a_signal_goes_to_the_program_which_ends_by_itself() {
    let user = User::new();
    let (_server, ..) = prepared(&user);
    let wait = "trap 'echo asked; exit 0' TERM; echo ready; while :; do sleep 0.1; done";
    let mut running = Running::start(&user, &["aiwm", "run", "--", "sh", "-c", wait]);
    running.wait_for("ready", |line| *line == "ready");
    assert!(running.stop().contains(&json!("asked")));
}

#[test]
fn case_25_nothing_secret_is_logged_at_trace() {
    let user = User::new();
    let (_server, ..) = prepared(&user);
    let mut command = user.command(&["aiwm", "run", "--", "true"]);
    command.env("AGENTMESH_LOG", "trace");
    let done = crate::support::finish(command);
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.stderr.contains("AIWM"), "{done:?}");
    let env = std::fs::read_to_string(user.path(".env")).unwrap();
    let secret = env.lines().find_map(|line| line.strip_prefix("AIWM_AGENT_SECRET=")).unwrap();
    for text in [secret, "bot-token-of-discord", "eyJ0eXAi", "eyJhbGci"] {
        for part in text.as_bytes().windows(8) {
            let part = std::str::from_utf8(part).unwrap();
            assert!(!done.stderr.contains(part), "{part} is in\n{}", done.stderr);
        }
    }
}

#[test]
fn without_a_controller_the_environment_counts() {
    let user = User::new();
    let mut command = user.command(&[
        "aiwm",
        "run",
        "--",
        "sh",
        "-c",
        "echo $CLAUDE_MODEL $CLAUDE_PERMISSION_MODE $AIWM_INSTRUCTION",
    ]);
    std::fs::write(user.path("instruction.md"), "local").unwrap();
    command.env("CLAUDE_MODEL", "mine");
    let done = crate::support::finish(command);
    assert_eq!((done.code, done.stdout.as_str()), (0, "mine default local\n"), "{done:?}");
    std::fs::write(user.path(".env"), "AIWM_ENABLED=true\nAIWM_AGENT_ID=x\n").unwrap();
    let done = user.run(&["aiwm", "run", "--", "true"]);
    assert_eq!(done.code, 2, "{done:?}");
    assert!(done.stderr.contains("AIWM_BASE_URL, AIWM_AGENT_SECRET"), "{done:?}");
}
