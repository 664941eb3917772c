//! What can go wrong between an agent and a registry.

use super::super::http::HttpError;
use crate::{
    error::{Error, ErrorInfo, ErrorKind, errors},
    identity::{Amid, did::DidError},
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
        /// would encrypt to it. A registry that knows native bundles takes the new key from the next bundle; one of plain
        /// 0.2 never changes a key.
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
        /// The agent was revoked: it must not be trusted any more.
        #[error("{amid} was revoked: {reason}")]
        Revoked {
            /// Who.
            amid: Amid,
            /// The registry's word for why.
            reason: String,
        } = "AGENT_REVOKED", Policy, permanent;
        /// Whether the agent was revoked could not be found out, and the policy wants to know before anything else
        /// happens.
        #[error("whether {amid} was revoked could not be checked: {code}")]
        RevocationUnchecked {
            /// Who.
            amid: Amid,
            /// The code of what went wrong.
            code: &'static str,
        } = "REVOCATION_UNCHECKED", Network, retryable;
        /// Over a connection that somebody in between could change, this is not asked.
        #[error("the connection to the registry is not private: use https")]
        NotPrivate = "REGISTRY_NOT_PRIVATE", Policy, permanent;
        /// A score that is not between 0 and 1, or a tag that registries do not know.
        #[error("not a valid rating")]
        InvalidRating = "RATING_INVALID", InvalidInput, permanent;
        /// The account was not shown to the registry: its owner or the provider said no, or nobody came in time.
        #[error("the account was not verified: {reason}")]
        OAuthFailed {
            /// Why, in the registry's words.
            reason: String,
        } = "OAUTH_FAILED", Authentication, permanent;
        /// The account's owner has not come back yet.
        #[error("the account's owner has not come back yet")]
        OAuthPending = "OAUTH_PENDING", Timeout, retryable;
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
    /// The certificate in the answer is not believed.
    #[cfg(feature = "trust")]
    #[error(transparent)]
    Certificate(#[from] crate::trust::CertificateError),
    /// The DID document in the answer is not the agent's.
    #[error(transparent)]
    Did(#[from] DidError),
}

impl RegistryError {
    fn info(&self) -> &dyn ErrorInfo {
        match self {
            Self::Http(e) => e,
            Self::Answer(e) => e,
            Self::Bundle(e) => e,
            Self::Did(e) => e,
            #[cfg(feature = "trust")]
            Self::Certificate(e) => e,
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
            RegistryError::Did(e) => e.into(),
            #[cfg(feature = "trust")]
            RegistryError::Certificate(e) => e.into(),
        }
    }
}
