//! User data in `agentmesh dev`: the documented commands and the documented Socket.IO program as printed, with the stock
//! client of npm. Only addresses are replaced.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use serde_json::{Value, json};

use crate::support::{Running, User, finish, not_run};

const DEV: [&str; 3] = ["dev", "--listen", "127.0.0.1:0"];
/// The stock client.
const CLIENT: &str = "socket.io-client@4.8.4";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap()
}

fn printed(file: &str) -> String {
    std::fs::read_to_string(root().join("tests/seeds/r2-user-data").join(file)).unwrap()
}

/// Runs a documented `curl`, and returns the status and the answer.
fn curl(text: &str, url: &str) -> (String, Value) {
    let text = text
        .trim_end()
        .replace("https://your-worker.workers.dev", url)
        .replace("https://api.example.com", url);
    let mut command = Command::new("bash");
    command.args(["-c", &format!("{text} -sS -w '\\n%{{http_code}}'")]);
    command.env("no_proxy", "*").env("API_KEY", "any-key-at-all");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let done = finish(command);
    assert_eq!(done.code, 0, "{text}: {done:?}");
    let (body, status) = done.stdout.rsplit_once('\n').unwrap();
    (status.to_owned(), serde_json::from_str(body).unwrap())
}

#[test]
fn the_documented_commands_do_what_is_printed() {
    let user = User::new();
    let mut server = Running::start(&user, &DEV);
    let url = server.event("listening")["user_data"].as_str().unwrap().to_owned();
    let run = |file: &str| {
        let (status, body) = curl(&printed(file), &url);
        assert_eq!(status, "200", "{file}: {body}");
        body
    };
    let saved = run("06.sh");
    assert_eq!(saved["key"], "users/user-123/skills/debugging.md");
    let second = printed("06.sh").replace("debugging.md", "testing.md");
    assert_eq!(curl(&second, &url).0, "200");
    let expected = |file| serde_json::from_str::<Value>(&printed(file)).unwrap();
    assert_eq!(run("07.sh"), expected("08.json"));
    assert_eq!(run("09.sh"), expected("10.json"));
    assert_eq!(run("13.sh")["key"], "users/user-123/conversations/conv-123.json");
    let found = run("14.sh");
    assert_eq!(
        found["conversation"]["messages"][1],
        json!({"role": "assistant", "content": "Hi!"})
    );
    assert_eq!(found["conversation"]["metadata"]["endedAt"], "2025-01-15T10:15:00Z");

    // The flow in one piece: two commands, a line of JavaScript, and one whose body is only hinted at.
    let flow = printed("15.sh");
    let part = |n: &str| {
        let after = flow.split_once(&format!("# {n}.")).unwrap().1.split_once('\n').unwrap().1;
        after.split_once("\n\n").map_or(after, |(part, _)| part).to_owned()
    };
    assert_eq!(curl(&part("1"), &url).0, "200");
    let (status, ready) = curl(&part("2"), &url);
    assert_eq!((status.as_str(), &ready["userId"]), ("200", &json!("alice")));
    assert_eq!(curl(&part("4"), &url).0, "400");
    assert_eq!(curl(&part("4").replace("[...]", "[]"), &url).0, "200");
}

/// Node.js, and the directory in which it finds the client. `None`: the scripts have said on standard error why not.
fn node() -> Option<&'static (String, PathBuf)> {
    static FOUND: OnceLock<Option<(String, PathBuf)>> = OnceLock::new();
    let said = |command: &mut Command| {
        let output = command.stderr(Stdio::inherit()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap().trim().to_owned();
        (!text.is_empty()).then_some(text)
    };
    let find = || {
        let node = said(&mut Command::new(root().join("scripts/node22.sh")))?;
        let mut script = Command::new(root().join("scripts/npm-package.sh"));
        let dir = said(script.arg(env!("CARGO_TARGET_TMPDIR")).arg(CLIENT))?;
        Some((node, PathBuf::from(dir)))
    };
    FOUND.get_or_init(find).as_ref()
}

