//! Lets web pages of any origin use the registry. No cookies are involved and requests are signed, so that a page of anywhere can
//! do no more than any other client. The relay needs nothing: browsers ask nobody before they open a WebSocket.

use axum::{
    body::Body,
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, header};

/// What browsers ask before they send.
const PREFLIGHT: [(HeaderName, &str); 3] = [
    (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, PUT, DELETE, OPTIONS"),
    (
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        "Content-Type, Authorization, AgentMesh-Auth, X-Request-Id",
    ),
    (header::ACCESS_CONTROL_MAX_AGE, "600"),
];

/// What clients read of an answer's head.
const EXPOSED: HeaderValue = HeaderValue::from_static("Date, Retry-After");

/// Answers what browsers ask before they send, and lets them read every other answer. Other paths than the registry's decide for
/// themselves.
pub(super) async fn cors(request: Request<Body>, next: Next) -> Response {
    if !request.uri().path().starts_with("/v1/") {
        return next.run(request).await;
    }
    let mut response = if request.method() == Method::OPTIONS {
        (StatusCode::NO_CONTENT, PREFLIGHT).into_response()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    response
}
