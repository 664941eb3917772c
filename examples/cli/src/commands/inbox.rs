//! `agentmesh inbox`: what was received and not handled, and KNOCKs that nobody decided. Looking does not handle
//! messages; `listen` does.

use std::fmt;

use agentmesh_core::{
    client::{Awaited, InboxItem, PendingKnock},
    identity::Amid,
    knock::Decision,
    wire::id::MessageId,
};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{args::InboxArgs, context::Context, error::CliError, json_text, opened::Opened, units};

pub(super) async fn run(args: InboxArgs, context: Context) -> Result<(), CliError> {
    let opened = Opened::offline(&context, |_| {}).await?;
    let result = match (args.accept, args.reject) {
        (Some(session), _) => decide(&opened, &session, Decision::accept(), &context).await,
        (_, Some(session)) => {
            decide(&opened, &session, Decision::reject("declined"), &context).await
        }
        _ => list(&opened, &context).await,
    };
    let closed = opened.close().await;
    result.and(closed)
}

async fn list(opened: &Opened, context: &Context) -> Result<(), CliError> {
    let messages = opened.agent.inbox().await?;
    let knocks = opened.agent.pending_knocks().await?;
    for message in &messages {
        context.out.show(&Received::new(message)?)?;
    }
    for knock in &knocks {
        context.out.show(&Knocked::new(knock, None))?;
    }
    if messages.is_empty() && knocks.is_empty() {
        return context.out.show_text("nothing waits");
    }
    Ok(())
}

/// The answer leaves with the next command that goes online.
async fn decide(
    opened: &Opened,
    session: &str,
    decision: Decision,
    context: &Context,
) -> Result<(), CliError> {
    let knocks = opened.agent.pending_knocks().await?;
    let Some(knock) = knocks.iter().find(|knock| knock.session.to_string() == session) else {
        return Err(CliError::usage(format!("no KNOCK of session {session} waits")));
    };
    let word = if decision.is_accept() { "accepted" } else { "rejected" };
    opened.agent.decide(knock.session, decision).await?;
    context.out.show(&Knocked::new(knock, Some(word)))
}

#[derive(Serialize)]
struct Received {
    id: MessageId,
    from: Amid,
    received_at: String,
    size: u64,
    waits_for: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    parts: Option<[u32; 2]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Box<RawValue>>,
}

impl Received {
    fn new(item: &InboxItem) -> Result<Self, CliError> {
        let (waits_for, parts) = match item.waits_for {
            Awaited::Handler => ("handler", None),
            Awaited::Decision => ("decision", None),
            Awaited::Parts { done, total } => ("parts", Some([done, total])),
            _ => ("other", None),
        };
        Ok(Self {
            id: item.id,
            from: item.from,
            received_at: item.received_at.to_rfc3339_millis(),
            size: item.size,
            waits_for,
            parts,
            payload: item.payload.as_ref().map(json_text::payload).transpose()?,
        })
    }
}

impl fmt::Display for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {}  {}: ", self.id, self.received_at, self.from)?;
        match (&self.payload, self.parts) {
            (Some(payload), _) => f.write_str(payload.get())?,
            (None, Some([done, total])) => {
                write!(f, "{} so far, {done} of {total} parts", units::bytes(self.size))?;
            }
            (None, None) => f.write_str(&units::bytes(self.size))?,
        }
        if self.waits_for == "decision" {
            f.write_str("  (held until the KNOCK is decided)")?;
        }
        Ok(())
    }
}

#[derive(Serialize)]
struct Knocked {
    knock: String,
    from: Amid,
    received_at: String,
    capability: String,
    action: String,
    held: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<&'static str>,
}

impl Knocked {
    fn new(pending: &PendingKnock, decision: Option<&'static str>) -> Self {
        let intent = &pending.knock.request.intent;
        Self {
            knock: pending.session.to_string(),
            from: pending.knock.from,
            received_at: pending.received_at.to_rfc3339_millis(),
            capability: intent.capability.clone(),
            action: intent.action.clone(),
            held: pending.held,
            decision,
        }
    }
}

impl fmt::Display for Knocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { knock, from, received_at, capability, action, held, .. } = self;
        let state = self.decision.unwrap_or("waits for a decision");
        write!(
            f,
            "KNOCK {knock}  {received_at}  {from} for {capability} {action} {state}, {held} held"
        )
    }
}
