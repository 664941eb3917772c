//! The registry's documented shapes, and the proofs it asks for.

use agentmesh_core::{identity::Identity, wire::registry::AgentLookup};
use agentmesh_server::{Server, ServerConfig};
use base64ct::{Base64, Encoding};
use serde_json::{Value, json};

use crate::support::*;

#[tokio::test]
async fn register_answers_201_and_then_409() {
    let server = start().await;
    let alice = identity();
    let amid = alice.amid().to_string();
    let (status, body) = post(&server, "/registry/register", &registration(&alice, &["a/b"])).await;
    assert_eq!(status, 201);
    assert_eq!(body, json!({"success": true, "amid": amid, "tier": "anonymous"}));
    let (status, body) = post(&server, "/registry/register", &registration(&alice, &[])).await;
    assert_eq!(status, 409);
    assert_eq!(
        (&body["success"], &body["amid"], &body["tier"]),
        (&json!(false), &json!(amid), &json!("anonymous"))
    );
    assert!(body["error"].is_string());
}

#[tokio::test]
async fn register_needs_the_key_of_the_amid_and_its_signature() {
    let server = start().await;
    let (alice, bob) = (identity(), identity());
    let good = registration(&alice, &[]);
    let with = |field: &str, value: Value| {
        let mut body = good.clone();
        body[field] = value;
        body
    };
    for bad in [
        with("amid", bob.amid().to_string().into()),
        with("signing_public_key", key(&bob).into()),
        with("signing_public_key", "AAAA".into()),
        with("signature", "AAAA".into()),
        with("timestamp", now().plus_millis(7).to_rfc3339_millis().into()),
        with("timestamp", "yesterday".into()),
    ] {
        let (status, body) = post(&server, "/registry/register", &bad).await;
        assert_eq!((status, &body["success"]), (401, &json!(false)), "{bad}");
        assert_eq!(body["tier"], "anonymous");
    }
    for bad in [
        with("exchange_public_key", "x25519:AAAA".into()),
        with("exchange_public_key", key(&alice).into()),
        with("display_name", "x".repeat(300).into()),
        with("capabilities", json!(vec!["x"; 300])),
        with("capabilities", json!(["x".repeat(300)])),
        with("relay_endpoint", "x".repeat(3000).into()),
    ] {
        let (status, body) = post(&server, "/registry/register", &bad).await;
        assert_eq!(status, 400, "{bad}");
        assert!(body["error"].is_string());
    }
    assert_eq!(get(&server, &format!("/registry/lookup?amid={}", alice.amid())).await.0, 404);
    assert_eq!(post(&server, "/registry/register", &good).await.0, 201);
}

#[tokio::test]
async fn writes_accept_a_signature_over_either_form_of_the_timestamp() {
    let server = start().await;
    for form in ["raw", "rendered"] {
        let alice = identity();
        let ms = now().as_millis() / 1000 * 1000 + 250;
        let time = agentmesh_core::Timestamp::from_millis(ms);
        let sent = time.to_rfc3339_millis();
        let over = if form == "raw" { sent.clone() } else { time.to_rfc3339_signing() };
        let signature = alice.sign(over.as_bytes()).unwrap();
        let signature = Base64::encode_string(signature.as_bytes());
        let mut body = registration(&alice, &[]);
        body["timestamp"] = sent.clone().into();
        body["signature"] = signature.clone().into();
        assert_eq!(post(&server, "/registry/register", &body).await.0, 201, "{form}");
        // Each pair works once.
        let time = time.plus_millis(1);
        let sent = time.to_rfc3339_millis();
        let over = if form == "raw" { sent.clone() } else { time.to_rfc3339_signing() };
        let signature = alice.sign(over.as_bytes()).unwrap();
        let signature = Base64::encode_string(signature.as_bytes());
        let body = json!({"amid": alice.amid(), "status": "online", "timestamp": sent, "signature": signature});
        assert_eq!(post(&server, "/registry/status", &body).await.0, 200, "{form}");
    }
}

