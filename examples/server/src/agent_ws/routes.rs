//! From an HTTP request to a session.

use agentmesh_core::services::agent_ws::{
    PATH,
    service::{Refusal, UpgradeRequest},
};
use axum::{
    Extension, Router,
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
    routing::any,
};
use http::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::push;
use crate::{http::Peer, relay::Open, state::Shared};

pub(crate) fn routes() -> Router<Shared> {
    Router::new().route(PATH, any(upgrade)).route(push::PATH, any(push::push))
}

/// `GET`, upgraded.
async fn upgrade(
    State(shared): State<Shared>,
    Extension(Peer(peer)): Extension<Peer>,
    mut request: Request<Body>,
) -> Response {
    let headers = request.headers();
    let version = headers.get(header::SEC_WEBSOCKET_VERSION);
    let admitted = shared.agent_ws.admit(&UpgradeRequest {
        method: request.method(),
        headers,
        query: request.uri().query(),
        ip: Some(peer.ip()),
    });
    let seat = match admitted {
        Ok(seat) => seat,
        Err(refusal) => return refused(refusal),
    };
    if version.is_none_or(|version| version != "13") {
        let ours = [(header::SEC_WEBSOCKET_VERSION, "13")];
        return (StatusCode::UPGRADE_REQUIRED, ours, "WebSocket version 13").into_response();
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY).map(|key| derive_accept_key(key.as_bytes()));
    let mut answer = StatusCode::SWITCHING_PROTOCOLS.into_response();
    let mut set = |name, value: &str| {
        // What came in a header, or is base64, fits into one.
        value.parse().map(|value| answer.headers_mut().insert(name, value)).is_ok()
    };
    set(header::CONNECTION, "Upgrade");
    set(header::UPGRADE, "websocket");
    set(header::SEC_WEBSOCKET_ACCEPT, &key.unwrap_or_default());
    if let Some(protocol) = seat.subprotocol() {
        set(header::SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    let upgraded = hyper::upgrade::on(&mut request);
    let open = Open::new(&shared.relay, peer.ip());
    let service = shared.agent_ws.clone();
    shared.relay.tasks.spawn(async move {
        let _open = open;
        let Ok(upgraded) = upgraded.await else { return };
        // The plain socket, and none of hyper's buffers.
        let Ok(parts) = upgraded.downcast::<TokioIo<TcpStream>>() else { return };
        service.serve(parts.io.into_inner(), parts.read_buf.to_vec(), seat).await;
    });
    answer
}

fn refused(Refusal { status, body, .. }: Refusal) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    let mut response = (status, body).into_response();
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("GET"));
    }
    response
}
