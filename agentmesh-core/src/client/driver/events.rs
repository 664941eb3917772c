//! Where everything passes that happens to an agent: to those who subscribed, and into the audit log.

use super::auditing;
use crate::client::{
    agent::AgentEvent,
    audit::AuditLog,
    subscription::{Fanout, Subscription},
};

/// Publishes events. Nothing else may tell of a change of state, so that none is missing in the audit log.
#[derive(Debug)]
pub(crate) struct Events {
    readers: Fanout<AgentEvent>,
    audit: Option<AuditLog>,
}

impl Events {
    pub(super) fn new(capacity: usize, audit: Option<AuditLog>) -> Self {
        Self { readers: Fanout::new(capacity), audit }
    }

    pub(super) fn publish(&self, event: &AgentEvent) {
        if let Some(log) = &self.audit {
            auditing::record(log, event);
        }
        self.readers.publish(event);
    }

    pub(crate) fn subscribe(&self) -> Subscription<AgentEvent> {
        self.readers.subscribe()
    }

    pub(super) fn close(&self) {
        self.readers.close();
    }

    /// The audit log, if there is one.
    pub(crate) const fn audit(&self) -> Option<&AuditLog> {
        self.audit.as_ref()
    }
}
