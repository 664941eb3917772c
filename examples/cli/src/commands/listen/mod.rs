//! `agentmesh listen`: stay online, show what comes, acknowledge what was shown; with `--stdin`, send as well.
//!
//! A message counts as handled once its line has been flushed, not before: whoever reads the lines sees each message,
//! again only if this process dies in between. `lines` has what is shown, `orders` what can be asked for.

mod lines;
mod orders;

use std::{future::pending, time::Duration};

use agentmesh_core::{
    Error, ErrorInfo,
    client::{Agent, AgentConfig, AgentError, AgentEvent, registry::AnswerError},
    knock::{Decision, KnockInfo, Policy},
};
use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};

use self::{
    lines::{Knocked, MessageLine, Offline, Online, Started},
    orders::Orders,
};
use super::profile;
use crate::{
    args::{AcceptArg, ListenArgs},
    config::Config,
    context::Context,
    control::{
        self, Order,
        socket::{Request, Socket},
    },
    endpoints::Endpoints,
    error::CliError,
    opened::{self, Create, Opened},
    output::Output,
    signals::StopSignal,
};

/// How long the end may take: for acknowledgements under way, then for the agent. Less than 5 s together.
const LAST_ACKS: Duration = Duration::from_secs(1);
const CLOSING: Duration = Duration::from_secs(3);
/// KNOCKs that wait to be shown.
const KNOCKS: usize = 128;

pub(super) async fn run(args: ListenArgs, context: Context) -> Result<(), CliError> {
    let mut stop = StopSignal::catch()?;
    let home = context.home()?;
    let mut config = Config::load(&home)?;
    let changed = profile::apply(args.profile, &mut config);
    let (knocked, knocks) = mpsc::channel(KNOCKS);
    let opening = Opened::with_servers(&context, home, config, Create::IfEmpty, |agent| {
        accept(args.accept, knocked, agent);
    });
    let (opened, endpoints) = tokio::select! {
        biased;
        () = stop.requested() => return Ok(()),
        opened = opening => opened?,
    };
    if changed {
        opened.config.save(&opened.home)?;
    }
    // From here on the store is ours, and so is the socket.
    let control = match Socket::bind(&opened.home) {
        Ok(socket) => Some(socket),
        Err(error) => {
            context
                .out
                .note(format_args!("takes no orders such as `pause` while it runs: {error}"));
            None
        }
    };
    let mut listener = Listener {
        out: context.out,
        opened,
        endpoints,
        knocks,
        orders: Orders::new(args.stdin),
        control,
        limit: args.count.unwrap_or(u64::MAX),
        registered: false,
        online: None,
    };
    let time = args.duration;
    let end = async move {
        match time {
            Some(time) => sleep(time).await,
            None => pending().await,
        }
    };
    let result = listener.serve(&mut stop, end).await;
    match timeout(CLOSING, listener.opened.close()).await {
        Ok(closed) => result.and(closed),
        // The store is consistent at any moment.
        Err(_) => result,
    }
}

/// Says who may open sessions, and has every KNOCK that gets so far shown.
fn accept(who: AcceptArg, knocked: mpsc::Sender<Knocked>, config: &mut AgentConfig) {
    config.policy = match who {
        AcceptArg::All | AcceptArg::None => opened::accept_all(),
        AcceptArg::Verified => Policy::verified(),
        AcceptArg::Organization => Policy::organization(),
    };
    let decision = match who {
        AcceptArg::None => Decision::reject("not accepting sessions"),
        _ => Decision::accept(),
    };
    config.knock_handler = Some(std::sync::Arc::new(move |knock: KnockInfo| {
        // Shown before the first message of the session; left out only if far too many come at once.
        let _ = knocked.try_send(Knocked::new(&knock, &decision));
        Box::pin(std::future::ready(decision.clone()))
    }));
}

struct Listener {
    out: Output,
    opened: Opened,
    endpoints: Endpoints,
    knocks: mpsc::Receiver<Knocked>,
    orders: Orders,
    /// Where the owner's orders come from.
    control: Option<Socket>,
    limit: u64,
    registered: bool,
    /// What was last said about the connection.
    online: Option<bool>,
}

