//! A resolver that answers over HTTP, in JSON, what a test tells it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    extract::{Query, State},
    routing::get,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

type Records = Arc<Mutex<HashMap<String, Vec<String>>>>;

/// A running resolver. Dropping it stops it.
pub(super) struct Dns {
    pub(super) url: String,
    records: Records,
    task: JoinHandle<()>,
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Dns {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/resolve", listener.local_addr().unwrap());
        let records = Records::default();
        let router = Router::new().route("/resolve", get(resolve)).with_state(Arc::clone(&records));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, records, task }
    }

    pub(super) fn set(&self, name: &str, values: &[&str]) {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        self.records.lock().unwrap().insert(name.to_owned(), values);
    }
}

async fn resolve(
    State(records): State<Records>,
    Query(query): Query<HashMap<String, String>>,
) -> Json<Value> {
    assert_eq!(query["type"], "TXT");
    let name = &query["name"];
    let Some(values) = records.lock().unwrap().get(name).cloned() else {
        return Json(json!({"Status": 3}));
    };
    let answer: Vec<_> = values
        .iter()
        .map(|data| json!({"name": name, "type": 16, "TTL": 60, "data": data}))
        .collect();
    Json(json!({"Status": 0, "Answer": answer}))
}
