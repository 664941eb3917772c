//! AIWM over real sockets: the cases 1 to 14 of the service's document, and bad input.

use std::process::Command;

use agentmesh_server::{AiwmConfig, Profile, Server, ServerConfig};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

use crate::support::now;

const JWT_SECRET: &str = "a-secret-for-tests-of-32-bytes-or-more";
const ADMIN: &str = "an-admin-token-for-tests";

struct Aiwm {
    server: Server,
    http: Client,
}

fn config() -> AiwmConfig {
    AiwmConfig {
        jwt_secret: Some(JWT_SECRET.into()),
        admin_token: Some(ADMIN.into()),
        ..AiwmConfig::default()
    }
}

impl Aiwm {
    async fn start() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut ServerConfig)) -> Self {
        let mut all = ServerConfig { aiwm: config(), ..ServerConfig::for_development() };
        change(&mut all);
        Self { server: Server::start(all).await.unwrap(), http: Client::new() }
    }

    async fn raw(
        &self,
        method: Method,
        path: &str,
        token: &str,
        kind: &str,
        body: Vec<u8>,
    ) -> (u16, Value) {
        let mut request = self.http.request(method, format!("{}{path}", self.server.url()));
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        let response = request.header("content-type", kind).body(body).send().await.unwrap();
        let status = response.status().as_u16();
        assert!(response.headers().contains_key("x-correlation-id"), "{path}");
        assert_eq!(response.headers()["cache-control"], "no-store");
        let body: Value = response.json().await.unwrap();
        if status >= 400 {
            assert_eq!(body["statusCode"], status);
            assert_eq!(body["path"], path.split('?').next().unwrap());
            assert_eq!(body["correlationId"].as_str().unwrap().len(), 36);
            assert!(body["timestamp"].as_str().unwrap().ends_with('Z'));
        }
        (status, body)
    }

    async fn call(&self, method: Method, path: &str, token: &str, body: Value) -> (u16, Value) {
        self.raw(method, path, token, "application/json", body.to_string().into_bytes()).await
    }

    async fn post(&self, path: &str, token: &str, body: Value) -> (u16, Value) {
        self.call(Method::POST, path, token, body).await
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) = self.call(Method::GET, path, ADMIN, Value::Null).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    async fn create(&self, path: &str, body: Value) -> String {
        let (status, made) = self.post(path, ADMIN, body).await;
        assert_eq!(status, 201, "{made}");
        made["_id"].as_str().unwrap().to_owned()
    }

    async fn agent(&self, more: Value) -> String {
        let mut body = json!({"name": "Agent", "description": "d", "status": "active"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.create("/agents", body).await
    }

    async fn regenerate(&self, id: &str) -> Value {
        let path = format!("/agents/{id}/credentials/regenerate");
        let (status, body) = self.post(&path, ADMIN, Value::Null).await;
        assert!(status == 200 || status == 201, "{body}");
        body
    }

    /// An agent and its secret.
    async fn ready(&self, more: Value) -> (String, String) {
        let id = self.agent(more).await;
        let secret = self.regenerate(&id).await["secret"].as_str().unwrap().to_owned();
        (id, secret)
    }

    async fn connect(&self, id: &str, secret: &str) -> (u16, Value) {
        self.post(&format!("/agents/{id}/connect"), "", json!({"secret": secret})).await
    }

    async fn token(&self, id: &str, secret: &str) -> String {
        let (status, body) = self.connect(id, secret).await;
        assert_eq!(status, 200, "{body}");
        body["token"].as_str().unwrap().to_owned()
    }

    async fn beat(&self, id: &str, token: &str, body: Value) -> (u16, Value) {
        self.post(&format!("/agents/{id}/heartbeat"), token, body).await
    }

    async fn count(&self, id: &str) -> u64 {
        self.get(&format!("/agents/{id}")).await["connectionCount"].as_u64().unwrap()
    }

    async fn secret_checks(&self) -> u64 {
        let text = reqwest::get(format!("{}/metrics", self.server.url())).await.unwrap();
        let text = text.text().await.unwrap();
        let line = text.lines().find(|l| l.starts_with("agentmesh_aiwm_secret_checks_total "));
        line.map_or(0, |line| line.split(' ').next_back().unwrap().parse().unwrap())
    }
}

fn claims(token: &str) -> Value {
    use base64ct::{Base64UrlUnpadded, Encoding};
    let parts: Vec<_> = token.split('.').collect();
    assert_eq!(parts.len(), 3);
    let part = |n: usize| -> Value {
        serde_json::from_slice(&Base64UrlUnpadded::decode_vec(parts[n]).unwrap()).unwrap()
    };
    assert_eq!(part(0)["alg"], "HS256");
    part(1)
}

fn sign(claims: &Value, algorithm: Algorithm, secret: &str) -> String {
    encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
}

fn person(roles: &[&str], org: &str) -> String {
    let exp = now().as_millis() / 1000 + 60;
    let claims = json!({"sub": "somebody", "roles": roles, "orgId": org, "exp": exp});
    sign(&claims, Algorithm::HS256, JWT_SECRET)
}

fn tool(name: &str, status: &str) -> Value {
    json!({"name": name, "type": "builtin", "description": "d", "category": "productivity", "status": status,
        "schema": {"inputSchema": {"type": "object"}, "outputSchema": {"type": "object"}}})
}

#[tokio::test]
async fn case_1_connect_gives_a_token_active_tools_and_counts() {
    let aiwm = Aiwm::start().await;
    let good = aiwm.create("/tools", tool("read-file", "active")).await;
    let inactive = aiwm.create("/tools", tool("off", "inactive")).await;
    aiwm.create("/tools", tool("not-listed", "active")).await;
    let deleted = aiwm.create("/tools", tool("gone", "active")).await;
    aiwm.call(Method::DELETE, &format!("/tools/{deleted}"), ADMIN, Value::Null).await;
    let settings = json!({"claudeModel": "m", "discord_token": "d", "custom": [1]});
    let tools = json!([good, inactive, deleted, "nothex"]);
    let (id, secret) = aiwm.ready(json!({"allowedToolIds": tools, "settings": settings})).await;
    let (status, body) = aiwm.connect(&id, &secret).await;
    assert_eq!(status, 200);
    let claims = claims(body["token"].as_str().unwrap());
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 86_400);
    assert_eq!((&claims["sub"], &claims["type"]), (&json!(id), &json!("agent")));
    assert_eq!(claims["username"], format!("agent:{id}"));
    let tools = body["tools"].as_array().unwrap();
    assert_eq!(tools.len(), 1);
    assert_eq!((&tools[0]["_id"], &tools[0]["name"]), (&json!(good), &json!("read-file")));
    assert_eq!(body["accessToken"], body["token"]);
    assert_eq!((&body["expiresIn"], &body["tokenType"]), (&json!(86_400), &json!("bearer")));
    assert_eq!(body["agent"], json!({"id": id, "name": "Agent", "orgId": "default"}));
    assert_eq!(
        body["settings"],
        json!({"claudeModel": "m", "discord": {"token": "d"}, "custom": [1]})
    );
    assert_eq!(body["instruction"], "No instruction configured for this agent.");
    assert_eq!(aiwm.count(&id).await, 1);
    assert_eq!(aiwm.connect(&id.to_uppercase(), &secret).await.0, 200);
    assert_eq!(aiwm.count(&id).await, 2);
    aiwm.server.shutdown().await;
}

