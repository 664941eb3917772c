//! User data over real sockets: the cases of the service's document that are about HTTP, by their numbers.

use std::{path::Path, sync::Arc};

use agentmesh_core::services::user_data::store::{
    SkillLayout, UserDataLimits, UserDataStoreConfig,
};
use agentmesh_server::{Environment, Secret, Server, ServerConfig, UserDataConfig};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use object_store::memory::InMemory;
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};

use crate::support::now;

pub(crate) const KEY: &str = "an-api-key-for-tests";
const JWT_SECRET: &str = "a-secret-for-tests-of-32-bytes-or-more";

/// A server of its own, and the directory that it works in.
pub(crate) struct Service {
    pub(crate) server: Server,
    pub(crate) dir: tempfile::TempDir,
    http: Client,
}

impl Service {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut UserDataConfig)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut user_data = UserDataConfig {
            api_key: Some(Secret::new(KEY)),
            insecure: false,
            store: Some(UserDataStoreConfig::directory(dir.path().join("store"))),
            sandboxes: Some(dir.path().join("sandboxes")),
            ..UserDataConfig::for_development()
        };
        change(&mut user_data);
        let config = ServerConfig { user_data, ..ServerConfig::for_development() };
        Self { server: Server::start(config).await.unwrap(), dir, http: Client::new() }
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        auth: &str,
        body: &str,
    ) -> Response {
        let mut request = self.http.request(method, format!("{}{path}", self.server.url()));
        if !auth.is_empty() {
            request = request.header("authorization", auth);
        }
        request.body(body.to_owned()).send().await.unwrap()
    }

    /// With the key; every answer is JSON.
    pub(crate) async fn call(&self, method: Method, path: &str, body: &str) -> (u16, Value) {
        let response = self.send(method, path, &format!("Bearer {KEY}"), body).await;
        let status = response.status().as_u16();
        assert_eq!(response.headers()["content-type"], "application/json", "{path}");
        assert_eq!(response.headers()["x-request-id"].len(), 36);
        assert!(!response.headers().contains_key("access-control-allow-origin"));
        (status, response.json().await.unwrap())
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        self.call(Method::GET, path, "").await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.call(Method::POST, path, &body.to_string()).await
    }

    pub(crate) async fn delete(&self, path: &str) -> (u16, Value) {
        self.call(Method::DELETE, path, "").await
    }

    pub(crate) async fn skill(&self, user: &str, name: &str, content: &str) -> (u16, Value) {
        self.post(&format!("/users/{user}/skills"), json!({"name": name, "content": content})).await
    }
}

fn is_iso(value: &Value) -> bool {
    let text = value.as_str().unwrap();
    agentmesh_core::Timestamp::parse_rfc3339(text).is_some() && text.ends_with('Z')
}

#[tokio::test]
async fn case_01_a_saved_skill_is_answered_with_five_fields_and_its_key() {
    for (layout, key) in [
        (SkillLayout::Flat, "users/u/skills/debugging.md"),
        (SkillLayout::Nested, "users/u/skills/debugging.md/SKILL.md"),
    ] {
        let service = Service::with(|config| config.layout = layout).await;
        let saved = service.skill("u", "debugging.md", "# Debugging").await;
        let expected = json!({
            "status": "success",
            "userId": "u",
            "skillName": "debugging.md",
            "key": key,
            "message": "Skill saved to R2. Call /setup/:sessionId to load into sandbox.",
        });
        assert_eq!(saved, (200, expected));
        assert!(service.dir.path().join("store").join(key).is_file());
    }
}

