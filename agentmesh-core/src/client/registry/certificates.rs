//! Certificates of agents, as the registry hands them out; believed only with a configured root behind them.

use super::{AnswerError, RegistryClient, RegistryError};
use crate::{
    error::ErrorInfo,
    identity::Amid,
    trust::{AgentCertificate, CertificateChain, CertificateError, TrustRoots},
};

impl RegistryClient {
    /// The registry's own root, PEM, to be pinned after somebody compared it. Fetched over TLS or from this machine only.
    ///
    /// # Errors
    /// [`AnswerError::NotPrivate`] over an open connection; [`RegistryError`].
    pub async fn root_certificate(&self) -> Result<String, RegistryError> {
        if !self.is_private() {
            return Err(AnswerError::NotPrivate.into());
        }
        let response = self.get("root certificate", "registry/authority", &[]).await?;
        let text = core::str::from_utf8(&response.body)
            .map_err(|_| AnswerError::UnreadableField { field: "root certificate" })?;
        TrustRoots::from_pem(text)?;
        Ok(text.to_owned())
    }

    /// The certificate of an agent, verified up to one of `roots`; `None` if it has none. The agent must not be
    /// revoked: if that cannot be found out, there is no certificate.
    ///
    /// # Errors
    /// [`CertificateError`] for a certificate that is not believed; [`AnswerError::Revoked`],
    /// [`AnswerError::RevocationUnchecked`]; [`AnswerError::NotPrivate`] over an open connection, on which anybody could
    /// say that it is not revoked; [`RegistryError`].
    pub async fn certificate(
        &self,
        amid: &Amid,
        roots: &TrustRoots,
    ) -> Result<Option<AgentCertificate>, RegistryError> {
        if !self.is_private() {
            return Err(AnswerError::NotPrivate.into());
        }
        let Some(text) = self.lookup(amid).await?.details.certificate else { return Ok(None) };
        let certificate = CertificateChain::from_pem(&text)?.verify(roots, self.now())?;
        if certificate.amid != *amid {
            return Err(CertificateError::OtherAgent.into());
        }
        let revocation = self.revocation(amid).await;
        match revocation {
            Ok(None) => Ok(Some(certificate)),
            Ok(Some(revocation)) => {
                let reason = revocation.reason.to_string();
                Err(AnswerError::Revoked { amid: *amid, reason }.into())
            }
            Err(error) => {
                let code = error.code();
                Err(AnswerError::RevocationUnchecked { amid: *amid, code }.into())
            }
        }
    }
}