#[tokio::test]
async fn tokens_of_platforms_can_be_withheld_and_roles_are_a_list_or_text() {
    let aiwm = Aiwm::with(|config| config.aiwm.withhold_tokens = true).await;
    let settings =
        json!({"discord": {"token": "d", "botId": "b"}, "auth_roles": "one.viewer, two.viewer"});
    let (id, secret) = aiwm.ready(json!({"settings": settings})).await;
    let (_, body) = aiwm.connect(&id, &secret).await;
    assert_eq!(body["settings"]["discord"], json!({"botId": "b"}));
    let claims = claims(body["token"].as_str().unwrap());
    assert_eq!(claims["roles"], json!(["one.viewer", "two.viewer"]));
    // Who regenerates gets the whole environment.
    let env = aiwm.regenerate(&id).await["envConfig"].as_str().unwrap().to_owned();
    assert!(env.contains("\nDISCORD_TOKEN=d\n"), "{env}");
    aiwm.server.shutdown().await;
}

#[tokio::test]
async fn case_2_the_instruction_is_the_prompt_and_numbered_guidelines() {
    let aiwm = Aiwm::start().await;
    let body =
        json!({"name": "i", "systemPrompt": "P", "guidelines": ["a", "b"], "status": "inactive"});
    let instruction = aiwm.create("/instructions", body).await;
    let (id, secret) = aiwm.ready(json!({"instructionId": instruction})).await;
    let (_, body) = aiwm.connect(&id, &secret).await;
    assert_eq!(body["instruction"], "P\n\n## Guidelines\n1. a\n2. b");
    assert_eq!(
        body["instructionObject"],
        json!({"id": instruction, "systemPrompt": "P", "guidelines": ["a", "b"]})
    );
    aiwm.call(Method::DELETE, &format!("/instructions/{instruction}"), ADMIN, Value::Null).await;
    let (_, body) = aiwm.connect(&id, &secret).await;
    assert_eq!(body["instruction"], "Instruction not found.");
    aiwm.server.shutdown().await;
}

