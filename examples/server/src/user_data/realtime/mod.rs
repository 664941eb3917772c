//! The channel to an agent: Socket.IO at `/socket.io/`, and at `/ws` where clients ask for Engine.IO.
//!
//! `door` is where sockets end, `registry` which sessions there are, `session` what happens in one; `turn` is the
//! interface of agents, `echo` the one that is there when no other is configured.

mod door;
mod echo;
mod history;
mod hooks;
mod options;
mod registry;
mod session;
#[cfg(test)]
mod tests;
mod turn;

use std::{
    convert::Infallible,
    fmt,
    future::{Ready, ready},
    net::IpAddr,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use agentmesh_core::services::user_data::Name;
use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{Request, StatusCode, Uri, header};
use hyper::service::Service;
use serde_json::json;
use socketioxide::{ParserConfig, SocketIo, service::SocketIoService};
use tokio::time::timeout;
use tokio_util::{
    sync::CancellationToken,
    task::{AbortOnDropHandle, TaskTracker},
};

use super::{
    UserDataConfig,
    access::{Access, Principal},
    answer::Refusal,
    sessions::Sessions,
};
use crate::{
    clock,
    http::Peer,
    limits::reached,
    relay::{Open, is_upgrade},
    signaling::query::Query,
    state::Shared,
};
pub use echo::EchoAgent;
pub use options::Options;
use registry::Registry;
use session::Rules;
pub use turn::{AgentBackend, HookAnswer, HookEvent, ToolOutcome, Turn, TurnError};

/// As the deployed services: bytes of a frame, and of what is posted.
const MAX_PAYLOAD: usize = 1_000_000;
/// Packets that wait for a client.
const MAX_WAITING: usize = 256;
/// How long clients have to take their leave.
const LEAVE: Duration = Duration::from_secs(1);
/// Where Engine.IO is.
const ENGINE: &str = "/socket.io/";

type Engine = SocketIoService<Nothing>;

/// See the module.
pub(super) struct Realtime {
    io: SocketIo,
    engine: Engine,
    registry: Arc<Registry>,
    access: Access,
    /// Whether clients come in without a token.
    open: bool,
    prepared: Arc<Sessions>,
}

impl Realtime {
    pub(super) fn start(
        config: &UserDataConfig,
        prepared: Arc<Sessions>,
        tasks: TaskTracker,
        stopping: CancellationToken,
    ) -> Arc<Self> {
        let limits = config.realtime.clone();
        let builder = SocketIo::builder()
            .req_path("/socket.io")
            .max_payload(u64::try_from(MAX_PAYLOAD).unwrap_or(u64::MAX))
            .max_buffer_size(MAX_WAITING)
            .ws_max_message_size(MAX_PAYLOAD)
            .ws_max_frame_size(MAX_PAYLOAD)
            // The session waits; this is only so that nothing is kept for ever.
            .ack_timeout(limits.hook + Duration::from_secs(10))
            // No event takes binary data.
            .with_parser(
                ParserConfig::common().max_incoming_binaries(0).max_incoming_binary_buf_size(0),
            );
        let (engine, io) = builder.build_with_inner_svc(Nothing);
        let rules = Rules {
            limits,
            threads: config.thread_rule,
            allow_bypass: config.allow_bypass,
            unattended_tools: config.unattended_tools,
            agent: Arc::clone(&config.agent),
        };
        let registry = Registry::new(rules, tasks, stopping);
        let realtime = Arc::new(Self {
            io,
            engine,
            registry,
            access: Access::new(config),
            open: config.insecure || config.open_realtime,
            prepared,
        });
        door::open(&realtime.io, &Arc::downgrade(&realtime));
        realtime
    }

    /// Whether a token lets a client into a session.
    fn may_enter(&self, session: &Name, token: Option<&str>) -> bool {
        if let Some(token) = token {
            if self.prepared.admits(session, token) {
                return true;
            }
            match self.access.of_token(token) {
                Some(Principal::Operator) => return true,
                Some(Principal::User(user)) => {
                    let owner = self.prepared.user(session);
                    return owner.unwrap_or_else(|| session.clone()) == user;
                }
                None => {}
            }
        }
        self.open
    }

    pub(super) fn sessions(&self) -> usize {
        self.registry.len()
    }

    /// Ends a session, if there is one, and disconnects its client.
    pub(super) fn end(&self, session: &Name) {
        self.registry.end(session);
    }

    /// Tells all clients that they are disconnected, and closes their connections.
    pub(super) async fn stop(&self) {
        self.registry.end_all();
        for namespace in door::NAMESPACES {
            if let Some(all) = self.io.of(namespace) {
                let _ = timeout(LEAVE, all.disconnect()).await;
            }
        }
        if timeout(LEAVE, self.io.close()).await.is_err() {
            tracing::warn!("user data: some connections did not close in time");
        }
    }
}

impl fmt::Debug for Realtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Realtime").field("sessions", &self.sessions()).finish_non_exhaustive()
    }
}

