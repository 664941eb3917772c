//! HTTP against a socket that answers whatever the test says.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;
use crate::client::platform::Task;

/// Answers connection n with `answers[n]`, the last one for ever; returns the requests it saw when asked.
struct Server {
    url: Url,
    requests: tokio::sync::mpsc::UnboundedReceiver<String>,
    _task: Task<()>,
}

async fn server(answers: Vec<String>) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1/x?amid=secretamid", listener.local_addr().unwrap());
    let (seen, requests) = tokio::sync::mpsc::unbounded_channel();
    let task = platform::spawn(async move {
        for n in 0.. {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.windows(4).any(|w| w == b"\r\n\r\n") {
                let mut part = [0; 1024];
                let n = socket.read(&mut part).await.unwrap();
                head.extend_from_slice(&part[..n]);
            }
            seen.send(String::from_utf8(head).unwrap()).unwrap();
            let answer = answers.get(n).or(answers.last()).unwrap();
            // A client that has seen enough may be gone.
            let _ = socket.write_all(answer.as_bytes()).await;
        }
    });
    Server { url: Url::parse(&url).unwrap(), requests, _task: task }
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
}

fn client(change: impl FnOnce(&mut HttpConfig)) -> HttpClient {
    let mut config = HttpConfig {
        backoff: BackoffConfig { base: Duration::from_millis(1), max: Duration::from_millis(5) },
        proxies: ProxyConfig::none(),
        ..HttpConfig::default()
    };
    change(&mut config);
    HttpClient::new(config).unwrap()
}

async fn get(client: &HttpClient, url: &Url) -> Result<HttpResponse, HttpError> {
    client
        .send(|| {
            Ok::<_, HttpError>(HttpRequest {
                what: "test",
                method: Method::GET,
                url: url.clone(),
                headers: HeaderMap::new(),
                body: None,
            })
        })
        .await
}

#[tokio::test]
async fn a_server_that_starts_up_is_asked_again() {
    let starting = r#"{"error":"Service is starting up","status":"starting"}"#;
    let mut server = server(vec![
        answer("503 Service Unavailable", "", starting),
        answer("503 Service Unavailable", "", starting),
        answer("200 OK", "date: Wed, 04 Feb 2026 12:00:00 GMT\r\n", r#"{"a":1}"#),
    ])
    .await;
    let client = client(|_| ());
    let response = get(&client, &server.url).await.unwrap();
    assert_eq!(response.json::<serde_json::Value>().unwrap(), serde_json::json!({"a": 1}));
    assert!(client.server_clock_offset_seconds().is_some());
    let (mut ids, mut seen) = (std::collections::HashSet::new(), 0);
    while let Ok(request) = server.requests.try_recv() {
        seen += 1;
        ids.extend(request.lines().find(|l| l.starts_with("x-request-id: ")).map(str::to_owned));
        assert!(request.contains("user-agent: agentmesh/"), "{request}");
    }
    assert_eq!((seen, ids.len()), (3, 3), "each try has an id of its own");
}

#[tokio::test]
async fn tries_are_bounded_and_the_last_error_is_kept() {
    let mut server = server(vec![answer("502 Bad Gateway", "", "<html>nginx</html>")]).await;
    let error = get(&client(|c| c.attempts = 3), &server.url).await.err().unwrap();
    assert_eq!(
        error,
        HttpError::Unavailable { status: 502, message: String::new(), retry_after_seconds: None }
    );
    assert_eq!((0..9).filter(|_| server.requests.try_recv().is_ok()).count(), 3);
}

#[tokio::test]
async fn retry_after_is_honoured_and_too_long_a_wait_is_handed_back() {
    let ok = answer("200 OK", "", "{}");
    let soon =
        server(vec![answer("429 Too Many Requests", "retry-after: 1\r\n", ""), ok.clone()]).await;
    let started = Instant::now();
    get(&client(|_| ()), &soon.url).await.unwrap();
    assert!(started.elapsed() >= Duration::from_secs(1));

    let late = server(vec![answer("429 Too Many Requests", "retry-after: 3600\r\n", ""), ok]).await;
    let started = Instant::now();
    let error = get(&client(|_| ()), &late.url).await.err().unwrap();
    assert_eq!(error, HttpError::RateLimited { retry_after_seconds: Some(3600) });
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn text_bodies_empty_bodies_and_json_bodies_become_typed_errors() {
    let cases = [
        (
            answer("400 Bad Request", "content-type: text/plain\r\n", "Json parse\nerror"),
            HttpError::Rejected { status: 400, message: "Json parse error".into() },
        ),
        (answer("404 Not Found", "", ""), HttpError::NotFound { message: String::new() }),
        (
            answer("404 Not Found", "", r#"{"error":"Agent not found"}"#),
            HttpError::NotFound { message: "Agent not found".into() },
        ),
        (
            answer("401 Unauthorized", "", r#"{"error":"Invalid signature"}"#),
            HttpError::Unauthorized { message: "Invalid signature".into() },
        ),
        (
            answer("409 Conflict", "", r#"{"success":false,"error":"x"}"#),
            HttpError::Conflict { message: "x".into() },
        ),
        (
            answer("302 Found", "location: http://elsewhere.example/\r\n", ""),
            HttpError::Rejected { status: 302, message: String::new() },
        ),
    ];
    for (text, expected) in cases {
        let mut server = server(vec![text]).await;
        assert_eq!(get(&client(|_| ()), &server.url).await.err(), Some(expected));
        assert_eq!(
            (0..9).filter(|_| server.requests.try_recv().is_ok()).count(),
            1,
            "not tried again"
        );
    }
}

#[tokio::test]
async fn bodies_and_waits_are_bounded() {
    let server = server(vec![answer("200 OK", "", &"x".repeat(5000))]).await;
    let error = get(&client(|c| c.max_response = 4999), &server.url).await.err();
    assert_eq!(error, Some(HttpError::TooLong { limit: 4999 }));

    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}", silent.local_addr().unwrap())).unwrap();
    let client = client(|c| {
        c.try_timeout = Duration::from_millis(50);
        c.total_timeout = Duration::from_millis(200);
    });
    assert!(matches!(get(&client, &url).await, Err(HttpError::Timeout { .. })));
}

#[tokio::test]
async fn errors_name_the_host_and_nothing_else_of_the_address() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let url = Url::parse(&format!("http://user:hush@{free}/path?query=hush")).unwrap();
    let error = get(&client(|c| c.attempts = 1), &url).await.err().unwrap();
    assert!(
        matches!(&error, HttpError::Connect { host, .. } if *host == free.to_string()),
        "{error}"
    );
    assert!(!error.to_string().contains("hush"), "{error}");
}

#[test]
fn reads_http_dates() {
    let date = parse_date("Wed, 04 Feb 2026 12:00:00 GMT");
    assert_eq!(date.map(Timestamp::to_rfc3339_millis).as_deref(), Some("2026-02-04T12:00:00.000Z"));
    assert_eq!(parse_date("yesterday"), None);
}
