//! `agentmesh signal`: a room of a signaling server from the command line. Neither token nor credentials are shown.

use std::fmt;

use agentmesh_core::{
    Error,
    services::signaling::{
        Author, IceServers, PeerId, Roster, SecretText, Signal, SignalingClient, SignalingError,
        SignalingEvent as Event,
    },
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    time::{Instant, sleep_until, timeout_at},
};
use url::Url;

use crate::{
    args::{RoomArgs, SignalCommand, SignalJoinArgs, SignalSendArgs},
    context::Context,
    dev_hint::DevHint,
    error::CliError,
    output::Output,
    signals::StopSignal,
};

pub(super) async fn run(command: SignalCommand, context: Context) -> Result<(), CliError> {
    match command {
        SignalCommand::Join(args) => join(args, context).await,
        SignalCommand::Send(args) => send(args, context).await,
    }
}

async fn join(args: SignalJoinArgs, context: Context) -> Result<(), CliError> {
    let mut stop = StopSignal::catch()?;
    let out = context.out;
    let client = tokio::select! {
        client = connect(&args.room, &context) => client?,
        () = stop.requested() => return Ok(()),
    };
    let end = args.time.map(|time| Instant::now() + time);
    let result = tokio::select! {
        result = show_all(&client, out) => result,
        result = send_lines(&client, out) => result,
        () = at(end) => Ok(()),
        () = stop.requested() => Ok(()),
    };
    client.shutdown().await;
    result
}

/// Shows events until the last, which says why.
async fn show_all(client: &SignalingClient, out: Output) -> Result<(), CliError> {
    let mut events = client.events();
    while let Some(event) = events.next().await {
        out.show(&Shown::of(&event))?;
        if let Event::Closed { error } = event {
            return Err(Error::from(error).into());
        }
    }
    Ok(())
}

#[derive(Deserialize)]
struct Order {
    to: String,
    signal: Value,
}

/// Sends what standard input says, a line each. Its end is not the end of the room.
async fn send_lines(client: &SignalingClient, out: Output) -> Result<(), CliError> {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if line.trim().is_empty() {
            continue;
        }
        match serde_json::from_str::<Order>(&line) {
            Ok(Order { to, signal }) => match client.send(to.as_str(), &signal).await {
                Ok(()) => out.show(&Shown::sent(&to))?,
                Err(error) => out.failure(&Error::from(error).into()),
            },
            Err(_) => out.failure(&CliError::usage(r#"a line is {"to":ID,"signal":JSON}"#)),
        }
    }
    std::future::pending().await
}

async fn send(args: SignalSendArgs, context: Context) -> Result<(), CliError> {
    let mut stop = StopSignal::catch()?;
    let signal: Value = serde_json::from_str(&args.signal)
        .map_err(|error| CliError::usage(format!("the signal is no JSON: {error}")))?;
    if signal.is_null() {
        return Err(CliError::usage("null is no signal"));
    }
    let client = tokio::select! {
        client = connect(&args.room, &context) => client?,
        () = stop.requested() => return Ok(()),
    };
    let result = tokio::select! {
        result = send_to(&client, &args, &signal, context.out) => result,
        () = stop.requested() => Ok(()),
    };
    client.shutdown().await;
    result
}

async fn send_to(
    client: &SignalingClient,
    args: &SignalSendArgs,
    signal: &Value,
    out: Output,
) -> Result<(), CliError> {
    let peers = if args.to.is_empty() {
        let peers = timeout_at(Instant::now() + args.timeout, somebody(client)).await;
        peers.map_err(|_| CliError::not_reached("nobody else is in the room"))?
    } else {
        args.to.iter().map(|id| PeerId::from(id.as_str())).collect()
    };
    let mut failed = None;
    for peer in peers {
        match client.send(&peer, signal).await {
            Ok(()) => out.show(&Shown::sent(peer.as_str()))?,
            Err(error) => failed = Some(error),
        }
    }
    failed.map_or(Ok(()), |error| Err(Error::from(error).into()))
}

/// Everybody else, as soon as there is somebody.
async fn somebody(client: &SignalingClient) -> Vec<PeerId> {
    let mut events = client.events();
    loop {
        match events.next().await {
            Some(Event::Roster(roster)) if !roster.peers.is_empty() => return roster.peers,
            Some(_) => {}
            None => return Vec::new(),
        }
    }
}

async fn connect(args: &RoomArgs, context: &Context) -> Result<SignalingClient, CliError> {
    let url = server(args.server.as_deref(), context.out)?;
    let mut builder = SignalingClient::builder(url, args.room.as_str());
    if context.allow_insecure() {
        builder = builder.allow_insecure();
    }
    if let Some(path) = &args.join_key_file {
        let key = std::fs::read_to_string(path).map_err(|e| CliError::file(path, &e))?;
        builder = builder.join_key(SecretText::new(key.trim()));
    }
    builder.connect().await.map_err(|error| {
        let refused = matches!(error, SignalingError::Unauthorized { .. });
        let error = CliError::from(Error::from(error));
        match refused && args.join_key_file.is_none() {
            true => error.with_hint("--join-key-file FILE has the key that the room wants"),
            false => error,
        }
    })
}

/// What was given, made whole, or the development server of this user.
fn server(given: Option<&str>, out: Output) -> Result<String, CliError> {
    if let Some(given) = given {
        let local = ["127.", "localhost", "[::1]"].iter().any(|host| given.starts_with(host));
        return Ok(match given.contains("://") {
            true => given.to_owned(),
            false => format!("{}://{given}", if local { "http" } else { "https" }),
        });
    }
    let hint = DevHint::read();
    let origin = hint.as_ref().and_then(|hint| Url::parse(&hint.registry).ok());
    match (hint, origin) {
        (Some(hint), Some(url)) => {
            let url = url.origin().ascii_serialization();
            out.note(format_args!("using the `agentmesh dev` at {url} (process {})", hint.pid));
            Ok(url)
        }
        _ => Err(CliError::usage("no `agentmesh dev` of this user is running: give --server URL")),
    }
}

async fn at(end: Option<Instant>) {
    match end {
        Some(end) => sleep_until(end).await,
        None => std::future::pending().await,
    }
}

/// An event as it is shown.
#[derive(Default, Serialize)]
struct Shown<'a> {
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    old: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ice_urls: Option<Vec<&'a str>>,
    #[serde(flatten)]
    roster: Option<ShownRoster<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sender: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<&'a Value>,
    /// The agent that signed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    author: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_in_ms: Option<u128>,
    #[serde(skip_serializing_if = "Option::is_none")]
    missed: Option<u64>,
}

