//! Paths that are not there, limits, the description.

use agentmesh_server::{AiwmConfig, Server, ServerConfig};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{ADMIN, Aiwm, tool};

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
    let absent = reqwest::get(format!("{}/agents", server.url())).await.unwrap();
    assert_eq!(absent.status(), 404);
    assert_eq!(absent.json::<Value>().await.unwrap(), json!({"error": "Not found"}));
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

#[tokio::test]
async fn every_refusal_is_described_and_what_may_be_null_is_said_to() {
    let aiwm = Aiwm::start().await;
    let answer = reqwest::get(format!("{}/api-docs-json", aiwm.server.url())).await.unwrap();
    let api: Value = answer.json().await.unwrap();
    let long = format!("{{\"name\": \"{}\"}}", "x".repeat(200_000));
    for (method, described, path, token, body, status) in [
        (Method::GET, "/agents", "/agents?type=AAA", ADMIN, "", 400),
        (Method::GET, "/nodes", "/nodes?search=", ADMIN, "", 400),
        (Method::GET, "/agents/{id}/config", "/agents/0/config", "", "", 401),
        (Method::POST, "/agents/{id}/disconnect", "/agents/0/disconnect", ADMIN, "", 404),
        (Method::POST, "/agents/{id}/connect", "/agents/0/connect", "", long.as_str(), 413),
        (Method::POST, "/instructions", "/instructions", ADMIN, long.as_str(), 413),
    ] {
        let verb = method.as_str().to_lowercase();
        let kind = "application/json";
        let sent = aiwm.http.request(method, format!("{}{path}", aiwm.server.url()));
        let sent = sent.bearer_auth(token).header("content-type", kind).body(body.to_owned());
        assert_eq!(sent.send().await.unwrap().status(), status, "{verb} {path}");
        let responses = &api["paths"][described][&verb]["responses"];
        assert!(responses[status.to_string()].is_object(), "{verb} {described}: {status}");
    }
    // A limit over the largest is the largest, and no error.
    let parameters = api["paths"]["/agents"]["get"]["parameters"].as_array().unwrap();
    let limit = parameters.iter().find(|one| one["name"] == "limit").unwrap();
    assert!(limit["schema"]["maximum"].is_null());
    let (status, _) = aiwm.call(Method::GET, "/agents?limit=101", ADMIN, Value::Null).await;
    assert_eq!(status, 200);
    assert_eq!(api["components"]["schemas"]["Secret"]["properties"]["secret"]["minLength"], 1);
    for (path, schema, member) in [
        ("/agents", "NewAgent", "type"),
        ("/instructions", "NewInstruction", "tags"),
        ("/nodes", "NewNode", "specs"),
        ("/tools", "NewTool", "scope"),
    ] {
        let mut body =
            json!({"name": "n", "description": "d", "status": "active", "systemPrompt": "p"});
        if path == "/tools" {
            body = tool("n", "active");
        }
        body[member] = Value::Null;
        let (status, made) = aiwm.post(path, ADMIN, body).await;
        assert_eq!(status, 201, "{path}: {made}");
        let kinds = &api["components"]["schemas"][schema]["properties"][member]["type"];
        assert!(kinds.as_array().unwrap().contains(&"null".into()), "{schema}.{member}: {kinds}");
    }
}
