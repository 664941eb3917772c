//! Something between an agent and its registry that can make single answers fail.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinHandle};

/// Changes the answers to requests whose path contains the text.
type Rewrite = (&'static str, Box<dyn Fn(&mut Value) + Send>);

struct Inner {
    target: String,
    rewrite: Mutex<Option<Rewrite>>,
    broken: Mutex<Option<&'static str>>,
    asked: Mutex<u32>,
}

/// A running proxy. Dropping it stops it.
pub(super) struct Proxy {
    pub(super) url: String,
    inner: Arc<Inner>,
    task: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Proxy {
    /// `target` is `http://ADDR`.
    pub(super) async fn start(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let inner = Arc::new(Inner {
            target,
            rewrite: Mutex::default(),
            broken: Mutex::default(),
            asked: Mutex::default(),
        });
        let router = Router::new().fallback(forward).with_state(Arc::clone(&inner));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, inner, task }
    }

    /// Requests whose path contains this are answered with 503.
    pub(super) fn set_broken(&self, path: Option<&'static str>) {
        *self.inner.broken.lock().unwrap() = path;
    }

    /// Answers in JSON to requests whose path contains `part` go through `change`, and no others.
    pub(super) fn set_rewrite(
        &self,
        part: &'static str,
        change: impl Fn(&mut Value) + Send + 'static,
    ) {
        *self.inner.rewrite.lock().unwrap() = Some((part, Box::new(change)));
    }

    /// Answers pass as they are again.
    pub(super) fn clear_rewrite(&self) {
        *self.inner.rewrite.lock().unwrap() = None;
    }

    /// How often a revocation was asked for.
    pub(super) fn asked(&self) -> u32 {
        *self.inner.asked.lock().unwrap()
    }
}

async fn forward(State(inner): State<Arc<Inner>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let path = head.uri.path_and_query().unwrap().to_string();
    if path.contains("/revocation?") {
        *inner.asked.lock().unwrap() += 1;
    }
    if inner.broken.lock().unwrap().is_some_and(|broken| path.contains(broken)) {
        return (StatusCode::SERVICE_UNAVAILABLE, "down").into_response();
    }
    // The host that was signed goes along.
    let sent = reqwest::Client::new()
        .request(head.method, format!("{}{path}", inner.target))
        .headers(head.headers)
        .body(to_bytes(body, 4 * 1024 * 1024).await.unwrap())
        .send()
        .await
        .unwrap();
    let mut response = Response::builder().status(sent.status());
    for (name, value) in sent.headers().iter().filter(|(name, _)| *name != "content-length") {
        response = response.header(name, value);
    }
    let mut body = sent.bytes().await.unwrap().to_vec();
    if let Some((part, change)) = &*inner.rewrite.lock().unwrap()
        && path.contains(part)
        && let Ok(mut value) = serde_json::from_slice(&body)
    {
        change(&mut value);
        body = value.to_string().into_bytes();
    }
    response.body(Body::from(body)).unwrap()
}