impl Listener {
    async fn serve(
        &mut self,
        stop: &mut StopSignal,
        end: impl Future<Output = ()>,
    ) -> Result<(), CliError> {
        let agent = self.opened.agent.clone();
        let mut events = agent.events();
        let mut messages = agent.messages().await?;
        self.out.show(&Started::new(agent.amid(), &self.endpoints))?;

        let mut end = std::pin::pin!(end);
        let mut connecting = std::pin::pin!(agent.connect());
        let mut acks = FuturesUnordered::new();
        let (mut shown, mut handled) = (0, 0);
        let result = loop {
            tokio::select! {
                biased;
                () = stop.requested() => break Ok(()),
                () = &mut end => break Ok(()),
                Some(knock) = self.knocks.recv() => self.out.show(&knock)?,
                Some(acked) = acks.next(), if !acks.is_empty() => {
                    let () = acked?;
                    handled += 1;
                    if handled >= self.limit {
                        break Ok(());
                    }
                }
                event = events.next() => match event {
                    Some(event) => self.event(event)?,
                    None => break Err(ended(&agent).await),
                },
                message = messages.next(), if shown < self.limit => match message {
                    Some(message) => {
                        self.out.show(&MessageLine::new(&message)?)?;
                        shown += 1;
                        acks.push(async move { message.ack().await });
                    }
                    None => break Err(ended(&agent).await),
                },
                connected = &mut connecting, if !self.registered => match connected {
                    Ok(()) => {
                        self.registered = true;
                        self.opened.remember(&self.endpoints)?;
                        self.set_online()?;
                    }
                    Err(error) if error.is_retryable() => {
                        self.set_offline(&error.to_string(), None)?;
                        connecting.set(agent.connect());
                    }
                    Err(error) => break Err(error.into()),
                },
                request = next_request(&mut self.control) => {
                    let resumes = request.order == Order::Resume;
                    let result = control::execute(&agent, request.order).await;
                    request.answer(result).await;
                    if resumes {
                        self.registered = false;
                        connecting.set(agent.connect());
                    }
                }
                order = self.orders.next() => self.order(&agent, order).await?,
            }
        };
        let drained = timeout(LAST_ACKS, async { while acks.next().await.is_some() {} });
        // An acknowledgement that does not make it means that the message is shown again next time.
        let _ = drained.await;
        result
    }

    fn event(&mut self, event: AgentEvent) -> Result<(), CliError> {
        match event {
            // Registered and with prekeys published, or others could not write to us yet.
            AgentEvent::Connected { .. } if self.registered => self.set_online(),
            AgentEvent::Disconnected { retry_in, reason } => self.set_offline(&reason, retry_in),
            AgentEvent::Replaced => Err(Error::from(AgentError::Replaced).into()),
            AgentEvent::Superseded => Err(Error::from(AgentError::Superseded).into()),
            AgentEvent::Revoked { reason } => {
                Err(Error::from(AnswerError::Revoked { amid: self.opened.agent.amid(), reason })
                    .into())
            }
            AgentEvent::Engine(event) => lines::show_event(self.out, &event),
            AgentEvent::Lagged { missed } => self.out.show(&lines::Lagged::new(missed)),
            _ => Ok(()),
        }
    }

    async fn order(&self, agent: &Agent, order: orders::Next) -> Result<(), CliError> {
        match order {
            orders::Next::Order(order) => {
                let (to, id) = (order.to, order.id);
                match order.send(agent).await {
                    Ok(sent) => self.out.show(&lines::Queued::new(sent)),
                    Err(error) => self.out.show(&lines::Refused::new(Some(to), id, &error.into())),
                }
            }
            orders::Next::Nonsense(error) => {
                self.out.show(&lines::Refused::new(None, None, &error))
            }
        }
    }

    fn set_online(&mut self) -> Result<(), CliError> {
        if self.online.replace(true) == Some(true) {
            return Ok(());
        }
        self.out.show(&Online::new())
    }

    fn set_offline(&mut self, reason: &str, retry_in: Option<Duration>) -> Result<(), CliError> {
        if self.online.replace(false) == Some(false) {
            return Ok(());
        }
        self.out.show(&Offline::new(reason, retry_in))
    }
}

async fn next_request(control: &mut Option<Socket>) -> Request {
    match control {
        Some(socket) => socket.next().await,
        None => pending().await,
    }
}

/// Why the agent is gone.
async fn ended(agent: &Agent) -> CliError {
    match agent.outbox().await {
        Err(error) => error.into(),
        Ok(_) => CliError::failed("the agent stopped"),
    }
}
