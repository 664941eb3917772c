//! The program killed (SIGKILL) and started again with the secrets of before: what it answered with success is there.

use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::process::{Program, command};

const ADMIN: &str = "an-administrator-of-tests";
const KEY: &str = "an-api-key-of-tests";

struct Killed {
    program: Program,
    dir: tempfile::TempDir,
    http: Client,
}

impl Killed {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let program = Self::program(dir.path(), "127.0.0.1:0").await;
        Self { program, dir, http: Client::builder().no_proxy().build().unwrap() }
    }

    async fn program(dir: &std::path::Path, listen: &str) -> Program {
        let mut command = command(dir, listen, &[]);
        command.env("JWT_SECRET", "a-secret-for-tests-of-32-bytes-or-more");
        command.env("AIWM_ADMIN_TOKEN", ADMIN).env("API_KEY", KEY);
        Program::spawn(command).await
    }

    async fn kill_and_restart(&mut self) {
        self.program.child.kill().await.unwrap();
        let addr = self.program.addr.clone();
        self.program = Self::program(self.dir.path(), &addr).await;
    }

    async fn call(&self, method: Method, path: &str, token: &str, body: Value) -> (u16, Value) {
        let url = format!("http://{}{path}", self.program.addr);
        let request = self.http.request(method, url).bearer_auth(token).json(&body);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }
}

#[tokio::test]
async fn aiwm_keeps_agents_tokens_and_counts_over_a_kill() {
    let mut server = Killed::start().await;
    let body = json!({"name": "a", "description": "d", "status": "active"});
    let (_, made) = server.call(Method::POST, "/agents", ADMIN, body).await;
    let path = format!("/agents/{}", made["_id"].as_str().unwrap());
    let regenerate = format!("{path}/credentials/regenerate");
    let (_, made) = server.call(Method::POST, &regenerate, ADMIN, Value::Null).await;
    let secret = json!({"secret": made["secret"]});
    let connect = format!("{path}/connect");
    let (status, connected) = server.call(Method::POST, &connect, "", secret.clone()).await;
    assert_eq!(status, 200, "{connected}");
    let token = connected["token"].as_str().unwrap();
    for killed in 0..3 {
        let beat = json!({"status": "busy", "metrics": {"killed": killed}});
        let heartbeat = format!("{path}/heartbeat");
        let answer = server.call(Method::POST, &heartbeat, token, beat).await;
        assert_eq!(answer, (200, json!({"success": true})));
        server.kill_and_restart().await;
        let (_, shown) = server.call(Method::GET, &path, ADMIN, Value::Null).await;
        assert_eq!(shown["lastReport"]["metrics"]["killed"], killed);
        assert_eq!((&shown["connectionCount"], &shown["online"]), (&json!(1), &json!(true)));
    }
    assert_eq!(server.call(Method::POST, &connect, "", secret).await.0, 200);
}

#[tokio::test]
async fn user_data_keeps_what_was_stored_over_a_kill_and_sandboxes_begin_anew() {
    let mut server = Killed::start().await;
    let skill = json!({"name": "debugging.md", "content": "# Debugging"});
    assert_eq!(server.call(Method::POST, "/users/u/skills", KEY, skill).await.0, 200);
    let conversation = json!({"conversationId": "c", "messages": [1]});
    let path = "/users/u/conversations";
    assert_eq!(server.call(Method::POST, path, KEY, conversation.clone()).await.0, 200);
    let setup = "/setup/s?userId=u";
    let (_, before) = server.call(Method::POST, setup, KEY, Value::Null).await;
    let sandbox = server.dir.path().join("sandboxes/s");
    assert!(sandbox.exists());
    server.kill_and_restart().await;
    assert!(!sandbox.exists(), "nobody is left whose it was");
    let (_, list) = server.call(Method::GET, "/users/u/skills", KEY, Value::Null).await;
    assert_eq!(list["skills"], json!(["debugging.md"]));
    let (_, kept) = server.call(Method::GET, &format!("{path}/c"), KEY, Value::Null).await;
    assert_eq!(kept["conversation"], conversation);
    let (_, after) = server.call(Method::POST, setup, KEY, Value::Null).await;
    assert_eq!(after["skillsLoaded"], before["skillsLoaded"]);
    assert_ne!(after["sessionToken"], before["sessionToken"]);
    assert!(sandbox.exists());
}
