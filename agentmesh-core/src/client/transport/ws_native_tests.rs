//! Real sockets on loopback: a WebSocket server, a proxy, and servers that are neither.

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::TcpListener,
};
use tokio_tungstenite::{
    accept_async,
    tungstenite::protocol::{CloseFrame, frame::coding::CloseCode},
};

use super::{super::line::with_port, *};
use crate::client::platform::{Task, spawn};
use tokio::net::TcpStream;

const SECOND: Duration = Duration::from_secs(1);

fn connector(proxies: &ProxyConfig) -> WsConnector {
    WsConnector::new(proxies, 10 * SECOND).unwrap()
}

/// Echoes one connection until the word `bye`, then closes with code 4006. Returns its port.
async fn echo() -> (u16, Task<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        let mut socket = accept_async(tcp).await.unwrap();
        while let Some(Ok(message)) = socket.next().await {
            match message {
                Message::Text(text) if text.as_str() == "bye" => {
                    let code = CloseCode::Library(4006);
                    socket
                        .close(Some(CloseFrame { code, reason: "replaced".into() }))
                        .await
                        .unwrap();
                }
                Message::Text(text) if text.as_str() == "flood" => {
                    let flood = Bytes::from(vec![0; MAX_RELAY_FRAME + 1]);
                    // The client may hang up before all is out.
                    let _ = socket.send(Message::Binary(flood)).await;
                }
                Message::Text(_) | Message::Binary(_) => socket.send(message).await.unwrap(),
                _ => {}
            }
        }
    });
    (port, task)
}

/// Answers every connection with `answer`.
async fn not_a_websocket(answer: &'static str) -> (Url, Task<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("ws://{}/v1/connect", listener.local_addr().unwrap())).unwrap();
    let task = spawn(async move {
        loop {
            let (mut tcp, _) = listener.accept().await.unwrap();
            let mut request = [0; 2048];
            let _ = tcp.read(&mut request).await;
            let _ = tcp.write_all(answer.as_bytes()).await;
        }
    });
    (url, task)
}

async fn next(socket: &mut BoxSocket) -> Option<Result<Incoming, TransportError>> {
    tokio::time::timeout(10 * SECOND, socket.next()).await.unwrap()
}

#[tokio::test]
async fn carries_both_kinds_of_messages_and_the_close_code() {
    let (port, _server) = echo().await;
    let url = Url::parse(&format!("ws://127.0.0.1:{port}/v1/connect")).unwrap();
    let mut socket = connector(&ProxyConfig::none()).connect(&url).await.unwrap();
    socket.send(Outgoing::Text("wörld".into())).await.unwrap();
    assert_eq!(next(&mut socket).await, Some(Ok(Incoming::Text("wörld".into()))));
    let frame = Bytes::from(vec![3; 60_000]);
    socket.send(Outgoing::Binary(frame.clone())).await.unwrap();
    assert_eq!(next(&mut socket).await, Some(Ok(Incoming::Binary(frame))));
    socket.send(Outgoing::Text("bye".into())).await.unwrap();
    assert_eq!(next(&mut socket).await, Some(Ok(Incoming::Close(Some(4006)))));
    assert_eq!(next(&mut socket).await, None);
    // Answers the close.
    socket.close().await.unwrap();
}

#[tokio::test]
async fn pings_of_the_websocket_are_answered_though_nothing_is_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("ws://{}/", listener.local_addr().unwrap())).unwrap();
    let _server = spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        let mut socket = accept_async(tcp).await.unwrap();
        let word = Bytes::from_static(b"there?");
        socket.send(Message::Ping(word.clone())).await.unwrap();
        let heard = socket.next().await.unwrap().unwrap() == Message::Pong(word);
        socket.send(Message::Text(heard.to_string().into())).await.unwrap();
    });
    let mut socket = connector(&ProxyConfig::none()).connect(&url).await.unwrap();
    assert_eq!(next(&mut socket).await, Some(Ok(Incoming::Text("true".into()))));
}

#[tokio::test]
async fn a_message_over_the_limit_ends_the_connection() {
    let (port, _server) = echo().await;
    let url = Url::parse(&format!("ws://127.0.0.1:{port}/")).unwrap();
    let mut socket = connector(&ProxyConfig::none()).connect(&url).await.unwrap();
    socket.send(Outgoing::Text("flood".into())).await.unwrap();
    let limit = MAX_RELAY_FRAME;
    assert_eq!(next(&mut socket).await, Some(Err(TransportError::TooLong { limit })));
    assert_eq!(next(&mut socket).await, None);
}

