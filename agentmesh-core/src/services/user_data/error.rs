//! Why something about user data, or a conversation with an agent over its channel, failed.

use std::time::Duration;

use super::names::{NameError, NameKind};
use crate::{client::http::HttpError, error::errors};

errors! {
    /// Why something about user data or a channel failed. Request ids are those of the server's log, or ours.
    pub enum UserDataError {
        /// A setting that cannot be used.
        #[error("{setting}: {problem}")]
        Config {
            /// Which.
            setting: &'static str,
            /// What is wrong with it.
            problem: String,
        } = "USER_DATA_CONFIG", InvalidInput, permanent;
        /// An id or a name that no server takes, so it was not sent.
        #[error("not a valid {kind}")]
        InvalidName {
            /// What it should have been the name of.
            kind: NameKind,
        } = "USER_DATA_INVALID_NAME", InvalidInput, permanent;
        /// Something that no server takes, such as a skill without content, so it was not sent.
        #[error("{problem}")]
        Invalid {
            /// What is wrong.
            problem: &'static str,
        } = "USER_DATA_INVALID", InvalidInput, permanent;
        /// Larger than the service takes.
        #[error("{what} exceeds {limit} bytes")]
        TooLarge {
            /// What.
            what: &'static str,
            /// The limit; 0 if only the server knows it.
            limit: usize,
        } = "USER_DATA_TOO_LONG", InvalidInput, permanent;
        /// 401: no key, or a wrong one.
        #[error("the server does not accept the key: {message} (request {request_id})")]
        Unauthorized {
            /// The server's words, cut.
            message: String,
            /// For the server's operator.
            request_id: String,
        } = "USER_DATA_UNAUTHORIZED", Authentication, permanent;
        /// 403: the key is good, but not for this user.
        #[error("the key is not good for this: {message} (request {request_id})")]
        Forbidden {
            /// The server's words, cut.
            message: String,
            /// For the server's operator.
            request_id: String,
        } = "USER_DATA_FORBIDDEN", Authentication, permanent;
        /// 404: there is no such skill, conversation or settings; or this is not the service.
        #[error("not found: {message} (request {request_id})")]
        NotFound {
            /// The server's words, cut.
            message: String,
            /// For the server's operator.
            request_id: String,
        } = "USER_DATA_NOT_FOUND", NotFound, permanent;
        /// 409: the user has as many skills as may be.
        #[error("the server has no room: {message} (request {request_id})")]
        Full {
            /// The server's words, cut.
            message: String,
            /// For the server's operator.
            request_id: String,
        } = "USER_DATA_FULL", Conflict, permanent;
        /// 429, and again after the retries.
        #[error("too many requests (request {request_id})")]
        RateLimited {
            /// When the server wants to be asked again.
            retry_after_seconds: Option<u64>,
            /// For the server's operator.
            request_id: String,
        } = "USER_DATA_RATE_LIMITED", RateLimited, retryable;
        /// 400 or another status: the server does not take this.
        #[error("the server refused with {status}: {message} (request {request_id})")]
        Rejected {
            /// The HTTP status.
            status: u16,
            /// The server's words, cut.
            message: String,
            /// For the server's operator.
            request_id: String,
        } = "USER_DATA_REJECTED", InvalidInput, permanent;
        /// 408, 425 or 5xx: the server cannot do it now.
        #[error("the server answered {status}: {message} (request {request_id})")]
        Unavailable {
            /// The HTTP status.
            status: u16,
            /// The server's words, cut.
            message: String,
            /// When the server wants to be asked again.
            retry_after_seconds: Option<u64>,
            /// For the server's operator.
            request_id: String,
        } = "USER_DATA_UNAVAILABLE", Network, retryable;
        /// The server was not reached, or broke off. It may have done what was asked.
        #[error("the server was not reached: {reason}")]
        Unreachable {
            /// What went wrong.
            reason: String,
        } = "USER_DATA_UNREACHABLE", Network, retryable;
        /// No answer came in time: to a request, or to a question over the channel.
        #[error("no answer within {} ms", .after.as_millis())]
        Timeout {
            /// The deadline.
            after: Duration,
        } = "USER_DATA_TIMEOUT", Timeout, retryable;
        /// The answer is not this service's: a page of HTML, a redirect, JSON of another shape.
        #[error("the answer is not this service's: {problem} (request {request_id})")]
        Protocol {
            /// What is wrong with it.
            problem: String,
            /// Ours, or the answer's.
            request_id: String,
        } = "USER_DATA_PROTOCOL", Protocol, permanent;
        /// No channel could be opened now: network, TLS, or a server that is busy.
        #[error("cannot open the channel: {reason}")]
        Connect {
            /// What went wrong.
            reason: String,
        } = "USER_DATA_CONNECT", Network, retryable;
        /// The server does not open a channel for us: no token, no session, or not the service.
        #[error("the server refused the channel: {message}")]
        Refused {
            /// The server's words, cut.
            message: String,
        } = "USER_DATA_REFUSED", Authentication, permanent;
        /// There is no connection at the moment; it is being made again. What was to be sent was not.
        #[error("the channel is not connected now")]
        NotConnected = "USER_DATA_NOT_CONNECTED", Network, retryable;
        /// The connection was lost before the answer came. It is made again.
        #[error("the connection was lost: {reason}")]
        ConnectionLost {
            /// How it ended.
            reason: String,
        } = "USER_DATA_CONNECTION_LOST", Network, retryable;
        /// The server does not know the session any more, so a turn that was under way is gone.
        #[error("the server began a new session")]
        SessionLost = "USER_DATA_SESSION_LOST", Conflict, permanent;
        /// A turn is under way already.
        #[error("a turn is under way")]
        TurnRunning = "USER_DATA_TURN_RUNNING", Conflict, retryable;
        /// The agent said nothing for so long that the turn was given up. It may still be at work: interrupt it.
        #[error("the agent said nothing for {} s", .after.as_secs())]
        TurnTimeout {
            /// How long.
            after: Duration,
        } = "USER_DATA_TURN_TIMEOUT", Timeout, retryable;
        /// The turn was interrupted or its session cleared.
        #[error("the turn was interrupted")]
        Interrupted = "USER_DATA_INTERRUPTED", Conflict, permanent;
        /// The agent reported an error. The channel goes on.
        #[error("the agent reported: {message}")]
        Agent {
            /// Its words, cut.
            message: String,
        } = "USER_DATA_AGENT", Network, retryable;
        /// Another connection has the session now.
        #[error("another connection took the session over")]
        TakenOver = "USER_DATA_TAKEN_OVER", Closed, permanent;
        /// The channel was closed, by this side or for good by the server.
        #[error("the channel is closed: {reason}")]
        Closed {
            /// Why.
            reason: String,
        } = "USER_DATA_CLOSED", Closed, permanent;
    }
}

