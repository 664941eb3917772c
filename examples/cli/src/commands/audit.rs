//! `agentmesh audit`: what the home's audit log says, and whether it is whole. Reads only, also while the agent runs.

use std::{fmt, path::PathBuf};

use agentmesh_core::{
    ErrorInfo,
    audit::{Anchor, AuditEntry, AuditError, AuditKey, AuditQuery, AuditReport, AuditType},
    client::{AuditReader, platform::Clock},
    keys::VerifyingKey,
};
use serde::Serialize;

use crate::{
    args::AuditCommand,
    context::Context,
    error::{CliError, LOCKED},
    home::Home,
    opened::Opened,
};

pub(super) async fn run(command: AuditCommand, context: Context) -> Result<(), CliError> {
    let home = context.home()?;
    match command {
        AuditCommand::Show { min_severity, kinds, peer, since, limit, dir } => {
            let mut query = AuditQuery::all();
            query.kinds = kinds.iter().map(|name| AuditType::from(name.as_str())).collect();
            query.min_severity = min_severity;
            query.peer = peer;
            query.limit = limit;
            query.since = since.map(|ago| {
                let ms = u64::try_from(ago.as_millis()).unwrap_or(u64::MAX);
                Clock::system().now().minus_millis(ms)
            });
            let directory = directory(&home, dir);
            let reader = AuditReader::new(&directory, key(&home), None);
            let entries = reader.query(&query).map_err(|error| broken(&error))?;
            if entries.is_empty() {
                return context.out.show_text("nothing that fits");
            }
            entries.iter().try_for_each(|entry| context.out.show(&Entry(entry)))
        }
        AuditCommand::Anchor => anchor(&context).await,
        AuditCommand::Verify { anchor, dir } => {
            verify(&home, directory(&home, dir), anchor, &context).await
        }
    }
}

/// The home's own log.
fn directory(home: &Home, given: Option<PathBuf>) -> PathBuf {
    given.unwrap_or_else(|| home.audit_path())
}

/// What decrypts a log that is encrypted; a log in the clear does without.
fn key(home: &Home) -> Option<AuditKey> {
    home.read_key().ok().map(|key| AuditKey::from_store_key(&key))
}

/// The key that the log's anchors are checked with. A running agent has the store; then the chain alone is checked.
async fn signer(home: &Home, context: &Context) -> Result<Option<VerifyingKey>, CliError> {
    match home.identity().await {
        Ok(stored) => Ok(Some(*stored.identity.signing_key())),
        Err(error) if error.code == LOCKED => {
            context.out.note("the agent runs, so signatures are not checked; the chain is");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

async fn anchor(context: &Context) -> Result<(), CliError> {
    let opened = Opened::offline(context, |_| {}).await?;
    let anchor = match opened.agent.audit_log() {
        Some(log) => log.anchor().await.map_err(|error| broken(&error)),
        None => Err(CliError::failed("this home keeps no audit log")),
    };
    let closed = opened.close().await;
    let anchor = anchor?;
    closed?;
    context.out.show(&Anchored { anchor: anchor.to_string() })
}

async fn verify(
    home: &Home,
    directory: PathBuf,
    anchor: Option<Anchor>,
    context: &Context,
) -> Result<(), CliError> {
    let signer = signer(home, context).await?;
    let reader = AuditReader::new(&directory, key(home), signer);
    if reader.is_empty().map_err(|error| broken(&error))? {
        return Err(CliError::home(&directory, "holds no audit log"));
    }
    let report = reader.verify(anchor).map_err(|error| broken(&error))?;
    context.out.show(&Verified { ok: true, report })
}

/// A log that is not what it was is a finding, as the doctor's are.
fn broken(error: &AuditError) -> CliError {
    CliError { code: error.code(), message: error.to_string(), ..CliError::unwell(1) }
}

#[derive(Serialize)]
struct Entry<'a>(&'a AuditEntry);

impl fmt::Display for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(entry) = self;
        let (time, severity) = (entry.timestamp.to_rfc3339_millis(), entry.severity.as_str());
        write!(f, "{time}  {severity:8}  {}", entry.kind)?;
        if let Some(peer) = &entry.peer {
            write!(f, "  {peer}")?;
        }
        write!(f, "  {}", entry.message)
    }
}

#[derive(Serialize)]
struct Anchored {
    anchor: String,
}

impl fmt::Display for Anchored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.anchor)
    }
}

#[derive(Serialize)]
struct Verified {
    ok: bool,
    #[serde(flatten)]
    report: AuditReport,
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AuditReport { files, lines, events, first, last, anchors, anchored, .. } = &self.report;
        write!(f, "whole: lines {first} to {last} ({lines} in {files} files, {events} events)")?;
        match anchored {
            Some(line) => write!(f, "; {anchors} signatures, the last over line {line}"),
            None => write!(f, "; no signature was checked"),
        }
    }
}
