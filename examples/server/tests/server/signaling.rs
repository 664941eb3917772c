//! Signaling over real sockets: what only HTTP has. The protocol's cases are beside the rooms.

use std::time::Duration;

use agentmesh_server::{JoinKeys, Server, ServerConfig};
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::support::*;

/// A stream of events.
struct Events {
    response: Response,
    buffer: Vec<u8>,
}

impl Events {
    async fn open(server: &Server, query: &str) -> Self {
        let url = format!("{}/api/connect?{query}", server.url());
        let response = Client::new().get(url).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        Self { response, buffer: Vec::new() }
    }

    /// The next event's name and data; `None` at the end of the stream.
    async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            let end = self.buffer.windows(2).position(|w| w == b"\n\n");
            if let Some(end) = end {
                let block: Vec<u8> = self.buffer.drain(..end + 2).collect();
                let text = String::from_utf8(block).unwrap();
                if text.starts_with(':') {
                    continue;
                }
                let (name, data) = text.trim_end().split_once('\n').unwrap();
                let data = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
                return Some((name.strip_prefix("event: ").unwrap().to_owned(), data));
            }
            let chunk = tokio::time::timeout(Duration::from_secs(20), self.response.chunk());
            self.buffer.extend_from_slice(&chunk.await.unwrap().ok()??);
        }
    }

    async fn event(&mut self, name: &str) -> Value {
        let (got, data) = self.next().await.unwrap();
        assert_eq!(got, name);
        data
    }
}

async fn post(server: &Server, path: &str, body: impl Into<reqwest::Body>) -> (StatusCode, Value) {
    let url = format!("{}/api/{path}", server.url());
    let response = Client::new().post(url).body(body).send().await.unwrap();
    (response.status(), response.json().await.unwrap())
}

#[tokio::test]
async fn two_clients_find_each_other_signal_and_leave() {
    let server = Server::start(ServerConfig::for_development()).await.unwrap();
    let mut a = Events::open(&server, "room=agent-room").await;
    let headers = a.response.headers();
    assert_eq!(headers["content-type"], "text/event-stream");
    assert_eq!(headers["cache-control"], "no-cache, no-transform");
    assert_eq!(headers["connection"], "keep-alive");
    assert_eq!(headers["access-control-allow-origin"], "*");
    let joined = a.event("joined").await;
    a.event("roster").await;
    let mut b = Events::open(&server, "room=%20AGENT-ROOM%20").await;
    let other = b.event("joined").await;
    let both = json!([joined["id"], other["id"]]);
    assert_eq!((a.event("roster").await, b.event("roster").await), (both.clone(), both));

    let signal = json!({"sdp": {"type": "offer", "sdp": "v=0\n"}, "connectionMode": "lan"});
    let body = json!({"sender": joined["id"], "to": other["id"], "token": joined["token"], "signal": signal});
    let answer = post(&server, "signal?room=Agent-Room", body.to_string()).await;
    assert_eq!(answer, (StatusCode::OK, json!({"success": true})));
    assert_eq!(b.event("signal").await, json!({"sender": joined["id"], "signal": signal}));

    let health: Value =
        reqwest::get(format!("{}/health", server.url())).await.unwrap().json().await.unwrap();
    assert_eq!(health["signaling"], json!({"rooms": 1, "sessions": 2}));

    let body = json!({"sender": joined["id"], "token": joined["token"]});
    let answer = post(&server, "leave?room=agent-room", body.to_string()).await;
    assert_eq!(answer, (StatusCode::OK, json!({"success": true})));
    assert_eq!(b.event("roster").await, json!([other["id"]]));
    assert_eq!(a.next().await, None);
    let (status, _) = post(&server, "leave?room=agent-room", body.to_string()).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    server.shutdown().await;
}

#[tokio::test]
async fn a_cut_client_comes_back_by_query_or_by_headers() {
    let server = Server::start(ServerConfig::for_development()).await.unwrap();
    let mut a = Events::open(&server, "room=r").await;
    let joined = a.event("joined").await;
    let (id, token) = (joined["id"].as_str().unwrap(), joined["token"].as_str().unwrap());
    drop(a);
    let mut a = Events::open(&server, &format!("room=r&session_id={id}&token={token}")).await;
    assert_eq!(a.event("joined").await, joined);
    assert_eq!(a.response.headers()["x-signal-features"], "header-auth");
    let resumed = Client::new()
        .get(format!("{}/api/connect?room=r", server.url()))
        .header("X-Session-Id", id)
        .bearer_auth(token)
        .send()
        .await
        .unwrap();
    let mut b = Events { response: resumed, buffer: Vec::new() };
    assert_eq!(b.event("joined").await, joined);
    a.event("roster").await;
    assert_eq!(a.event("superseded").await, json!({"reason": "replaced"}));
    assert_eq!(a.next().await, None);
    let url = format!("{}/api/connect?room=r&session_id={id}&token=wrong", server.url());
    let refused = reqwest::get(url).await.unwrap();
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    let body: Value = refused.json().await.unwrap();
    assert_eq!(body, json!({"error": "Unauthorized: invalid session token"}));
    server.shutdown().await;
}

