//! Answers: errors in this service's shape, correlation ids, CORS.
//!
//! Handlers say what went wrong; the middleware, which knows path and correlation id, writes the body.

use axum::{
    Json,
    body::Body,
    extract::{OriginalUri, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, header};
use serde_json::json;

use crate::{clock, random, state::Shared};

const CORRELATION: HeaderName = HeaderName::from_static("x-correlation-id");
/// Longer ids of clients are replaced.
const MAX_CORRELATION: usize = 128;

/// Why a request was refused.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    status: StatusCode,
    message: String,
    errors: Vec<String>,
    retry_after: Option<u64>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), errors: Vec::new(), retry_after: None }
    }

    pub(super) fn invalid(errors: Vec<String>) -> Self {
        Self { errors, ..Self::new(StatusCode::BAD_REQUEST, "Validation failed") }
    }

    pub(super) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Unauthorized")
    }

    pub(super) fn forbidden(verb: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, format!("You do not have permission to {verb}."))
    }

    pub(super) fn later(status: StatusCode, message: &str, seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..Self::new(status, message) }
    }

    /// What exactly is for the log.
    pub(super) fn internal(what: &str, cause: &dyn std::error::Error) -> Self {
        tracing::error!(error = %cause, "AIWM: {what}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error")
    }
}

impl From<crate::store::StoreError> for Refusal {
    fn from(error: crate::store::StoreError) -> Self {
        Self::internal("the database failed", &error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// A path or a verb that this service does not have, in the words of its framework.
pub(super) async fn unknown(OriginalUri(uri): OriginalUri, method: Method) -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, format!("Cannot {method} {}", uri.path()))
}

/// A verb that a path does not have.
pub(super) async fn wrong_verb(OriginalUri(uri): OriginalUri, method: Method) -> Refusal {
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, format!("Cannot {method} {}", uri.path()))
}

/// What every request of this service passes.
pub(super) async fn finish(
    State(shared): State<Shared>,
    OriginalUri(uri): OriginalUri,
    request: Request<Body>,
    next: Next,
) -> Response {
    let id = correlation(&request);
    let origin = allowed_origin(&shared, &request);
    let preflight = origin.is_some() && request.method() == Method::OPTIONS;
    let mut response = if preflight {
        let headers = [
            (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, PUT, DELETE, OPTIONS"),
            (
                header::ACCESS_CONTROL_ALLOW_HEADERS,
                "Content-Type, Authorization, X-Correlation-Id, X-Organization-Id",
            ),
            (header::ACCESS_CONTROL_MAX_AGE, "600"),
        ];
        (StatusCode::NO_CONTENT, headers).into_response()
    } else {
        next.run(request).await
    };
    if let Some(refusal) = response.extensions_mut().remove::<Refusal>() {
        let allow = response.headers_mut().remove(header::ALLOW);
        response = written(&refusal, uri.path(), &id);
        if let Some(allow) = allow {
            response.headers_mut().insert(header::ALLOW, allow);
        }
    }
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(CORRELATION, id);
    }
    // Every answer may hold a secret, or name somebody.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    }
    response
}

fn written(refusal: &Refusal, path: &str, id: &str) -> Response {
    let mut body = json!({
        "errors": refusal.errors,
        "statusCode": refusal.status.as_u16(),
        "message": refusal.message,
        "timestamp": clock::now().to_rfc3339_millis(),
        "path": path,
        "correlationId": id,
    });
    if let Some(members) = body.as_object_mut().filter(|_| refusal.errors.is_empty()) {
        members.remove("errors");
    }
    let mut response = (refusal.status, Json(body)).into_response();
    if let Some(seconds) = refusal.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

/// The request's own id if it can be repeated, or a fresh one.
fn correlation(request: &Request<Body>) -> String {
    let given = request.headers().get(CORRELATION).and_then(|id| id.to_str().ok());
    match given {
        Some(id) if !id.is_empty() && id.len() <= MAX_CORRELATION => id.to_owned(),
        _ => random::id().unwrap_or_default(),
    }
}

fn allowed_origin(shared: &Shared, request: &Request<Body>) -> Option<HeaderValue> {
    let origin = request.headers().get(header::ORIGIN)?;
    let allowed = &shared.aiwm.as_ref()?.config.allowed_origins;
    allowed.iter().any(|a| a.as_bytes() == origin.as_bytes()).then(|| origin.clone())
}
