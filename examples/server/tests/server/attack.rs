//! The server under attack: what one address takes leaves enough for the others, and no input that is odd, deep, long or
//! slow brings it down. What takes minutes is in `scripts/attack.py`.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use agentmesh_core::wire::relay_features::Features;
use agentmesh_server::{AiwmConfig, Secret, Server, ServerConfig, UserDataConfig};
use base64ct::{Base64UrlUnpadded, Encoding};
use futures_util::{SinkExt, StreamExt, future::join_all};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::{sleep, timeout},
};
use tokio_tungstenite::tungstenite::Message;

use crate::support::*;

const JWT_SECRET: &str = "a-secret-for-tests-of-32-bytes-or-more";
const ADMIN: &str = "an-admin-token-for-tests";

/// All services, with the limits of the default.
async fn everything(change: impl FnOnce(&mut ServerConfig)) -> Server {
    start_with(|config| {
        config.aiwm = AiwmConfig {
            jwt_secret: Some(JWT_SECRET.into()),
            admin_token: Some(ADMIN.into()),
            ..AiwmConfig::default()
        };
        config.user_data = UserDataConfig {
            api_key: Some(Secret::new(ADMIN)),
            jwt_secret: Some(Secret::new(JWT_SECRET)),
            insecure: false,
            ..UserDataConfig::for_development()
        };
        change(config);
    })
    .await
}

/// A connection from one of the addresses of this machine.
async fn from(last: u8, server: &Server) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0))).unwrap();
    socket.connect(server.addr()).await.unwrap()
}

/// What comes back, up to the end or until nothing comes any more.
async fn heard(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    loop {
        match timeout(Duration::from_secs(2), stream.read_buf(&mut all)).await {
            Ok(Ok(n)) if n > 0 => {}
            _ => return String::from_utf8_lossy(&all).into_owned(),
        }
    }
}

/// Sends bytes as they are; the server's whole answer. It may close before it has read all.
async fn exchange(last: u8, server: &Server, bytes: &[u8]) -> String {
    let mut stream = from(last, server).await;
    let _ = stream.write_all(bytes).await;
    heard(&mut stream).await
}

