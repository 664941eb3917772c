//! `agentmesh aiwm run --health-listen`: `/health` and `/metrics` of the supervisor, for whoever watches the process.

use std::{convert::Infallible, sync::Arc, time::Duration};

use agentmesh_core::services::aiwm::AiwmSupervisor;
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpListener, task::JoinSet};

/// Connections that ask for the health at a time; the next ones wait.
const CONNECTIONS: usize = 64;

/// How long a request may take to arrive.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long nobody is let in after that failed.
const PAUSE: Duration = Duration::from_millis(100);

/// Answers about the supervisor, one request a connection. Ends with its owner.
pub(super) fn answer(listener: TcpListener, supervisor: Arc<AiwmSupervisor>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept(), if connections.len() < CONNECTIONS => accepted,
                Some(_) = connections.join_next() => continue,
            };
            let Ok((stream, _)) = accepted else {
                // Out of file descriptors: some of them come back.
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            let supervisor = Arc::clone(&supervisor);
            let respond = service_fn(move |request: Request<Incoming>| {
                let response = supervisor.respond(request.uri().path());
                async move { Ok::<_, Infallible>(response) }
            });
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(PATIENCE).keep_alive(false);
            // What comes of a connection is its other end's affair.
            connections.spawn(async move {
                let connection = http.serve_connection(TokioIo::new(stream), respond);
                let _ = tokio::time::timeout(2 * PATIENCE, connection).await;
            });
        }
    });
    tasks
}
