//! `agentmesh aiwm`: any program under a controller.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::support::{Running, User};

/// A development server and an agent's `.env` in the working directory.
fn prepared(user: &User) -> (Running, String, String) {
    prepared_at(user, Running::start(user, &DEV))
}

const DEV: [&str; 3] = ["dev", "--listen", "127.0.0.1:0"];

fn prepared_at(user: &User, mut server: Running) -> (Running, String, String) {
    let line = server.event("listening");
    let text = |name: &str| line[name].as_str().unwrap().to_owned();
    let (url, token) = (text("aiwm"), text("aiwm_admin_token"));
    let agent = agent(user, &url, &token);
    (server, agent, token)
}

/// Makes an agent at a controller, and its `.env` in the working directory. Returns its address.
pub(crate) fn agent(user: &User, url: &str, token: &str) -> String {
    let tool = json!({"name": "read-file", "type": "builtin", "description": "d", "category": "data", "status": "active", "schema": {}});
    let tool = call(url, token, "POST", "/tools", &tool)["_id"].clone();
    let agent = json!({"name": "A", "description": "d", "status": "active", "allowedToolIds": [tool],
        "settings": {"claudeModel": "from-the-controller", "claudeOAuthToken": "sk-ant-oat-of-anthropic",
            "discord": {"token": "bot-token-of-discord"}, "telegram": {"token": "bot-token-of-telegram"}}});
    let id = call(url, token, "POST", "/agents", &agent)["_id"].as_str().unwrap().to_owned();
    let path = format!("/agents/{id}");
    let made = call(url, token, "POST", &format!("{path}/credentials/regenerate"), &Value::Null);
    std::fs::write(user.path(".env"), made["envConfig"].as_str().unwrap()).unwrap();
    format!("{url}{path}")
}