#[tokio::test]
async fn case_3_profile_head_answers_as_newer_controllers() {
    let aiwm = Aiwm::with(|config| config.profile = Profile::Head).await;
    let settings = json!({"claudeModel": "m", "discord": {"token": "d"}});
    let (id, secret) = aiwm.ready(json!({"settings": settings})).await;
    let (status, body) = aiwm.connect(&id, &secret).await;
    assert_eq!(status, 201);
    let mut names: Vec<_> = body.as_object().unwrap().keys().cloned().collect();
    names.sort();
    let wanted = [
        "accessToken",
        "expiresIn",
        "instruction",
        "mcpServers",
        "refreshExpiresIn",
        "refreshToken",
        "settings",
        "tokenType",
    ];
    assert_eq!(names, wanted);
    assert_eq!(body["settings"], json!({"claude_model": "m", "discord_token": "d"}));
    assert_eq!(body["instruction"]["id"], "");
    let token = body["accessToken"].as_str().unwrap();
    assert_eq!(
        aiwm.beat(&id, token, json!({"status": "busy"})).await,
        (201, json!({"success": true}))
    );
    let managed = aiwm.agent(json!({"type": "managed", "secret": "dropped"})).await;
    let path = format!("/agents/{managed}/credentials/regenerate");
    let (status, body) = aiwm.post(&path, ADMIN, Value::Null).await;
    assert_eq!(
        (status, &body["message"]),
        (400, &json!("Only autonomous agents have credentials to regenerate"))
    );
    let (status, body) = aiwm.connect(&managed, "dropped").await;
    assert_eq!((status, &body["message"]), (401, &json!("Agent has no secret configured")));
    aiwm.server.shutdown().await;
}

#[tokio::test]
async fn case_4_a_wrong_secret_is_401_and_does_not_count() {
    let aiwm = Aiwm::start().await;
    let (id, secret) = aiwm.ready(json!({})).await;
    for wrong in ["wrong", &secret[..63], &format!("{secret}0000000000")] {
        let (status, body) = aiwm.connect(&id, wrong).await;
        assert_eq!((status, &body["message"]), (401, &json!("Invalid credentials")), "{wrong}");
    }
    assert_eq!(aiwm.count(&id).await, 0);
    aiwm.server.shutdown().await;
}

#[tokio::test]
async fn case_5_ids_that_nobody_has_are_404() {
    let aiwm = Aiwm::start().await;
    let (id, secret) = aiwm.ready(json!({})).await;
    let token = aiwm.token(&id, &secret).await;
    aiwm.call(Method::DELETE, &format!("/agents/{id}"), ADMIN, Value::Null).await;
    for gone in [&id, "000000000000000000000000", "nothex", "123456789012", "..%2Fx"] {
        let (status, body) = aiwm.connect(gone, &secret).await;
        assert_eq!(status, 404, "{gone}: {body}");
        assert_eq!(aiwm.beat(gone, &token, json!({"status": "idle"})).await.0, 404, "{gone}");
        let path = format!("/agents/{gone}/credentials/regenerate");
        assert_eq!(aiwm.post(&path, ADMIN, Value::Null).await.0, 404, "{gone}");
    }
    assert!(aiwm.get("/agents").await["data"].as_array().unwrap().is_empty());
    aiwm.server.shutdown().await;
}

