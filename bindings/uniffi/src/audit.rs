//! The audit log of an agent. Conditions, events and reports are JSON text.

use std::sync::Arc;

use agentmesh_facade::AuditLog;

use crate::{
    NativeError,
    calls::{call, run},
};

/// An agent's audit log.
#[derive(uniffi::Object)]
pub struct NativeAuditLog(Arc<AuditLog>);

impl NativeAuditLog {
    pub(crate) fn new(log: AuditLog) -> Arc<Self> {
        Arc::new(Self(Arc::new(log)))
    }
}

#[uniffi::export]
impl NativeAuditLog {
    /// Logs an event of the application. Never waits.
    pub fn log(
        &self,
        kind: String,
        severity: String,
        message: String,
        peer: Option<String>,
        metadata: Option<String>,
    ) -> Result<(), NativeError> {
        run(|| self.0.log(&kind, &severity, &message, peer.as_deref(), metadata.as_deref()))
    }

    /// The events that match an object of conditions, oldest first, as a JSON array.
    pub async fn query(&self, conditions: String) -> Result<String, NativeError> {
        let log = Arc::clone(&self.0);
        call(async move { log.query(&conditions).await }).await
    }

    /// Checks the whole log; with an anchor, also that it still has what the anchor says.
    pub async fn verify(&self, anchor: Option<String>) -> Result<String, NativeError> {
        let log = Arc::clone(&self.0);
        call(async move { log.verify(anchor.as_deref()).await }).await
    }

    /// Signs the end of the log; to be kept where its disk is not.
    pub async fn anchor(&self) -> Result<String, NativeError> {
        let log = Arc::clone(&self.0);
        call(async move { log.anchor().await }).await
    }

    /// Returns when everything logged before is on disk.
    pub async fn flush(&self) -> Result<(), NativeError> {
        let log = Arc::clone(&self.0);
        call(async move { log.flush().await }).await
    }
}
