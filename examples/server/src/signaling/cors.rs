//! Which web pages may use the service: those of the origins that were named, or all. No cookies are involved, so that a
//! page of anywhere can do no more than any other client.

use axum::{
    body::Body,
    extract::State,
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, Method, Request, StatusCode, header};

use crate::state::Shared;

/// Answers what browsers ask before they send, and tells them of every other answer who may read it.
pub(super) async fn cors(
    State(shared): State<Shared>,
    request: Request<Body>,
    next: Next,
) -> Response {
    let allowed = &shared.config.signaling_origins;
    let origin = match request.headers().get(header::ORIGIN) {
        _ if allowed.is_empty() => Some(HeaderValue::from_static("*")),
        Some(origin) if allowed.iter().any(|a| a.as_bytes() == origin.as_bytes()) => {
            Some(origin.clone())
        }
        _ => None,
    };
    let mut response = if request.method() == Method::OPTIONS {
        let headers = [
            (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, OPTIONS"),
            (
                header::ACCESS_CONTROL_ALLOW_HEADERS,
                "Content-Type, Authorization, X-Session-Id, X-Join-Key",
            ),
            (header::ACCESS_CONTROL_MAX_AGE, "600"),
        ];
        (StatusCode::NO_CONTENT, headers).into_response()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    }
    if !allowed.is_empty() {
        headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    }
    response
}
