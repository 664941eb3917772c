//! Where everything passes that happens to an agent: to those who subscribed, into the audit log and the metrics.

use super::auditing;
#[cfg(feature = "metrics")]
use crate::client::metrics::Meter;
use crate::{
    client::{
        agent::AgentEvent,
        audit::AuditLog,
        subscription::{Fanout, Subscription},
    },
    engine::Stage,
    identity::Amid,
    wire::id::MessageId,
};

/// Publishes events. Nothing else may tell of a change of state, so that none is missing in the audit log.
#[derive(Debug)]
pub(crate) struct Events {
    readers: Fanout<AgentEvent>,
    audit: Option<AuditLog>,
    #[cfg(feature = "metrics")]
    meter: Meter,
}

impl Events {
    pub(super) fn new(capacity: usize, audit: Option<AuditLog>, amid: Amid) -> Self {
        #[cfg(not(feature = "metrics"))]
        let _ = amid;
        Self {
            readers: Fanout::new(capacity),
            audit,
            #[cfg(feature = "metrics")]
            meter: Meter::new(amid),
        }
    }

    pub(super) fn publish(&self, event: &AgentEvent) {
        if let Some(log) = &self.audit {
            auditing::record(log, event);
        }
        #[cfg(feature = "metrics")]
        self.meter.record(event);
        self.readers.publish(event);
    }

    /// A message is on disk.
    pub(super) fn queued(&self, to: &Amid, id: &MessageId) {
        if let Some(log) = &self.audit {
            auditing::sent(log, to, id, Stage::Queued);
        }
        #[cfg(feature = "metrics")]
        self.meter.queued();
    }

    #[cfg(feature = "metrics")]
    pub(super) const fn meter(&self) -> &Meter {
        &self.meter
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