#[tokio::test]
async fn case_02_lists_are_sorted_and_unknown_users_have_none() {
    let service = Service::start().await;
    service.skill("user-123", "testing.md", "t").await;
    service.skill("user-123", "debugging.md", "d").await;
    let expected: Value =
        serde_json::from_str(include_str!("../../../../tests/seeds/r2-user-data/08.json")).unwrap();
    assert_eq!(service.get("/users/user-123/skills").await, (200, expected));
    let none = json!({"userId": "nobody", "skills": [], "count": 0});
    assert_eq!(service.get("/users/nobody/skills").await, (200, none));
    let part = service.get("/users/user-123/skills?limit=1").await.1;
    assert_eq!(
        (&part["skills"], &part["cursor"]),
        (&json!(["debugging.md"]), &json!("debugging.md"))
    );
    let rest = service.get("/users/user-123/skills?limit=1&cursor=debugging.md").await.1;
    assert_eq!((&rest["skills"], rest.get("cursor")), (&json!(["testing.md"]), None));
    for bad in ["limit=0", "limit=x", "cursor=..", "limit=%zz"] {
        assert_eq!(service.get(&format!("/users/user-123/skills?{bad}")).await.0, 400, "{bad}");
    }
}

#[tokio::test]
async fn case_03_a_skill_comes_back_byte_for_byte() {
    let service = Service::start().await;
    let content = "# ö\r\n\tx \u{0}😀";
    service.skill("u", "a.md", content).await;
    let (status, found) = service.get("/users/u/skills/a.md").await;
    assert_eq!(
        (status, &found["content"], &found["size"]),
        (200, &json!(content), &json!(content.len()))
    );
    assert_eq!((&found["userId"], &found["skillName"]), (&json!("u"), &json!("a.md")));
    assert_eq!(found["metadata"]["userId"], "u");
    assert!(is_iso(&found["metadata"]["uploadedAt"]) && is_iso(&found["uploaded"]));
    assert_eq!(found.as_object().unwrap().len(), 6);
    let head =
        service.send(Method::HEAD, "/users/u/skills/a.md", &format!("Bearer {KEY}"), "").await;
    assert_eq!((head.status().as_u16(), head.text().await.unwrap().len()), (200, 0));
}

#[tokio::test]
async fn case_04_deleting_twice_succeeds_twice() {
    let service = Service::start().await;
    service.skill("u", "a.md", "x").await;
    let deleted = json!({"status": "deleted", "userId": "u", "skillName": "a.md", "key": "users/u/skills/a.md"});
    for _ in 0..2 {
        assert_eq!(service.delete("/users/u/skills/a.md").await, (200, deleted.clone()));
    }
    let missing = (404, json!({"error": "Skill not found"}));
    assert_eq!(service.get("/users/u/skills/a.md").await, missing);
}

#[tokio::test]
async fn case_05_every_protected_route_wants_the_key() {
    let service = Service::start().await;
    let routes = [
        (Method::GET, "/users/u/skills"),
        (Method::POST, "/users/u/skills"),
        (Method::GET, "/users/u/skills/a"),
        (Method::DELETE, "/users/u/skills/a"),
        (Method::GET, "/users/u/conversations"),
        (Method::POST, "/users/u/conversations"),
        (Method::GET, "/users/u/conversations/a"),
        (Method::DELETE, "/users/u/conversations/a"),
        (Method::GET, "/users/u/settings"),
        (Method::PUT, "/users/u/settings/a"),
        (Method::DELETE, "/users/u/settings/a"),
        (Method::GET, "/users/u/unknown"),
        (Method::POST, "/setup/s"),
        (Method::DELETE, "/sandbox/s"),
    ];
    let wrong =
        ["", "Bearer", "Bearer ", "Bearer wrong", "Basic YTpi", &format!("Bearer {KEY}x"), KEY];
    for (method, path) in routes {
        for auth in wrong {
            let response = service.send(method.clone(), path, auth, "").await;
            assert_eq!(response.status(), 401, "{method} {path} {auth:?}");
            let body: Value = response.json().await.unwrap();
            assert_eq!(body, json!({"error": "Unauthorized"}));
        }
        for scheme in ["Bearer", "bearer"] {
            let response = service.send(method.clone(), path, &format!("{scheme} {KEY}"), "").await;
            assert_ne!(response.status(), 401, "{method} {path} {scheme}");
        }
    }
    for open in ["/health", "/_info"] {
        assert_eq!(service.send(Method::GET, open, "", "").await.status(), 200);
    }
}

