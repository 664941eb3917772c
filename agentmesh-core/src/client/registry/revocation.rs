//! Who must not be trusted any more. An answer that cannot be had, or does not say clearly what it was asked, is an error
//! and never "not revoked"; what to do then is the caller's policy.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::client::platform::time::Instant;

use super::{AnswerError, RegistryClient, RegistryError};
use crate::{
    error::ErrorInfo,
    identity::Amid,
    maps::HashMap,
    wire::registry::{
        BulkRevocationRequest, BulkRevocationResponse, MAX_BULK_REVOCATIONS, Revocation,
        RevocationList, RevocationReason, RevocationStatus, RevokeRequest, RevokeResponse,
    },
};

/// Answers remembered at most.
const MAX_CACHED: usize = 10_000;

impl RegistryClient {
    /// Revokes an agent: this one, for good; or another, if the registry lets this one. Returns the revocation's id.
    ///
    /// A revoked agent cannot be brought back: it cannot register, publish or connect under this AMID any more.
    ///
    /// # Errors
    /// [`RegistryError`]; a conflict if it was revoked before.
    pub async fn revoke(
        &self,
        amid: &Amid,
        reason: &RevocationReason,
        notes: Option<&str>,
    ) -> Result<String, RegistryError> {
        let request = |revoker_amid, timestamp, signature| RevokeRequest {
            amid: amid.to_string(),
            reason: reason.clone(),
            notes: notes.map(str::to_owned),
            revoker_amid,
            timestamp,
            signature,
        };
        let answer: RevokeResponse =
            self.post("revoke", "registry/revoke", request).await?.json()?;
        match answer {
            RevokeResponse { success: true, revocation_id, .. } => {
                Ok(revocation_id.unwrap_or_default())
            }
            _ => Err(AnswerError::NotAccepted { what: "the revocation" }.into()),
        }
    }

    /// The revocation of an agent, if it is revoked.
    ///
    /// # Errors
    /// [`RegistryError`], of which none means that it is not revoked.
    pub async fn revocation(&self, amid: &Amid) -> Result<Option<Revocation>, RegistryError> {
        let query = [("amid", amid.to_string())];
        let answer: RevocationStatus =
            self.get("revocation", "registry/revocation", &query).await?.json()?;
        standing(answer, amid)
    }

    /// The revocations of many agents, in the order asked for. Any number: requests of a hundred each are made of it.
    ///
    /// # Errors
    /// [`RegistryError`]; also if the registry leaves one of them out.
    pub async fn revocations(
        &self,
        amids: &[Amid],
    ) -> Result<Vec<(Amid, Option<Revocation>)>, RegistryError> {
        let mut found = Vec::with_capacity(amids.len());
        for chunk in amids.chunks(MAX_BULK_REVOCATIONS) {
            let request = |_, _, _| BulkRevocationRequest {
                amids: chunk.iter().map(ToString::to_string).collect(),
            };
            let answer: BulkRevocationResponse =
                self.post("revocations", "registry/revocations/bulk", request).await?.json()?;
            let mut by_amid: HashMap<_, _> = answer
                .revocations
                .into_iter()
                .map(|status| (status.amid.clone(), status))
                .collect();
            for amid in chunk {
                let status = by_amid
                    .remove(&amid.to_string())
                    .ok_or(AnswerError::UnreadableField { field: "revocations" })?;
                found.push((*amid, standing(status, amid)?));
            }
        }
        Ok(found)
    }

    /// A page of all revocations, newest first.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub async fn revocation_list(
        &self,
        limit: u64,
        offset: u64,
    ) -> Result<RevocationList, RegistryError> {
        let query = [("limit", limit.to_string()), ("offset", offset.to_string())];
        Ok(self.get("revocation list", "registry/revocations", &query).await?.json()?)
    }
}

/// What an answer says, if it is about whom it was asked.
fn standing(status: RevocationStatus, asked: &Amid) -> Result<Option<Revocation>, RegistryError> {
    if status.amid != asked.to_string() {
        return Err(AnswerError::UnreadableField { field: "amid" }.into());
    }
    Ok(status.revoked.then(|| {
        // Why does not matter for whether.
        status.revocation.unwrap_or_else(|| Revocation {
            id: String::new(),
            amid: status.amid,
            reason: RevocationReason::Other,
            revoked_by: String::new(),
            revoked_at: String::new(),
            notes: None,
        })
    }))
}

/// Remembers for a while what the registry said of whom. Failures are not remembered.
#[derive(Debug)]
pub(crate) struct RevocationCache {
    ttl: Duration,
    known: Mutex<HashMap<Amid, (Instant, Option<RevocationReason>)>>,
}

impl RevocationCache {
    pub(crate) fn new(ttl: Duration) -> Self {
        Self { ttl, known: Mutex::default() }
    }

    /// Fails unless the agent is known not to be revoked.
    pub(crate) async fn check(
        &self,
        registry: &RegistryClient,
        amid: &Amid,
    ) -> Result<(), AnswerError> {
        let reason = match self.recall(amid) {
            Some(known) => known,
            None => {
                let asked = registry.revocation(amid).await;
                let found = asked.map_err(|e| AnswerError::RevocationUnchecked {
                    amid: *amid,
                    code: e.code(),
                })?;
                let reason = found.map(|revocation| revocation.reason);
                self.remember(*amid, reason.clone());
                reason
            }
        };
        match reason {
            None => Ok(()),
            Some(reason) => Err(AnswerError::Revoked { amid: *amid, reason: reason.to_string() }),
        }
    }

    /// As [`RevocationCache::check`], over a connection that nobody can change answers on.
    pub(crate) async fn check_for_session(
        &self,
        registry: &RegistryClient,
        amid: &Amid,
    ) -> Result<(), AnswerError> {
        if registry.is_private() {
            self.check(registry, amid).await
        } else {
            Err(AnswerError::RevocationUnchecked { amid: *amid, code: "REGISTRY_NOT_PRIVATE" })
        }
    }

    fn recall(&self, amid: &Amid) -> Option<Option<RevocationReason>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(amid).filter(|(at, _)| at.elapsed() < self.ttl).map(|(_, reason)| reason.clone())
    }

    fn remember(&self, amid: Amid, reason: Option<RevocationReason>) {
        if self.ttl.is_zero() {
            return;
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_CACHED {
            known.retain(|_, (at, _)| at.elapsed() < self.ttl);
        }
        if known.len() < MAX_CACHED {
            known.insert(amid, (Instant::now(), reason));
        }
    }
}
