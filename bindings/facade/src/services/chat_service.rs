//! The answering side of agent WebSockets: a listener in this process, in front of an agent that is written in another
//! language. Speaks HTTP without TLS: on other machines than this one, put a proxy with a certificate before it.

use std::{convert::Infallible, fmt, net::SocketAddr, sync::Arc, time::Duration};

use agentmesh_core::services::agent_ws::{
    PATH, SecretText,
    service::{
        Access, AgentWebSocketConfig, AgentWebSocketService as CoreService, FeedbackMode,
        MessageRate, PushError, Refusal, UpgradeRequest,
    },
};
use http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::chat::{ChatCalls, foreign_chat};
use crate::{FacadeError, owned::Owned};

/// Connections that are not sessions yet; beyond, the system holds them.
const WAITING: usize = 256;
/// For the head of a request.
const HEAD: Duration = Duration::from_secs(10);
/// For tasks to end, after their sessions did.
const DRAIN: Duration = Duration::from_secs(1);
/// When the system has no room for a connection.
const PAUSE: Duration = Duration::from_millis(100);

/// How the service is run, without tokens.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServiceSettings {
    /// Where it listens, such as `127.0.0.1:0`, which is the default: a free port, for this machine only.
    pub listen: Option<String>,
    /// The path. Default: that of the documents, `/functions/v1/agent_websocket`.
    pub path: Option<String>,
    /// What the agent calls itself.
    pub agent_name: Option<String>,
    /// What the agent is told about itself: the first of the messages that it is called with.
    pub system_prompt: Option<String>,
    /// A session without any message for longer is closed.
    pub session_timeout_ms: Option<u64>,
    /// Messages of both sides that the agent is told.
    pub max_history: Option<usize>,
    /// Sessions at a time; 0 for any number.
    pub max_sessions: Option<usize>,
    /// Sessions of one address; 0 for any number.
    pub max_sessions_per_address: Option<usize>,
    /// For the agent's answer.
    pub answer_timeout_ms: Option<u64>,
    /// Messages of a session, `[at once, a minute]`; 0 a minute for any number.
    pub rate: Option<(u32, u32)>,
    /// `human_feedback` is asked like a query.
    pub feedback_is_query: bool,
    /// Pages of these origins only; empty for any.
    pub origins: Vec<String>,
    /// A token may also stand in the query, where proxies and logs see it.
    pub token_in_query: bool,
}

impl ServiceSettings {
    fn config(&self, tokens: Vec<SecretText>) -> AgentWebSocketConfig {
        let default = AgentWebSocketConfig::default();
        let or = |ms: Option<u64>, default| ms.map_or(default, Duration::from_millis);
        let session_timeout = or(self.session_timeout_ms, default.session_timeout);
        AgentWebSocketConfig {
            agent_name: self.agent_name.clone().unwrap_or(default.agent_name),
            system_prompt: self.system_prompt.clone().unwrap_or(default.system_prompt),
            session_timeout,
            sweep_every: default.sweep_every.min(session_timeout),
            max_history: self.max_history.unwrap_or(default.max_history),
            max_sessions: self.max_sessions.unwrap_or(default.max_sessions),
            max_sessions_per_ip: self
                .max_sessions_per_address
                .unwrap_or(default.max_sessions_per_ip),
            call_timeout: or(self.answer_timeout_ms, default.call_timeout),
            rate: match self.rate {
                None => default.rate,
                Some((_, 0)) => None,
                Some((burst, per_minute)) => Some(MessageRate { burst, per_minute }),
            },
            feedback: if self.feedback_is_query {
                FeedbackMode::Query
            } else {
                FeedbackMode::Record
            },
            access: Access {
                tokens,
                token_in_query: self.token_in_query,
                origins: self.origins.clone(),
            },
            ..default
        }
    }
}

/// A service that listens. A clone is the same service; it ends when it is shut down or the last clone is dropped.
#[derive(Clone)]
pub struct AgentWebSocketService(Arc<Inner>);

struct Inner {
    url: String,
    service: Owned<CoreService>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl fmt::Debug for AgentWebSocketService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentWebSocketService").field("url", &self.0.url).finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // In a process that was forked off there are no tasks to be told.
        if let Ok(service) = self.service.get() {
            service.stop();
            self.stop.cancel();
        }
    }
}

