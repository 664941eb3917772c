//! What can go wrong between an agent and a registry.

use super::super::http::HttpError;
use crate::{
    error::{Error, ErrorInfo, ErrorKind, errors},
    identity::Amid,
    prekeys::BundleError,
};

errors! {
    /// Why a registry's answer was not good enough.
    pub enum AnswerError {
        /// Nobody registered under this AMID.
        #[error("no agent {amid} is registered")]
        AgentNotFound {
            /// Who was asked for.
            amid: Amid,
        } = "REGISTRY_AGENT_NOT_FOUND", NotFound, permanent;
        /// The registry answered with another agent, or with a signing key that is not the one of the AMID: it is broken,
        /// or it lies.
        #[error("the registry's answer for {amid} has the key of another agent")]
        KeySwapped {
            /// Who was asked for.
            amid: Amid,
        } = "REGISTRY_KEY_SWAPPED", Authentication, permanent;
        /// The registry holds another exchange key for this agent than its own. Native peers do not use it; peers of 0.2
        /// would encrypt to it. Expected after the exchange key was rotated, since registries never change a key;
        /// otherwise somebody else registered this AMID.
        #[error("the registry holds another exchange key for this agent")]
        OtherExchangeKey = "REGISTRY_OTHER_EXCHANGE_KEY", Conflict, permanent;
        /// The agent has published no native bundle there. It speaks plain 0.2, or has not published yet; or the registry
        /// cannot carry native bundles.
        #[error("{amid} has published no native prekey bundle")]
        NativeBundleUnavailable {
            /// Who was asked for.
            amid: Amid,
        } = "NATIVE_BUNDLE_UNAVAILABLE", NotFound, permanent;
        /// Something in the answer is not valid base64 or not of the right length.
        #[error("{field} in the registry's answer cannot be read")]
        UnreadableField {
            /// Which.
            field: &'static str,
        } = "REGISTRY_UNREADABLE_FIELD", Protocol, permanent;
        /// The answer says that it was not done, without saying why.
        #[error("the registry did not accept {what}")]
        NotAccepted {
            /// What was asked.
            what: &'static str,
        } = "REGISTRY_NOT_ACCEPTED", Protocol, permanent;
        /// The registry does not take our signatures, and its clock shows another time: set this machine's clock.
        #[error("this machine's clock differs from the registry's by {seconds} s")]
        ClockSkew {
            /// The registry's time minus ours.
            seconds: i64,
        } = "REGISTRY_CLOCK_SKEW", Authentication, permanent;
    }
}

/// Why a request to a registry failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// It did not get through, or was refused.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The answer was not good enough.
    #[error(transparent)]
    Answer(#[from] AnswerError),
    /// The bundle in the answer does not verify.
    #[error(transparent)]
    Bundle(#[from] BundleError),
}

impl RegistryError {
    fn info(&self) -> &dyn ErrorInfo {
        match self {
            Self::Http(e) => e,
            Self::Answer(e) => e,
            Self::Bundle(e) => e,
        }
    }
}

impl ErrorInfo for RegistryError {
    fn code(&self) -> &'static str {
        self.info().code()
    }
    fn kind(&self) -> ErrorKind {
        self.info().kind()
    }
    fn is_retryable(&self) -> bool {
        self.info().is_retryable()
    }
}

impl From<RegistryError> for Error {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::Http(e) => e.into(),
            RegistryError::Answer(e) => e.into(),
            RegistryError::Bundle(e) => e.into(),
        }
    }
}
