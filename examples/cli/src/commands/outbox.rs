//! `agentmesh outbox`: what waits, and sending it.

use std::{collections::HashMap, fmt, time::Duration};

use agentmesh_core::{
    ErrorInfo,
    client::{AgentEvent, OutboxItem},
    engine::{Event, SendFailure, Stage},
    identity::Amid,
    wire::id::MessageId,
};
use serde::Serialize;
use tokio::time::{Instant, sleep_until};

use crate::{
    args::OutboxArgs,
    config::Config,
    context::Context,
    error::CliError,
    opened::{self, Create, Opened},
    units,
};

/// The reason for not being online is fetched before the time is up.
const MARGIN: Duration = Duration::from_millis(250);

pub(super) async fn run(args: OutboxArgs, context: Context) -> Result<(), CliError> {
    if args.flush {
        return flush(args, context).await;
    }
    let opened = Opened::offline(&context, |_| {}).await?;
    let result = match args.cancel {
        Some(id) => cancel(&opened, id, &context).await,
        None => list(&opened, &context).await,
    };
    let closed = opened.close().await;
    result.and(closed)
}

async fn list(opened: &Opened, context: &Context) -> Result<(), CliError> {
    let items = opened.agent.outbox().await?;
    if items.is_empty() {
        return context.out.show_text("nothing waits");
    }
    for item in &items {
        context.out.show(&Waiting::new(item, Some(item.stage), None))?;
    }
    Ok(())
}

async fn cancel(opened: &Opened, id: MessageId, context: &Context) -> Result<(), CliError> {
    let items = opened.agent.outbox().await?;
    let Some(item) = items.iter().find(|item| item.id == id) else {
        return Err(CliError::usage(format!("no message {id} is in the outbox")));
    };
    opened.agent.cancel(id).await?;
    context.out.show(&Waiting::new(item, None, Some(&SendFailure::Cancelled)))
}

async fn flush(args: OutboxArgs, context: Context) -> Result<(), CliError> {
    let home = context.home()?;
    let config = Config::load(&home)?;
    let deadline = Instant::now() + args.timeout;
    let (mut opened, endpoints) =
        Opened::with_servers(&context, home, config, Create::No, |agent| {
            opened::leave_knocks_undecided(agent);
            agent.connect_timeout = args.timeout.saturating_sub(MARGIN).max(MARGIN);
        })
        .await?;
    let mut events = opened.agent.events();
    let items = opened.agent.outbox().await?;
    let result = match opened.agent.connect().await {
        Ok(()) => {
            let remembered = opened.remember(&endpoints);
            let waited = wait(&opened, &items, args.wait.into(), deadline, &mut events).await;
            remembered.and(waited)
        }
        Err(error) => Err(error.into()),
    };
    let closed = opened.close().await;
    let outcome = result?;
    closed?;
    let mut stuck = 0;
    for item in &items {
        let reached = outcome.get(&item.id);
        let stage = match reached {
            Some(Ok(stage)) => Some(*stage),
            Some(Err(_)) => None,
            None => Some(item.stage),
        };
        let failure = reached.and_then(|reached| reached.as_ref().err());
        let arrived = failure.is_none() && stage.is_some_and(|stage| stage >= args.wait.into());
        stuck += usize::from(!arrived);
        context.out.show(&Waiting::new(item, stage, failure))?;
    }
    if items.is_empty() {
        return context.out.show_text("nothing waits");
    }
    if stuck > 0 {
        return Err(CliError::not_reached(format!(
            "{stuck} of {} did not come so far",
            items.len()
        )));
    }
    Ok(())
}

type Outcome = HashMap<MessageId, Result<Stage, SendFailure>>;

/// Waits until each of these came as far as `wanted`, or failed, or time is up.
async fn wait(
    opened: &Opened,
    items: &[OutboxItem],
    wanted: Stage,
    deadline: Instant,
    events: &mut agentmesh_core::client::subscription::Subscription<AgentEvent>,
) -> Result<Outcome, CliError> {
    let mut outcome: Outcome = items.iter().map(|item| (item.id, Ok(item.stage))).collect();
    loop {
        let open =
            outcome.values().any(|reached| reached.as_ref().is_ok_and(|stage| *stage < wanted));
        if !open {
            return Ok(outcome);
        }
        tokio::select! {
            () = sleep_until(deadline) => return Ok(outcome),
            event = events.next() => match event {
                Some(AgentEvent::Engine(Event::Progress { id, stage, .. })) => {
                    outcome.entry(id).and_modify(|reached| *reached = Ok(stage));
                }
                Some(AgentEvent::Engine(Event::SendFailed { id, reason, .. })) => {
                    outcome.entry(id).and_modify(|reached| *reached = Err(reason));
                }
                Some(AgentEvent::Lagged { .. }) => catch_up(opened, &mut outcome).await?,
                Some(_) => {}
                None => return Ok(outcome),
            },
        }
    }
}

/// Events were missed: what the outbox says counts, and what is gone from it was handled.
async fn catch_up(opened: &Opened, outcome: &mut Outcome) -> Result<(), CliError> {
    let waiting = opened.agent.outbox().await?;
    for (id, reached) in outcome.iter_mut() {
        if let Ok(stage) = reached {
            *stage = waiting
                .iter()
                .find(|item| item.id == *id)
                .map_or(Stage::Handled, |item| item.stage);
        }
    }
    Ok(())
}

#[derive(Serialize)]
struct Waiting<'a> {
    id: MessageId,
    to: Amid,
    stage: &'static str,
    created_at: String,
    size: u64,
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    parts: Option<[u32; 2]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl<'a> Waiting<'a> {
    fn new(item: &'a OutboxItem, stage: Option<Stage>, failure: Option<&SendFailure>) -> Self {
        Self {
            id: item.id,
            to: item.to,
            stage: stage.map_or("failed", Stage::as_str),
            created_at: item.queued_at.to_rfc3339_millis(),
            size: item.size,
            attempts: item.attempts,
            parts: item.parts.map(|(done, total)| [done, total]),
            last_error: item.last_error.as_deref(),
            code: failure.map(ErrorInfo::code),
            reason: failure.map(ToString::to_string),
        }
    }
}

impl fmt::Display for Waiting<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {}  {:9}  to {}", self.id, self.created_at, self.stage, self.to)?;
        if self.size > 0 {
            write!(f, "  {}", units::bytes(self.size))?;
        }
        if let Some([done, total]) = self.parts {
            write!(f, "  {done} of {total} parts")?;
        }
        if let Some(error) = self.last_error {
            write!(f, "  last error {error}")?;
        }
        match &self.reason {
            Some(reason) => write!(f, "  ({reason})"),
            None => Ok(()),
        }
    }
}