/// Not timed: that the work is the same is counted.
#[tokio::test]
async fn case_6_a_suspended_agent_is_401_with_either_secret_and_the_same_work() {
    let aiwm = Aiwm::start().await;
    let (id, secret) = aiwm.ready(json!({})).await;
    let token = aiwm.token(&id, &secret).await;
    let path = format!("/agents/{id}");
    let (status, _) = aiwm.call(Method::PUT, &path, ADMIN, json!({"status": "suspended"})).await;
    assert_eq!(status, 200);
    let mut before = aiwm.secret_checks().await;
    for (tried, message) in
        [(secret.as_str(), "Agent is suspended"), ("wrong", "Invalid credentials")]
    {
        let (status, body) = aiwm.connect(&id, tried).await;
        assert_eq!((status, &body["message"]), (401, &json!(message)));
        assert_eq!(aiwm.secret_checks().await, before + 1);
        before += 1;
    }
    // An id that nobody has costs the same.
    aiwm.connect("000000000000000000000000", "wrong").await;
    assert_eq!(aiwm.secret_checks().await, before + 1);
    assert_eq!(aiwm.beat(&id, &token, json!({"status": "idle"})).await.0, 401);
    aiwm.server.shutdown().await;
}

#[tokio::test]
async fn case_7_bodies_that_are_wrong_are_400_and_say_why() {
    let aiwm = Aiwm::start().await;
    let id = aiwm.agent(json!({})).await;
    let path = format!("/agents/{id}/connect");
    let both = json!(["secret must be a string", "secret should not be empty"]);
    let json_kind = "application/json; charset=utf-8";
    for (kind, body, errors) in [
        (json_kind, "{}", both.clone()),
        (json_kind, "", both.clone()),
        (json_kind, "[]", both.clone()),
        (json_kind, r#"{"secret":null}"#, both.clone()),
        (json_kind, r#"{"secret":5}"#, json!(["secret must be a string"])),
        (json_kind, r#"{"secret":""}"#, json!(["secret should not be empty"])),
        ("text/plain", r#"{"secret":"x"}"#, both),
    ] {
        let (status, answer) = aiwm.raw(Method::POST, &path, "", kind, body.into()).await;
        assert_eq!((status, &answer["message"]), (400, &json!("Validation failed")), "{body}");
        assert_eq!(answer["errors"], errors, "{body}");
    }
    let (status, answer) = aiwm.raw(Method::POST, &path, "", json_kind, b"{bad".to_vec()).await;
    assert_eq!((status, &answer["message"]), (400, &json!("Malformed JSON body")));
    assert!(answer.get("errors").is_none());
    let (status, _) = aiwm.raw(Method::POST, &path, "", json_kind, vec![b' '; 200_000]).await;
    assert_eq!(status, 413);
    let form = "application/x-www-form-urlencoded";
    let (status, _) = aiwm.raw(Method::POST, &path, "", form, b"secret=x&y=1".to_vec()).await;
    assert_eq!(status, 401);
    aiwm.server.shutdown().await;
}

#[tokio::test]
async fn case_8_heartbeats_move_the_time_and_leave_a_report() {
    let aiwm = Aiwm::start().await;
    let (id, secret) = aiwm.ready(json!({})).await;
    let token = aiwm.token(&id, &secret).await;
    let path = format!("/agents/{id}");
    assert_eq!(aiwm.get(&path).await["online"], false);
    let mut last = String::new();
    for status in ["online", "busy", "idle"] {
        let metrics = json!({"cpu": 45, "näme": {"ü": [1, "\u{1f600}"]}});
        let answer =
            aiwm.beat(&id, &token, json!({"status": status, "metrics": metrics, "x": 1})).await;
        assert_eq!(answer, (200, json!({"success": true})));
        let shown = aiwm.get(&path).await;
        assert_eq!(shown["lastReport"], json!({"status": status, "metrics": metrics}));
        assert_eq!(shown["online"], true);
        let at = shown["lastHeartbeatAt"].as_str().unwrap().to_owned();
        assert!(at >= last, "{at} {last}");
        last = at;
    }
    let health: Value =
        reqwest::get(format!("{}/health", aiwm.server.url())).await.unwrap().json().await.unwrap();
    assert_eq!(health["aiwm"], json!({"enabled": true, "agents": 1, "online": 1}));
    let answer =
        aiwm.post(&format!("/agents/{id}/disconnect"), &token, json!({"reason": "r"})).await;
    assert_eq!(answer, (200, json!({"success": true})));
    assert_eq!(aiwm.get(&path).await["lastConnectedAt"], Value::Null);
    aiwm.server.shutdown().await;
}

#[tokio::test]
async fn case_9_bad_heartbeats_are_400_and_bad_tokens_401() {
    let aiwm = Aiwm::start().await;
    let (id, secret) = aiwm.ready(json!({})).await;
    let token = aiwm.token(&id, &secret).await;
    let listed = json!(["status must be one of the following values: online, busy, idle"]);
    for body in [json!({"status": "offline"}), json!({}), json!({"status": 1})] {
        let (status, answer) = aiwm.beat(&id, &token, body).await;
        assert_eq!((status, &answer["errors"]), (400, &listed));
    }
    for metrics in [json!([1]), json!("x")] {
        let (status, answer) =
            aiwm.beat(&id, &token, json!({"status": "idle", "metrics": metrics})).await;
        assert_eq!((status, &answer["errors"]), (400, &json!(["metrics must be an object"])));
    }
    assert_eq!(aiwm.beat(&id, &token, json!({"status": "idle", "metrics": null})).await.0, 200);
    let large = json!({"status": "idle", "metrics": {"x": "y".repeat(20_000)}});
    assert_eq!(aiwm.beat(&id, &token, large).await.0, 413);

    let mut expired = claims(&token);
    expired["exp"] = (now().as_millis() / 1000 - 1).into();
    let (head, rest) = token.split_once('.').unwrap();
    let unsigned =
        format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{}.", rest.split_once('.').unwrap().0);
    let tampered = format!("{head}.{}x{rest}", &rest[..1]);
    for bad in [
        "",
        "x",
        &unsigned,
        &tampered,
        &sign(&expired, Algorithm::HS256, JWT_SECRET),
        &sign(&claims(&token), Algorithm::HS256, "another secret that is long enough"),
        &sign(&claims(&token), Algorithm::HS512, JWT_SECRET),
    ] {
        let (status, answer) = aiwm.beat(&id, bad, json!({"status": "idle"})).await;
        assert_eq!((status, &answer["message"]), (401, &json!("Unauthorized")), "{bad}");
    }
    for nobody in [json!(""), Value::Null] {
        let mut nameless = claims(&token);
        match nobody {
            Value::Null => drop(nameless.as_object_mut().unwrap().remove("sub")),
            empty => nameless["sub"] = empty,
        }
        let nameless = sign(&nameless, Algorithm::HS256, JWT_SECRET);
        let (status, answer) = aiwm.beat(&id, &nameless, json!({"status": "idle"})).await;
        assert_eq!((status, &answer["message"]), (401, &json!("Invalid token payload")));
    }
    aiwm.server.shutdown().await;
}

#[tokio::test]
async fn lists_have_pages_filters_and_a_search() {
    let aiwm = Aiwm::start().await;
    for (name, status, kind) in [
        ("Support", "active", "autonomous"),
        ("support 2", "busy", "autonomous"),
        ("Billing", "busy", "managed"),
    ] {
        aiwm.agent(json!({"name": name, "status": status, "type": kind})).await;
    }
    aiwm.create("/tools", tool("a", "active")).await;
    aiwm.create("/tools", tool("b", "inactive")).await;
    for (path, expected, total) in [
        ("/agents", &["Support", "support 2", "Billing"][..], 3),
        ("/agents?limit=2&page=2", &["Billing"], 3),
        ("/agents?status=busy", &["support 2", "Billing"], 2),
        ("/agents?status=busy&type=managed", &["Billing"], 1),
        ("/agents?search=SUPP&limit=1", &["Support"], 2),
        ("/agents?search=%25", &[], 0),
        ("/agents?status=suspended", &[], 0),
        ("/agents?unknown=x", &["Support", "support 2", "Billing"], 3),
        ("/tools?status=inactive", &["b"], 1),
    ] {
        let body = aiwm.get(path).await;
        let data = body["data"].as_array().unwrap();
        let names: Vec<_> = data.iter().map(|one| one["name"].as_str().unwrap()).collect();
        assert_eq!((&names[..], &body["pagination"]["total"]), (expected, &json!(total)), "{path}");
        let all = if path.starts_with("/agents") { 3 } else { 2 };
        assert_eq!(body["statistics"]["total"], all, "{path}");
    }
    for (path, error) in [
        ("/agents?page=0", "page must not be less than 1"),
        ("/agents?limit=x", "limit must not be less than 1"),
        ("/agents?type=robot", "type must be one of the following values: managed, autonomous"),
        ("/agents?search=", "search should not be empty"),
    ] {
        let (status, body) = aiwm.call(Method::GET, path, ADMIN, Value::Null).await;
        assert_eq!((status, &body["errors"]), (400, &json!([error])), "{path}");
    }
    aiwm.server.shutdown().await;
}

#[tokio::test]
async fn case_10_the_token_of_one_agent_is_not_good_for_another() {
    let aiwm = Aiwm::start().await;
    let (a, secret) = aiwm.ready(json!({})).await;
    let (b, other) = aiwm.ready(json!({})).await;
    let (token, _) = (aiwm.token(&a, &secret).await, aiwm.token(&b, &other).await);
    let before = aiwm.get(&format!("/agents/{b}")).await;
    assert_eq!(aiwm.beat(&b, &token, json!({"status": "busy"})).await.0, 403);
    assert_eq!(aiwm.post(&format!("/agents/{b}/disconnect"), &token, json!({})).await.0, 403);
    assert_eq!(aiwm.beat(&b, ADMIN, json!({"status": "busy"})).await.0, 403);
    assert_eq!(aiwm.get(&format!("/agents/{b}")).await, before);
    aiwm.server.shutdown().await;
}

#[tokio::test]
async fn case_11_regenerating_replaces_the_secret_and_ends_old_tokens() {
    let dir = tempfile::tempdir().unwrap();
    let aiwm = Aiwm::with(|config| config.data_dir = Some(dir.path().to_owned())).await;
    let (id, old) = aiwm.ready(json!({})).await;
    let token = aiwm.token(&id, &old).await;
    let fresh = aiwm.regenerate(&id).await;
    let secret = fresh["secret"].as_str().unwrap();
    assert_eq!(secret.len(), 64);
    assert!(secret.bytes().all(|byte| byte.is_ascii_hexdigit()));
    assert_ne!(secret, old);
    assert_eq!(aiwm.connect(&id, &old).await.0, 401);
    assert_eq!(aiwm.connect(&id, secret).await.0, 200);
    assert_eq!(aiwm.beat(&id, &token, json!({"status": "idle"})).await.0, 401);
    let shown = aiwm.get(&format!("/agents/{id}")).await.to_string();
    assert!(!shown.contains("$2"), "a hash is never shown: {shown}");
    aiwm.server.shutdown().await;

    let database = rusqlite::Connection::open(dir.path().join("agentmesh.db")).unwrap();
    let hash: String =
        database.query_row("SELECT secret_hash FROM aiwm_agents", (), |row| row.get(0)).unwrap();
    assert!(hash.starts_with("$2") && &hash[3..7] == "$10$", "{hash}");
    let audited: i64 = database
        .query_row(
            "SELECT count(*) FROM aiwm_audit WHERE action = 'credentials.regenerate'",
            (),
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(audited, 2);
}

#[tokio::test]
async fn case_12_only_who_may_write_in_the_organization_administers() {
    let aiwm = Aiwm::start().await;
    let (id, secret) = aiwm.ready(json!({})).await;
    let token = aiwm.token(&id, &secret).await;
    let path = format!("/agents/{id}/credentials/regenerate");
    for (who, status) in [
        (token.clone(), 403),
        (person(&["organization.viewer"], "default"), 403),
        (person(&["nobody"], "default"), 403),
        (person(&["organization.owner"], "another"), 404),
        (String::new(), 401),
        (person(&["group.editor"], "default"), 200),
        (person(&["universe.owner"], ""), 403),
    ] {
        assert_eq!(aiwm.post(&path, &who, Value::Null).await.0, status);
    }
    let new = json!({"name": "n", "description": "d", "status": "active"});
    let viewer = person(&["member.viewer"], "default");
    let (status, answer) = aiwm.post("/agents", &viewer, new.clone()).await;
    assert_eq!(
        (status, &answer["message"]),
        (403, &json!("You do not have permission to create."))
    );
    let agents = |who: String| {
        let aiwm = &aiwm;
        async move { aiwm.call(Method::GET, "/agents", &who, Value::Null).await }
    };
    assert_eq!(agents(viewer).await.1["pagination"]["total"], 1);
    assert_eq!(
        agents(person(&["organization.owner"], "another")).await.1["pagination"]["total"],
        0
    );
    assert_eq!(agents(token).await.0, 403);
    aiwm.server.shutdown().await;
}

#[tokio::test]
async fn case_13_and_14_the_env_file_is_one_line_a_value_and_the_script_runs_nothing() {
    let aiwm =
        Aiwm::with(|config| config.aiwm.public_url = Some("https://host/dev/aiwm/".into())).await;
    let settings = json!({"discord": {"token": "dt", "channelIds": ["1", "2"]}, "resume": false, "maxTurns": 0});
    let dir = tempfile::tempdir().unwrap();
    let marker = dir.path().join("ran");
    let name = format!("x\n$(touch {0})\"; touch {0} '", marker.display());
    let id = aiwm.agent(json!({"name": name, "settings": settings})).await;
    let made = aiwm.regenerate(&id).await;
    let env = made["envConfig"].as_str().unwrap();
    let secret = made["secret"].as_str().unwrap();
    assert!(env.starts_with("# ===== AIWM Integration =====\nAIWM_ENABLED=true\nAIWM_BASE_URL=https://host/dev/aiwm\n"), "{env}");
    assert!(env.contains(&format!("\nAIWM_AGENT_ID={id}\nAIWM_AGENT_SECRET={secret}\n")));
    assert!(env.contains("\nDISCORD_TOKEN=dt\nDISCORD_CHANNEL_ID=1,2\n"), "{env}");
    assert!(
        env.contains(
            "\nCLAUDE_MAX_TURNS=100\nCLAUDE_PERMISSION_MODE=default\nCLAUDE_RESUME=false\n"
        ),
        "{env}"
    );
    assert!(env.contains("\n# TELEGRAM_BOT_TOKEN="), "{env}");
    assert_eq!(env.lines().filter(|line| line.starts_with("AGENT_NAME=")).count(), 1);
    assert!(env.lines().all(|line| line.is_empty() || line.starts_with('#') || line.contains('=')));

    let (env_file, script) = (dir.path().join("env"), dir.path().join("install.sh"));
    std::fs::write(&env_file, env).unwrap();
    let text = made["installScript"].as_str().unwrap();
    assert!(text.starts_with("#!/bin/bash\n# Installation script\n") && !text.contains(secret));
    std::fs::write(&script, text).unwrap();
    let bash = |args: &[&std::ffi::OsStr]| {
        let done =
            Command::new("bash").args(args).env("AIWM_AGENT_SECRET", secret).output().unwrap();
        assert!(done.status.success(), "{done:?}");
    };
    bash(&["-n".as_ref(), script.as_ref()]);
    bash(&["-c".as_ref(), "set -eu; . \"$0\"".as_ref(), env_file.as_ref()]);
    let target = dir.path().join("agent dir");
    bash(&[script.as_ref(), target.as_ref()]);
    assert!(!marker.exists(), "the name was executed");
    let written = std::fs::read_to_string(target.join(".env")).unwrap();
    assert!(written.contains(&format!("AIWM_AGENT_SECRET={secret}\n")));
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(target.join(".env")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    aiwm.server.shutdown().await;
}

#[tokio::test]
async fn paths_and_verbs_that_are_not_there_answer_in_this_services_shape() {
    let aiwm =
        Aiwm::with(|config| config.aiwm.allowed_origins = vec!["https://page.example".into()])
            .await;
    let (status, body) = aiwm.call(Method::GET, "/agents/x/y/z", "", Value::Null).await;
    assert_eq!((status, &body["message"]), (404, &json!("Cannot GET /agents/x/y/z")));
    let (status, body) = aiwm.call(Method::GET, "/agents/x/connect", "", Value::Null).await;
    assert_eq!((status, &body["message"]), (405, &json!("Cannot GET /agents/x/connect")));
    let url = format!("{}/agents", aiwm.server.url());
    for (origin, allowed) in [("https://page.example", true), ("https://other.example", false)] {
        let request = aiwm.http.request(Method::OPTIONS, &url).header("origin", origin);
        let answer = request.header("x-correlation-id", "mine").send().await.unwrap();
        assert_eq!(answer.status() == StatusCode::NO_CONTENT, allowed);
        assert_eq!(answer.headers().contains_key("access-control-allow-origin"), allowed);
        assert_eq!(answer.headers()["x-correlation-id"], "mine");
    }
    aiwm.server.shutdown().await;
}

#[tokio::test]
async fn connects_are_limited_and_the_service_is_off_without_a_secret() {
    let aiwm = Aiwm::with(|config| config.aiwm.connects_per_minute = Some(2)).await;
    let id = "000000000000000000000000";
    assert_eq!(aiwm.connect(id, "x").await.0, 404);
    assert_eq!(aiwm.connect(id, "x").await.0, 404);
    assert_eq!(aiwm.connect(id, "x").await.0, 429);
    aiwm.server.shutdown().await;

    let server = Server::start(ServerConfig::for_development()).await.unwrap();
    assert_eq!(reqwest::get(format!("{}/agents", server.url())).await.unwrap().status(), 404);
    let health: Value =
        reqwest::get(format!("{}/health", server.url())).await.unwrap().json().await.unwrap();
    assert_eq!(health["aiwm"], json!({"enabled": false}));
    server.shutdown().await;
    let short = AiwmConfig { jwt_secret: Some("short".into()), ..AiwmConfig::default() };
    let refused =
        Server::start(ServerConfig { aiwm: short, ..ServerConfig::for_development() }).await;
    assert!(refused.unwrap_err().to_string().starts_with("JWT_SECRET"));
}

#[tokio::test]
async fn the_interface_is_described_and_its_page_needs_no_network() {
    let aiwm = Aiwm::start().await;
    let text = async |path: &str| {
        let answer = reqwest::get(format!("{}{path}", aiwm.server.url())).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        answer.text().await.unwrap()
    };
    let api: Value = serde_json::from_str(&text("/api-docs-json").await).unwrap();
    for path in
        ["/agents/{id}/connect", "/agents/{id}/heartbeat", "/agents/{id}/credentials/regenerate"]
    {
        assert!(api["paths"][path]["post"].is_object(), "{path}");
    }
    for kind in ["agents", "instructions", "tools", "nodes"] {
        for (path, verbs) in [
            (format!("/{kind}"), ["get", "post"].as_slice()),
            (format!("/{kind}/{{id}}"), &["get", "put", "delete"]),
        ] {
            for verb in verbs {
                let described = &api["paths"][&path][verb];
                assert_eq!(described["security"], json!([{"bearer": []}]), "{verb} {path}");
            }
        }
        // A change may leave everything out.
        let change = &api["paths"][format!("/{kind}/{{id}}")]["put"]["requestBody"]["content"];
        let change = &change["application/json"]["schema"];
        assert!(change["properties"]["name"].is_object() && change["required"].is_null(), "{kind}");
    }
    let schemas = &api["components"]["schemas"];
    assert_eq!(
        schemas["NewTool"]["required"],
        json!(["name", "type", "description", "category", "status", "schema"])
    );
    assert_eq!(schemas["NewInstruction"]["required"], json!(["name", "systemPrompt"]));
    assert_eq!(schemas["NewAgent"]["properties"]["secret"]["writeOnly"], true);
    assert!(api["openapi"].as_str().unwrap().starts_with("3."));
    let page = text("/api-docs").await;
    assert!(page.contains("swagger-ui") && !page.contains("https://"), "{page}");
    assert!(text("/api-docs/swagger-initializer.js").await.contains("/api-docs-json"));
    assert!(text("/api-docs/swagger-ui-bundle.js").await.len() > 100_000);
    aiwm.server.shutdown().await;
}
