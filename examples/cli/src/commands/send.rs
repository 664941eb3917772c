//! `agentmesh send`: one message, and the truth about how far it came.

use std::{
    fmt,
    io::{self, Read},
    time::Duration,
};

use agentmesh_core::{
    Error, ErrorInfo,
    client::{Agent, AgentError, AgentEvent, SendOptions, Sent},
    engine::{Event, Stage},
    identity::Amid,
    knock::KnockRequest,
    limits::MAX_LARGE_PAYLOAD,
    wire::{id::MessageId, json::check_json, plaintext::Payload},
};
use serde::Serialize;
use tokio::time::{Instant, sleep, timeout};

use crate::{
    args::SendArgs,
    config::Config,
    context::Context,
    endpoints::Endpoints,
    error::CliError,
    opened::{self, Create, Opened},
    output::Output,
};

/// No message is longer.
const MAX_INPUT: u64 = MAX_LARGE_PAYLOAD as u64 + 1;
/// How long a fresh agent may take to publish its keys after its message is where it should be.
const PUBLISH: Duration = Duration::from_secs(5);
/// How long a message that only had to be queued may take on its way to the relay.
const PUSH: Duration = Duration::from_secs(3);
/// Before the time is up, the reason for not being online is fetched.
const MARGIN: Duration = Duration::from_millis(250);

pub(super) async fn run(args: SendArgs, context: Context) -> Result<(), CliError> {
    let started = Instant::now();
    let payload = payload(&args)?;
    let home = context.home()?;
    let config = Config::load(&home)?;
    let timeout = args.timeout;
    let (opened, endpoints) =
        Opened::with_servers(&context, home, config, Create::IfEmpty, |agent| {
            opened::leave_knocks_undecided(agent);
            agent.connect_timeout = timeout.saturating_sub(MARGIN).max(MARGIN);
        })
        .await?;
    let id = args.id.unwrap_or_else(|| opened.agent.new_id());
    let options = SendOptions {
        wait: args.wait.into(),
        timeout,
        id: Some(id),
        knock_request: args.intent.map(knock_request),
        session_ttl: args.session_ttl,
        expires_in: args.expires_in,
        ..SendOptions::default()
    };
    let mut sending = Sending { opened, endpoints, out: context.out, to: args.amid, id, started };
    let result = sending.send(payload, options).await;
    let closed = sending.opened.close().await;
    result.and(closed)
}

/// What our KNOCK asks for, should it come to one.
pub(super) fn knock_request(capability: String) -> KnockRequest {
    KnockRequest::new(capability, "message")
}

/// What is to be sent: JSON as typed or piped, or the bytes of a file.
fn payload(args: &SendArgs) -> Result<Payload, CliError> {
    if let Some(path) = &args.file {
        let unreadable = |e: io::Error| CliError::usage(format!("{}: {e}", path.display()));
        let mut bytes = Vec::new();
        let file = std::fs::File::open(path).map_err(unreadable)?;
        file.take(MAX_INPUT).read_to_end(&mut bytes).map_err(unreadable)?;
        return Ok(Payload::Bytes(bytes));
    }
    let text = match args.message.as_deref() {
        Some("-") | None => read_stdin()?,
        Some(text) => text.to_owned(),
    };
    check_json(&text).map_err(|e| CliError::usage(format!("the message is {e}")))?;
    Ok(Payload::Json(text))
}

fn read_stdin() -> Result<String, CliError> {
    let mut text = String::new();
    io::stdin()
        .lock()
        .take(MAX_INPUT)
        .read_to_string(&mut text)
        .map_err(|e| CliError::usage(format!("standard input: {e}")))?;
    Ok(text)
}

struct Sending {
    opened: Opened,
    endpoints: Endpoints,
    out: Output,
    to: Amid,
    id: MessageId,
    started: Instant,
}

impl Sending {
    async fn send(&mut self, payload: Payload, options: SendOptions) -> Result<(), CliError> {
        let agent = self.opened.agent.clone();
        if options.wait == Stage::Queued {
            let sent = agent.send(self.to, payload, options).await?;
            self.show(sent)?;
            return self.push(&agent).await;
        }
        let sent = self.send_online(&agent, payload, options).await;
        self.show(sent.map_err(|error| error.about(self.id))?)
    }

