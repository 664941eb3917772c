//! Why an HTTP request failed, told from statuses, bodies and the libraries' own errors.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;

use crate::error::errors;

/// Characters of a server's own words that go into an error.
const MAX_MESSAGE: usize = 200;

errors! {
    /// Why an HTTP request failed.
    pub enum HttpError {
        /// The address cannot be used.
        #[error("not a usable address: {reason}")]
        InvalidUrl {
            /// What is wrong with it.
            reason: String,
        } = "HTTP_INVALID_URL", InvalidInput, permanent;
        /// The client could not be built.
        #[error("cannot set up HTTP: {reason}")]
        Setup {
            /// What went wrong.
            reason: String,
        } = "HTTP_SETUP", Internal, permanent;
        /// The server did not answer, refused the connection, or TLS failed.
        #[error("cannot connect to {host}: {reason}")]
        Connect {
            /// Host and port.
            host: String,
            /// What went wrong.
            reason: String,
        } = "HTTP_CONNECT", Network, retryable;
        /// The connection broke before the answer was complete. The server may have done what was asked.
        #[error("{host} did not finish its answer: {reason}")]
        Interrupted {
            /// Host and port.
            host: String,
            /// What went wrong.
            reason: String,
        } = "HTTP_INTERRUPTED", Network, retryable;
        /// A deadline passed. The server may have done what was asked.
        #[error("no answer within {} ms", .after.as_millis())]
        Timeout {
            /// The deadline.
            after: Duration,
        } = "HTTP_TIMEOUT", Timeout, retryable;
        /// The answer is longer than any valid one.
        #[error("the answer exceeds {limit} bytes")]
        TooLong {
            /// The limit.
            limit: usize,
        } = "HTTP_BODY_TOO_LONG", Protocol, permanent;
        /// The answer does not have the documented shape.
        #[error("the answer to {what} cannot be understood")]
        Unreadable {
            /// Which request.
            what: &'static str,
        } = "HTTP_BODY_UNREADABLE", Protocol, permanent;
        /// 401 or 403: the server does not take our signature, or not for this.
        #[error("not authorised: {message}")]
        Unauthorized {
            /// The server's words, cut.
            message: String,
        } = "HTTP_UNAUTHORIZED", Authentication, permanent;
        /// 404: the server does not have it.
        #[error("not found: {message}")]
        NotFound {
            /// The server's words, cut.
            message: String,
        } = "HTTP_NOT_FOUND", NotFound, permanent;
        /// 409: it is there already, or somebody else changed it.
        #[error("conflict: {message}")]
        Conflict {
            /// The server's words, cut.
            message: String,
        } = "HTTP_CONFLICT", Conflict, permanent;
        /// 429: too many requests.
        #[error("too many requests")]
        RateLimited {
            /// When the server wants to be asked again.
            retry_after_seconds: Option<u64>,
        } = "HTTP_RATE_LIMITED", RateLimited, retryable;
        /// 408, 425 or 5xx: the server cannot do it now; also while it starts up.
        #[error("the server answered {status}: {message}")]
        Unavailable {
            /// The HTTP status.
            status: u16,
            /// The server's words, cut.
            message: String,
            /// When the server wants to be asked again.
            retry_after_seconds: Option<u64>,
        } = "HTTP_UNAVAILABLE", Network, retryable;
        /// Any other status: the request is wrong, or this is not the server it should be.
        #[error("the server refused with {status}: {message}")]
        Rejected {
            /// The HTTP status.
            status: u16,
            /// The server's words, cut.
            message: String,
        } = "HTTP_REJECTED", InvalidInput, permanent;
    }
}

impl HttpError {
    /// How long the server asked to wait.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after_seconds: Some(seconds) }
            | Self::Unavailable { retry_after_seconds: Some(seconds), .. } => {
                Some(Duration::from_secs(*seconds))
            }
            _ => None,
        }
    }
}

/// The error that a status outside 2xx stands for.
pub(super) fn status_error(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> HttpError {
    let message = server_message(body);
    let retry_after_seconds = retry_after_seconds(headers);
    match status.as_u16() {
        401 | 403 => HttpError::Unauthorized { message },
        404 => HttpError::NotFound { message },
        409 => HttpError::Conflict { message },
        429 => HttpError::RateLimited { retry_after_seconds },
        status @ (408 | 425 | 500..) => {
            HttpError::Unavailable { status, message, retry_after_seconds }
        }
        status => HttpError::Rejected { status, message },
    }
}

/// What a server says in an error answer: `error` or `message` of a JSON object, else plain text; nothing for a page
/// of HTML. Cut, on one line.
fn server_message(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct ErrorBody {
        error: Option<String>,
        message: Option<String>,
    }
    let text = match serde_json::from_slice::<ErrorBody>(body) {
        Ok(body) => body.error.or(body.message).unwrap_or_default(),
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    };
    if text.trim_start().starts_with('<') {
        return String::new();
    }
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_MESSAGE).collect()
}

/// `Retry-After` in seconds. The form with a date is not in use among these servers and reads as absent.
pub(crate) fn retry_after_seconds(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()
}

/// What libraries say of an error whose cause says all of it.
#[cfg(not(target_arch = "wasm32"))]
const SAYS_NOTHING: [&str; 6] = [
    "error sending request",
    "client error (Connect)",
    "client error (SendRequest)",
    "error decoding response body",
    "request or response body error",
    "error reading a body from connection",
];

/// An error and its causes on one line. The libraries below put no credentials and no payload there.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn reasons(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if SAYS_NOTHING.contains(&text.as_str()) {
            text = next;
        } else if !text.ends_with(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}
