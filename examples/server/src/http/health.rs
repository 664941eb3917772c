//! Whether the server is well.

use std::sync::atomic::Ordering;

use agentmesh_core::wire::{registry::HealthResponse, relay_frame::RELAY_PROTOCOL};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use serde_json::json;

use super::reply;
use crate::{
    aiwm, clock,
    state::{AppState, Shared},
    store::agents,
    user_data,
};

/// `GET /health`: the process is up; how much it has to do, without names.
pub(super) async fn process(State(shared): State<Shared>) -> Response {
    let AppState { relay, signaling, agent_ws, .. } = &*shared;
    let sockets = relay.sockets.load(Ordering::Relaxed);
    let aiwm = aiwm::health(shared.aiwm.as_ref(), &shared.store, clock::now()).await;
    let body = json!({
        "status": "ok",
        "relay": {"sockets": sockets},
        "agent_websocket": {"sessions": agent_ws.stats().sessions},
        "signaling": {"rooms": signaling.rooms(), "sessions": signaling.sessions()},
        "aiwm": aiwm,
        "user_data": user_data::health(shared.user_data.as_ref()),
    });
    reply::json(StatusCode::OK, body)
}

/// `GET /v1/health`: the database answers.
pub(super) async fn registry(State(shared): State<Shared>) -> Response {
    match shared.store.read(agents::count).await {
        Ok((registered, online)) => {
            let health = HealthResponse {
                status: "healthy".into(),
                version: RELAY_PROTOCOL.into(),
                agents_registered: registered,
                agents_online: online,
            };
            reply::json(StatusCode::OK, health)
        }
        Err(error) => reply::internal("the database does not answer", &error).into_response(),
    }
}