#[tokio::test]
async fn lookup_returns_what_was_registered() {
    let server = start().await;
    let alice = identity();
    let mut body = registration(&alice, &["b", "a"]);
    body["direct_endpoint"] = "https://alice.example".into();
    assert_eq!(post(&server, "/registry/register", &body).await.0, 201);
    let (status, found) = get(&server, &format!("/registry/lookup?amid={}", alice.amid())).await;
    assert_eq!(status, 200);
    for field in [
        "signing_public_key",
        "exchange_public_key",
        "display_name",
        "direct_endpoint",
        "capabilities",
    ] {
        assert_eq!(found[field], body[field], "{field}");
    }
    assert_eq!(found["tier"], "anonymous");
    assert_eq!(found["organization"], Value::Null);
    assert_eq!(found["status"], "offline");
    assert_eq!(found["reputation_score"], 0.5);
    assert_eq!(found["ratings_count"], 0);
    assert_eq!(found["reputation_status"], "unrated");
    assert_eq!(found["relay_endpoint"], server.relay_url());
    assert!(found["last_seen"].as_str().unwrap().ends_with('Z'));
    let (status, body) =
        get(&server, &format!("/registry/lookup?amid={}", identity().amid())).await;
    assert_eq!((status, &body["error"]), (404, &json!("Agent not found")));
    let (status, body) = get(&server, "/registry/lookup").await;
    assert_eq!(status, 400);
    assert!(body.is_string());
}

async fn search(server: &Server, query: &str) -> (Vec<AgentLookup>, Value) {
    let (status, mut body) = get(server, &format!("/registry/search?{query}")).await;
    assert_eq!(status, 200, "{body}");
    let results = serde_json::from_value(body["results"].take()).unwrap();
    (results, body)
}

#[tokio::test]
async fn search_filters_by_exact_capability_tier_reputation_and_status() {
    let server = start().await;
    let (alice, bob) = (identity(), identity());
    register(&server, &alice, &["chat", "math/add"]).await;
    register(&server, &bob, &["chat"]).await;
    post(&server, "/registry/status", &signed(&bob, json!({"status": "online"}))).await;
    for (query, expected) in [
        ("capability=chat", 2),
        ("capability=math/add", 1),
        ("capability=math", 0),
        ("capability=cha%25", 0),
        ("", 2),
        ("capability=chat&status=online", 1),
        ("status=offline", 1),
        ("status=away", 0),
        ("tier_min=2", 2),
        ("tier_min=1", 0),
        ("tier_min=0", 0),
        ("reputation_min=0.5", 2),
        ("reputation_min=0.51", 0),
        ("capability=chat&tier_min=2&reputation_min=0.1&status=online&limit=5&offset=0&more=1", 1),
    ] {
        let (results, rest) = search(&server, query).await;
        assert_eq!(results.len(), expected, "{query}");
        assert_eq!(rest["total"], expected, "{query}");
    }
    let (results, rest) = search(&server, "capability=math/add").await;
    assert_eq!(results[0].amid, alice.amid().to_string());
    assert_eq!(results[0].capabilities, ["chat", "math/add"]);
    assert_eq!(results[0].ratings_count, None);
    assert_eq!((&rest["limit"], &rest["offset"]), (&json!(20), &json!(0)));
    for bad in ["limit=x", "status=invisible", "tier_min=-1", "reputation_min=good"] {
        let (status, body) = get(&server, &format!("/registry/search?{bad}")).await;
        assert_eq!((status, body.is_string()), (400, true), "{bad}");
    }
}

#[tokio::test]
async fn search_pages_without_gaps_best_first() {
    let server = start().await;
    let mut agents = Vec::new();
    for _ in 0..25 {
        let agent = identity();
        register(&server, &agent, &["page"]).await;
        agents.push(agent.amid().to_string());
    }
    let (all, rest) = search(&server, "capability=page").await;
    assert_eq!((all.len(), &rest["total"]), (20, &json!(25)));
    let mut seen = Vec::new();
    for offset in (0..30).step_by(10) {
        let (page, rest) =
            search(&server, &format!("capability=page&limit=10&offset={offset}")).await;
        assert_eq!(rest["total"], 25);
        seen.extend(page.into_iter().map(|agent| agent.amid));
    }
    assert_eq!(seen.len(), 25);
    let last_seen: Vec<_> = all.iter().map(|agent| agent.last_seen.clone()).collect();
    assert!(last_seen.is_sorted_by(|a, b| a >= b));
    seen.sort();
    agents.sort();
    assert_eq!(seen, agents);
}