impl From<NameError> for UserDataError {
    fn from(error: NameError) -> Self {
        let NameError::Invalid { kind } = error;
        Self::InvalidName { kind }
    }
}

impl UserDataError {
    /// How long the server asked to wait.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after_seconds: Some(seconds), .. }
            | Self::Unavailable { retry_after_seconds: Some(seconds), .. } => {
                Some(Duration::from_secs(*seconds))
            }
            _ => None,
        }
    }

    pub(super) fn config(setting: &'static str, problem: impl Into<String>) -> Self {
        Self::Config { setting, problem: problem.into() }
    }

    /// What an error of HTTP means here.
    pub(super) fn from_http(error: HttpError, status: Option<u16>, request_id: String) -> Self {
        match error {
            HttpError::Unauthorized { message } if status == Some(403) => {
                Self::Forbidden { message, request_id }
            }
            HttpError::Unauthorized { message } => Self::Unauthorized { message, request_id },
            HttpError::NotFound { message } => Self::NotFound { message, request_id },
            HttpError::Conflict { message } => Self::Full { message, request_id },
            HttpError::RateLimited { retry_after_seconds } => {
                Self::RateLimited { retry_after_seconds, request_id }
            }
            HttpError::Unavailable { status, message, retry_after_seconds } => {
                Self::Unavailable { status, message, retry_after_seconds, request_id }
            }
            HttpError::Rejected { status: 300..=399, .. } => Self::Protocol {
                problem: "it redirects, and keys are not sent elsewhere".to_owned(),
                request_id,
            },
            HttpError::Rejected { status: 413, .. } => {
                Self::TooLarge { what: "the request", limit: 0 }
            }
            HttpError::Rejected { status, message } => {
                Self::Rejected { status, message, request_id }
            }
            HttpError::TooLong { .. } | HttpError::Unreadable { .. } => {
                Self::Protocol { problem: error.to_string(), request_id }
            }
            HttpError::Timeout { after } => Self::Timeout { after },
            HttpError::InvalidUrl { reason } | HttpError::Setup { reason } => {
                Self::config("URL", reason)
            }
            other => Self::Unreachable { reason: other.to_string() },
        }
    }
}
