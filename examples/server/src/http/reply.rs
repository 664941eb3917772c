//! The shapes in which answers go out.

use agentmesh_core::wire::registry::ErrorBody;
use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};
use serde::Serialize;
use serde_json::Value;

/// An answer that says no. Boxed, because it travels as the error of most functions.
#[derive(Debug)]
pub(crate) struct Refused(Box<Response>);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        *self.0
    }
}

impl From<Response> for Refused {
    fn from(response: Response) -> Self {
        Self(Box::new(response))
    }
}

/// A JSON body.
pub(crate) fn json<T: Serialize>(status: StatusCode, body: T) -> Response {
    (status, Json(body)).into_response()
}

/// One more member of an object.
pub(crate) fn add(object: &mut Value, name: &str, value: impl Into<Value>) {
    if let Some(members) = object.as_object_mut() {
        members.insert(name.to_owned(), value.into());
    }
}

/// `{"error": …, "code": …}`.
pub(crate) fn error(status: StatusCode, code: &str, error: impl ToString) -> Refused {
    json(status, ErrorBody { error: error.to_string(), code: Some(code.to_owned()) }).into()
}

/// A failure in the shape of the answers that say whether they succeeded.
pub(crate) fn failure(status: StatusCode, code: &str, error: impl ToString) -> Refused {
    let body = serde_json::json!({"success": false, "error": error.to_string(), "code": code});
    json(status, body).into()
}

/// Plain text.
pub(crate) fn refused(status: StatusCode, why: impl ToString) -> Refused {
    (status, why.to_string()).into_response().into()
}

/// Malformed input, in plain text as the deployed registry answers it.
pub(crate) fn malformed(why: impl ToString) -> Refused {
    refused(StatusCode::BAD_REQUEST, why)
}

/// The database failed; what exactly is for the log.
pub(crate) fn internal(what: &str, cause: &dyn std::error::Error) -> Refused {
    tracing::error!(error = %cause, "{what}");
    error(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR", "internal error")
}

/// Not now.
pub(crate) fn busy(why: &str, seconds: u64) -> Refused {
    let Refused(mut response) = error(StatusCode::SERVICE_UNAVAILABLE, "BUSY", why);
    response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    Refused(response)
}

/// Come back later.
pub(crate) fn too_many(code: &str, why: &str, seconds: u64) -> Refused {
    let Refused(mut response) = error(StatusCode::TOO_MANY_REQUESTS, code, why);
    response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    Refused(response)
}