pub(crate) fn call(url: &str, token: &str, method: &str, path: &str, body: &Value) -> Value {
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

fn secret(user: &User) -> String {
    let env = std::fs::read_to_string(user.path(".env")).unwrap();
    let secret = env.lines().find_map(|line| line.strip_prefix("AIWM_AGENT_SECRET="));
    secret.unwrap().to_owned()
}

/// The documented commands, as printed, with the documented placeholders filled in.
#[test]
fn the_documented_commands_do_what_is_printed() {
    let user = User::new();
    let (_server, agent, token) = prepared(&user);
    let (url, id) = agent.split_once("/agents/").unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let mut bearer = String::new();
    for (file, status) in [("13.sh", "200"), ("14.sh", "200"), ("15.sh", "401"), ("16.sh", "")] {
        let path = root.join("tests/seeds/aiwm-agent-client").join(file);
        let printed = std::fs::read_to_string(path).unwrap();
        let text = printed
            .trim_end()
            .replace("http://localhost:3305", url)
            .replace("{AGENT_ID}", id)
            .replace("your-secret", &secret(&user))
            .replace("{JWT_TOKEN}", &bearer);
        let curl = text.contains("curl ");
        let text = if curl { format!("{text} -sS -w '\\n%{{http_code}}'") } else { text };
        let mut command = Command::new("bash");
        command.args(["-c", &text]).current_dir(root).env("no_proxy", "*");
        command.env("AIWM_BASE_URL", url).env("AIWM_ADMIN_TOKEN", &token);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let done = crate::support::finish(command);
        assert_eq!(done.code, 0, "{file}: {done:?}");
        if !curl {
            assert!(done.stdout.ends_with("All steps succeeded.\n"), "{done:?}");
            continue;
        }
        let (body, code) = done.stdout.rsplit_once('\n').unwrap();
        assert_eq!(code, status, "{file}: {body}");
        let body: Value = serde_json::from_str(body).unwrap();
        match file {
            "13.sh" => bearer = body["token"].as_str().unwrap().to_owned(),
            "14.sh" => assert_eq!(body, json!({"success": true})),
            _ => assert_eq!(body["message"], "Invalid credentials"),
        }
    }
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

/// A terminal gives Ctrl-C to all processes in its foreground: the program must not get it from us as well.
#[cfg(target_os = "linux")]
#[test]
fn ctrl_c_at_a_terminal_reaches_the_program_once() {
    use std::io::{BufRead, BufReader, Write};

    const COUNT: &str = "\
import os, select, signal, time
r, w = os.pipe(); os.set_blocking(w, False); signal.set_wakeup_fd(w)
signal.signal(signal.SIGINT, lambda *_: None)
print('ready', flush=True)
n, end = 0, time.time() + 60
while time.time() < end:
    if select.select([r], [], [], 0.5)[0]: n += len(os.read(r, 10))
    elif n: break
print('interrupts', n, flush=True)
";
    let has = |program: &str| Command::new(program).arg("--version").output().is_ok();
    if !has("script") || !has("python3") {
        return crate::support::not_run("Ctrl-C at a terminal");
    }
    let user = User::new();
    std::fs::write(user.path("count.py"), COUNT).unwrap();
    let ours = user.command(&["aiwm"]);
    // A shell that stayed between `script` and ours would take the interrupt as well, and end by it.
    let line =
        format!("exec '{}' aiwm run -- python3 count.py", ours.get_program().to_str().unwrap());
    let mut command = Command::new("script");
    command.args(["-qec", &line, "/dev/null"]).current_dir(user.path("."));
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut terminal = command.spawn().unwrap();
    let mut lines = BufReader::new(terminal.stdout.take().unwrap()).lines();
    let mut until =
        |part: &str| lines.by_ref().map(Result::unwrap).find(|line| line.contains(part)).unwrap();
    until("ready");
    terminal.stdin.as_mut().unwrap().write_all(b"\x03").unwrap();
    assert!(until("interrupts").ends_with("interrupts 1"));
    assert!(terminal.wait().unwrap().success());
}

#[test]
fn case_25_nothing_secret_is_logged_at_trace() {
    let user = User::new();
    let traced = Running::traced(&user, &DEV, "server.log");
    let (server, agent, token) = prepared_at(&user, traced);
    let mut command = user.command(&["aiwm", "run", "--", "true"]);
    command.env("AGENTMESH_LOG", "trace");
    let done = crate::support::finish(command);
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.stderr.contains("AIWM"), "{done:?}");
    let wrong = call(&format!("{agent}/connect"), "", "POST", "", &json!({"secret": WRONG}));
    assert_eq!(wrong["statusCode"], 401);
    server.stop();
    let log = std::fs::read_to_string(user.path("server.log")).unwrap();
    assert!(log.contains("AIWM"), "{log}");
    let secret = secret(&user);
    // The last three are how the parts of a token begin.
    let tokens = ["bot-token-of-discord", "bot-token-of-telegram", "sk-ant-oat-of-anthropic"];
    let all = [&secret, &token, WRONG, tokens[0], tokens[1], tokens[2]];
    let all = all.into_iter().chain(["eyJ0eXAi", "eyJhbGci", "eyJzdWIi"]);
    for part in all.flat_map(|text| text.as_bytes().windows(8)) {
        let part = std::str::from_utf8(part).unwrap();
        assert!(!done.stderr.contains(part), "{part} is in\n{}", done.stderr);
        assert!(!log.contains(part), "{part} is in\n{log}");
    }
}

const WRONG: &str = "another-that-is-wrong";

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

#[test]
fn what_the_local_configuration_is_for_is_said() {
    let user = User::new();
    let done = user.run(&["aiwm", "run", "--", "true"]);
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.stderr.contains(".env, which does not exist"), "{done:?}");
    let done = user.run(&["aiwm", "connect"]);
    assert_eq!(done.code, 2, "{done:?}");
    assert!(done.stderr.contains(".env, which does not exist"), "{done:?}");
    let done = user.run(&["aiwm", "run", "--env-file", "other.env", "--", "true"]);
    assert_eq!(done.code, 2, "one that is named has to be there: {done:?}");

    let (_server, ..) = prepared(&user);
    let env = std::fs::read_to_string(user.path(".env")).unwrap();
    std::fs::write(user.path("good.env"), format!("{env}AIWM_INSTRUCTION_FILE=absent.md\n"))
        .unwrap();
    let done = user.run(&["aiwm", "run", "--env-file", "good.env", "--", "true"]);
    assert!(done.stderr.contains("absent.md: No such file"), "{done:?}");
    assert!(!done.stderr.contains("local configuration"), "{done:?}");
    let wrong = env.replace(&secret(&user), WRONG);
    std::fs::write(user.path("wrong.env"), wrong).unwrap();
    let args = ["aiwm", "run", "--env-file", "wrong.env", "--", "echo", "started"];
    let done = user.run(&args);
    assert_eq!((done.code, done.stdout.as_str()), (0, "started\n"), "{done:?}");
    assert!(done.stderr.contains("Invalid credentials"), "{done:?}");
    let done = user.run(&["aiwm", "run", "--fail-fast", "--env-file", "wrong.env", "--", "true"]);
    assert_eq!(done.code, 4, "{done:?}");
}
