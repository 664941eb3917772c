//! DID documents from a registry: its word, except for the signing key, which the DID proves.

use super::{AnswerError, HttpError, RegistryClient, RegistryError};
use crate::identity::{
    Amid,
    did::{DidDocument, DidError},
};

impl RegistryClient {
    /// Resolves an agent's DID.
    ///
    /// # Errors
    /// [`AnswerError::AgentNotFound`]; [`DidError`] for a document that is not the agent's; see [`RegistryError`].
    pub async fn did(&self, amid: &Amid) -> Result<DidDocument, RegistryError> {
        let answer = self.get("resolve DID", &format!("registry/did/{amid}"), &[]).await;
        let response = match answer {
            Ok(response) => response,
            Err(RegistryError::Http(HttpError::NotFound { message })) if !message.is_empty() => {
                return Err(AnswerError::AgentNotFound { amid: *amid }.into());
            }
            Err(error) => return Err(error),
        };
        let text = core::str::from_utf8(&response.body)
            .map_err(|_| DidError::Malformed { what: "not UTF-8" })?;
        let document = DidDocument::parse(text)?;
        if document.amid() == *amid {
            Ok(document)
        } else {
            Err(AnswerError::KeySwapped { amid: *amid }.into())
        }
    }
}