#[derive(Serialize)]
struct ShownRoster<'a> {
    peers: &'a [PeerId],
    joined: &'a [PeerId],
    left: &'a [PeerId],
}

impl<'a> Shown<'a> {
    fn of(event: &'a Event) -> Self {
        let joined = |event, id: &'a PeerId, servers: &'a IceServers| {
            let urls = servers.iter().flat_map(|server| &server.urls).map(String::as_str);
            Self { event, id: Some(id.as_str()), ice_urls: Some(urls.collect()), ..Self::default() }
        };
        match event {
            Event::Joined { id, ice_servers } => joined("joined", id, ice_servers),
            Event::Resumed { id, ice_servers } => joined("resumed", id, ice_servers),
            Event::IdentityChanged { old, new, ice_servers } => {
                Self { old: Some(old.as_str()), ..joined("identity_changed", new, ice_servers) }
            }
            Event::IdentityLost { id } => {
                Self { event: "identity_lost", id: Some(id.as_str()), ..Self::default() }
            }
            Event::Roster(Roster { peers, joined, left, .. }) => {
                let roster = Some(ShownRoster { peers, joined, left });
                Self { event: "roster", roster, ..Self::default() }
            }
            Event::Signal(signal) => Self::signal(signal),
            Event::Unreadable { problem } => Self::because("unreadable", problem),
            Event::Disconnected { error, retry_in } => Self {
                retry_in_ms: Some(retry_in.as_millis()),
                ..Self::because("disconnected", error)
            },
            Event::Superseded => Self { event: "superseded", ..Self::default() },
            Event::Closed { error } => Self::because("closed", error),
            Event::Lagged { missed } => {
                Self { event: "lagged", missed: Some(*missed), ..Self::default() }
            }
            _ => Self { event: "other", ..Self::default() },
        }
    }

    fn signal(signal: &'a Signal) -> Self {
        let (author, reason) = match &signal.author {
            Author::Signed(amid) => (Some(amid.to_string()), None),
            Author::Invalid(error) => (None, Some(error.to_string())),
            _ => (None, None),
        };
        let (sender, value) = (Some(signal.sender.as_str()), Some(&signal.value));
        Self { event: "signal", sender, signal: value, author, reason, ..Self::default() }
    }

    fn sent(to: &'a str) -> Self {
        Self { event: "sent", to: Some(to), ..Self::default() }
    }

    fn because(event: &'static str, why: &impl ToString) -> Self {
        Self { event, reason: Some(why.to_string()), ..Self::default() }
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.event)?;
        let words = [self.id, self.sender, self.to, self.author.as_deref(), self.reason.as_deref()];
        words.into_iter().flatten().try_for_each(|word| write!(f, " {word}"))?;
        if let Some(old) = self.old {
            write!(f, " was {old}")?;
        }
        if let Some(roster) = &self.roster {
            for (name, ids) in [("joined", roster.joined), ("left", roster.left)] {
                ids.iter().try_for_each(|id| write!(f, " {name} {id}"))?;
            }
            write!(f, " others {}", roster.peers.len())?;
        }
        if let Some(signal) = self.signal {
            write!(f, " {signal}")?;
        }
        if let Some(missed) = self.missed {
            write!(f, " {missed}")?;
        }
        Ok(())
    }
}

/// What an error of signaling means for scripts.
pub(crate) const fn exit_of(error: &SignalingError) -> crate::error::Exit {
    use crate::error::Exit;
    match error {
        SignalingError::Config { .. } | SignalingError::InvalidSignal { .. } => Exit::Usage,
        SignalingError::PeerGone { .. } => Exit::Undeliverable,
        _ => Exit::Offline,
    }
}
