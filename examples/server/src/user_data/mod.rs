//! User data: what users keep for their agents, the sandboxes of these, and the channel to them.
//!
//! `users` is what is kept, `setup` how it comes into a `sandbox`, `realtime` the channel; `access`, `call`, `answer` and
//! `rates` are what each request passes. What is stored is in `agentmesh_core::services::user_data::store`. Not end-to-end
//! encrypted: who runs the server reads all of it.

mod access;
mod answer;
mod call;
mod config;
mod rates;
mod realtime;
mod sandbox;
mod secret;
mod sessions;
mod setup;
mod users;

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    path::Path,
    sync::Arc,
};

use agentmesh_core::services::user_data::{
    Name,
    store::{UserDataStore, UserDataStoreConfig},
};
use axum::{
    Router,
    extract::State,
    middleware::from_fn_with_state,
    response::{IntoResponse, Response},
    routing::any,
};
use http::{Method, StatusCode, Uri, header};
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{ServerError, clock, http::reply, state::Shared};
use access::Access;
use answer::Refusal;
pub use config::{Environment, RealtimeLimits, ThreadRule, UserDataConfig};
use rates::Limiter;
use realtime::Realtime;
pub use realtime::{
    AgentBackend, EchoAgent, HookAnswer, HookEvent, Options, ToolOutcome, Turn, TurnError,
};
use sandbox::Sandboxes;
pub use secret::Secret;
use sessions::Sessions;

/// The program of the guide runs as a documentation test.
#[cfg(doctest)]
#[doc = include_str!("../../../../docs/guides/user-data-service.md")]
struct Guide;

/// The service's state.
pub(crate) struct UserData {
    config: UserDataConfig,
    store: UserDataStore,
    access: Access,
    reads: Limiter,
    writes: Limiter,
    sandboxes: Arc<Sandboxes>,
    /// Whether their directory goes, too, since nobody chose it.
    temporary: bool,
    sessions: Arc<Sessions>,
    setups: Locks,
    realtime: Arc<Realtime>,
}

impl UserData {
    /// `None` if the service is not configured.
    pub(crate) fn open(
        config: &UserDataConfig,
        data_dir: Option<&Path>,
        tasks: TaskTracker,
        stopping: CancellationToken,
    ) -> Result<Option<Self>, ServerError> {
        if !config.enabled {
            return Ok(None);
        }
        let store = match (&config.store, data_dir) {
            (Some(store), _) => store.clone(),
            (None, Some(dir)) => UserDataStoreConfig::directory(dir.join("user-data")),
            (None, None) => UserDataStoreConfig::memory(),
        };
        let store = store.layout(config.layout).limits(config.limits);
        let store = UserDataStore::open(store).map_err(|error| ServerError::Config {
            setting: "user data".to_owned(),
            problem: error.to_string(),
        })?;
        let (root, temporary) = match (&config.sandboxes, data_dir) {
            (Some(root), _) => (root.clone(), false),
            (None, Some(dir)) => (dir.join("sandboxes"), false),
            (None, None) => {
                let mut number = [0; 8];
                getrandom::fill(&mut number).map_err(|error| {
                    ServerError::Start(std::io::Error::other(error.to_string()))
                })?;
                let name = format!("agentmesh-sandboxes-{:016x}", u64::from_be_bytes(number));
                (std::env::temp_dir().join(name), true)
            }
        };
        let sandboxes = Sandboxes::open(root.clone())
            .map_err(|source| ServerError::DataDir { path: root, source })?;
        let sessions = Arc::new(Sessions::default());
        let realtime = Realtime::start(config, Arc::clone(&sessions), tasks, stopping);
        Ok(Some(Self {
            store,
            access: Access::new(config),
            reads: Limiter::new(config.reads_per_minute),
            writes: Limiter::new(config.writes_per_minute),
            sandboxes: Arc::new(sandboxes),
            temporary,
            sessions,
            setups: Locks::default(),
            realtime,
            config: config.clone(),
        }))
    }

    /// Counts a request of, or about, a user.
    fn admit(&self, user: &Name, method: &Method) -> Result<(), Refusal> {
        let limiter = if *method == Method::GET { &self.reads } else { &self.writes };
        limiter.admits(user, clock::now()).map_err(Refusal::too_many)
    }

    /// Tells clients that the server goes, and removes the sandboxes.
    pub(crate) async fn stop(&self) {
        self.realtime.stop().await;
        self.clear();
    }

    fn clear(&self) {
        let cleared =
            if self.temporary { self.sandboxes.remove_all() } else { self.sandboxes.clear() };
        if let Err(error) = cleared {
            tracing::debug!(%error, "user data: some sandboxes were not removed");
        }
    }
}

impl Drop for UserData {
    fn drop(&mut self) {
        self.clear();
    }
}

impl fmt::Debug for UserData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserData").field("config", &self.config).finish_non_exhaustive()
    }
}

/// A lock a session, more or less.
struct Locks {
    locks: [Mutex<()>; 64],
    hasher: RandomState,
}

impl Default for Locks {
    fn default() -> Self {
        Self { locks: [const { Mutex::const_new(()) }; 64], hasher: RandomState::new() }
    }
}

impl Locks {
    async fn lock(&self, session: &Name) -> Option<MutexGuard<'_, ()>> {
        let at = usize::try_from(self.hasher.hash_one(session) % 64).unwrap_or(0);
        match self.locks.get(at) {
            Some(lock) => Some(lock.lock().await),
            None => None,
        }
    }
}

/// The part of `GET /health` about this service.
pub(crate) fn health(service: Option<&UserData>) -> Value {
    match service {
        None => json!({"enabled": false}),
        Some(service) => json!({
            "enabled": true,
            "environment": service.config.environment.as_str(),
            "sessions": service.realtime.sessions(),
        }),
    }
}

/// All routes of the service, each with its own answers for what it does not have.
pub(crate) fn routes(shared: &Shared) -> Router<Shared> {
    let mut router = Router::new().route("/_info", any(info));
    for path in ["/users", "/users/", "/users/{*rest}"] {
        router = router.route(path, any(users::users));
    }
    for path in ["/setup", "/setup/", "/setup/{*rest}"] {
        router = router.route(path, any(setup::setup));
    }
    for path in ["/sandbox", "/sandbox/", "/sandbox/{*rest}"] {
        router = router.route(path, any(setup::sandbox));
    }
    for path in ["/socket.io", "/socket.io/", "/socket.io/{*rest}"] {
        router = router.route(path, any(realtime::engine));
    }
    for path in ["/ws", "/ws/"] {
        router = router.route(path, any(realtime::ws));
    }
    router.layer(from_fn_with_state(Arc::clone(shared), answer::finish))
}

/// Where clients find the channel.
async fn info(
    State(shared): State<Shared>,
    method: Method,
    uri: Uri,
    headers: http::HeaderMap,
) -> Response {
    let Some(service) = &shared.user_data else {
        return Refusal::unknown_path().into_response();
    };
    if method != Method::GET && method != Method::HEAD {
        return Refusal::method("GET").into_response();
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.or(uri.authority().map(http::uri::Authority::as_str)).unwrap_or("localhost");
    let body = json!({
        "publicUrl": shared.public_url(host),
        "socketPath": "/socket.io/",
        "environment": service.config.environment.as_str(),
    });
    reply::json(StatusCode::OK, body)
}