    /// Goes online and waits for the stage, whichever takes longer.
    async fn send_online(
        &mut self,
        agent: &Agent,
        payload: Payload,
        options: SendOptions,
    ) -> Result<Sent, CliError> {
        let mut events = agent.events();
        let mut shown = 0;
        let mut sending = std::pin::pin!(agent.send(self.to, payload, options));
        let mut connecting = std::pin::pin!(agent.connect());
        let mut connected = false;
        let mut offline = None;
        loop {
            tokio::select! {
                biased;
                sent = &mut sending => {
                    let sent = sent.map_err(|error| not_sent(error, offline.as_ref()))?;
                    // Without keys in the registry nobody can write to a fresh agent.
                    if !connected {
                        match timeout(PUBLISH, &mut connecting).await {
                            Ok(Ok(())) => self.opened.remember(&self.endpoints)?,
                            Ok(Err(error)) => self.unpublished(&error),
                            Err(_) => self.unpublished("not in time"),
                        }
                    }
                    return Ok(sent);
                }
                Some(event) = events.next() => {
                    if let AgentEvent::Engine(Event::PartProgress { id, done, total, .. }) = event
                        && id == self.id
                    {
                        self.progress(done, total, &mut shown);
                    }
                }
                online = &mut connecting, if !connected => {
                    connected = true;
                    match online {
                        Ok(()) => self.opened.remember(&self.endpoints)?,
                        Err(error) if error.is_retryable() => offline = Some(error),
                        Err(error) => {
                            let queued = format!("message {} stays in the outbox", self.id);
                            return Err(CliError::from(error).with_hint(queued));
                        }
                    }
                }
            }
        }
    }

    fn unpublished(&self, why: impl fmt::Display) {
        self.out.note(format_args!("this agent's keys are not published yet ({why}); until a command of this home goes online, nobody can write to it first"));
    }

    /// A line for every tenth.
    fn progress(&self, done: u32, total: u32, shown: &mut u32) {
        let tenths = done * 10 / total.max(1);
        if tenths > *shown {
            *shown = tenths;
            self.out.note(format_args!("{done} of {total} parts ({} %)", tenths * 10));
        }
    }

    /// The message is safe and that is all that was asked for; but if the relay is there, it may as well have it.
    async fn push(&mut self, agent: &Agent) -> Result<(), CliError> {
        let mut events = agent.events();
        let mut connecting = std::pin::pin!(agent.connect());
        let mut late = std::pin::pin!(sleep(PUSH));
        let mut connected = false;
        loop {
            tokio::select! {
                () = &mut late => return Ok(()),
                online = &mut connecting, if !connected => {
                    connected = true;
                    if online.is_err() {
                        return Ok(());
                    }
                    self.opened.remember(&self.endpoints)?;
                }
                event = events.next() => match event {
                    None | Some(AgentEvent::Disconnected { .. } | AgentEvent::Replaced) => return Ok(()),
                    Some(AgentEvent::Engine(Event::Progress { id, stage, .. }))
                        if id == self.id && stage >= Stage::StoredByRelay =>
                    {
                        return Ok(());
                    }
                    Some(AgentEvent::Engine(Event::SendFailed { id, reason, .. })) if id == self.id => {
                        self.out.note(format_args!("message {id} will not be delivered: {reason}"));
                        return Ok(());
                    }
                    Some(_) => {}
                },
            }
        }
    }

    fn show(&self, sent: Sent) -> Result<(), CliError> {
        self.out.show(&Shown {
            id: sent.id,
            to: sent.to,
            stage: sent.stage.as_str(),
            ms: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
        })
    }
}

/// A message that only got stuck says why.
fn not_sent(error: Error, offline: Option<&Error>) -> CliError {
    let waits = matches!(&error, Error::Agent(AgentError::StageNotReached { .. }));
    let told = CliError::from(error);
    match offline.filter(|_| waits) {
        Some(reason) => told.with_hint(reason),
        None => told,
    }
}

#[derive(Serialize)]
struct Shown {
    id: MessageId,
    to: Amid,
    stage: &'static str,
    ms: u64,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self.stage {
            "queued" => "waits in the outbox",
            "stored" => "is stored by the relay; the recipient does not have it yet",
            "delivered" => "is delivered",
            _ => "was handled",
        };
        write!(f, "{} {words} ({} ms)", self.id, self.ms)
    }
}
