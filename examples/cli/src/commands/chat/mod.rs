//! `agentmesh chat`: each line of standard input is a question, the answers follow in its order. At a terminal, lines that
//! begin with a slash are commands, which do not wait for answers (`typed`), and what the agent says besides goes to
//! standard error.

mod pace;
mod typed;

use std::{fmt, time::Duration};

use agentmesh_core::{
    Error,
    services::agent_ws::{
        AgentWebSocketClient, AgentWebSocketError, AgentWebSocketEvent as Event, ClientTimings,
        Message, PATH, Part, QueryOptions, SecretText,
    },
};
use futures_util::StreamExt;
use pace::Pace;
use serde::Serialize;
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};
use typed::{Line, Typed};

use crate::{
    args::ChatArgs, context::Context, error::CliError, output::Output, signals::StopSignal,
};

pub(super) async fn run(args: ChatArgs, context: Context) -> Result<(), CliError> {
    let mut stop = StopSignal::catch()?;
    let url = address(&args.url)?;
    let timings = ClientTimings { query: args.timeout, ..ClientTimings::default() };
    let mut builder = AgentWebSocketClient::builder(&url).timings(timings);
    if let Some(path) = &args.token_file {
        let token = std::fs::read_to_string(path).map_err(|e| CliError::file(path, &e))?;
        builder = builder.bearer(SecretText::trimmed(token));
    }
    let client = tokio::select! {
        connected = builder.connect() => connected.map_err(|error| {
            let refused = matches!(error, AgentWebSocketError::Refused { status: 401, .. });
            let error = CliError::from(Error::from(error));
            match refused && args.token_file.is_none() {
                true => error.with_hint("--token-file FILE has the token that it wants"),
                false => error,
            }
        })?,
        () = stop.requested() => return Ok(()),
    };
    let chat = Chat { client, out: context.out, stream: args.stream, patience: args.timeout };
    let result = tokio::select! {
        result = chat.talk() => result,
        () = stop.requested() => Ok(()),
    };
    chat.client.close().await;
    result
}

struct Chat {
    client: AgentWebSocketClient,
    out: Output,
    stream: bool,
    /// The longest wait that an agent may ask for.
    patience: Duration,
}

impl Chat {
    async fn talk(&self) -> Result<(), CliError> {
        let mut typed = Typed::new(self.out);
        let interactive = typed.is_terminal();
        if let Some(session) = self.client.session() {
            let id = session.session_id.unwrap_or_default();
            self.out
                .show_event(interactive, &Said { event: "connected", content: &id, id: None })?;
        }
        if interactive {
            self.out.note(typed::HELP);
        }
        let mut events = self.client.events();
        let (mut failed, mut pace) = (None, Pace::default());
        while let Some(line) = self.line(&mut typed, &mut events).await? {
            let question = match line {
                Line::Quit => break,
                Line::Command(command) => {
                    self.command(&command).await;
                    continue;
                }
                Line::Question(question) => question,
            };
            if let Err(error) = self.ask(&question, &mut typed, &mut events, &mut pace).await {
                let over = matches!(
                    error,
                    AgentWebSocketError::Closed { .. } | AgentWebSocketError::Refused { .. }
                );
                let error = CliError::from(Error::from(error));
                if over {
                    return Err(error);
                }
                if interactive {
                    self.out.note(&error);
                } else {
                    // The others are asked all the same, and the exit code tells of this one.
                    self.out.failure(&error);
                    failed = Some(error);
                }
            }
        }
        match failed {
            Some(error) => {
                Err(CliError { message: "not every question was answered".into(), ..error })
            }
            None => Ok(()),
        }
    }

    /// The next line; meanwhile, what happens is shown.
    async fn line(&self, typed: &mut Typed, events: &mut Events) -> Result<Option<Line>, CliError> {
        loop {
            tokio::select! {
                line = typed.next() => return line,
                event = events.next() => match event {
                    Some(event) => self.show(&event)?,
                    // The connection is over for good; the next question says why.
                    None => return typed.next().await,
                },
            }
        }
    }

    async fn command(&self, command: &str) {
        if let Err(error) = self.client.command(command).await {
            self.out.note(&error);
        }
    }

    async fn ask(
        &self,
        question: &str,
        typed: &mut Typed,
        events: &mut Events,
        pace: &mut Pace,
    ) -> Result<(), AgentWebSocketError> {
        let (asked, mut was_asked) = watch::channel(false);
        let answer = self.answer_in_time(question, pace, &asked);
        tokio::pin!(answer);
        loop {
            tokio::select! {
                biased;
                answered = &mut answer => return answered,
                // A command is about what was asked before it, so it does not overtake that.
                line = async {
                    let _ = was_asked.wait_for(|asked| *asked).await;
                    typed.next_urgent().await
                } => match line {
                    Line::Command(command) => self.command(&command).await,
                    // Nobody waits for the answer any more.
                    _ => return Ok(()),
                },
                Some(event) = events.next() => {
                    // A reader that is gone is noticed with the answer.
                    let _ = self.show(&event);
                }
            }
        }
    }

