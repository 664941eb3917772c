//! The audit log of an agent.

use agentmesh_core::{
    Timestamp,
    audit::{Anchor, AuditFields, AuditQuery, AuditType, Severity},
    client::AuditLog as CoreLog,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{FacadeError, arguments::from_json, owned::Owned, values::amid};

/// An agent's audit log.
#[derive(Debug)]
pub struct AuditLog(Owned<CoreLog>);

/// Which events are wanted.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Query {
    types: Vec<String>,
    min_severity: Option<String>,
    peer: Option<String>,
    session: Option<String>,
    since: Option<u64>,
    until: Option<u64>,
    limit: Option<usize>,
}

fn severity(name: &str) -> Result<Severity, FacadeError> {
    Severity::parse(name).ok_or_else(|| FacadeError::argument("there is no such severity"))
}

impl AuditLog {
    pub(crate) fn new(log: CoreLog) -> Self {
        Self(Owned::new(log))
    }

    /// Logs an event of the application. Never waits.
    ///
    /// # Errors
    /// `BINDING_ARGUMENT` for a severity that there is not, a peer that is none, or metadata that are no object.
    pub fn log(
        &self,
        kind: &str,
        severity_name: &str,
        message: &str,
        peer: Option<&str>,
        metadata: Option<&str>,
    ) -> Result<(), FacadeError> {
        let mut fields = AuditFields::new();
        if let Some(peer) = peer {
            fields = fields.peer(amid(peer)?);
        }
        let metadata: Map<String, Value> =
            metadata.map(serde_json::from_str).transpose()?.unwrap_or_default();
        for (name, value) in metadata {
            fields = fields.with(&name, value);
        }
        self.0.get()?.log(AuditType::from(kind), severity(severity_name)?, message, fields);
        Ok(())
    }

    /// The events that match an object of conditions, oldest first, as a JSON array.
    ///
    /// # Errors
    /// `AUDIT_BROKEN` and others.
    pub async fn query(&self, conditions: &str) -> Result<String, FacadeError> {
        let asked: Query = from_json(conditions)?;
        let mut query = AuditQuery::all();
        query.kinds = asked.types.iter().map(|kind| AuditType::from(kind.as_str())).collect();
        query.min_severity = asked.min_severity.as_deref().map(severity).transpose()?;
        query.peer = asked.peer.as_deref().map(amid).transpose()?;
        query.session = asked.session;
        query.since = asked.since.map(Timestamp::from_millis);
        query.until = asked.until.map(Timestamp::from_millis);
        query.limit = asked.limit;
        Ok(serde_json::to_string(&self.0.get()?.query(query).await?)?)
    }

    /// Checks the whole log; with an anchor, also that it still has what the anchor says. A report as JSON.
    ///
    /// # Errors
    /// `AUDIT_BROKEN` and others, with the first line that is wrong.
    pub async fn verify(&self, anchor: Option<&str>) -> Result<String, FacadeError> {
        let anchor = anchor.map(str::parse::<Anchor>).transpose()?;
        let report = self.0.get()?.verify(anchor).await?;
        Ok(json!({
            "files": report.files, "lines": report.lines, "events": report.events,
            "first": report.first, "last": report.last, "anchors": report.anchors,
            "anchored": report.anchored, "encrypted": report.encrypted,
            "dropped": report.dropped, "repairs": report.repairs, "torn": report.torn,
        })
        .to_string())
    }

    /// Signs the end of the log; to be kept where its disk is not.
    ///
    /// # Errors
    /// `AUDIT_CLOSED`
    pub async fn anchor(&self) -> Result<String, FacadeError> {
        Ok(self.0.get()?.anchor().await?.to_string())
    }

    /// Returns when everything logged before is on disk.
    ///
    /// # Errors
    /// `AUDIT_IO`
    pub async fn flush(&self) -> Result<(), FacadeError> {
        Ok(self.0.get()?.flush().await?)
    }
}
