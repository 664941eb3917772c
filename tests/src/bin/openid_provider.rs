//! A small OpenID provider as a process: discovery, authorization, tokens signed with a key of its own, and the ways to lie.
//! `POST /lie` with a lie's name makes it lie from then on. Its issuer is the first line that it prints; it ends with its standard input.

#![allow(clippy::print_stdout, reason = "standard output is its interface")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test program: failing loudly is its job"
)]

use std::{
    collections::HashMap,
    io::Write,
    sync::{Arc, Mutex},
    time::{SystemTime, UNIX_EPOCH},
};

use axum::{
    Json, Router,
    extract::{Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64ct::{Base64UrlUnpadded, Encoding};
use jsonwebtoken::{Algorithm, EncodingKey, Header, jwk::Jwk};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use serde_json::{Value, json};
use tokio::{io::AsyncReadExt, net::TcpListener};

const CLIENT: &str = "agentmesh-test";
const SECRET: &str = "s3cret";

/// How the provider misbehaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lie {
    Nothing,
    OtherNonce,
    OtherAudience,
    OtherIssuer,
    OtherKey,
    Expired,
    SharedSecret,
    NoIdToken,
    RedirectsTokens,
    HugeAnswer,
}

impl Lie {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "nothing" => Self::Nothing,
            "other-nonce" => Self::OtherNonce,
            "other-audience" => Self::OtherAudience,
            "other-issuer" => Self::OtherIssuer,
            "other-key" => Self::OtherKey,
            "expired" => Self::Expired,
            "shared-secret" => Self::SharedSecret,
            "no-id-token" => Self::NoIdToken,
            "redirects-tokens" => Self::RedirectsTokens,
            "huge-answer" => Self::HugeAnswer,
            _ => return None,
        })
    }
}

#[derive(Clone)]
struct Login {
    redirect: String,
    challenge: String,
    nonce: Option<String>,
}

struct Inner {
    issuer: String,
    key: EncodingKey,
    other_key: EncodingKey,
    lie: Mutex<Lie>,
    logins: Mutex<HashMap<String, Login>>,
    count: Mutex<u32>,
}

fn key() -> EncodingKey {
    let pem = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap().serialize_pem();
    EncodingKey::from_ec_pem(pem.as_bytes()).unwrap()
}

#[tokio::main]
async fn main() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = format!("http://{}", listener.local_addr().unwrap());
    let inner = Arc::new(Inner {
        issuer: issuer.clone(),
        key: key(),
        other_key: key(),
        lie: Mutex::new(Lie::Nothing),
        logins: Mutex::default(),
        count: Mutex::default(),
    });
    let router = Router::new()
        .route("/.well-known/openid-configuration", get(discovery))
        .route("/authorize", get(authorize))
        .route("/token", post(token))
        .route("/jwks", get(jwks))
        .route("/userinfo", get(userinfo))
        .route("/lie", post(lie))
        .with_state(inner);
    println!("{issuer}");
    std::io::stdout().flush().unwrap();
    tokio::select! {
        result = async { axum::serve(listener, router).await } => result.unwrap(),
        // Whoever started it is gone.
        _ = async { tokio::io::stdin().read_to_end(&mut Vec::new()).await } => {}
    }
}

async fn lie(State(inner): State<Arc<Inner>>, name: String) -> StatusCode {
    let Some(lie) = Lie::named(&name) else { return StatusCode::BAD_REQUEST };
    *inner.lie.lock().unwrap() = lie;
    StatusCode::NO_CONTENT
}

async fn discovery(State(inner): State<Arc<Inner>>) -> Json<Value> {
    let at = |path: &str| format!("{}{path}", inner.issuer);
    Json(json!({
        "issuer": inner.issuer,
        "authorization_endpoint": at("/authorize"),
        "token_endpoint": at("/token"),
        "jwks_uri": at("/jwks"),
    }))
}