    /// Asks when the agent's rate allows it, and again if it was refused for that: then nobody worked on it.
    async fn answer_in_time(
        &self,
        question: &str,
        pace: &mut Pace,
        asked: &watch::Sender<bool>,
    ) -> Result<(), AgentWebSocketError> {
        sleep_until(pace.next(Instant::now())).await;
        loop {
            asked.send_replace(true);
            let result = self.answer(question).await;
            let wait = result.as_ref().err().and_then(|e| pace.refused(e, self.patience));
            let Some(wait) = wait else {
                pace.done();
                return result;
            };
            let content = format!("the agent wants to be asked again in {} ms", wait.as_millis());
            let waiting = Said { event: "waiting", content: &content, id: None };
            // A reader that is gone is noticed with the answer.
            let _ = self.out.show_event(true, &waiting);
            sleep(wait).await;
            pace.again(Instant::now());
        }
    }

    async fn answer(&self, question: &str) -> Result<(), AgentWebSocketError> {
        let shown = |result: Result<(), CliError>| {
            result.map_err(|error| AgentWebSocketError::Closed { reason: error.message })
        };
        if !self.stream {
            let message = self.client.query(question).await?;
            return shown(self.out.show(&said("response", &message)));
        }
        let mut parts = self.client.query_stream(question, QueryOptions::default()).await?;
        while let Some(part) = parts.next().await {
            match part? {
                Part::Delta(message) => shown(self.out.show(&said("delta", &message)))?,
                Part::Answer(message) => shown(self.out.show(&said("response", &message)))?,
            }
        }
        Ok(())
    }

    fn show(&self, event: &Event) -> Result<(), CliError> {
        match event {
            Event::Status(message) => self.out.show_event(true, &said("status", message)),
            Event::Notification(message) => {
                // The welcome has been told already.
                let welcome = message.content.starts_with("Connected to ");
                if welcome {
                    Ok(())
                } else {
                    self.out.show_event(true, &said("notification", message))
                }
            }
            Event::Unmatched(message) => self.out.show_event(true, &said("unmatched", message)),
            Event::NewSession(_) => {
                let content = "the agent remembers nothing of before";
                self.out.show_event(true, &Said { event: "new_session", content, id: None })
            }
            Event::Disconnected { error, retry_in } => {
                let content = format!("{error}; again in {} s", retry_in.as_secs());
                self.out
                    .show_event(true, &Said { event: "disconnected", content: &content, id: None })
            }
            _ => Ok(()),
        }
    }
}

type Events = agentmesh_core::client::subscription::Subscription<Event>;

fn said<'a>(event: &'static str, message: &'a Message) -> Said<'a> {
    Said { event, content: &message.content, id: message.correlation_id.as_deref() }
}

#[derive(Serialize)]
struct Said<'a> {
    event: &'static str,
    content: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
}

impl fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.event {
            "response" | "delta" => f.write_str(self.content),
            event => write!(f, "{event}: {}", self.content),
        }
    }
}

/// What is short for an agent's URL, made long.
fn address(given: &str) -> Result<String, CliError> {
    let text = match given.split_once("://") {
        Some(("http", rest)) => format!("ws://{rest}"),
        Some(("https", rest)) => format!("wss://{rest}"),
        Some(_) => given.to_owned(),
        None => {
            let local = ["127.", "localhost", "[::1]"].iter().any(|host| given.starts_with(host));
            format!("{}://{given}", if local { "ws" } else { "wss" })
        }
    };
    let mut url = url::Url::parse(&text)
        .map_err(|e| CliError::usage(format!("{given:?} is no address: {e}")))?;
    if url.path() == "/" || url.path().is_empty() {
        url.set_path(PATH);
    }
    Ok(url.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_may_be_short() {
        let dev = "ws://127.0.0.1:18787/functions/v1/agent_websocket";
        for given in ["127.0.0.1:18787", "http://127.0.0.1:18787", "ws://127.0.0.1:18787/", dev] {
            assert_eq!(address(given).unwrap(), dev, "{given}");
        }
        assert_eq!(
            address("agent.example").unwrap(),
            "wss://agent.example/functions/v1/agent_websocket"
        );
        assert_eq!(
            address("wss://agent.example/mine?a=b").unwrap(),
            "wss://agent.example/mine?a=b"
        );
        assert!(address("ws://").is_err());
    }
}
