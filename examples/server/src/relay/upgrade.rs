//! From an HTTP request to a WebSocket connection.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::{
    Relay,
    connection::{self, Upgraded},
};
use crate::{clock, http::visitors::Visit};

fn has_token(headers: &HeaderMap, name: header::HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|part| part.trim().eq_ignore_ascii_case(token))
}

/// Whether a request asks for a WebSocket.
pub(crate) fn is_upgrade(headers: &HeaderMap) -> bool {
    has_token(headers, header::CONNECTION, "upgrade")
        && has_token(headers, header::UPGRADE, "websocket")
}

/// Answers a request for a WebSocket and runs the connection in a task of its own.
pub(crate) fn upgrade(
    relay: &Arc<Relay>,
    mut request: Request<Body>,
    peer: SocketAddr,
) -> Response {
    let headers = request.headers();
    let Some(key) = headers.get(header::SEC_WEBSOCKET_KEY).cloned() else {
        return (StatusCode::BAD_REQUEST, "Sec-WebSocket-Key is missing").into_response();
    };
    let version = headers.get(header::SEC_WEBSOCKET_VERSION);
    if version.is_none_or(|version| version != "13") {
        let ours = [(header::SEC_WEBSOCKET_VERSION, "13")];
        return (StatusCode::UPGRADE_REQUIRED, ours, "WebSocket version 13").into_response();
    }
    let limit = relay.limits.connects_per_minute_per_ip;
    if let Err(seconds) = relay.arrivals.take(peer.ip(), limit, clock::now()) {
        let wait = [(header::RETRY_AFTER, seconds.to_string())];
        return (StatusCode::TOO_MANY_REQUESTS, wait, "too many connections").into_response();
    }
    let host = host(&request);
    let upgraded = hyper::upgrade::on(&mut request);
    let task = Arc::clone(relay);
    let open = Open::new(relay, peer.ip());
    relay.tasks.spawn(async move {
        let _open = open;
        let Ok(upgraded) = upgraded.await else { return };
        let Some(upgraded) = take_socket(upgraded, host, peer) else { return };
        connection::run(task, upgraded).await;
    });
    let answer = [
        (header::CONNECTION, "Upgrade".to_owned()),
        (header::UPGRADE, "websocket".to_owned()),
        (header::SEC_WEBSOCKET_ACCEPT, derive_accept_key(key.as_bytes())),
    ];
    (StatusCode::SWITCHING_PROTOCOLS, answer).into_response()
}

/// The plain socket out of hyper's hands, and none of its buffers: nothing of hyper may live as long as the connection.
fn take_socket(
    upgraded: hyper::upgrade::Upgraded,
    host: String,
    peer: SocketAddr,
) -> Option<Upgraded> {
    let parts = upgraded.downcast::<TokioIo<TcpStream>>().ok()?;
    let (stream, read) = (parts.io.into_inner(), parts.read_buf.to_vec());
    Some(Upgraded { stream, read, host, ip: peer.ip() })
}

/// Counts a socket as long as it lives, among all and among those of its address.
#[derive(Debug)]
pub(crate) struct Open {
    count: Arc<AtomicUsize>,
    _visit: Visit,
}

impl Open {
    pub(crate) fn new(relay: &Relay, ip: IpAddr) -> Self {
        let count = Arc::clone(&relay.sockets);
        count.fetch_add(1, Ordering::Relaxed);
        Self { count, _visit: relay.visitors.enter(ip) }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What the client calls this server.
pub(crate) fn host<B>(request: &Request<B>) -> String {
    let header = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    header.map_or_else(
        || request.uri().authority().map(ToString::to_string).unwrap_or_default(),
        str::to_owned,
    )
}
