//! One session: its client, what was said, what is being worked on. One task, which nothing else shares.
//!
//! Knows events and their order; does not know sockets ([`Outlet`]) nor who may come in.

use std::{collections::VecDeque, future::pending, sync::Arc};

use agentmesh_core::{client::platform::BoxFuture, services::user_data::Name};
use serde_json::{Map, Value, json};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until},
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::spawn;
use super::{
    super::config::{RealtimeLimits, ThreadRule},
    history::History,
    hooks::Hooks,
    options::Options,
    turn::{AgentBackend, HookAnswer, HookEvent, Turn, TurnError, TurnEvent, uuid},
};
use crate::clock;

/// Events of a turn that wait for a slow client.
const TURN_EVENTS: usize = 32;
/// Characters of a thread's id that is given back.
const MAX_THREAD: usize = 128;

/// The way to a client.
pub(super) trait Outlet: Send + Sync {
    /// Waits until the client can be sent to. False if that does not happen.
    fn ready(&mut self) -> BoxFuture<'_, bool>;
    /// Sends an event. False if the client is gone, or too slow.
    fn emit<'a>(&'a self, event: &'static str, data: &'a Value) -> BoxFuture<'a, bool>;
    /// Sends an event, and waits for the first argument of its acknowledgement.
    fn ask(&self, event: &'static str, data: &Value) -> BoxFuture<'static, Option<Value>>;
    /// Ends the connection.
    fn close(&self);
    /// The socket's id.
    fn id(&self) -> String;
}

/// What a session is told. `client` is the number of the connection it comes from.
pub(super) enum Command {
    Attach { client: u64, outlet: Box<dyn Outlet> },
    Detach { client: u64 },
    Event { client: u64, name: String, value: Value },
}

/// What all sessions share.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) limits: RealtimeLimits,
    pub(super) threads: ThreadRule,
    pub(super) allow_bypass: bool,
    pub(super) unattended_tools: bool,
    pub(super) agent: Arc<dyn AgentBackend>,
}

struct Running {
    events: mpsc::Receiver<TurnEvent>,
    _task: AbortOnDropHandle<()>,
}

/// A message that waits for its turn.
struct Waiting {
    prompt: String,
    options: Options,
}

/// See the module.
pub(super) struct Session {
    name: Name,
    rules: Arc<Rules>,
    client: Option<(u64, Box<dyn Outlet>)>,
    /// When a session without a client ends.
    deadline: Option<Instant>,
    greeted: bool,
    history: History,
    /// The conversation, as the agent calls it.
    thread: Option<String>,
    options: Options,
    running: Option<Running>,
    waiting: VecDeque<Waiting>,
    hooks: Hooks,
}

impl Session {
    pub(super) fn new(name: Name, rules: Arc<Rules>) -> Self {
        let history = History::new(rules.limits.history, rules.limits.history_bytes);
        let hooks = Hooks::new(rules.limits.hook);
        Self {
            name,
            rules,
            client: None,
            deadline: None,
            greeted: false,
            history,
            thread: None,
            options: Options::default(),
            running: None,
            waiting: VecDeque::new(),
            hooks,
        }
    }