#[tokio::test]
async fn case_05_without_a_key_any_bearer_is_taken_and_still_one_is_wanted() {
    let service = Service::with(|config| {
        config.api_key = None;
        config.insecure = true;
    })
    .await;
    assert_eq!(service.get("/users/u/skills").await.0, 200);
    assert_eq!(service.send(Method::GET, "/users/u/skills", "", "").await.status(), 401);
}

#[tokio::test]
async fn case_06_without_a_key_the_server_does_not_start() {
    let user_data = UserDataConfig { enabled: true, ..UserDataConfig::default() };
    let config = ServerConfig { user_data, ..ServerConfig::for_development() };
    let refused = Server::start(config).await.unwrap_err();
    assert!(refused.to_string().contains("API_KEY"), "{refused}");
}

#[tokio::test]
async fn case_07_skills_need_a_name_and_content() {
    let service = Service::start().await;
    let error = json!({"error": "Skill name and content are required"});
    for body in [
        "{bad",
        "null",
        "[]",
        "5",
        "",
        r#"{"name":"a"}"#,
        r#"{"name":"a","content":""}"#,
        r#"{"name":5,"content":"x"}"#,
        r#"{"name":"a","content":5}"#,
        r#"{"name":"","content":"x"}"#,
    ] {
        let answer = service.call(Method::POST, "/users/u/skills", body).await;
        assert_eq!(answer, (400, error.clone()), "{body}");
    }
    assert_eq!(service.get("/users/u/skills").await.1["count"], 0);
}