async fn status(last: u8, server: &Server, request: &str) -> String {
    let request = format!("{request}\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let answer = exchange(last, server, request.as_bytes()).await;
    answer.split(' ').nth(1).unwrap_or("nothing").to_owned()
}

#[tokio::test]
async fn one_address_has_so_many_sockets_and_the_others_theirs() {
    let server = everything(|config| config.limits.connections_per_ip = 3).await;
    let mut idle = join_all((0..3).map(|_| from(2, &server))).await;
    // The server has counted a connection when it has answered on it.
    for stream in &mut idle {
        stream.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        assert_ne!(stream.read(&mut [0; 1024]).await.unwrap(), 0);
    }
    assert_eq!(status(2, &server, "GET /health HTTP/1.1").await, "nothing");
    assert_eq!(status(3, &server, "GET /health HTTP/1.1").await, "200");
    drop(idle);
    let again = async {
        while status(2, &server, "GET /health HTTP/1.1").await != "200" {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, again).await.unwrap();
}

#[tokio::test]
async fn a_socket_that_says_nothing_or_not_enough_is_closed() {
    let server = everything(|config| {
        config.limits.head_timeout = Duration::from_millis(300);
        config.limits.connect_timeout = Duration::from_millis(300);
    })
    .await;
    let upgrade = "GET /v1/connect HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let half_a_frame = [upgrade.as_bytes(), &[0x81, 0xfe, 0x10, 0x00, 1, 2, 3, 4, b'{']].concat();
    let ping = [upgrade.as_bytes(), &[0x89, 0x80, 1, 2, 3, 4]].concat();
    for begun in [b"".as_slice(), b"GET /hea", b"GET /health HTTP/1.1\r\nX: ", &half_a_frame, &ping]
    {
        let mut stream = from(1, &server).await;
        stream.write_all(begun).await.unwrap();
        let closed = timeout(PATIENCE, stream.read_to_end(&mut Vec::new())).await;
        assert!(closed.is_ok(), "still open after {:?}", String::from_utf8_lossy(begun));
    }
}

#[tokio::test]
async fn requests_of_one_address_are_counted_and_the_others_are_served() {
    let server = everything(|config| config.limits.requests_per_minute_per_ip = 3).await;
    for _ in 0..3 {
        assert_eq!(status(2, &server, "GET /v1/registry/stats HTTP/1.1").await, "200");
    }
    for path in ["/v1/registry/stats", "/api/connect?room=A", "/agents", "/users/u/skills", "/x"] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let answer = exchange(2, &server, request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 429 "), "{path}: {answer}");
        let wait = answer.split("retry-after: ").nth(1).and_then(|rest| rest.split('\r').next());
        assert!((1..=60).contains(&wait.unwrap().parse::<u64>().unwrap()), "{answer}");
    }
    assert_eq!(status(3, &server, "GET /v1/registry/stats HTTP/1.1").await, "200");
}

#[tokio::test]
async fn sessions_of_engine_io_are_counted_as_sockets_and_connects_of_their_address() {
    const OPEN: &str = "GET /socket.io/?EIO=4&transport=polling HTTP/1.1";
    let server = everything(|config| config.limits.connections_per_ip = 8).await;
    // A polling session is there without any connection.
    let mut begun = Vec::new();
    for _ in 0..20 {
        begun.push(status(2, &server, OPEN).await);
    }
    let let_in = begun.iter().filter(|status| *status == "200").count();
    assert!((1..=8).contains(&let_in), "{begun:?}");
    // The address has nothing left, not even for HTTP; nobody else is concerned.
    assert!(begun.iter().skip(8).all(|status| status == "429" || status == "nothing"), "{begun:?}");
    assert_eq!(status(3, &server, OPEN).await, "200");
    let server = everything(|config| config.limits.connects_per_minute_per_ip = 2).await;
    for expected in ["200", "200", "429"] {
        assert_eq!(status(2, &server, OPEN).await, expected);
    }
    assert_eq!(status(3, &server, OPEN).await, "200");
}

#[tokio::test]
async fn bodies_and_frames_that_never_end_take_a_bounded_part_of_the_memory() {
    const BODY: usize = 2 * 1024 * 1024 - 1;
    let server = everything(|_| {}).await;
    let head = format!(
        "POST /v1/registry/register HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n",
        BODY + 1
    );
    let part = vec![b' '; BODY];
    let slow = |_| async {
        let mut stream = from(2, &server).await;
        stream.write_all(head.as_bytes()).await.unwrap();
        // Whoever is refused hears so, or is cut off while still sending.
        let _ = stream.write_all(&part).await;
        stream
    };
    // 64 MiB are 32 of them; the rest is refused as soon as the bytes are there.
    let mut streams = join_all((0..40).map(slow)).await;
    let mut refused = 0;
    let look = async {
        while refused < 8 {
            let mut left = Vec::new();
            for mut stream in streams.drain(..) {
                let mut answer = [0; 64];
                match timeout(Duration::from_millis(10), stream.read(&mut answer)).await {
                    Err(_) => {
                        left.push(stream);
                        continue;
                    }
                    Ok(Ok(n)) if n > 0 => {
                        let answer = String::from_utf8_lossy(&answer);
                        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
                    }
                    Ok(_) => {}
                }
                refused += 1;
            }
            streams = left;
        }
    };
    timeout(PATIENCE, look).await.unwrap();
    assert!(refused < 40, "nobody may send at all");
    assert_eq!(status(3, &server, "GET /v1/registry/stats HTTP/1.1").await, "200");
    drop(streams);

    // The same with messages of agents, each allowed 1 MiB.
    let begun: [u8; 14] = [0x81, 0xff, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0];
    let unfinished = vec![b' '; 1024 * 1024 - 1];
    let mut agents = Vec::new();
    for _ in 0..80 {
        let mut agent = connect(&server, &identity(), Features::NONE).await;
        let _ = agent.0.get_mut().write_all(&begun).await;
        let _ = agent.0.get_mut().write_all(&unfinished).await;
        agents.push(agent);
    }
    let mut cut_off = 0;
    let look = async {
        while cut_off < 8 {
            let mut left = Vec::new();
            for mut agent in agents.drain(..) {
                let mut byte = [0; 1];
                let read = agent.0.get_mut().read(&mut byte);
                match timeout(Duration::from_millis(10), read).await {
                    Ok(Ok(0) | Err(_)) => cut_off += 1,
                    _ => left.push(agent),
                }
            }
            agents = left;
        }
    };
    timeout(PATIENCE, look).await.unwrap();
    assert!(cut_off < 80, "nobody may write at all");
    drop(agents);
    // What was held is free again.
    let ping = json!({"type": "ping", "timestamp": now().to_rfc3339_millis()}).to_string();
    let again = async {
        loop {
            let mut agent = connect(&server, &identity(), Features::NONE).await;
            let _ = agent.0.get_mut().write_all(&begun).await;
            let _ = agent.0.get_mut().write_all(&unfinished).await;
            let _ = agent.0.get_mut().write_all(b" ").await;
            let sent = agent.0.send(Message::text(ping.clone())).await;
            if sent.is_ok() && matches!(agent.0.next().await, Some(Ok(Message::Text(_)))) {
                break;
            }
        }
    };
    timeout(PATIENCE, again).await.unwrap();
}

/// Every route that reads JSON.
const JSON_ROUTES: &[&str] = &[
    "/v1/registry/register",
    "/v1/registry/prekeys",
    "/v1/registry/status",
    "/v1/registry/capabilities",
    "/v1/registry/reputation",
    "/v1/registry/revoke",
    "/v1/registry/revocations/bulk",
    "/v1/registry/reputation/feedback",
    "/v1/registry/reputation/session",
    "/v1/org/register",
    "/v1/org/verify",
    "/v1/org/agents",
    "/v1/auth/oauth/authorize",
    "/api/signal?room=A",
    "/api/leave?room=A",
    "/agents",
    "/tools",
    "/instructions",
    "/nodes",
    "/agents/0123456789abcdef01234567/connect",
    "/agents/0123456789abcdef01234567/heartbeat",
    "/users/u/skills",
    "/users/u/conversations",
    "/functions/v1/notify_websocket",
];

#[tokio::test]
async fn deep_and_oversized_bodies_are_refused_on_every_route() {
    let server = everything(|_| {}).await;
    let deep =
        |open: &str, close: &str| format!("{}1{}", open.repeat(50_000), close.repeat(50_000));
    let bodies = [
        "[".repeat(60_000),
        "{\"a\":".repeat(12_000),
        format!("{{\"amid\":{}}}", deep("[", "]")),
        format!("{{\"a\":{},\"a\":{}}}", deep("[", "]"), deep("{\"b\":", "}")),
        format!("\"{}\"", "\\u0000".repeat(10_000)),
        "9".repeat(60_000),
        "\u{0}".repeat(1000),
        "\"\\ud800\"".to_owned(),
        format!("{{\"a\":\"{}\"}}", "x".repeat(3 * 1024 * 1024)),
    ];
    let mut answered = 0;
    for route in JSON_ROUTES {
        for body in &bodies {
            let head = format!(
                "POST {route} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {ADMIN}\r\n\
                 Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            let answer = exchange(1, &server, &[head.as_bytes(), body.as_bytes()].concat()).await;
            // What is cut off may reset the connection before the answer is read.
            let (length, start) = (body.len(), body.get(..10).unwrap_or_default());
            let refused = answer.is_empty() || answer.starts_with("HTTP/1.1 4");
            assert!(refused, "{route} {start} {length}: {answer}");
            answered += usize::from(!answer.is_empty());
        }
    }
    assert!(answered > 5 * JSON_ROUTES.len(), "{answered} answers");
    assert_eq!(get(&server, "/health").await.0, 200);
}

#[tokio::test]
async fn requests_with_two_lengths_or_two_hosts_are_refused_or_end_the_connection() {
    let server = everything(|_| {}).await;
    let second = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
    for (headers, body) in [
        ("Content-Length: 5\r\nTransfer-Encoding: chunked", "0\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5", "0\r\n\r\n"),
        ("Content-Length: 5\r\nContent-Length: 6", "hello"),
        ("Content-Length: 5, 6", "hello"),
        ("Content-Length: +5", "hello"),
        ("Content-Length: -5", ""),
        ("Content-Length: 0x5", "hello"),
        ("Transfer-Encoding: identity", ""),
        ("Transfer-Encoding: chunked, identity", ""),
        ("Transfer-Encoding: xchunked", ""),
        ("Transfer-Encoding : chunked", "0\r\n\r\n"),
        ("X: a\r\n Transfer-Encoding: chunked", "0\r\n\r\n"),
        ("Host: elsewhere", ""),
        ("Transfer-Encoding: chunked", "fffffffffffffffff\r\n"),
        ("Transfer-Encoding: chunked", "-1\r\n"),
        ("Transfer-Encoding: chunked", "2 3\r\n{}\r\n0\r\n\r\n"),
    ] {
        let request = format!(
            "POST /v1/registry/register HTTP/1.1\r\nHost: x\r\n{headers}\r\n\r\n{body}{second}"
        );
        let answer = exchange(1, &server, request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{headers}: {answer}");
        let answers = answer.matches("HTTP/1.1 ").count();
        assert!(answers == 1 || headers == "Host: elsewhere", "{headers}: {answer}");
    }
    // Chunk extensions and trailers mean nothing, and there may not be many of them.
    let chunked =
        "POST /v1/registry/register HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (body, why) in [
        ("2;a=\"b\r\n{}\r\n0\r\n\r\n".to_owned(), "missing field"),
        (format!("2;{}\r\n{{}}\r\n0\r\n\r\n", "a".repeat(100_000)), "could not be read"),
        (format!("2\r\n{{}}\r\n0\r\n{}\r\n", "a: b\r\n".repeat(20_000)), "could not be read"),
    ] {
        let answer = exchange(1, &server, format!("{chunked}{body}").as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains(why), "{answer}");
    }
    for flood in [format!("X: {}", "a".repeat(300_000)), "X: a\r\n".repeat(200) + "Y: b"] {
        let request = format!("GET /health HTTP/1.1\r\nHost: x\r\n{flood}\r\n\r\n");
        let answer = exchange(1, &server, request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order_and_read_no_faster_than_they_are_answered() {
    let server = everything(|config| config.limits.requests_per_minute_per_ip = 0).await;
    let request = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n".repeat(100);
    let last = "GET /v1/nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answer = exchange(1, &server, format!("{request}{last}").as_bytes()).await;
    assert_eq!(answer.matches("HTTP/1.1 200 ").count(), 100);
    assert!(answer.rfind("HTTP/1.1 404 ") > answer.rfind("HTTP/1.1 200 "));
    // Who does not read the answers is not read either: the buffers fill, and then nothing more is taken.
    let mut stream = from(1, &server).await;
    let flood =
        tokio::spawn(async move { while stream.write_all(request.as_bytes()).await.is_ok() {} });
    let stands = async {
        let mut before = server_requests(&server).await;
        loop {
            sleep(Duration::from_millis(300)).await;
            let after = server_requests(&server).await;
            if after == before && after > 101 {
                return after;
            }
            before = after;
        }
    };
    let taken = timeout(6 * PATIENCE, stands).await.expect("it is read for ever");
    assert!(taken < 200_000, "{taken} answers wait for one client");
    flood.abort();
}

/// Requests for `/health` that the server has answered.
async fn server_requests(server: &Server) -> u64 {
    let text =
        reqwest::get(format!("{}/metrics", server.url())).await.unwrap().text().await.unwrap();
    let line = |line: &&str| {
        line.starts_with("agentmesh_http_requests_total") && line.contains("\"/health\"")
    };
    text.lines().find(line).map_or(0, |line| line.split(' ').next_back().unwrap().parse().unwrap())
}

#[tokio::test]
async fn no_line_of_a_request_becomes_a_line_of_the_answer() {
    let server = everything(|_| {}).await;
    let evil = "%0d%0aX-Evil:%20yes%0d%0a%0d%0a";
    for target in [
        format!("/{evil}"),
        format!("/v1/registry/prekeys/{evil}"),
        format!("/v1/auth/oauth/callback?state={evil}&code={evil}"),
        format!("/api/connect?room={evil}"),
        format!("/agents/{evil}/config"),
        format!("/users/{evil}/skills"),
        format!("/setup/{evil}"),
        format!("/socket.io/?EIO=4&transport={evil}"),
        format!("/ws?EIO={evil}"),
        format!("/api-docs/{evil}"),
    ] {
        let request = format!(
            "GET {target} HTTP/1.1\r\nHost: x\r\nOrigin: http://x\r\nX-Request-Id: {evil}\r\n\
             X-Correlation-Id: {evil}\r\nAuthorization: Bearer {ADMIN}\r\nConnection: close\r\n\r\n"
        );
        let answer = exchange(1, &server, request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 "), "{target}: {answer}");
        let head = answer.split("\r\n\r\n").next().unwrap().to_lowercase();
        assert!(
            !head.contains("\nx-evil") && !head.contains("x-evil: yes\r"),
            "{target}: {answer}"
        );
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{target}: {answer}");
    }
}

fn unsigned(header: &Value, claims: &Value, signature: &str) -> String {
    let part = |value: &Value| Base64UrlUnpadded::encode_string(value.to_string().as_bytes());
    format!("{}.{}.{signature}", part(header), part(claims))
}

#[tokio::test]
async fn tokens_are_believed_with_our_signature_and_nothing_else() {
    let server = everything(|_| {}).await;
    let exp = now().as_millis() / 1000 + 600;
    let owner = json!({"sub": "u", "roles": ["universe.owner"], "orgId": "o", "exp": exp});
    let sign = |header: &Header, claims: &Value, secret: &str| {
        encode(header, claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
    };
    let hs256 = Header::new(Algorithm::HS256);
    let good = sign(&hs256, &owner, JWT_SECRET);
    let signature = good.rsplit('.').next().unwrap();
    let without = |name: &str| {
        let mut claims = owner.clone();
        claims.as_object_mut().unwrap().remove(name);
        claims
    };
    let with = |name: &str, value: Value| {
        let mut claims = owner.clone();
        claims[name] = value;
        claims
    };
    let mut bad = vec![
        sign(&hs256, &owner, "another-secret-for-tests-of-32-bytes"),
        sign(&hs256, &owner, ""),
        sign(&Header::new(Algorithm::HS384), &owner, JWT_SECRET),
        sign(&Header::new(Algorithm::HS512), &owner, JWT_SECRET),
        sign(&hs256, &without("exp"), JWT_SECRET),
        sign(&hs256, &with("exp", json!(exp - 601)), JWT_SECRET),
        sign(&hs256, &with("exp", json!("tomorrow")), JWT_SECRET),
        sign(&hs256, &with("exp", json!(-1)), JWT_SECRET),
        sign(&hs256, &without("sub"), JWT_SECRET),
        sign(&hs256, &with("sub", json!("")), JWT_SECRET),
        format!("{}.", good.rsplit_once('.').unwrap().0),
        good.rsplit_once('.').unwrap().0.to_owned(),
        format!("{good}.{signature}"),
        format!("{good}="),
        String::new(),
        ".".repeat(5_000),
    ];
    for algorithm in ["none", "None", "NONE", "nOnE", "", "RS256", "ES256", "HS256 ", "hs256"] {
        let header = json!({"alg": algorithm, "typ": "JWT"});
        bad.push(unsigned(&header, &owner, ""));
        bad.push(unsigned(&header, &owner, signature));
    }
    // Where a key might be looked for that the token itself names.
    for (name, value) in [
        ("kid", json!("../../../../dev/null")),
        ("kid", json!("' UNION SELECT '")),
        ("jku", json!("http://127.0.0.1:9/keys")),
        ("x5u", json!("http://127.0.0.1:9/cert")),
        ("jwk", json!({"kty": "oct", "k": ""})),
    ] {
        let mut header = json!({"alg": "HS256", "typ": "JWT"});
        header[name] = value;
        bad.push(unsigned(&header, &owner, signature));
        bad.push(unsigned(&header, &owner, ""));
    }
    let http = http();
    for (path, expected) in [("/agents", 200), ("/users/u/skills", 200)] {
        let ask =
            |token: String| http.get(format!("{}{path}", server.url())).bearer_auth(token).send();
        assert_eq!(ask(good.clone()).await.unwrap().status(), expected, "{path}");
        for token in &bad {
            let status = ask(token.clone()).await.unwrap().status();
            assert_eq!(status, 401, "{path}: {token}");
        }
    }
}

#[tokio::test]
async fn an_address_that_guesses_secrets_is_stopped_however_it_spells_ids() {
    let server = everything(|config| config.aiwm.connects_per_minute = Some(10)).await;
    let http = reqwest::Client::new();
    let base = server.url();
    let made = http.post(format!("{base}/agents")).bearer_auth(ADMIN);
    let made = made.json(&json!({"name": "A", "description": "d", "status": "active"}));
    let made: Value = made.send().await.unwrap().json().await.unwrap();
    // An id with letters, so that it has two spellings at least.
    let id = made["_id"].as_str().unwrap().to_owned();
    let connect = async |id: &str| {
        let body = json!({"secret": "guess"});
        let sent = http.post(format!("{base}/agents/{id}/connect")).json(&body).send().await;
        sent.unwrap().status().as_u16()
    };
    let spellings = [id.clone(), id.to_uppercase()];
    let answers = join_all((0..40).map(|n| connect(&spellings[n % 2]))).await;
    // Ten, and what a slow machine takes long enough for.
    let looked_at = answers.iter().filter(|status| **status == 401).count();
    let refused = answers.iter().filter(|status| **status == 429).count();
    assert!(looked_at < 20 && looked_at + refused == 40, "{answers:?}");
    // What has not the form of an id is neither looked up nor remembered.
    for n in 0..100 {
        assert_eq!(connect(&format!("{}{n}", "x".repeat(5_000))).await, 404);
    }
    // Ids that nobody has cost as much as others, and their address pays.
    let unknown = join_all((0..80).map(|n| {
        let id = format!("{n:024x}");
        async move { connect(&id).await }
    }))
    .await;
    let refused = unknown.iter().filter(|status| **status == 429).count();
    assert!((1..=30).contains(&refused), "{refused} of 80");
}
