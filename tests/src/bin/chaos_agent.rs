//! One agent as a process, to be killed by `chaos.rs`. Commands come on standard input, one a line; events go to
//! standard output, one JSON object a line, flushed before what they announce goes on.

#![allow(clippy::print_stdout, reason = "standard output is its interface")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test program: failing loudly is its job"
)]

use std::{io::Write, path::PathBuf, time::Duration};

use agentmesh_core::{
    client::{Agent, AgentEvent, SendOptions},
    engine::{DropReason, Event, Stage},
    knock::Policy,
    storage::SqliteStorage,
};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

fn say(event: &Value) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{event}").unwrap();
    out.flush().unwrap();
}

#[tokio::main]
async fn main() {
    let mut args = std::env::args().skip(1);
    let home = PathBuf::from(args.next().expect("home"));
    let registry = args.next().expect("registry");
    let relay = args.next().expect("relay");
    std::fs::create_dir_all(&home).unwrap();
    let agent = Agent::builder()
        .storage(SqliteStorage::open(home.join("agent.db")).unwrap())
        .store_key_file(home.join("store.key"))
        .registry_url(registry)
        .relay_url(relay)
        .policy(Policy::permissive())
        .open_or_create()
        .await
        .unwrap();
    say(&json!({"event": "open", "amid": agent.amid().to_string()}));
    let mut events = agent.events();
    let connecting = agent.clone();
    let mut online = Box::pin(async move {
        while connecting.connect().await.is_err() {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    });
    let mut connected = false;
    let mut messages = agent.messages().await.unwrap();
    let mut commands = BufReader::new(tokio::io::stdin()).lines();
    loop {
        tokio::select! {
            () = &mut online, if !connected => {
                connected = true;
                say(&json!({"event": "online"}));
            }
            Some(message) = messages.next() => {
                let (from, id) = (message.from.to_string(), message.id.to_string());
                say(&json!({"event": "handling", "from": from, "id": id}));
                if message.ack().await.is_ok() {
                    say(&json!({"event": "handled", "from": from, "id": id}));
                }
            }
            Some(event) = events.next() => report(event),
            line = commands.next_line() => match line {
                Ok(Some(line)) if line == "outbox" => {
                    let waiting = agent.outbox().await.unwrap().len();
                    say(&json!({"event": "outbox", "waiting": waiting}));
                }
                Ok(Some(line)) => send(&agent, &line).await,
                _ => break,
            },
        }
    }
    agent.close().await.unwrap();
}

async fn send(agent: &Agent, line: &str) {
    let mut words = line.splitn(3, ' ');
    let to = words.next().unwrap().parse().unwrap();
    let id: String = words.next().unwrap().to_owned();
    let options = SendOptions {
        wait: Stage::Queued,
        id: Some(id.parse().unwrap()),
        ..SendOptions::default()
    };
    match agent.send(to, words.next().unwrap(), options).await {
        Ok(_) => say(&json!({"event": "queued", "id": id})),
        Err(error) => say(&json!({"event": "refused", "id": id, "error": error.to_string()})),
    }
}

fn report(event: AgentEvent) {
    match event {
        AgentEvent::Engine(Event::SendFailed { id, reason, .. }) => {
            say(&json!({"event": "failed", "id": id.to_string(), "reason": reason.to_string()}));
        }
        AgentEvent::Engine(Event::FrameDropped { reason, .. })
            if reason != DropReason::Duplicate =>
        {
            say(&json!({"event": "dropped", "reason": reason.as_str()}));
        }
        AgentEvent::Connected { .. } => say(&json!({"event": "connected"})),
        AgentEvent::Disconnected { retry_in, .. } => {
            say(&json!({"event": "disconnected", "retry_in_ms": retry_in.map(|d| d.as_millis())}));
        }
        AgentEvent::Replaced | AgentEvent::Superseded | AgentEvent::Closed { .. } => {
            say(&json!({"event": "ended", "why": format!("{event:?}")}));
        }
        AgentEvent::Lagged { missed } => say(&json!({"event": "lagged", "missed": missed})),
        _ => {}
    }
}
