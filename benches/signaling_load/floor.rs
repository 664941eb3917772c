//! The least that passes signals on: axum, a map of names to channels, JSON parsed once. It knows no rooms, checks no
//! token, counts nothing, sends no rosters, forgets nobody.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{
        Arc, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::State,
    http::header,
    response::IntoResponse,
    routing::{get, post},
};
use futures_util::stream;
use serde_json::Value;
use tokio::{
    net::TcpListener,
    sync::mpsc::{self, Sender},
};

#[derive(Default)]
struct Names {
    channels: RwLock<HashMap<String, Sender<Bytes>>>,
    next: AtomicUsize,
}

pub(crate) async fn serve() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    let routes = Router::new()
        .route("/api/connect", get(connect))
        .route("/api/signal", post(signal))
        .with_state(Arc::new(Names::default()));
    axum::serve(listener, routes).await.unwrap();
}

async fn connect(State(names): State<Arc<Names>>) -> impl IntoResponse {
    let id = names.next.fetch_add(1, Ordering::Relaxed).to_string();
    let (sender, receiver) = mpsc::channel(256);
    let joined = format!("event: joined\ndata: {{\"id\":\"{id}\",\"token\":\"\"}}\n\n");
    sender.try_send(joined.into()).unwrap();
    names.channels.write().unwrap().insert(id, sender);
    let events = stream::unfold(receiver, async |mut receiver| {
        let bytes = receiver.recv().await?;
        Some((Ok::<_, Infallible>(bytes), receiver))
    });
    ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(events))
}

async fn signal(State(names): State<Arc<Names>>, Json(body): Json<Value>) -> impl IntoResponse {
    let event = serde_json::json!({"sender": body["sender"], "signal": body["signal"]});
    let event = format!("event: signal\ndata: {event}\n\n");
    let to = body["to"].as_str().unwrap_or_default();
    let recipient = names.channels.read().unwrap().get(to).cloned();
    if let Some(recipient) = recipient {
        let _ = recipient.send(event.into()).await;
    }
    Json(serde_json::json!({"success": true}))
}
