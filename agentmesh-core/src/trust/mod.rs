//! X.509 certificates that a registry issues for agents: read, and verified against roots that were configured.
//!
//! A verified certificate says what the issuer claimed of an agent when it signed, and binds it to the agent's key. That is
//! worth as much as the issuer. It says nothing of now: revocation is asked of the registry
//! ([`RegistryClient::certificate`](crate::client::registry::RegistryClient::certificate) does both). And it never decides a
//! policy: tiers there come from the registry's lookup. The unsigned "certificates" of deployed registries are
//! [`LegacyCertificate`](crate::wire::registry::LegacyCertificate)s and are refused here.
//!
//! Ed25519 only, because agents' keys are; no network, no clock, no file.

mod chain;
mod parse;
#[cfg(test)]
mod tests;

pub use self::{
    chain::{AgentCertificate, TrustRoots},
    parse::CertificateChain,
};

use crate::error::errors;

errors! {
    /// Why a certificate is not believed.
    pub enum CertificateError {
        /// Larger than a chain of certificates can sensibly be.
        #[error("a certificate chain of {actual} bytes exceeds the limit of {limit}")]
        TooLong {
            /// The limit in bytes.
            limit: usize,
            /// What was given.
            actual: usize,
        } = "CERTIFICATE_TOO_LONG", InvalidInput, permanent;
        /// Not X.509 in PEM.
        #[error("not an X.509 certificate")]
        Malformed = "CERTIFICATE_MALFORMED", InvalidInput, permanent;
        /// One of the unsigned certificates of deployed registries. Anybody can write one.
        #[error("this certificate is not signed, and proves nothing")]
        Unsigned = "CERTIFICATE_UNSIGNED", Authentication, permanent;
        /// A key or signature of another kind than Ed25519.
        #[error("the certificate uses another algorithm than Ed25519")]
        Algorithm = "CERTIFICATE_ALGORITHM", Authentication, permanent;
        /// No configured root stands behind it.
        #[error("no configured root stands behind the certificate")]
        Untrusted = "CERTIFICATE_UNTRUSTED", Authentication, permanent;
        /// A signature in the chain is not that of the issuer named.
        #[error("a signature in the chain is not that of its issuer")]
        BadSignature = "CERTIFICATE_BAD_SIGNATURE", Authentication, permanent;
        /// A certificate in the chain is not valid yet; maybe this machine's clock is behind.
        #[error("a certificate in the chain is not valid yet")]
        NotYetValid = "CERTIFICATE_NOT_YET_VALID", Authentication, retryable;
        /// A certificate in the chain has expired.
        #[error("a certificate in the chain has expired")]
        Expired = "CERTIFICATE_EXPIRED", Authentication, permanent;
        /// A certificate in the chain must not sign others, or not so many in a row.
        #[error("a certificate in the chain was not allowed to sign the one before it")]
        NotAllowedToSign = "CERTIFICATE_NOT_ALLOWED_TO_SIGN", Authentication, permanent;
        /// A critical extension that is not understood.
        #[error("the certificate has a critical extension that is not understood")]
        CriticalExtension = "CERTIFICATE_CRITICAL_EXTENSION", Authentication, permanent;
        /// The subject is no agent, or not the one that the key belongs to.
        #[error("the certificate's subject is not the agent of its key")]
        Subject = "CERTIFICATE_SUBJECT", Authentication, permanent;
        /// It is another agent's.
        #[error("the certificate is another agent's")]
        OtherAgent = "CERTIFICATE_OTHER_AGENT", Authentication, permanent;
    }
}
