//! `GET /registry/stats`.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;

use crate::{http::reply, state::Shared, store::agents};

pub(super) async fn stats(State(shared): State<Shared>) -> Response {
    match shared.store.read(agents::stats).await {
        Ok(stats) => reply::json(StatusCode::OK, stats),
        Err(error) => reply::internal("agents could not be counted", &error).into_response(),
    }
}