#[tokio::test]
async fn case_6_and_21_bad_requests_get_the_documented_answers() {
    let server = Server::start(ServerConfig::for_development()).await.unwrap();
    let missing = json!({"error": "Missing required parameters"});
    let malformed = json!({"error": "Invalid JSON body"});
    for query in ["", "room=", "room=%20%20", "room=%zz", "room=%c0%af", "room=a%07b"] {
        let url = format!("{}/api/connect?{query}", server.url());
        let response = reqwest::get(url).await.unwrap();
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{query}");
        assert_eq!(response.json::<Value>().await.unwrap(), missing, "{query}");
    }
    let whole = json!({"sender": "s", "to": "t", "token": "k", "signal": {}});
    for member in ["sender", "to", "token", "signal"] {
        for bad in [None, Some(Value::Null)] {
            let mut body = whole.clone();
            match bad {
                None => drop(body.as_object_mut().unwrap().remove(member)),
                Some(value) => body[member] = value,
            }
            let answer = post(&server, "signal?room=r", body.to_string()).await;
            assert_eq!(answer, (StatusCode::BAD_REQUEST, missing.clone()), "{member}");
        }
    }
    assert_eq!(post(&server, "signal", whole.to_string()).await.1, missing);
    for body in ["{bad", "", "[]", "\"x\"", "null", r#"{"sender":"\ud800"}"#] {
        let (status, answer) = post(&server, "signal?room=r", body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        assert!(answer == malformed || answer == missing, "{body}: {answer}");
    }
    let deep = format!(
        r#"{{"sender":"s","to":"t","token":"k","signal":{}{}}}"#,
        "[".repeat(10_000),
        "]".repeat(10_000)
    );
    assert_eq!(post(&server, "signal?room=r", deep).await, (StatusCode::BAD_REQUEST, malformed));
    let (status, answer) = post(&server, "signal?room=r", "x".repeat(70_000)).await;
    assert_eq!(
        (status, answer),
        (StatusCode::PAYLOAD_TOO_LARGE, json!({"error": "Payload too large"}))
    );
    let unauthorized =
        (StatusCode::FORBIDDEN, json!({"error": "Unauthorized: invalid session token"}));
    assert_eq!(post(&server, "signal?room=r", whole.to_string()).await, unauthorized);
    server.shutdown().await;
}

#[tokio::test]
async fn case_7_and_20_refusals_have_the_documented_bodies() {
    let server = start().await;
    let mut a = Events::open(&server, "room=r").await;
    let joined = a.event("joined").await;
    let body = |to: &Value| {
        json!({"sender": joined["id"], "to": to, "token": joined["token"], "signal": {}})
            .to_string()
    };
    let answer = post(&server, "signal?room=r", body(&json!("nobody"))).await;
    assert_eq!(answer, (StatusCode::NOT_FOUND, json!({"error": "Recipient not found"})));
    let (client, url) = (Client::new(), format!("{}/api/signal?room=r", server.url()));
    let send = || client.post(&url).body(body(&joined["id"])).send();
    // However slow this machine is: so many at once are faster than ten a second.
    let answers = futures_util::future::join_all((0..400).map(|_| send())).await;
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    let taken = answers.iter().filter(|answer| answer.status() == StatusCode::OK).count();
    assert!((49..400).contains(&taken), "{taken}");
    for answer in answers {
        if answer.status() != StatusCode::OK {
            assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
            assert_eq!(answer.headers()["retry-after"], "1");
            let body = json!({"error": "Too Many Requests: signaling rate limit exceeded"});
            assert_eq!(answer.json::<Value>().await.unwrap(), body);
        }
    }
    server.shutdown().await;
}

#[tokio::test]
async fn rooms_with_a_key_admit_who_brings_it_in_a_header_or_the_query() {
    let mut join_keys = JoinKeys::default();
    join_keys.require("team", "open sesame").unwrap();
    let config = ServerConfig { join_keys, ..ServerConfig::for_development() };
    let server = Server::start(config).await.unwrap();
    let url = |query: &str| format!("{}/api/connect?room=Team{query}", server.url());
    for query in ["", "&join_key=wrong", "&join_key="] {
        let refused = reqwest::get(url(query)).await.unwrap();
        assert_eq!(refused.status(), StatusCode::FORBIDDEN);
        let body: Value = refused.json().await.unwrap();
        assert_eq!(body, json!({"error": "Unauthorized: invalid join key"}));
    }
    let mut a = Events::open(&server, "room=Team&join_key=open%20sesame").await;
    let joined = a.event("joined").await;
    let by_header = Client::new().get(url("")).header("X-Join-Key", "open sesame").send().await;
    assert_eq!(by_header.unwrap().status(), StatusCode::OK);
    // Who has a session must have the key, too: it may have been changed to shut somebody out.
    let resume = format!("&session_id={}&token={}", joined["id"], joined["token"]);
    let refused = reqwest::get(url(&resume.replace('"', ""))).await.unwrap();
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    Events::open(&server, "room=other").await.event("joined").await;
    server.shutdown().await;
}

#[tokio::test]
async fn other_verbs_and_paths_are_answered_in_json() {
    let server = Server::start(ServerConfig::for_development()).await.unwrap();
    let client = Client::new();
    for (method, path) in [
        (Method::HEAD, "connect"),
        (Method::POST, "connect"),
        (Method::PUT, "signal"),
        (Method::GET, "leave"),
    ] {
        let url = format!("{}/api/{path}?room=r", server.url());
        let response = client.request(method.clone(), url).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
        assert!(response.headers().contains_key("allow"));
        if method != Method::HEAD {
            let body: Value = response.json().await.unwrap();
            assert_eq!(body, json!({"error": "Method not allowed"}));
        }
    }
    for path in ["signal", "nothing"] {
        let url = format!("{}/api/{path}", server.url());
        let preflight = client.request(Method::OPTIONS, url).send().await.unwrap();
        assert_eq!(preflight.status(), StatusCode::NO_CONTENT);
        let headers = preflight.headers();
        assert_eq!(headers["access-control-allow-methods"], "GET, POST, OPTIONS");
        let allowed = headers["access-control-allow-headers"].to_str().unwrap();
        assert!(allowed.starts_with("Content-Type, Authorization"), "{allowed}");
        assert_eq!(headers["access-control-max-age"], "600");
        assert_eq!(headers["access-control-allow-origin"], "*");
        assert!(!headers.contains_key("access-control-allow-credentials"));
    }
    let unknown = reqwest::get(format!("{}/api/nothing", server.url())).await.unwrap();
    assert_eq!(unknown.status(), StatusCode::NOT_FOUND);
    assert_eq!(unknown.json::<Value>().await.unwrap(), json!({"error": "Not found"}));
    server.shutdown().await;
}

#[tokio::test]
async fn pages_of_origins_that_were_not_named_are_not_let_in_if_some_were() {
    let page = "https://page.example";
    let signaling_origins = vec![page.to_owned()];
    let config = ServerConfig { signaling_origins, ..ServerConfig::for_development() };
    let server = Server::start(config).await.unwrap();
    let client = Client::new();
    for (origin, allowed) in
        [(Some(page), true), (Some("https://page.example.evil"), false), (None, false)]
    {
        for (method, path, status) in [
            (Method::GET, "connect?room=r", StatusCode::OK),
            (Method::POST, "signal?room=r", StatusCode::BAD_REQUEST),
            (Method::GET, "nothing", StatusCode::NOT_FOUND),
            (Method::OPTIONS, "leave", StatusCode::NO_CONTENT),
        ] {
            let url = format!("{}/api/{path}", server.url());
            let mut request = client.request(method.clone(), url);
            if let Some(origin) = origin {
                request = request.header("origin", origin);
            }
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), status, "{method} {path}");
            let told = response.headers().get("access-control-allow-origin");
            assert_eq!(told.map(|told| told.to_str().unwrap()), origin.filter(|_| allowed));
            assert_eq!(response.headers()["vary"], "Origin");
        }
    }
    server.shutdown().await;
}

#[tokio::test]
async fn shutdown_ends_every_stream() {
    let server = start().await;
    let mut a = Events::open(&server, "room=r").await;
    a.event("joined").await;
    a.event("roster").await;
    server.shutdown().await;
    assert_eq!(a.next().await, None);
}
