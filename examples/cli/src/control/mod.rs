//! Orders to an agent: given to the process that runs it, or carried out on the home if nothing does.
//!
//! A home serves one process at a time. So that its owner can stop an agent that runs, `listen` takes orders through a
//! socket in the home's directory (`socket`), which nobody else can reach.

pub(crate) mod socket;

use agentmesh_core::{
    Error,
    client::Agent,
    engine::{CircuitState, SessionSummary},
    identity::Amid,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{context::Context, error::CliError, opened::Opened};

/// An order, or a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Order {
    /// Which sessions there are.
    Sessions { peer: Option<Amid> },
    /// Take no new sessions.
    Pause,
    /// Work again.
    Resume,
    /// Shut a peer out.
    Block { peer: Amid },
    /// Let it in again.
    Unblock { peer: Amid },
    /// End all sessions with a peer.
    KillSession { peer: Amid },
    /// End all sessions, give up what is queued, go and stay offline.
    EmergencyStop,
}

/// One line of the answer, for programs and for people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) json: Value,
    pub(crate) text: String,
}

impl Serialize for Shown<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.json.serialize(serializer)
    }
}

/// A line as `Output` takes it.
struct Shown<'a>(&'a Line);

impl std::fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.text)
    }
}

/// Gives the order to whoever runs the agent, and shows the answer.
pub(crate) async fn run(order: Order, context: &Context) -> Result<(), CliError> {
    let home = context.home()?;
    let lines = match socket::deliver(&home, &order).await? {
        Some(lines) => lines,
        None => {
            let opened = Opened::offline(context, |_| {}).await?;
            let lines = execute(&opened.agent, order).await;
            let closed = opened.close().await;
            let lines = lines?;
            closed?;
            lines
        }
    };
    if lines.is_empty() {
        return context.out.show_text("no sessions");
    }
    lines.iter().try_for_each(|line| context.out.show(&Shown(line)))
}

/// Carries an order out.
pub(crate) async fn execute(agent: &Agent, order: Order) -> Result<Vec<Line>, Error> {
    match order {
        Order::Sessions { peer } => {
            let sessions = agent.sessions().await?;
            let wanted = sessions.iter().filter(|s| peer.is_none_or(|peer| s.peer == peer));
            return Ok(wanted.map(session).collect());
        }
        Order::Pause => agent.pause_new().await?,
        Order::Resume => agent.resume().await?,
        Order::Block { peer } => agent.block(peer).await?,
        Order::Unblock { peer } => agent.unblock(peer).await?,
        Order::KillSession { peer } => agent.kill_session(peer).await?,
        Order::EmergencyStop => agent.emergency_stop().await?,
    }
    Ok(vec![circuit(agent).await?])
}

async fn circuit(agent: &Agent) -> Result<Line, Error> {
    let status = agent.circuit_state().await?;
    let blocked: Vec<_> = status.blocked.iter().map(|(peer, _)| peer).collect();
    let words = match status.state {
        CircuitState::Running => "the agent works",
        CircuitState::Paused => "the agent takes no new sessions",
        CircuitState::Stopped => "the agent is stopped and stays offline",
    };
    let text = match blocked.len() {
        0 => words.to_owned(),
        n => format!("{words}; {n} blocked"),
    };
    Ok(Line { json: json!({"state": status.state.as_str(), "blocked": blocked}), text })
}

fn session(session: &SessionSummary) -> Line {
    let SessionSummary {
        peer, id, suite, created_at, initiator, accepted, confirmed, sending, ..
    } = session;
    let mut json = json!({
        "peer": peer,
        "session": id,
        "suite": suite,
        "created_at": created_at.to_rfc3339_millis(),
        "initiator": initiator,
        "accepted": accepted,
        "confirmed": confirmed,
        "sending": sending,
    });
    let mut text = format!("{peer}  {id}  {suite}  since {}", created_at.to_rfc3339_millis());
    if let Some(chains) = &session.chains {
        let numbers = json!({
            "sent": chains.sent,
            "turn_due": chains.turn_due,
            "previous": chains.previous,
            "received": chains.received,
            "skipped": chains.skipped,
        });
        if let Value::Object(members) = &mut json {
            members.insert("chains".to_owned(), numbers);
        }
        let received = chains.received.map_or_else(|| "nothing".to_owned(), |n| n.to_string());
        text.push_str(&format!("  sent {}, received {received}", chains.sent));
    }
    for (is, word) in
        [(*accepted, "not accepted"), (*confirmed, "not confirmed"), (*sending, "receives only")]
    {
        if !is {
            text.push_str(&format!("  ({word})"));
        }
    }
    Line { json, text }
}
