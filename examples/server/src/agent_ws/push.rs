//! `POST /functions/v1/notify_websocket`: a notification for one session, from somebody who holds the push token.

use agentmesh_core::services::agent_ws::{MAX_FRAME, service::PushError};
use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::timeout;

use crate::{http::reply, state::Shared};

pub(super) const PATH: &str = "/functions/v1/notify_websocket";
/// A slow client must not hold a request for ever.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// The message and what is around it.
const MAX_BODY: usize = MAX_FRAME + 1024;

pub(super) async fn push(State(shared): State<Shared>, request: Request<Body>) -> Response {
    let Some(token) = &shared.config.agent_ws.push_token else {
        return error(StatusCode::NOT_FOUND, "Not found");
    };
    if request.method() != Method::POST {
        let allow = [(header::ALLOW, "POST")];
        return (allow, error(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed"))
            .into_response();
    }
    let bearer = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let presented = bearer.and_then(|value| value.split_once(' '));
    let known = presented.is_some_and(|(scheme, presented)| {
        scheme.eq_ignore_ascii_case("bearer") && token.is(presented.trim())
    });
    if !known {
        return error(StatusCode::UNAUTHORIZED, "Unauthorized");
    }
    let body = Limited::new(request.into_body(), MAX_BODY).collect();
    let body = match timeout(BODY_TIMEOUT, body).await {
        Err(_) => return error(StatusCode::REQUEST_TIMEOUT, "The body took too long"),
        Ok(Err(problem)) if problem.is::<LengthLimitError>() => {
            return error(StatusCode::PAYLOAD_TOO_LARGE, "The body is too large");
        }
        Ok(Err(_)) => return error(StatusCode::BAD_REQUEST, "The body could not be read"),
        Ok(Ok(body)) => body.to_bytes(),
    };
    let body = serde_json::from_slice::<Value>(&body).unwrap_or_default();
    let text = |name: &str| body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let (Some(session), Some(message)) = (text("sessionId"), text("message")) else {
        return error(StatusCode::BAD_REQUEST, "sessionId and message are required");
    };
    if message.len() > MAX_FRAME {
        return error(StatusCode::PAYLOAD_TOO_LARGE, "The message is too large");
    }
    match shared.agent_ws.notify(session, message) {
        Ok(()) => reply::json(StatusCode::OK, json!({"success": true})),
        Err(PushError::NotFound) => error(StatusCode::NOT_FOUND, "Session not found"),
        Err(other) => error(StatusCode::SERVICE_UNAVAILABLE, &other.to_string()),
    }
}

fn error(status: StatusCode, error: &str) -> Response {
    reply::json(status, json!({"error": error}))
}