#[tokio::test]
async fn status_and_capabilities_are_set_by_their_agent_only() {
    let server = start().await;
    let (alice, mallory) = (identity(), identity());
    register(&server, &alice, &["old"]).await;
    let lookup = format!("/registry/lookup?amid={}", alice.amid());
    for (path, fields) in [
        ("/registry/status", json!({"status": "online"})),
        ("/registry/capabilities", json!({"capabilities": ["new", "newer"]})),
    ] {
        let (status, body) = post(&server, path, &signed(&alice, fields.clone())).await;
        assert_eq!((status, body), (200, json!({"success": true})));
        let mut forged = signed(&mallory, fields.clone());
        forged["amid"] = alice.amid().to_string().into();
        assert_eq!(post(&server, path, &forged).await.0, 401);
        assert_eq!(post(&server, path, &signed(&mallory, fields)).await.0, 404);
    }
    let (_, found) = get(&server, &lookup).await;
    assert_eq!(found["status"], "online");
    assert_eq!(found["capabilities"], json!(["new", "newer"]));
    assert_eq!(search(&server, "capability=old").await.0.len(), 0);
    assert_eq!(search(&server, "capability=newer").await.0.len(), 1);
    let bad = signed(&alice, json!({"status": "invisible"}));
    let (status, body) = post(&server, "/registry/status", &bad).await;
    assert_eq!((status, body.is_string()), (400, true));
}

#[tokio::test]
async fn stats_and_health_count() {
    let server = start().await;
    let (_, health) = get(&server, "/health").await;
    assert_eq!(
        health,
        json!({"status": "healthy", "version": "agentmesh/0.2", "agents_registered": 0, "agents_online": 0})
    );
    let alice = identity();
    register(&server, &alice, &[]).await;
    register(&server, &identity(), &[]).await;
    post(&server, "/registry/status", &signed(&alice, json!({"status": "online"}))).await;
    let (_, health) = get(&server, "/health").await;
    assert_eq!((&health["agents_registered"], &health["agents_online"]), (&json!(2), &json!(1)));
    let (status, stats) = get(&server, "/registry/stats").await;
    assert_eq!(status, 200);
    assert_eq!((&stats["total_agents"], &stats["online_agents"]), (&json!(2), &json!(1)));
    assert_eq!(stats["by_tier"], json!({"anonymous": 2, "verified": 0, "organization": 0}));
    assert_eq!(stats["by_status"], json!({"online": 1, "offline": 1}));
    assert_eq!(stats["average_reputation"], 0.5);
}

#[tokio::test]
async fn malformed_unknown_and_oversized_requests_get_the_deployed_answers() {
    let server = start().await;
    let url = |path: &str| format!("{}{path}", server.registry_url());
    let post_text = |path: &str, body: String| http().post(url(path)).body(body).send();
    let response = post_text("/registry/register", "{".into()).await.unwrap();
    assert_eq!(response.status(), 400);
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/plain"));
    let response = post_text("/registry/status", "{\"amid\":1}".into()).await.unwrap();
    assert_eq!(response.status(), 400);
    let response = post_text("/registry/register", " ".repeat(2 * 1024 * 1024 + 1)).await.unwrap();
    assert_eq!(response.status(), 413);
    for response in [
        http().get(url("/nothing/here")).send().await.unwrap(),
        http().get(url("/registry/register")).send().await.unwrap(),
        http().delete(url("/registry/lookup")).send().await.unwrap(),
    ] {
        assert_eq!(response.status(), 404);
        assert_eq!(response.bytes().await.unwrap().len(), 0);
    }
    let response = http().get(format!("{}/health", server.url())).send().await.unwrap();
    let health = response.json::<Value>().await.unwrap();
    assert_eq!(health["status"], "ok");
}

#[tokio::test]
async fn paths_of_no_service_are_not_found_in_json() {
    let server = start().await;
    for path in ["/", "/nothing", "/v1x", "/user", "/functions/v2/agent_websocket"] {
        let response = http().get(format!("{}{path}", server.url())).send().await.unwrap();
        assert_eq!(response.status(), 404, "{path}");
        assert_eq!(
            response.json::<Value>().await.unwrap(),
            json!({"error": "Not found"}),
            "{path}"
        );
    }
    for path in ["/v1", "/v1/"] {
        let response = http().get(format!("{}{path}", server.url())).send().await.unwrap();
        assert_eq!(response.status(), 404, "{path}");
        assert_eq!(response.bytes().await.unwrap().len(), 0, "{path}");
    }
}

async fn set_status(server: &Server, alice: &Identity, status: &str) -> (u16, Value) {
    post(server, "/registry/status", &signed(alice, json!({"status": status}))).await
}