    /// Lives until it is ended, or waited in vain for its client. `may_end` is asked then, since a client may just be
    /// coming in.
    pub(super) async fn run(
        mut self,
        mut commands: mpsc::Receiver<Command>,
        end: CancellationToken,
        may_end: impl Fn(&mpsc::Receiver<Command>) -> bool,
    ) {
        loop {
            let deadline = self.deadline;
            let grace = async {
                match deadline {
                    Some(deadline) => sleep_until(deadline).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                biased;
                () = end.cancelled() => break,
                command = commands.recv() => match command {
                    Some(command) => self.command(command).await,
                    None => break,
                },
                () = self.hooks.settle(), if !self.hooks.is_empty() => {}
                event = next(&mut self.running) => match event {
                    Some(event) => self.told(event).await,
                    None => self.turn_ended(),
                },
                () = grace => {
                    if may_end(&commands) {
                        break;
                    }
                    self.deadline = None;
                }
            }
        }
        self.interrupt();
        if let Some((_, outlet)) = self.client.take() {
            outlet.close();
        }
        // Who was just coming in.
        commands.close();
        while let Ok(command) = commands.try_recv() {
            if let Command::Attach { outlet, .. } = command {
                outlet.close();
            }
        }
    }

    async fn command(&mut self, command: Command) {
        match command {
            Command::Attach { client, outlet } => self.attach(client, outlet).await,
            Command::Detach { client } if self.is_client(client) => self.lost(),
            Command::Event { client, name, value } if self.is_client(client) => {
                self.event(&name, value).await;
            }
            Command::Detach { .. } | Command::Event { .. } => {}
        }
    }

    fn is_client(&self, number: u64) -> bool {
        self.client.as_ref().is_some_and(|(client, _)| *client == number)
    }

    async fn attach(&mut self, client: u64, mut outlet: Box<dyn Outlet>) {
        if !outlet.ready().await {
            outlet.close();
            if self.client.is_none() {
                self.lost();
            }
            return;
        }
        if let Some((_, old)) = self.client.take() {
            self.hooks.release();
            old.emit("status", &status("info", "Session taken over")).await;
            old.close();
        }
        self.deadline = None;
        self.client = Some((client, outlet));
        if std::mem::replace(&mut self.greeted, true) {
            self.emit("status", &status("info", "Session resumed")).await;
            if self.history.len() > 0 {
                self.emit("history", &self.history.to_event()).await;
            }
        }
    }

    /// The client is gone. What it was asked stays unanswered; what is being worked on goes on.
    fn lost(&mut self) {
        self.client = None;
        self.hooks.release();
        self.deadline = Some(Instant::now() + self.rules.limits.grace);
    }

    async fn emit(&mut self, event: &'static str, data: &Value) {
        let Some((_, outlet)) = &self.client else { return };
        if !outlet.emit(event, data).await {
            tracing::debug!("user data: a client was too slow, or is gone");
            if let Some((_, outlet)) = self.client.take() {
                outlet.close();
            }
            self.lost();
        }
    }

    async fn event(&mut self, name: &str, value: Value) {
        match name {
            "start" => self.start(&value).await,
            "message" => self.message(value).await,
            "interrupt" => self.interrupted(&value).await,
            "get_history" => self.emit("history", &self.history.to_event()).await,
            "clear" => {
                self.begin_anew(None);
                self.emit("cleared", &status("info", "Session cleared")).await;
            }
            "get_diagnostics" => self.emit("diagnostics", &self.diagnostics()).await,
            _ => {}
        }
    }

    async fn start(&mut self, value: &Value) {
        let empty = Map::new();
        let options = self.options(value.as_object().unwrap_or(&empty)).await;
        self.follow(options.resume.as_deref());
        self.options = options;
        self.emit("status", &status("info", "Session initialized")).await;
    }

    async fn message(&mut self, value: Value) {
        let empty = Map::new();
        let (prompt, options) = match &value {
            Value::String(prompt) => (Some(prompt), &empty),
            Value::Object(message) => {
                let prompt = match message.get("prompt") {
                    Some(Value::String(prompt)) => Some(prompt),
                    _ => None,
                };
                (prompt, message.get("options").and_then(Value::as_object).unwrap_or(&empty))
            }
            _ => (None, &empty),
        };
        let Some(prompt) = prompt.filter(|prompt| !prompt.trim().is_empty()) else {
            return self.fail("prompt is required").await;
        };
        let options = self.options(options).await;
        self.follow(options.resume.as_deref());
        if self.waiting.len() >= self.rules.limits.waiting {
            return self.fail("too many messages are waiting").await;
        }
        self.history.push("user", &json!(prompt), &uuid(), clock::now().as_millis());
        let options = options.over(&self.options);
        self.waiting.push_back(Waiting { prompt: prompt.clone(), options });
        self.work();
    }

    async fn fail(&mut self, message: &str) {
        self.emit("error", &json!({"message": message})).await;
    }

    /// What a client may choose of what it chose; it is told what was dropped.
    async fn options(&mut self, given: &Map<String, Value>) -> Options {
        let (options, dropped) = Options::read(given, self.rules.allow_bypass);
        if !dropped.is_empty() {
            let message = format!("Ignored options: {}", dropped.join(", "));
            self.emit("status", &status("warning", &message)).await;
        }
        options
    }

    /// Applies the rule of which conversation goes on.
    fn follow(&mut self, resume: Option<&str>) {
        let other = match self.rules.threads {
            ThreadRule::V1 => false,
            ThreadRule::Auto => resume.is_some() && resume != self.thread.as_deref(),
            ThreadRule::V2 => resume != self.thread.as_deref(),
        };
        if other {
            self.begin_anew(resume.map(str::to_owned));
        }
    }

    fn begin_anew(&mut self, thread: Option<String>) {
        self.interrupt();
        self.history.clear();
        self.thread = thread;
    }

    async fn interrupted(&mut self, value: &Value) {
        self.interrupt();
        match value.get("threadId").and_then(Value::as_str) {
            Some(thread) => {
                let thread: String = thread.chars().take(MAX_THREAD).collect();
                let done = json!({"threadId": thread, "success": true, "sessionId": self.thread});
                self.emit("interrupt_complete", &done).await;
            }
            None => self.emit("status", &status("info", "Interrupted")).await,
        }
    }

    /// Stops what is being worked on and forgets what waits.
    fn interrupt(&mut self) {
        self.running = None;
        self.waiting.clear();
        self.hooks.release();
    }

    /// Begins with the next message, if there is one and none is being worked on.
    fn work(&mut self) {
        if self.running.is_some() {
            return;
        }
        let Some(Waiting { prompt, options }) = self.waiting.pop_front() else { return };
        let (tell, events) = mpsc::channel(TURN_EVENTS);
        let turn = Turn::new(
            prompt,
            options,
            self.thread.clone(),
            self.rules.unattended_tools,
            tell.clone(),
        );
        let agent = Arc::clone(&self.rules.agent);
        let task = spawn(async move {
            // In a task of its own, so that a panic of the agent is an error like others.
            let worked = spawn(async move { agent.turn(&turn).await });
            let failed = match worked.await {
                Ok(Ok(())) => return,
                Ok(Err(error)) => error,
                Err(_) => TurnError("the agent failed".to_owned()),
            };
            let _ = tell.send(TurnEvent::Failed(failed)).await;
        });
        self.running = Some(Running { events, _task: task });
    }

    fn turn_ended(&mut self) {
        self.running = None;
        self.work();
    }

    async fn told(&mut self, event: TurnEvent) {
        match event {
            TurnEvent::Init { id } => {
                let message = json!({"role": "system", "subtype": "init", "session_id": id});
                self.thread = Some(id);
                self.emit("message", &message).await;
            }
            TurnEvent::Emit { event, data } => self.emit(event, &data).await,
            TurnEvent::Said { role, content, uuid } => {
                self.history.push(role, &content, &uuid, clock::now().as_millis());
                let message = json!({"role": role, "content": content, "uuid": uuid});
                self.emit("message", &message).await;
            }
            TurnEvent::Ask { event, data, answer } => self.ask(event, &data, answer),
            TurnEvent::Failed(error) => self.fail(&error.0).await,
        }
    }

    /// Asks the client, if there is one.
    fn ask(&mut self, event: HookEvent, data: &Value, answer: oneshot::Sender<HookAnswer>) {
        let Some((_, outlet)) = &self.client else {
            let _ = answer.send(HookAnswer::Unanswered);
            return;
        };
        if !self.hooks.have_room() {
            let reason = Some("too many questions at a time".to_owned());
            let _ = answer.send(HookAnswer::Deny { reason });
            return;
        }
        let request = json!({"event": event.as_str(), "data": data});
        self.hooks.wait(outlet.ask("hook_request", &request), answer);
    }

    fn diagnostics(&self) -> Value {
        json!({
            "sessionId": self.name.as_str(),
            "socketId": self.client.as_ref().map(|(_, outlet)| outlet.id()),
            "isConnected": self.client.is_some(),
            "isQueryRunning": self.running.is_some(),
            "hasMessageStream": self.running.is_some(),
            "messageStreamFinished": self.running.is_none(),
            "messageStreamQueueLength": self.waiting.len(),
            "historyLength": self.history.len(),
            "currentSdkSessionId": self.thread,
            "timestamp": clock::now().to_rfc3339_millis(),
        })
    }
}

/// The next thing that a turn tells; `None` when it ended. Never, if there is none.
async fn next(running: &mut Option<Running>) -> Option<TurnEvent> {
    match running {
        Some(running) => running.events.recv().await,
        None => pending().await,
    }
}

fn status(kind: &str, message: &str) -> Value {
    json!({"type": kind, "message": message})
}
