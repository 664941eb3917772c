//! A model's service that answers what a test wants, and remembers what it was asked.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderMap, Response},
    routing::post,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};

/// One answer.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// With status, headers and body.
    With(u16, Vec<(&'static str, &'static str)>, String),
    /// Never.
    Hang,
}

impl Answer {
    pub(crate) fn text(content: &str) -> Self {
        let message = json!({"role": "assistant", "content": content});
        let body = json!({"choices": [{"message": message, "finish_reason": "stop"}]});
        Self::json(200, &body)
    }

    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::With(status, vec![("content-type", "application/json")], body.to_string())
    }

    pub(crate) fn events(body: &str) -> Self {
        Self::With(200, vec![("content-type", "text/event-stream")], body.to_owned())
    }
}

/// See the module.
pub(crate) struct Provider {
    pub(crate) url: String,
    shared: Arc<Shared>,
    _task: JoinSet<()>,
}

#[derive(Default)]
struct Shared {
    answers: Mutex<VecDeque<Answer>>,
    asked: Mutex<Vec<(Instant, HeaderMap, Value)>>,
    /// Requests that are waiting for an answer that never comes.
    hanging: watch::Sender<usize>,
}

impl Provider {
    /// Gives these answers, one after the other, and then echoes the question.
    pub(crate) async fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        let shared = Arc::new(Shared::default());
        shared.answers.lock().unwrap().extend(answers);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let router = Router::new()
            .route("/v1/chat/completions", post(complete))
            .with_state(Arc::clone(&shared));
        let mut task = JoinSet::new();
        task.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, shared, _task: task }
    }

    /// The bodies of all requests.
    pub(crate) fn asked(&self) -> Vec<Value> {
        self.shared.asked.lock().unwrap().iter().map(|(_, _, body)| body.clone()).collect()
    }

    pub(crate) fn headers(&self) -> HeaderMap {
        self.shared.asked.lock().unwrap()[0].1.clone()
    }

    /// The time between the first two requests.
    pub(crate) fn pause(&self) -> Duration {
        let asked = self.shared.asked.lock().unwrap();
        asked[1].0 - asked[0].0
    }

    /// Waits until so many requests hang.
    pub(crate) async fn hanging(&self, count: usize) {
        let mut hanging = self.shared.hanging.subscribe();
        let all = hanging.wait_for(|hanging| *hanging == count);
        tokio::time::timeout(super::PATIENCE, all).await.unwrap().unwrap();
    }
}

/// Counts a request as long as somebody waits for it.
struct Hanging(Arc<Shared>);

impl Drop for Hanging {
    fn drop(&mut self) {
        self.0.hanging.send_modify(|hanging| *hanging -= 1);
    }
}

async fn complete(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: String,
) -> Response<Body> {
    let body: Value = serde_json::from_str(&body).unwrap();
    let question = body["messages"].as_array().unwrap().last().unwrap()["content"].clone();
    shared.asked.lock().unwrap().push((Instant::now(), headers, body));
    let answer = shared.answers.lock().unwrap().pop_front();
    let answer = answer.unwrap_or_else(|| Answer::text(question.as_str().unwrap()));
    let Answer::With(status, headers, body) = answer else {
        shared.hanging.send_modify(|hanging| *hanging += 1);
        let _hanging = Hanging(shared);
        return std::future::pending().await;
    };
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    response.body(Body::from(body)).unwrap()
}
