//! The one port: HTTP for the registry, for agents that poll the relay, signaling, health and metrics, and the upgrade to the relay's WebSocket on any other path.
//!
//! hyper is driven here rather than by `axum::serve`, because the socket must have TCP_NODELAY, a slow client must not
//! hold a connection for ever, and an upgraded socket goes to the relay without hyper's buffers.

pub(crate) mod call;
mod cors;
mod fallback;
mod health;
mod metered;
mod observe;
pub(crate) mod reply;
pub(crate) mod visitors;

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use axum::{
    Router,
    middleware::{from_fn, from_fn_with_state},
    routing::get,
};
use hyper::{
    Request,
    body::Incoming,
    server::conn::http1,
    service::{Service, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::{
    agent_ws, aiwm,
    limits::reached,
    metrics, oauth, org, registry,
    relay::{Open, poll},
    signaling,
    state::Shared,
    user_data,
};

/// Connections that the system may hold before they are accepted: many clients reconnect at once after a restart.
const BACKLOG: u32 = 4096;
/// hyper's buffer a connection.
const BUFFER: usize = 64 * 1024;

/// Who is at the other end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// All routes.
pub(crate) fn router(shared: Shared) -> Router {
    let v1 = registry::routes()
        .merge(org::routes())
        .merge(oauth::routes())
        .merge(poll::routes())
        .route("/health", get(health::registry));
    let aiwm = match &shared.aiwm {
        Some(_) => aiwm::routes(&shared),
        None => Router::new(),
    };
    let user_data = match &shared.user_data {
        Some(_) => user_data::routes(&shared),
        None => Router::new(),
    };
    Router::new()
        .nest("/v1", v1)
        .nest("/api", signaling::routes(&shared))
        .merge(aiwm)
        .merge(agent_ws::routes())
        .merge(user_data)
        .route("/health", get(health::process))
        .route("/metrics", get(metrics::metrics))
        .fallback(fallback::fallback)
        .method_not_allowed_fallback(fallback::fallback)
        .layer(from_fn(cors::cors))
        .layer(from_fn_with_state(Arc::clone(&shared), observe::observe))
        .with_state(shared)
}

/// Opens the port. A port that a killed process left behind can be taken over at once.
pub(crate) fn listen(addr: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}

/// Accepts connections until the server stops.
pub(crate) async fn serve(listener: TcpListener, router: Router, shared: Shared) {
    let service = TowerToHyperService::new(router);
    let stopping = shared.relay.stopping.clone();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopping.cancelled() => return,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, most likely: others have to close first.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        if reached(shared.config.limits.connections, shared.relay.sockets.load(Ordering::Relaxed)) {
            tracing::warn!("too many connections; one was refused");
            continue;
        }
        if shared.relay.visitors.is_full(peer.ip(), shared.config.limits.connections_per_ip) {
            tracing::debug!(ip = %peer.ip(), "too many connections from one address");
            continue;
        }
        let guard = Open::new(&shared.relay, peer.ip());
        let connection = connection(stream, peer, service.clone(), shared.clone());
        shared.relay.tasks.spawn(async move {
            connection.await;
            drop(guard);
        });
    }
}

/// Lets the system break a connection off on which nothing gets through. hyper waits for ever, and a client that is half
/// gone would stay in its room until the system has had enough by itself, a quarter of an hour later.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn give_up_stalled(stream: &TcpStream, after: Duration) -> std::io::Result<()> {
    if after.is_zero() {
        return Ok(());
    }
    socket2::SockRef::from(stream).set_tcp_user_timeout(Some(after))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
#[expect(clippy::unnecessary_wraps, reason = "as on Linux")]
const fn give_up_stalled(_: &TcpStream, _: Duration) -> std::io::Result<()> {
    Ok(())
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    service: TowerToHyperService<Router>,
    shared: Shared,
) {
    let stalled = shared.config.limits.stalled_timeout;
    if let Err(error) = stream.set_nodelay(true).and_then(|()| give_up_stalled(&stream, stalled)) {
        tracing::debug!(%error, "a connection ended at once");
        return;
    }
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        service.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Some(shared.config.limits.head_timeout).filter(|time| !time.is_zero()))
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = shared.relay.stopping.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "an HTTP connection ended with an error");
    }
}
