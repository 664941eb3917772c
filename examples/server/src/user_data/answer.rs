//! Answers: errors as JSON, ids of requests, CORS for the origins that were allowed.

use agentmesh_core::services::user_data::{NameError, store::UserDataStoreError};
use axum::{
    Json,
    body::Body,
    extract::State,
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, header};
use serde_json::json;

use crate::{random, state::Shared};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Why a request was refused: `{"error": …}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    status: StatusCode,
    error: String,
    header: Option<(HeaderName, HeaderValue)>,
}

impl Refusal {
    fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self { status, error: error.into(), header: None }
    }

    pub(super) fn invalid(error: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error)
    }

    pub(super) fn unauthorized() -> Self {
        let header = (header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        Self { header: Some(header), ..Self::new(StatusCode::UNAUTHORIZED, "Unauthorized") }
    }

    pub(super) fn forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN, "Forbidden")
    }

    pub(super) fn missing(error: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, error)
    }

    pub(super) fn unknown_path() -> Self {
        Self::missing("Not found")
    }

    pub(super) fn method(allowed: &'static str) -> Self {
        let header = (header::ALLOW, HeaderValue::from_static(allowed));
        Self {
            header: Some(header),
            ..Self::new(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed")
        }
    }

    pub(super) fn late() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "Request timed out")
    }

    pub(super) fn too_large() -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "Payload too large")
    }

    pub(super) fn too_many(seconds: u64) -> Self {
        let header = (header::RETRY_AFTER, HeaderValue::from(seconds));
        Self {
            header: Some(header),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, "Too many requests")
        }
    }

    pub(super) fn busy() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "Too many connections")
    }

    /// What exactly is for the log.
    pub(super) fn internal(what: &str, cause: &dyn std::error::Error) -> Self {
        tracing::error!(error = %cause, "user data: {what}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error")
    }
}

impl From<NameError> for Refusal {
    fn from(error: NameError) -> Self {
        Self::invalid(error.to_string())
    }
}

impl From<UserDataStoreError> for Refusal {
    fn from(error: UserDataStoreError) -> Self {
        use UserDataStoreError as E;
        match error {
            E::TooLarge { .. } => Self::too_large(),
            E::TooManySkills { .. } => Self::new(StatusCode::CONFLICT, "Too many skills"),
            E::NotJson { .. } => Self::invalid(error.to_string()),
            E::Unavailable { .. } => {
                tracing::error!(%error, "user data: the store failed");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "Storage unavailable")
            }
            error => Self::internal("what is stored cannot be used", &error),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(json!({"error": self.error}))).into_response();
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

/// What every request of this service passes.
pub(super) async fn finish(
    State(shared): State<Shared>,
    request: Request<Body>,
    next: Next,
) -> Response {
    let origin = allowed_origin(&shared, &request);
    let preflight = request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let id = random::id().unwrap_or_default();
    let mut response = match (&origin, preflight) {
        (Some(_), true) => {
            let headers = [
                (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, PUT, DELETE, OPTIONS"),
                (header::ACCESS_CONTROL_ALLOW_HEADERS, "Content-Type, Authorization"),
                (header::ACCESS_CONTROL_MAX_AGE, "600"),
            ];
            (StatusCode::NO_CONTENT, headers).into_response()
        }
        (None, true) => Refusal::forbidden().into_response(),
        (_, false) => next.run(request).await,
    };
    if response.status().is_server_error() {
        tracing::warn!(id, status = response.status().as_u16(), "user data: a request failed");
    }
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    }
    response
}

/// The request's origin, if pages from there may use the service.
fn allowed_origin(shared: &Shared, request: &Request<Body>) -> Option<HeaderValue> {
    let origin = request.headers().get(header::ORIGIN)?;
    let allowed = &shared.user_data.as_ref()?.config.allowed_origins;
    allowed.iter().any(|a| a.as_bytes() == origin.as_bytes()).then(|| origin.clone())
}