/// What connections share.
#[derive(Clone)]
struct Doors {
    service: CoreService,
    path: Arc<str>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl AgentWebSocketService {
    /// Listens. When this returns, clients can connect; their questions come out of the queue.
    ///
    /// # Errors
    /// `AGENT_WS_CONFIG`; `BINDING_SERVER` if the address cannot be listened on.
    pub async fn start(
        settings: ServiceSettings,
        tokens: Vec<SecretText>,
    ) -> Result<(Self, ChatCalls), FacadeError> {
        let listen = settings.listen.as_deref().unwrap_or("127.0.0.1:0");
        let path = settings.path.as_deref().unwrap_or(PATH);
        if !path.starts_with('/') {
            return Err(FacadeError::argument("the path of a service begins with a slash"));
        }
        let (backend, calls) = foreign_chat();
        let config = settings.config(tokens);
        let service = CoreService::new(config, backend)?;
        let listener = TcpListener::bind(listen).await.map_err(|e| FacadeError::server(&e))?;
        let address = listener.local_addr().map_err(|e| FacadeError::server(&e))?;
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let doors = Doors {
            service: service.clone(),
            path: path.into(),
            stop: stop.clone(),
            tasks: tasks.clone(),
        };
        tasks.spawn(listening(listener, doors, Arc::new(Semaphore::new(WAITING))));
        let url = format!("ws://{address}{path}");
        let inner = Inner { url, service: Owned::new(service), stop, tasks };
        Ok((Self(Arc::new(inner)), calls))
    }

    /// What clients take as the agent's URL, on this machine.
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// Shows a notification to the client of a session.
    ///
    /// # Errors
    /// `BINDING_NO_SESSION` if there is no such session; `BINDING_BUSY` if it takes nothing now.
    pub fn notify(&self, session: &str, message: String) -> Result<(), FacadeError> {
        self.0.service.get()?.notify(session, message).map_err(|error| match error {
            PushError::Busy => FacadeError::busy("the session"),
            _ => FacadeError::no_session(),
        })
    }

    /// What it has done so far: an object of numbers.
    ///
    /// # Errors
    /// `BINDING_FORKED`
    pub fn stats(&self) -> Result<Value, FacadeError> {
        let stats = self.0.service.get()?.stats();
        Ok(json!({
            "sessions": stats.sessions,
            "sessions_total": stats.sessions_total,
            "messages": stats.messages,
            "errors": stats.errors,
            "answers": stats.answers,
            "answer_time_ms": super::millis(stats.answer_time),
        }))
    }

    /// Admits nobody any more, tells every session to come back later, and waits for their end, at most five seconds.
    /// Again is fine.
    ///
    /// # Errors
    /// `BINDING_FORKED`
    pub async fn shutdown(&self) -> Result<(), FacadeError> {
        self.0.service.get()?.shutdown().await;
        self.0.stop.cancel();
        self.0.tasks.close();
        // Sessions that did not end in time end with the process.
        let _ = tokio::time::timeout(DRAIN, self.0.tasks.wait()).await;
        Ok(())
    }
}

/// Takes connections until the service stops.
async fn listening(listener: TcpListener, doors: Doors, room: Arc<Semaphore>) {
    loop {
        let accepted = tokio::select! {
            () = doors.stop.cancelled() => return,
            accepted = accept(&listener, &room) => accepted,
        };
        let (socket, peer, place) = match accepted {
            Some(accepted) => accepted,
            None => {
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let of_connection = doors.clone();
        doors.tasks.spawn(async move {
            let _place = place;
            let stop = of_connection.stop.clone();
            let service = service_fn(move |request| {
                let answer = answer(&of_connection, peer, request);
                async move { Ok::<_, Infallible>(answer) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD)
                .serve_connection(TokioIo::new(socket), service)
                .with_upgrades();
            tokio::select! {
                () = stop.cancelled() => {}
                // Whoever breaks off needs no answer.
                _ = connection => {}
            }
        });
    }
}

type Place = tokio::sync::OwnedSemaphorePermit;

async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, Place)> {
    let place = Arc::clone(room).acquire_owned().await.ok()?;
    let (socket, peer) = listener.accept().await.ok()?;
    Some((socket, peer, place))
}

fn answer(doors: &Doors, peer: SocketAddr, mut request: Request<Incoming>) -> Response<String> {
    if request.uri().path() != &*doors.path {
        return refused(404, "Not found");
    }
    let admitted = doors.service.admit(&UpgradeRequest {
        method: request.method(),
        headers: request.headers(),
        query: request.uri().query(),
        ip: Some(peer.ip()),
    });
    let seat = match admitted {
        Ok(seat) => seat,
        Err(Refusal { status, body }) => return refused(status, body),
    };
    if request.headers().get(header::SEC_WEBSOCKET_VERSION).is_none_or(|v| v != "13") {
        let mut response = refused(426, "WebSocket version 13");
        let version = HeaderValue::from_static("13");
        response.headers_mut().insert(header::SEC_WEBSOCKET_VERSION, version);
        return response;
    }
    let key = request.headers().get(header::SEC_WEBSOCKET_KEY);
    let accept = key.map(|key| derive_accept_key(key.as_bytes())).unwrap_or_default();
    let mut response = Response::new(String::new());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::from_str(&accept) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    if let Some(Ok(protocol)) = seat.subprotocol().map(HeaderValue::from_str) {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    let upgraded = hyper::upgrade::on(&mut request);
    let service = doors.service.clone();
    doors.tasks.spawn(async move {
        let Ok(upgraded) = upgraded.await else { return };
        // The plain socket, and none of hyper's buffers.
        let Ok(parts) = upgraded.downcast::<TokioIo<TcpStream>>() else { return };
        service.serve(parts.io.into_inner(), parts.read_buf.to_vec(), seat).await;
    });
    response
}

fn refused(status: u16, body: &'static str) -> Response<String> {
    let mut response = Response::new(body.to_owned());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    if status == 405 {
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET"));
    }
    response
}