/// `/socket.io/`.
pub(in crate::user_data) async fn engine(
    State(shared): State<Shared>,
    request: Request<Body>,
) -> Response {
    let path = request.uri().path();
    if path != ENGINE && format!("{path}/") != ENGINE {
        return Refusal::unknown_path().into_response();
    }
    serve(&shared, request).await
}

/// `/ws`: Engine.IO for those who ask for its version 4. Others are told what is missing.
pub(in crate::user_data) async fn ws(
    State(shared): State<Shared>,
    mut request: Request<Body>,
) -> Response {
    let query = Query::parse(request.uri().query().unwrap_or_default());
    let version = query.as_ref().and_then(|query| query.get("EIO"));
    if version != Some("4") {
        if is_upgrade(request.headers()) {
            return Refusal::invalid("Expected EIO=4").into_response();
        }
        let wanted = [(header::CONNECTION, "upgrade"), (header::UPGRADE, "websocket")];
        return (StatusCode::UPGRADE_REQUIRED, wanted, "Expected Upgrade: websocket")
            .into_response();
    }
    let target = format!("{ENGINE}?{}", request.uri().query().unwrap_or_default());
    match target.parse::<Uri>() {
        Ok(uri) => *request.uri_mut() = uri,
        Err(_) => return Refusal::invalid("Malformed query").into_response(),
    }
    serve(&shared, request).await
}

async fn serve(shared: &Shared, mut request: Request<Body>) -> Response {
    let Some(service) = &shared.user_data else {
        return Refusal::unknown_path().into_response();
    };
    if foreign(service.config.allowed_origins.as_slice(), &request) {
        return Refusal::forbidden().into_response();
    }
    let Some(Peer(peer)) = request.extensions().get::<Peer>().copied() else {
        return Refusal::busy().into_response();
    };
    if let Err(refusal) = admit(shared, peer.ip(), &request) {
        return refusal.into_response();
    }
    // A socket keeps the head of its first request, and is counted as long.
    request.extensions_mut().insert(Arc::new(Open::new(&shared.relay, peer.ip())));
    let response = match service.realtime.engine.call(request).await {
        Ok(response) => response.map(Body::new),
        Err(never) => match never {},
    };
    let silent = response.headers().get(header::CONTENT_TYPE).is_none();
    if response.status().is_client_error() && silent {
        let body = axum::Json(json!({"error": "Bad request"}));
        return (response.status(), body).into_response();
    }
    response
}

/// Whether there is room for a request, and for the session that it may begin. Polling sessions outlive the connections
/// over which they came: nothing else would bound how many somebody begins.
fn admit(shared: &Shared, ip: IpAddr, request: &Request<Body>) -> Result<(), Refusal> {
    let (limits, relay) = (&shared.config.limits, &shared.relay);
    if reached(limits.connections, relay.sockets.load(Ordering::Relaxed)) {
        return Err(Refusal::busy());
    }
    let query = Query::parse(request.uri().query().unwrap_or_default());
    if query.is_some_and(|query| query.get("sid").is_some()) {
        return Ok(());
    }
    if relay.visitors.is_full(ip, limits.connections_per_ip) {
        return Err(Refusal::too_many(1));
    }
    let limit = limits.connects_per_minute_per_ip;
    relay.arrivals.take(ip, limit, clock::now()).map_err(Refusal::too_many)
}

/// Whether a page of another origin asks, to which nobody said that it may. Browsers do not keep pages from opening
/// WebSockets to everywhere.
fn foreign(allowed: &[String], request: &Request<Body>) -> bool {
    let Some(origin) = request.headers().get(header::ORIGIN) else { return false };
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let own = |origin: &str| match (origin.split_once("://"), host) {
        (Some((_, at)), Some(host)) => at == host,
        _ => false,
    };
    match origin.to_str() {
        Ok(origin) => !own(origin) && !allowed.iter().any(|allowed| allowed == origin),
        Err(_) => true,
    }
}

/// What there is beside Engine.IO at its path.
#[derive(Debug, Clone, Copy)]
struct Nothing;

impl Service<Request<Body>> for Nothing {
    type Response = Response;
    type Error = Infallible;
    type Future = Ready<Result<Response, Infallible>>;

    fn call(&self, _: Request<Body>) -> Self::Future {
        ready(Ok(Refusal::unknown_path().into_response()))
    }
}

/// A task that ends with its handle.
#[allow(clippy::disallowed_methods, reason = "the handle owns the task")]
fn spawn<F>(future: F) -> AbortOnDropHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    AbortOnDropHandle::new(tokio::spawn(future))
}