/// Runs a program with `io`, and returns what it printed.
fn run(program: &str) -> Option<String> {
    let (node, dir) = node()?;
    let program = format!("const {{ io }} = require('socket.io-client');\n{program}");
    let mut command = Command::new(node);
    command.arg("-e").arg(program).env("NODE_PATH", dir.join("node_modules"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let done = finish(command);
    assert_eq!(done.code, 0, "{done:?}");
    Some(done.stdout)
}

#[test]
fn case_18_the_documented_program_runs_as_printed() {
    let user = User::new();
    let mut server = Running::start(&user, &DEV);
    let url = server.event("listening")["user_data"].as_str().unwrap().to_owned();
    let address = "wss://your-worker.workers.dev";
    let snippet = printed("12.js");
    assert!(snippet.contains(address));
    let snippet = snippet.replace(address, &url.replace("http:", "ws:"));
    let harness = "
socket.on('connect_error', (error) => { console.log('ERROR ' + error.message); process.exit(1); });
socket.on('result', (result) => { console.log('RESULT ' + result.result); socket.close(); });
";
    let Some(said) = run(&format!("{snippet}{harness}")) else {
        return not_run("the stock Socket.IO client");
    };
    for line in [
        "Connected to agent",
        "subtype: 'init'",
        "role: 'assistant'",
        "RESULT Help me debug this issue",
    ] {
        assert!(said.contains(line), "no {line} in\n{said}");
    }
}

#[test]
fn case_18_the_stock_client_comes_in_by_every_way_and_answers_hooks() {
    let user = User::new();
    let mut server = Running::start(&user, &DEV);
    let url = server.event("listening")["user_data"].as_str().unwrap().to_owned();
    let program = format!(
        "
const ways = [
  ['{url}', {{ query: {{ sessionId: 'a' }} }}],
  ['{url}', {{ query: {{ sessionId: 'b' }}, transports: ['websocket'] }}],
  ['{url}', {{ query: {{ sessionId: 'c' }}, transports: ['polling'] }}],
  ['{url}', {{ query: {{ sessionId: 'd' }}, path: '/ws' }}],
  ['{url}/ws?sessionId=e', {{}}],
];
(async () => {{
  for (const [address, options] of ways) {{
    const socket = io(address, {{ ...options, forceNew: true }});
    const denied = await new Promise((resolve, reject) => {{
      socket.on('connect_error', reject);
      socket.on('hook_request', (hook, ack) => ack({{ action: 'deny', reason: hook.data.tool_name }}));
      socket.on('result', (result) => resolve(result.result));
      socket.emit('message', {{ prompt: '/tool Write {{}}', options: {{}} }});
    }});
    console.log(denied);
    const diagnostics = new Promise((resolve) => socket.on('diagnostics', resolve));
    socket.emit('get_diagnostics');
    console.log((await diagnostics).sessionId);
    socket.close();
  }}
}})().catch((error) => {{ console.log('ERROR ' + error.message); process.exit(1); }});
"
    );
    let Some(said) = run(&program) else {
        return not_run("the stock Socket.IO client");
    };
    let expected: Vec<_> = ["a", "b", "c", "d", "e"]
        .into_iter()
        .flat_map(|s| ["Write did not run: Write", s])
        .collect();
    assert_eq!(said.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn with_a_key_only_that_key_is_taken_and_no_secret_is_logged() {
    const KEY: &str = "the-api-key-of-this-test";
    const WRONG: &str = "a-wrong-key-that-is-not-logged";
    let user = User::new();
    let args = [&DEV[..], &["--api-key", KEY]].concat();
    let mut server = Running::traced(&user, &args, "server.log");
    let url = server.event("listening")["user_data"].as_str().unwrap().to_owned();
    let as_printed = printed("06.sh").replace("debugging.md", "the-name-of-a-skill");
    assert_eq!(curl(&as_printed, &url).0, "401");
    assert_eq!(curl(&as_printed.replace("YOUR_API_KEY", WRONG), &url).0, "401");
    assert_eq!(curl(&as_printed.replace("YOUR_API_KEY", KEY), &url).0, "200");
    let (_, ready) = curl(&printed("09.sh").replace("YOUR_API_KEY", KEY), &url);
    let token = ready["sessionToken"].as_str().unwrap();
    if let Some(said) = run(&format!(
        "
const socket = io('{url}', {{ query: {{ sessionId: 'session-abc' }}, auth: {{ token: '{token}' }} }});
socket.on('result', () => {{ console.log('done'); socket.close(); }});
socket.emit('message', 'the-prompt-of-this-test');
"
    )) {
        assert_eq!(said, "done\n");
    }
    server.stop();
    let log = std::fs::read_to_string(user.path("server.log")).unwrap();
    assert!(log.contains("listening"), "{log}");
    for secret in [KEY, WRONG, token, "the-prompt-of-this-test", "When debugging"] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}
