//! What the handle asks of the driver, and what the driver shares with the handle.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::{mpsc, oneshot};
use zeroize::Zeroizing;

use crate::{
    Error,
    client::{
        agent::{AgentConfig, Consumer, Profile, StreamCommand, StreamHub},
        platform::Task,
        registry::RegistryClient,
    },
    engine::{
        InboxItem, IncomingMessage, NewMessage, NewStatus, OutboxItem, PendingKnock, SendFailure,
        Stage,
    },
    handshake::SessionId,
    identity::{Amid, Identity, IdentityPublic},
    knock::Decision,
    wire::id::MessageId,
};

use super::{control::Control, events::Events};

type Reply<T> = oneshot::Sender<T>;

/// What a backup is sealed under, on its way to the driver.
pub(crate) struct Passphrase(Zeroizing<String>);

impl Passphrase {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Passphrase {
    fn from(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase([redacted])")
    }
}

/// One request of the application.
#[allow(clippy::large_enum_variant, reason = "nearly all of them are messages to send")]
#[derive(Debug)]
pub(crate) enum Command {
    Identity {
        reply: Reply<Arc<Identity>>,
    },
    Connect {
        profile: Profile,
        reply: Reply<Result<(), Error>>,
    },
    Sync {
        limit: Duration,
        reply: Reply<Result<bool, Error>>,
    },
    Send {
        message: NewMessage,
        queued: Reply<Result<(), Error>>,
        watch: Option<(Stage, Reply<Result<Stage, SendFailure>>)>,
    },
    Status {
        status: NewStatus,
        reply: Reply<Result<(), Error>>,
    },
    AwaitResponse {
        id: MessageId,
        from: Amid,
        reply: Reply<Result<IncomingMessage, Error>>,
    },
    Stage {
        id: MessageId,
        reply: Reply<Option<Stage>>,
    },
    Outbox {
        reply: Reply<Vec<OutboxItem>>,
    },
    Inbox {
        reply: Reply<Vec<InboxItem>>,
    },
    PendingKnocks {
        reply: Reply<Vec<PendingKnock>>,
    },
    Decide {
        session: SessionId,
        decision: Decision,
        reply: Reply<Result<(), Error>>,
    },
    Cancel {
        id: MessageId,
        reply: Reply<Result<(), Error>>,
    },
    Consume {
        consumer: Consumer,
    },
    CloseSession {
        peer: Amid,
        reply: Reply<Result<(), Error>>,
    },
    Backup {
        passphrase: Passphrase,
        reply: Reply<Result<String, Error>>,
    },
    RotateExchangeKey {
        reply: Reply<Result<(), Error>>,
    },
    SetCapabilities {
        capabilities: Vec<String>,
        reply: Reply<Result<(), Error>>,
    },
    Control(Control),
    Stream(StreamCommand),
    Close {
        reply: Reply<Result<(), Error>>,
    },
}

/// What handle and driver both see.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) amid: Amid,
    pub(crate) public: Arc<Mutex<IdentityPublic>>,
    pub(crate) config: AgentConfig,
    pub(crate) registry: Option<RegistryClient>,
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) events: Arc<Events>,
    pub(crate) status: Arc<Status>,
    pub(crate) streams: Arc<StreamHub>,
    /// Ends with the last handle.
    pub(crate) task: Task<()>,
}

impl Shared {
    pub(crate) fn offline_reason(&self) -> String {
        lock(&self.status.offline).clone()
    }

    pub(crate) fn public(&self) -> IdentityPublic {
        *lock(&self.public)
    }

    pub(crate) fn end_reason(&self) -> Option<String> {
        self.status.end_reason()
    }

    /// Stops the driver where it stands.
    pub(crate) fn abort(&self) {
        self.task.abort();
    }
}

/// Why the agent is offline, and why it ended.
#[derive(Debug, Default)]
pub(crate) struct Status {
    offline: Mutex<String>,
    end: Mutex<Option<String>>,
}

impl Status {
    pub(crate) fn set_offline(&self, reason: impl Into<String>) {
        *lock(&self.offline) = reason.into();
    }

    pub(crate) fn end_reason(&self) -> Option<String> {
        lock(&self.end).clone()
    }

    pub(crate) fn set_end(&self, reason: impl Into<String>) {
        *lock(&self.end) = Some(reason.into());
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
