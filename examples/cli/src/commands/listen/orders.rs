//! What `listen --stdin` is asked to send: one JSON object a line.

use agentmesh_core::{
    Error,
    client::{Agent, SendOptions, Sent},
    engine::Stage,
    identity::Amid,
    wire::id::MessageId,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::io::{AsyncBufReadExt, BufReader, Lines, Stdin};

use crate::{commands::send::knock_request, error::CliError};

/// The lines of standard input, if they are wanted.
pub(super) struct Orders {
    lines: Option<Lines<BufReader<Stdin>>>,
}

/// A message to send.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Order {
    pub(super) to: Amid,
    payload: Box<RawValue>,
    #[serde(default)]
    pub(super) id: Option<MessageId>,
    #[serde(default)]
    intent: Option<String>,
}

/// What the next line is.
#[derive(Debug)]
pub(super) enum Next {
    Order(Order),
    Nonsense(CliError),
}

impl Orders {
    pub(super) fn new(wanted: bool) -> Self {
        Self { lines: wanted.then(|| BufReader::new(tokio::io::stdin()).lines()) }
    }

    /// The next line; never, once there are no more. Safe to cancel.
    pub(super) async fn next(&mut self) -> Next {
        loop {
            let Some(lines) = &mut self.lines else { return std::future::pending().await };
            match lines.next_line().await {
                Ok(Some(line)) if line.trim().is_empty() => {}
                Ok(Some(line)) => return parse(&line),
                Ok(None) => self.lines = None,
                Err(error) => {
                    self.lines = None;
                    return Next::Nonsense(CliError::failed(format!("standard input: {error}")));
                }
            }
        }
    }
}

fn parse(line: &str) -> Next {
    match serde_json::from_str(line) {
        Ok(order) => Next::Order(order),
        Err(error) => Next::Nonsense(CliError::usage(format!("line of standard input: {error}"))),
    }
}

impl Order {
    /// Queues the message. Its progress is told by events.
    pub(super) async fn send(self, agent: &Agent) -> Result<Sent, Error> {
        let knock_request = self.intent.map(knock_request);
        let options =
            SendOptions { id: self.id, knock_request, ..SendOptions::wait_for(Stage::Queued) };
        agent.send(self.to, self.payload.get(), options).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_an_address_and_a_payload() {
        let line = r#"{"to":"3vaLv8qnmGSndxmYvHiHWN3cb312","payload":{"n": 1.10}}"#;
        let Next::Order(order) = parse(line) else { panic!("{line}") };
        assert_eq!(order.payload.get(), r#"{"n": 1.10}"#);
        for bad in ["{", "[]", r#"{"to":"x","payload":1}"#, r#"{"payload":1}"#] {
            assert!(matches!(parse(bad), Next::Nonsense(_)), "{bad}");
        }
    }
}