#[tokio::test]
async fn signed_request_is_bound_to_method_path_and_body_and_works_once() {
    let server = start().await;
    let (alice, bob) = (identity(), identity());
    register(&server, &alice, &[]).await;
    let path = "/registry/status";
    let body = signed(&alice, json!({"status": "online"}));
    let auth = request_auth(&server, &alice, "POST", path, &body.to_string());

    let (status, answer) = post_with(&server, "/registry/capabilities", &body, &auth).await;
    assert_ne!(status, 200, "{answer}");
    for wrong in [
        request_auth(&server, &alice, "GET", path, &body.to_string()),
        request_auth(&server, &alice, "POST", "/registry/capabilities", &body.to_string()),
        request_auth(&server, &alice, "POST", "/registry/status?x=1", &body.to_string()),
        request_auth(&server, &alice, "POST", path, "{}"),
        request_auth(&server, &bob, "POST", path, &body.to_string()),
        "v1 nonsense".into(),
        String::new(),
    ] {
        let (status, answer) = post_with(&server, path, &body, &wrong).await;
        assert_eq!(status, 401, "{wrong}: {answer}");
        assert!(answer["code"].is_string());
    }
    assert_eq!(post_with(&server, path, &body, &auth).await.0, 200);
    let (status, answer) = post_with(&server, path, &body, &auth).await;
    assert_eq!((status, &answer["code"]), (401, &json!("REPLAYED")));
}

#[tokio::test]
async fn signed_request_needs_no_plain_signature() {
    let server = start().await;
    let alice = identity();
    register(&server, &alice, &[]).await;
    let mut body = signed(&alice, json!({"status": "online"}));
    body["signature"] = "".into();
    assert_eq!(post_signed(&server, &alice, "/registry/status", &body).await.0, 200);
}

#[tokio::test]
async fn agt_2632_who_ever_signed_a_request_is_not_believed_without_even_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let config = || ServerConfig { data_dir: Some(dir.path().into()), ..ServerConfig::default() };
    let (alice, bob) = (identity(), identity());
    let server = Server::start(config()).await.unwrap();
    let addr = server.addr();
    let (status, _) =
        post_signed(&server, &alice, "/registry/register", &registration(&alice, &[])).await;
    assert_eq!(status, 201);
    register(&server, &bob, &[]).await;
    let body = signed(&alice, json!({"status": "online"}));
    let used = request_auth(&server, &alice, "POST", "/registry/status", &body.to_string());
    assert_eq!(post_with(&server, "/registry/status", &body, &used).await.0, 200);
    let (status, answer) = set_status(&server, &alice, "away").await;
    assert_eq!((status, &answer["code"]), (401, &json!("SIGNED_REQUEST_REQUIRED")));
    server.shutdown().await;

    let server = Server::start(ServerConfig { listen: addr, ..config() }).await.unwrap();
    assert_eq!(set_status(&server, &alice, "away").await.0, 401);
    let (status, answer) = post_with(&server, "/registry/status", &body, &used).await;
    assert_eq!((status, &answer["code"]), (401, &json!("REPLAYED")));
    assert_eq!(post_signed(&server, &alice, "/registry/status", &body).await.0, 200);
    // Others are not concerned.
    assert_eq!(set_status(&server, &bob, "away").await.0, 200);
}

#[tokio::test]
async fn signed_request_for_another_server_is_refused() {
    let server = start_with(|c| c.public_hosts = vec!["registry.example".into()]).await;
    let alice = identity();
    let body = registration(&alice, &[]);
    let (status, answer) = post_signed(&server, &alice, "/registry/register", &body).await;
    assert_eq!(
        (status, &answer["error"]),
        (401, &json!("this server does not go by the name it was called"))
    );
}

#[tokio::test]
async fn pages_of_any_origin_may_use_the_registry() {
    let server = start().await;
    let url = format!("{}/registry/register", server.registry_url());
    let asked = http()
        .request(reqwest::Method::OPTIONS, &url)
        .header("origin", "https://app.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type,agentmesh-auth");
    let answer = asked.send().await.unwrap();
    assert_eq!(answer.status(), 204);
    let told = |name: &str| answer.headers()[name].to_str().unwrap().to_ascii_lowercase();
    assert_eq!(told("access-control-allow-origin"), "*");
    assert!(told("access-control-allow-methods").contains("post"));
    for name in ["content-type", "agentmesh-auth", "x-request-id"] {
        assert!(told("access-control-allow-headers").split(", ").any(|one| one == name), "{name}");
    }
    // Refusals can be read, too.
    let refused = http().post(&url).header("origin", "https://app.example").body("{}").send().await;
    let refused = refused.unwrap();
    assert_eq!(refused.status(), 400);
    assert_eq!(refused.headers()["access-control-allow-origin"], "*");
    assert!(!refused.headers().contains_key("access-control-allow-credentials"));
}
