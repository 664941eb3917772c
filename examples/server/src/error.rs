//! Why a server does not start, or could not finish.

use std::{net::SocketAddr, path::PathBuf};

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The address cannot be listened on.
    #[error("cannot listen on {addr}: {source}")]
    Listen {
        /// The address asked for.
        addr: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// The data directory cannot be created or used.
    #[error("cannot use {path}: {source}", path = path.display())]
    DataDir {
        /// The directory or file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Another process has the data directory.
    #[error("{path} is in use by another process; stop it, or use another data directory", path = path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// The database is damaged, or is no database of this server. It is left as it is.
    #[error(
        "{path} is damaged or not a database of this server ({detail}); it was left untouched: restore it from a \
         backup, or move it away to start empty",
        path = path.display()
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// The database was written by another version of this server.
    #[error("{path} has schema version {found}, this server knows {known}", path = path.display())]
    SchemaVersion {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// The database cannot be opened or written.
    #[error("{path}: {detail}", path = path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        detail: String,
    },
    /// A setting that makes no sense.
    #[error("{setting}: {problem}")]
    Config {
        /// Which.
        setting: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A thread or task of the server could not be started.
    #[error("cannot start: {0}")]
    Start(std::io::Error),
}
