//! Why the controller was not reached, or said no.

use std::time::Duration;

use crate::{client::http::HttpError, error::errors};

errors! {
    /// Why something about AIWM failed. The correlation id is the one that the controller's log has, or ours.
    pub enum AiwmError {
        /// A setting is missing or cannot be used.
        #[error("AIWM is not configured: {problem}")]
        Config {
            /// Which, and what is wrong with it.
            problem: String,
        } = "AIWM_CONFIG", InvalidInput, permanent;
        /// 400: the controller does not understand what we sent.
        #[error("the controller refused the request: {message} (correlation id {correlation_id})")]
        Rejected {
            /// The HTTP status.
            status: u16,
            /// The controller's words, cut.
            message: String,
            /// For the controller's administrator.
            correlation_id: String,
        } = "AIWM_REJECTED", InvalidInput, permanent;
        /// 401 or 403: a wrong secret, a suspended agent, or a token that is no longer good.
        #[error("the controller does not accept the credentials: {message} (correlation id {correlation_id})")]
        AuthRejected {
            /// The controller's words, cut.
            message: String,
            /// For the controller's administrator.
            correlation_id: String,
        } = "AIWM_AUTH_REJECTED", Authentication, permanent;
        /// 404: the controller does not have this agent, or this is not the controller.
        #[error("the controller does not know the agent: {message} (correlation id {correlation_id})")]
        NotFound {
            /// The controller's words, cut.
            message: String,
            /// For the controller's administrator.
            correlation_id: String,
        } = "AIWM_AGENT_NOT_FOUND", NotFound, permanent;
        /// 408, 425, 429 or 5xx: the controller cannot do it now.
        #[error("the controller answered {status}: {message} (correlation id {correlation_id})")]
        Unavailable {
            /// The HTTP status.
            status: u16,
            /// The controller's words, cut.
            message: String,
            /// For the controller's administrator.
            correlation_id: String,
            /// When the controller wants to be asked again.
            retry_after_seconds: Option<u64>,
        } = "AIWM_UNAVAILABLE", Network, retryable;
        /// The controller was not reached, or did not answer in time.
        #[error("the controller was not reached: {reason}")]
        Unreachable {
            /// What went wrong.
            reason: String,
        } = "AIWM_UNREACHABLE", Network, retryable;
        /// The answer is not what a controller answers: a page of HTML, a redirect, a configuration without a token.
        #[error("the answer is not a controller's: {problem} (correlation id {correlation_id})")]
        Protocol {
            /// What is wrong with it.
            problem: String,
            /// Ours, or the answer's.
            correlation_id: String,
        } = "AIWM_PROTOCOL", Protocol, retryable;
    }
}

impl AiwmError {
    /// How long the controller asked to wait.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after_seconds: Some(seconds), .. } => {
                Some(Duration::from_secs(*seconds))
            }
            _ => None,
        }
    }

    pub(super) fn config(problem: impl Into<String>) -> Self {
        Self::Config { problem: problem.into() }
    }

    /// What an error of HTTP means here.
    pub(super) fn from_http(error: HttpError, id: String) -> Self {
        match error {
            HttpError::Unauthorized { message } => {
                Self::AuthRejected { message, correlation_id: id }
            }
            HttpError::NotFound { message } => Self::NotFound { message, correlation_id: id },
            HttpError::RateLimited { retry_after_seconds } => Self::Unavailable {
                status: 429,
                message: "too many requests".to_owned(),
                correlation_id: id,
                retry_after_seconds,
            },
            HttpError::Unavailable { status, message, retry_after_seconds } => {
                Self::Unavailable { status, message, correlation_id: id, retry_after_seconds }
            }
            HttpError::Rejected { status: 300..=399, .. } => Self::Protocol {
                problem: "it redirects, and secrets are not sent elsewhere".to_owned(),
                correlation_id: id,
            },
            HttpError::Rejected { status, message } => {
                Self::Rejected { status, message, correlation_id: id }
            }
            HttpError::Conflict { message } => {
                Self::Rejected { status: 409, message, correlation_id: id }
            }
            HttpError::TooLong { .. } | HttpError::Unreadable { .. } => {
                Self::Protocol { problem: error.to_string(), correlation_id: id }
            }
            other => Self::Unreachable { reason: other.to_string() },
        }
    }
}
