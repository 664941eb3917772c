//! `agentmesh inbox`: what was received and not handled. Looking does not handle it; `listen` does.

use std::fmt;

use agentmesh_core::{client::Message, identity::Amid, wire::id::MessageId};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{context::Context, error::CliError, json_text, opened::Opened};

/// More than the inbox of an agent holds.
const WINDOW: usize = 10_001;

pub(super) async fn run(context: Context) -> Result<(), CliError> {
    let opened = Opened::offline(&context, |agent| agent.delivery_window = WINDOW).await?;
    let result = list(&opened, &context).await;
    let closed = opened.close().await;
    result.and(closed)
}

async fn list(opened: &Opened, context: &Context) -> Result<(), CliError> {
    let mut messages = opened.agent.messages().await?;
    // The agent hands on all it has in the step that takes the reader; the second question comes after that step.
    for _ in 0..2 {
        opened.agent.outbox().await?;
    }
    // Kept until the end: what is dropped is handed on again.
    let mut seen: Vec<Message> = Vec::new();
    while let Some(message) = futures_util::FutureExt::now_or_never(messages.next()).flatten() {
        context.out.show(&Received {
            id: message.id,
            from: message.from,
            received_at: message.received_at.to_rfc3339_millis(),
            payload: json_text::payload(&message.payload)?,
        })?;
        seen.push(message);
    }
    if seen.is_empty() {
        return context.out.show_text("nothing waits");
    }
    Ok(())
}

#[derive(Serialize)]
struct Received {
    id: MessageId,
    from: Amid,
    received_at: String,
    payload: Box<RawValue>,
}

impl fmt::Display for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {}  {}: {}", self.id, self.received_at, self.from, self.payload.get())
    }
}
