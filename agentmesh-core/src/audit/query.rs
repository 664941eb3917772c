//! Which events of a log are wanted.

use crate::{Timestamp, identity::Amid};

use super::{AuditEntry, AuditType, Severity};

/// A selection of events. Everything that is set must match; the default is everything.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct AuditQuery {
    /// Of one of these types, if there are any.
    pub kinds: Vec<AuditType>,
    /// At least so grave.
    pub min_severity: Option<Severity>,
    /// About this peer.
    pub peer: Option<Amid>,
    /// About this session.
    pub session: Option<String>,
    /// Not before.
    pub since: Option<Timestamp>,
    /// Not after.
    pub until: Option<Timestamp>,
    /// The newest so many.
    pub limit: Option<usize>,
}

impl AuditQuery {
    /// Everything.
    pub fn all() -> Self {
        Self::default()
    }

    /// Only this type, or one asked for before.
    #[must_use]
    pub fn kind(mut self, kind: impl Into<AuditType>) -> Self {
        self.kinds.push(kind.into());
        self
    }

    /// At least so grave.
    #[must_use]
    pub const fn min_severity(mut self, severity: Severity) -> Self {
        self.min_severity = Some(severity);
        self
    }

    /// About this peer.
    #[must_use]
    pub const fn peer(mut self, peer: Amid) -> Self {
        self.peer = Some(peer);
        self
    }

    /// About this session.
    #[must_use]
    pub fn session(mut self, session: impl ToString) -> Self {
        self.session = Some(session.to_string());
        self
    }

    /// Not before.
    #[must_use]
    pub const fn since(mut self, at: Timestamp) -> Self {
        self.since = Some(at);
        self
    }

    /// The newest so many.
    #[must_use]
    pub const fn newest(mut self, limit: usize) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Whether an event is among them, but for the limit.
    pub fn matches(&self, entry: &AuditEntry) -> bool {
        (self.kinds.is_empty() || self.kinds.contains(&entry.kind))
            && self.min_severity.is_none_or(|least| entry.severity >= least)
            && self.peer.is_none_or(|peer| entry.peer == Some(peer))
            && self.session.as_ref().is_none_or(|s| entry.session.as_ref() == Some(s))
            && self.since.is_none_or(|at| entry.timestamp >= at)
            && self.until.is_none_or(|at| entry.timestamp <= at)
    }
}