/// The owner is logged in already, and says yes.
async fn authorize(
    State(inner): State<Arc<Inner>>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    assert_eq!(query["response_type"], "code");
    assert_eq!(query["client_id"], CLIENT);
    assert_eq!(query["code_challenge_method"], "S256");
    let code = {
        let mut count = inner.count.lock().unwrap();
        *count += 1;
        format!("code-{count}")
    };
    let login = Login {
        redirect: query["redirect_uri"].clone(),
        challenge: query["code_challenge"].clone(),
        nonce: query.get("nonce").cloned(),
    };
    let back = format!("{}?code={code}&state={}", login.redirect, query["state"]);
    inner.logins.lock().unwrap().insert(code, login);
    (StatusCode::FOUND, [(header::LOCATION, back)]).into_response()
}

async fn token(State(inner): State<Arc<Inner>>, body: String) -> Response {
    let form: HashMap<String, String> =
        url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let lie = *inner.lie.lock().unwrap();
    match lie {
        Lie::RedirectsTokens => {
            let elsewhere = [(header::LOCATION, format!("{}/token", inner.issuer))];
            return (StatusCode::TEMPORARY_REDIRECT, elsewhere).into_response();
        }
        Lie::HugeAnswer => return "x".repeat(1024 * 1024).into_response(),
        _ => {}
    }
    let login = inner.logins.lock().unwrap().remove(&form["code"]);
    let Some(login) = login else {
        let error = json!({"error": "invalid_grant"});
        return (StatusCode::BAD_REQUEST, Json(error)).into_response();
    };
    assert_eq!(form["grant_type"], "authorization_code");
    assert_eq!((form["client_id"].as_str(), form["client_secret"].as_str()), (CLIENT, SECRET));
    assert_eq!(form["redirect_uri"], login.redirect);
    let verifier = agentmesh_core::keys::kdf::sha256(&[form["code_verifier"].as_bytes()]);
    assert_eq!(Base64UrlUnpadded::encode_string(&verifier), login.challenge);
    let mut answer = json!({"access_token": "at-1", "token_type": "Bearer", "expires_in": 60});
    if let (Some(nonce), true) = (login.nonce, lie != Lie::NoIdToken) {
        answer["id_token"] = inner.id_token(&nonce, lie).into();
    }
    Json(answer).into_response()
}

impl Inner {
    fn id_token(&self, nonce: &str, lie: Lie) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let mut claims = json!({
            "iss": self.issuer, "aud": CLIENT, "sub": "owner-42", "nonce": nonce,
            "iat": now, "exp": now + 300,
        });
        match lie {
            Lie::OtherNonce => claims["nonce"] = "another".into(),
            Lie::OtherAudience => claims["aud"] = "somebody-else".into(),
            Lie::OtherIssuer => claims["iss"] = "https://evil.example".into(),
            Lie::Expired => claims["exp"] = (now - 3600).into(),
            _ => {}
        }
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some("one".into());
        let key = match lie {
            Lie::OtherKey => &self.other_key,
            Lie::SharedSecret => {
                header.alg = Algorithm::HS256;
                let secret = EncodingKey::from_secret(SECRET.as_bytes());
                return jsonwebtoken::encode(&header, &claims, &secret).unwrap();
            }
            _ => &self.key,
        };
        jsonwebtoken::encode(&header, &claims, key).unwrap()
    }
}

async fn jwks(State(inner): State<Arc<Inner>>) -> Json<Value> {
    let mut key = Jwk::from_encoding_key(&inner.key, Algorithm::ES256).unwrap();
    key.common.key_id = Some("one".into());
    Json(json!({"keys": [key]}))
}

async fn userinfo(headers: HeaderMap) -> Response {
    if headers.get(header::AUTHORIZATION).is_none_or(|value| value != "Bearer at-1") {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    Json(json!({"id": 4242, "login": "owner"})).into_response()
}
