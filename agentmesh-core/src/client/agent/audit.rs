//! The audit log of an agent.

use std::{path::PathBuf, sync::Arc};

use super::{Agent, AgentBuilder};
use crate::{
    Error,
    audit::{AuditFields, AuditKey, AuditType, Severity},
    client::audit::{AuditLog, AuditOptions, AuditOwner},
    identity::Identity,
    vault::StoreKey,
};

/// Where an agent's log is to be, and how it is kept.
#[derive(Debug, Clone)]
pub(super) struct AuditPlan {
    directory: PathBuf,
    options: AuditOptions,
    encrypted: bool,
}

impl AuditPlan {
    /// Opens the log of an agent that was just created or opened, and says so in it.
    pub(super) fn open(
        self,
        identity: &Arc<Identity>,
        key: &StoreKey,
        created: bool,
    ) -> Result<AuditLog, Error> {
        let mut owner = AuditOwner::signing(Arc::clone(identity));
        if self.encrypted {
            owner = owner.encrypted(AuditKey::from_store_key(key));
        }
        let log = AuditLog::open(self.directory, owner, self.options)?;
        let (kind, text) = if created {
            (AuditType::IdentityCreated, "identity created")
        } else {
            (AuditType::IdentityLoaded, "identity loaded")
        };
        log.log(kind, Severity::Info, text, AuditFields::new());
        Ok(log)
    }
}

impl AgentBuilder {
    /// Keeps an audit log of every change of state in this directory, in the clear; messages too, if the options ask
    /// for [`Severity::Debug`]. Opening the agent fails if the log cannot be opened.
    #[must_use]
    pub fn audit_log(mut self, directory: impl Into<PathBuf>, options: AuditOptions) -> Self {
        self.audit = Some(AuditPlan { directory: directory.into(), options, encrypted: false });
        self
    }

    /// The same, encrypted under a key that follows from the store key: who can open the store can read the log.
    #[must_use]
    pub fn encrypted_audit_log(
        mut self,
        directory: impl Into<PathBuf>,
        options: AuditOptions,
    ) -> Self {
        self.audit = Some(AuditPlan { directory: directory.into(), options, encrypted: true });
        self
    }
}

impl Agent {
    /// The audit log, if the agent keeps one: to log events of the application, to query and to verify it.
    pub fn audit_log(&self) -> Option<&AuditLog> {
        self.shared.events.audit()
    }

    pub(super) fn audit(&self, kind: AuditType, text: &str, fields: AuditFields) {
        if let Some(log) = self.audit_log() {
            log.log(kind, Severity::Info, text, fields);
        }
    }
}