/// Every file below a directory, but that which says what a directory is for.
pub(crate) fn files(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if !path.ends_with(".agentmesh-sandboxes") {
            found.push(path.to_str().unwrap().to_owned());
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn case_08_names_that_lead_elsewhere_are_refused_and_change_nothing() {
    let service = Service::start().await;
    service.skill("bob", "b", "bob's").await;
    let before = files(service.dir.path());
    let error = json!({"error": "Invalid skill name"});
    for name in ["../x", "a/b", "..", ".x", "a\\b", "a\0", ".", "../../bob/skills/b"] {
        assert_eq!(service.skill("u", name, "x").await, (400, error.clone()), "{name:?}");
    }
    for segment in [
        "..%2Fx",
        "a%2Fb",
        "%2E%2E",
        ".x",
        "a%5Cb",
        "a%00",
        "%E0%A4%A",
        "..%2f..%2fbob%2fskills%2fb",
    ] {
        let path = format!("/users/u/skills/{segment}");
        for method in [Method::GET, Method::DELETE] {
            let (status, _) = service.call(method.clone(), &path, "").await;
            // `%2E%2E` is taken out of the path by the client already.
            let expected = if segment == "%2E%2E" { [400, 404, 405] } else { [400; 3] };
            assert!(expected.contains(&status), "{method} {segment} {status}");
        }
    }
    assert_eq!(files(service.dir.path()), before);
}

#[tokio::test]
async fn case_09_names_in_any_script_are_kept() {
    let service = Service::start().await;
    for (name, path) in [("你好.md", "%E4%BD%A0%E5%A5%BD.md"), ("😀", "%F0%9F%98%80")] {
        assert_eq!(service.skill("u", name, name).await.0, 200);
        let (status, found) = service.get(&format!("/users/u/skills/{path}")).await;
        assert_eq!((status, &found["content"]), (200, &json!(name)));
    }
    service.skill("u", "e\u{301}", "decomposed").await;
    service.skill("u", "é", "composed").await;
    let found = service.get("/users/u/skills/e%CC%81").await.1;
    assert_eq!(found["content"], "composed");
    assert_eq!(service.get("/users/u/skills").await.1["count"], 3);
}

#[tokio::test]
async fn case_10_conversations_come_back_as_they_were_saved() {
    let service = Service::start().await;
    let body = json!({
        "conversationId": "conv-123",
        "messages": [{"role": "user", "content": "Hello"}],
        "metadata": {"startedAt": "2025-01-15T10:00:00Z"},
        "more": {"a": [1.5, null, "ö"]},
    });
    let saved = service.post("/users/u/conversations", body.clone()).await;
    let key = "users/u/conversations/conv-123.json";
    let expected =
        json!({"status": "saved", "userId": "u", "conversationId": "conv-123", "key": key});
    assert_eq!(saved, (200, expected));
    let (status, found) = service.get("/users/u/conversations/conv-123").await;
    assert_eq!((status, &found["conversation"]), (200, &body));
    assert_eq!(found["metadata"]["conversationId"], "conv-123");
    assert!(is_iso(&found["metadata"]["savedAt"]) && is_iso(&found["uploaded"]));

    let listed = service.get("/users/u/conversations").await.1;
    assert_eq!((&listed["count"], &listed["userId"]), (&json!(1), &json!("u")));
    let one = &listed["conversations"][0];
    assert_eq!(
        (&one["conversationId"], &one["size"]),
        (&json!("conv-123"), &json!(body.to_string().len()))
    );
    assert!(is_iso(&one["savedAt"]));
    let deleted =
        json!({"status": "deleted", "userId": "u", "conversationId": "conv-123", "key": key});
    for _ in 0..2 {
        assert_eq!(service.delete("/users/u/conversations/conv-123").await, (200, deleted.clone()));
    }
    let missing = (404, json!({"error": "Conversation not found"}));
    assert_eq!(service.get("/users/u/conversations/conv-123").await, missing);
}

#[tokio::test]
async fn case_11_conversations_need_an_id() {
    let service = Service::start().await;
    let error = json!({"error": "conversationId is required"});
    for body in ["{bad", "null", "[]", "{}", r#"{"conversationId":""}"#, r#"{"conversationId":5}"#]
    {
        let answer = service.call(Method::POST, "/users/u/conversations", body).await;
        assert_eq!(answer, (400, error.clone()), "{body}");
    }
}

#[tokio::test]
async fn case_12_more_skills_than_a_page_are_all_listed() {
    let limits = UserDataLimits { skills: 2000, ..UserDataLimits::default() };
    let service = Service::with(|config| {
        config.limits = limits;
        config.store = Some(UserDataStoreConfig::over(Arc::new(InMemory::new()), ""));
    })
    .await;
    for n in 0..1100 {
        assert_eq!(service.skill("u", &format!("s{n}"), "x").await.0, 200);
    }
    assert_eq!(service.get("/users/u/skills").await.1["count"], 1100);
}

#[tokio::test]
async fn case_13_users_whose_ids_differ_in_case_are_two() {
    let service = Service::start().await;
    service.skill("Alice", "upper.md", "A").await;
    service.skill("alice", "lower.md", "a").await;
    assert_eq!(service.get("/users/Alice/skills").await.1["skills"], json!(["upper.md"]));
    assert_eq!(service.get("/users/alice/skills").await.1["skills"], json!(["lower.md"]));
    let ready = service.post("/setup/s?userId=Alice", json!(null)).await.1;
    assert_eq!(ready["userId"], "Alice");
    assert_eq!(ready["skillsLoaded"], json!(["/workspace/.claude/skills/upper.md"]));
}

/// What documents show, and the token that comes in addition.
fn without_token((status, mut body): (u16, Value)) -> (u16, Value) {
    let token = body.as_object_mut().unwrap().remove("sessionToken");
    assert!(token.is_some_and(|token| token.as_str().unwrap().len() >= 32));
    (status, body)
}

#[tokio::test]
async fn case_14_in_development_skills_are_copied() {
    let service = Service::start().await;
    for name in ["testing.md", "debugging.md"] {
        service.skill("user-123", name, name).await;
    }
    let ready = service.post("/setup/session-abc?userId=user-123", json!(null)).await;
    let expected: Value =
        serde_json::from_str(include_str!("../../../../tests/seeds/r2-user-data/10.json")).unwrap();
    assert_eq!(without_token(ready), (200, expected));
    let skills = service.dir.path().join("sandboxes/session-abc/.claude/skills");
    assert_eq!(std::fs::read_to_string(skills.join("debugging.md")).unwrap(), "debugging.md");
    // Once more, after a change: what is gone is gone.
    service.delete("/users/user-123/skills/testing.md").await;
    let ready = service.post("/setup/session-abc?userId=user-123", json!(null)).await.1;
    assert_eq!(ready["skillsLoaded"], json!(["/workspace/.claude/skills/debugging.md"]));
    assert_eq!(files(&skills).len(), 1);
}

#[tokio::test]
async fn case_14_nested_skills_are_where_agents_look() {
    let service = Service::with(|config| config.layout = SkillLayout::Nested).await;
    service.skill("u", "a", "x").await;
    let ready = service.post("/setup/s?userId=u", json!(null)).await.1;
    let expected =
        ["/workspace/.claude/skills/a/SKILL.md", concat!("/", "root/.claude/skills/a/SKILL.md")];
    assert_eq!(ready["skillsLoaded"], json!(expected));
    assert!(service.dir.path().join("sandboxes/s/.claude/skills/a/SKILL.md").is_file());
}

#[cfg(unix)]
#[tokio::test]
async fn case_15_in_production_a_view_of_the_users_own_skills_is_there() {
    let service = Service::with(|config| config.environment = Environment::Production).await;
    service.skill("user-123", "a.md", "mine").await;
    service.skill("another", "b.md", "not mine").await;
    let ready = service.post("/setup/session-abc?userId=user-123", json!(null)).await;
    let expected: Value =
        serde_json::from_str(include_str!("../../../../tests/seeds/r2-user-data/11.json")).unwrap();
    assert_eq!(without_token(ready), (200, expected));
    let skills = service.dir.path().join("sandboxes/session-abc/.claude/skills");
    let found = files(&skills);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(std::fs::read_to_string(skills.join("a.md")).unwrap(), "mine");
    assert!(std::fs::metadata(skills.join("a.md")).unwrap().permissions().readonly());
}

#[tokio::test]
async fn case_16_where_no_view_can_be_made_skills_are_copied() {
    let service = Service::with(|config| config.environment = Environment::Production).await;
    service.skill("u", "a.md", "x").await;
    // A directory is in the way of the view.
    let skills = service.dir.path().join("sandboxes/s/.claude/skills");
    std::fs::create_dir_all(skills.join("old")).unwrap();
    let ready = service.post("/setup/s?userId=u", json!(null)).await.1;
    assert_eq!(ready["setupMethod"], "r2_load_fallback");
    assert_eq!(ready["skillsLoaded"], json!(["/workspace/.claude/skills/a.md"]));
    assert_eq!(files(&skills).len(), 1);
}

#[tokio::test]
async fn case_17_the_user_is_the_session_if_none_is_named_and_ws_wants_an_upgrade() {
    let service = Service::start().await;
    let ready = service.post("/setup/s", json!(null)).await;
    let expected = json!({
        "status": "ready",
        "sessionId": "s",
        "userId": "s",
        "setupMethod": "r2_load_dev",
        "message": "Sandbox prepared. Connect via WebSocket to /ws?sessionId=s",
    });
    assert_eq!(without_token(ready), (200, expected));
    let response = service.send(Method::GET, "/ws?sessionId=s", "", "").await;
    assert_eq!(response.status(), 426);
    assert_eq!(response.text().await.unwrap(), "Expected Upgrade: websocket");
}

#[tokio::test]
async fn case_25_settings_go_there_and_back() {
    let service = Service::start().await;
    let body = json!({"theme": "dark", "nested": {"a": [1]}});
    let saved = service.call(Method::PUT, "/users/u/settings/preferences", &body.to_string()).await;
    let key = "users/u/settings/preferences.json";
    let expected = json!({"status": "saved", "userId": "u", "name": "preferences", "key": key});
    assert_eq!(saved, (200, expected));
    let (status, found) = service.get("/users/u/settings").await;
    assert_eq!((status, &found["settings"], &found["name"]), (200, &body, &json!("preferences")));
    assert!(is_iso(&found["metadata"]["savedAt"]) && is_iso(&found["uploaded"]));
    let deleted = json!({"status": "deleted", "userId": "u", "name": "preferences", "key": key});
    assert_eq!(service.delete("/users/u/settings/preferences").await, (200, deleted));
    let missing = (404, json!({"error": "Settings not found"}));
    assert_eq!(service.get("/users/u/settings/preferences").await, missing);
    for bad in ["{bad", "null", "[]", "5"] {
        let answer = service.call(Method::PUT, "/users/u/settings/x", bad).await;
        assert_eq!(answer, (400, json!({"error": "Settings must be a JSON object"})), "{bad}");
    }
}

#[tokio::test]
async fn sandboxes_are_destroyed_as_often_as_one_likes() {
    let service = Service::start().await;
    service.skill("u", "a", "x").await;
    service.post("/setup/s?userId=u", json!(null)).await;
    assert!(service.dir.path().join("sandboxes/s").exists());
    for _ in 0..2 {
        let destroyed = json!({"status": "destroyed", "sessionId": "s"});
        assert_eq!(service.delete("/sandbox/s").await, (200, destroyed));
        assert!(!service.dir.path().join("sandboxes/s").exists());
    }
}

fn token(sub: &str, offset: i64) -> String {
    let seconds = i64::try_from(now().as_millis() / 1000).unwrap() + offset;
    let claims = json!({"sub": sub, "exp": seconds});
    let key = EncodingKey::from_secret(JWT_SECRET.as_bytes());
    encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap()
}

#[tokio::test]
async fn tokens_of_users_are_good_for_their_own_data() {
    let service = Service::with(|config| config.jwt_secret = Some(Secret::new(JWT_SECRET))).await;
    let status = async |method: Method, path: &str, token: &str| {
        service.send(method, path, &format!("Bearer {token}"), "").await.status().as_u16()
    };
    let alice = token("alice", 60);
    assert_eq!(status(Method::GET, "/users/alice/skills", &alice).await, 200);
    assert_eq!(status(Method::GET, "/users/bob/skills", &alice).await, 403);
    assert_eq!(status(Method::POST, "/setup/s?userId=bob", &alice).await, 403);
    assert_eq!(status(Method::POST, "/setup/s", &alice).await, 403);
    assert_eq!(status(Method::POST, "/setup/s?userId=alice", &alice).await, 200);
    let bob = token("bob", 60);
    assert_eq!(status(Method::POST, "/setup/s?userId=bob", &bob).await, 403);
    assert_eq!(status(Method::DELETE, "/sandbox/s", &bob).await, 403);
    assert_eq!(status(Method::DELETE, "/sandbox/s", &alice).await, 200);
    assert_eq!(status(Method::GET, "/users/alice/skills", &token("alice", -60)).await, 401);
    let forbidden =
        service.send(Method::GET, "/users/bob/skills", &format!("Bearer {alice}"), "").await;
    assert_eq!(forbidden.json::<Value>().await.unwrap(), json!({"error": "Forbidden"}));
}

#[tokio::test]
async fn health_and_info_say_what_there_is() {
    let service = Service::start().await;
    let health: Value = service.send(Method::GET, "/health", "", "").await.json().await.unwrap();
    let expected = json!({"enabled": true, "environment": "development", "sessions": 0});
    assert_eq!(health["user_data"], expected);
    let info = service.get("/_info").await.1;
    assert_eq!(
        (&info["socketPath"], &info["environment"]),
        (&json!("/socket.io/"), &json!("development"))
    );
    assert_eq!(info["publicUrl"], service.server.url());
}