#[tokio::test]
async fn agt_1301_tunnels_through_the_configured_proxy() {
    let (port, _server) = echo().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = format!("http://user:pa%40ss@{}", listener.local_addr().unwrap());
    let proxying = spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(client.read_u8().await.unwrap());
        }
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
        let mut server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let _ = copy_bidirectional(&mut client, &mut server).await;
        String::from_utf8(head).unwrap()
    });
    // A name that only the proxy can resolve.
    let url = Url::parse("ws://relay.invalid/v1/connect").unwrap();
    let mut socket = connector(&ProxyConfig::all(&proxy)).connect(&url).await.unwrap();
    socket.send(Outgoing::Text("through".into())).await.unwrap();
    assert_eq!(next(&mut socket).await, Some(Ok(Incoming::Text("through".into()))));
    drop(socket);
    let head = proxying.await.unwrap();
    assert!(head.starts_with("CONNECT relay.invalid:80 HTTP/1.1\r\n"), "{head}");
    // base64 of `user:pa@ss`
    assert!(head.contains("Proxy-Authorization: Basic dXNlcjpwYUBzcw==\r\n"), "{head}");
}

#[tokio::test]
async fn a_proxy_that_refuses_is_named_as_the_cause() {
    let (url, _server) =
        not_a_websocket("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await;
    let proxy = format!("http://user:hush@{}:{}", url.host_str().unwrap(), url.port().unwrap());
    let target = Url::parse("wss://relay.invalid/v1/connect").unwrap();
    let error = connector(&ProxyConfig::all(&proxy)).connect(&target).await.err().unwrap();
    assert!(matches!(&error, TransportError::Proxy { reason } if reason.contains("authorization")));
    assert!(!error.to_string().contains("hush"));

    let socks = ProxyConfig::all("socks5h://user:hush@127.0.0.1:1");
    let error = connector(&socks).connect(&target).await.err().unwrap();
    assert!(matches!(&error, TransportError::Proxy { .. }), "{error}");
    assert!(!error.to_string().contains("hush"));
}

#[tokio::test]
async fn refusals_keep_status_and_retry_after() {
    let (url, _server) = not_a_websocket(
        "HTTP/1.1 429 Too Many Requests\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n",
    )
    .await;
    let error = connector(&ProxyConfig::none()).connect(&url).await.err().unwrap();
    let host = format!("127.0.0.1:{}", url.port().unwrap());
    let refused = TransportError::Refused { host, status: 429, retry_after_seconds: Some(7) };
    assert_eq!(error, refused);
}

#[tokio::test]
async fn tls_that_is_not_tls_and_closed_ports_are_connect_errors() {
    let (mut url, server) = not_a_websocket("HTTP/1.1 200 OK\r\n\r\n").await;
    url.set_scheme("wss").unwrap();
    let connector = connector(&ProxyConfig::none());
    let error = connector.connect(&url).await.err().unwrap();
    assert!(matches!(&error, TransportError::Connect { .. }), "{error:?}");
    drop(server);
    tokio::task::yield_now().await;
    let error = connector.connect(&url).await.err().unwrap();
    assert!(
        matches!(&error, TransportError::Connect { host, .. } if host.starts_with("127.0.0.1:"))
    );
}

#[test]
fn addresses_are_checked() {
    let check = |url: &str| http_address(&Url::parse(url).unwrap()).map(|uri| uri.to_string());
    assert_eq!(check("wss://relay.example/v1/connect").as_deref(), Ok("https://relay.example/"));
    assert_eq!(check("ws://[::1]:8787/x").as_deref(), Ok("http://[::1]:8787/"));
    for bad in ["https://relay.example", "ws://user@relay.example", "ws://u:p@relay.example"] {
        assert!(matches!(check(bad), Err(TransportError::InvalidUrl { .. })), "{bad}");
    }
    let with_port = |uri| with_port(&::http::Uri::from_static(uri)).unwrap().to_string();
    assert_eq!(with_port("https://relay.example/"), "http://relay.example:443/");
    assert_eq!(with_port("http://relay.example:1/"), "http://relay.example:1/");
}
