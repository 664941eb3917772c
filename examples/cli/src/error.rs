//! What a command failed with, and the exit code that says so to scripts.

use std::{io, path::Path};

use agentmesh_core::{
    Error, ErrorInfo,
    client::AgentError,
    engine::SendError,
    services::{agent_ws::AgentWebSocketError, aiwm::AiwmError, user_data::UserDataError},
    wire::id::MessageId,
};

/// Exit codes; documented in `--help` and docs/cli.md, and never changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Something that has no code of its own.
    Failed = 1,
    /// What was typed makes no sense. Clap uses the same code.
    Usage = 2,
    /// The home is missing, damaged, in use, or would be overwritten.
    Home = 3,
    /// Registry or relay could not be reached, or refused.
    Offline = 4,
    /// The stage was not reached in time; the message stays in the outbox.
    NotReached = 5,
    /// The message will not be delivered.
    Undeliverable = 6,
    /// The doctor found something to mend.
    Unwell = 7,
}

/// The code that says that somebody else has the store open.
pub(crate) const LOCKED: &str = "STORAGE_LOCKED";

/// Why a command failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct CliError {
    /// What the process ends with.
    pub(crate) exit: Exit,
    /// Stable upper-case code.
    pub(crate) code: &'static str,
    /// What went wrong and, where it is known, what to do.
    pub(crate) message: String,
    /// Whether the same command may succeed later.
    pub(crate) retryable: bool,
    /// The message that it is about.
    pub(crate) id: Option<MessageId>,
}

impl CliError {
    fn new(exit: Exit, code: &'static str, message: impl Into<String>) -> Self {
        Self { exit, code, message: message.into(), retryable: false, id: None }
    }

    /// Something that has no exit code of its own.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, "CLI_FAILED", message)
    }

    /// What was typed makes no sense.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, "CLI_USAGE", message)
    }

    /// What was asked for is not in this build. Only the package for Python comes without it.
    pub(crate) fn no_server() -> Self {
        Self::new(
            Exit::Failed,
            "CLI_NO_SERVER",
            "the development server is not installed; `pip install \"agentmesh-e2ee[server]\"` brings it",
        )
    }

    /// Something about a file or directory of the home.
    pub(crate) fn home(path: &Path, problem: impl std::fmt::Display) -> Self {
        Self::new(Exit::Home, "CLI_HOME", format!("{}: {problem}", path.display()))
    }

    /// A file of the home that cannot be read or written.
    pub(crate) fn file(path: &Path, error: &io::Error) -> Self {
        Self::home(path, error)
    }

    /// The doctor found something.
    pub(crate) fn unwell(findings: usize) -> Self {
        Self::new(Exit::Unwell, "CLI_UNWELL", format!("{findings} to mend"))
    }

    /// Not all messages came as far as was asked for.
    pub(crate) fn not_reached(message: impl Into<String>) -> Self {
        Self { retryable: true, ..Self::new(Exit::NotReached, "CLI_NOT_REACHED", message) }
    }

    /// The same, about a message.
    pub(crate) fn about(self, id: MessageId) -> Self {
        Self { id: Some(id), ..self }
    }

    /// The same, with something to add.
    pub(crate) fn with_hint(self, hint: impl std::fmt::Display) -> Self {
        Self { message: format!("{}\n  {hint}", self.message), ..self }
    }
}

impl From<Error> for CliError {
    fn from(error: Error) -> Self {
        let plain = Self {
            exit: exit_of(&error),
            code: error.code(),
            retryable: error.is_retryable(),
            message: error.to_string(),
            id: None,
        };
        match error {
            Error::Send(SendError::Stopped { .. }) => {
                plain.with_hint("`agentmesh resume` lets it work again")
            }
            _ => plain,
        }
    }
}

fn exit_of(error: &Error) -> Exit {
    match error {
        Error::Storage(_)
        | Error::Vault(_)
        | Error::Load(_)
        | Error::Identity(_)
        | Error::Copy(_)
        | Error::Passphrase(_) => Exit::Home,
        Error::SendFailure(_) | Error::Send(SendError::RejectedRecently { .. }) => {
            Exit::Undeliverable
        }
        Error::Send(SendError::OutboxFull { .. } | SendError::Stopped { .. }) => Exit::Failed,
        Error::Aiwm(AiwmError::Config { .. }) => Exit::Usage,
        Error::Aiwm(_) => Exit::Offline,
        Error::Signaling(error) => crate::commands::signal::exit_of(error),
        Error::Send(_) | Error::Amid(_) => Exit::Usage,
        Error::Agent(error) => match error {
            AgentError::StageNotReached { .. } => Exit::NotReached,
            AgentError::NotOnline { .. } | AgentError::Replaced | AgentError::Superseded => {
                Exit::Offline
            }
            AgentError::NoIdentity { .. }
            | AgentError::IdentityKey { .. }
            | AgentError::Config { setting: "store key file", .. } => Exit::Home,
            AgentError::Config { .. } => Exit::Usage,
            _ => Exit::Failed,
        },
        Error::AgentWebSocket(AgentWebSocketError::Config { .. })
        | Error::UserData(
            UserDataError::Config { .. }
            | UserDataError::Invalid { .. }
            | UserDataError::InvalidName { .. }
            | UserDataError::TooLarge { .. },
        ) => Exit::Usage,
        Error::UserData(UserDataError::NotFound { .. }) => Exit::Failed,
        Error::AgentWebSocket(_)
        | Error::UserData(_)
        | Error::Http(_)
        | Error::Registry(_)
        | Error::Transport(_)
        | Error::Relay(_) => Exit::Offline,
        _ => Exit::Failed,
    }
}
