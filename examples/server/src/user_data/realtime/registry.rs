//! The sessions that there are: found or made by name, ended by name.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use agentmesh_core::services::user_data::Name;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::session::{Command, Outlet, Rules, Session};

/// Commands that wait for a session. Beyond, a client is told to send less.
const COMMANDS: usize = 256;

/// Why a client does not come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    #[error("Too many sessions")]
    TooMany,
    #[error("Session is busy")]
    Busy,
}

struct Entry {
    commands: mpsc::Sender<Command>,
    end: CancellationToken,
    /// Tells a session from a later one of the same name.
    number: u64,
}

/// A client's way to its session.
#[derive(Clone)]
pub(super) struct Inbox {
    client: u64,
    commands: mpsc::Sender<Command>,
}

impl Inbox {
    /// False if the session has no room for it.
    pub(super) fn event(&self, name: String, value: Value) -> bool {
        let event = Command::Event { client: self.client, name, value };
        !matches!(self.commands.try_send(event), Err(mpsc::error::TrySendError::Full(_)))
    }

    pub(super) async fn detach(&self) {
        // The session may have ended before.
        let _ = self.commands.send(Command::Detach { client: self.client }).await;
    }
}

/// See the module.
pub(super) struct Registry {
    rules: Arc<Rules>,
    sessions: Mutex<HashMap<Name, Entry>>,
    numbers: AtomicU64,
    tasks: TaskTracker,
    stopping: CancellationToken,
}

impl Registry {
    pub(super) fn new(rules: Rules, tasks: TaskTracker, stopping: CancellationToken) -> Arc<Self> {
        Arc::new(Self {
            rules: Arc::new(rules),
            sessions: Mutex::default(),
            numbers: AtomicU64::new(0),
            tasks,
            stopping,
        })
    }

    /// Brings a client into its session, which is made if there is none.
    pub(super) fn attach(
        self: &Arc<Self>,
        name: &Name,
        outlet: Box<dyn Outlet>,
    ) -> Result<Inbox, Refused> {
        let client = self.numbers.fetch_add(1, Ordering::Relaxed);
        let mut sessions = self.lock();
        let known = sessions.get(name).filter(|entry| !entry.commands.is_closed());
        let commands = match known {
            Some(entry) => entry.commands.clone(),
            None if sessions.len() >= self.rules.limits.sessions => return Err(Refused::TooMany),
            None => {
                let (commands, received) = mpsc::channel(COMMANDS);
                let end = self.stopping.child_token();
                self.begin(name.clone(), client, received, end.clone());
                let entry = Entry { commands: commands.clone(), end, number: client };
                sessions.insert(name.clone(), entry);
                commands
            }
        };
        let attach = Command::Attach { client, outlet };
        commands.try_send(attach).map_err(|_| Refused::Busy)?;
        Ok(Inbox { client, commands })
    }

    fn begin(
        self: &Arc<Self>,
        name: Name,
        number: u64,
        received: mpsc::Receiver<Command>,
        end: CancellationToken,
    ) {
        let session = Session::new(name.clone(), Arc::clone(&self.rules));
        let registry: Weak<Self> = Arc::downgrade(self);
        self.tasks.spawn(async move {
            let may_end = |received: &mpsc::Receiver<Command>| {
                registry.upgrade().is_none_or(|all| all.leave(&name, number, received))
            };
            session.run(received, end, may_end).await;
            if let Some(all) = registry.upgrade() {
                all.remove(&name, number);
            }
        });
    }

    /// Takes a session out, unless somebody is coming in just now.
    fn leave(&self, name: &Name, number: u64, received: &mpsc::Receiver<Command>) -> bool {
        let mut sessions = self.lock();
        if !received.is_empty() {
            return false;
        }
        if sessions.get(name).is_some_and(|entry| entry.number == number) {
            sessions.remove(name);
        }
        true
    }

    fn remove(&self, name: &Name, number: u64) {
        let mut sessions = self.lock();
        if sessions.get(name).is_some_and(|entry| entry.number == number) {
            sessions.remove(name);
        }
    }

    /// Ends a session and disconnects its client.
    pub(super) fn end(&self, name: &Name) {
        if let Some(entry) = self.lock().remove(name) {
            entry.end.cancel();
        }
    }

    pub(super) fn end_all(&self) {
        for (_, entry) in self.lock().drain() {
            entry.end.cancel();
        }
    }

    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Name, Entry>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("sessions", &self.len()).finish_non_exhaustive()
    }
}
