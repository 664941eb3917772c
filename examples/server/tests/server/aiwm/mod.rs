//! AIWM over real sockets: the cases 1 to 14 of the service's document, and bad input.

mod administration;
mod connecting;
mod heartbeats;
mod interface;

use agentmesh_server::{AiwmConfig, Server, ServerConfig};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use reqwest::{Client, Method};
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
