//! `agentmesh skills` and `agentmesh conversations`.

use std::path::PathBuf;

use clap::Subcommand;

/// Where the service is and whose data is meant.
#[derive(Debug, clap::Args)]
pub(crate) struct ServiceArgs {
    /// The user whose data it is
    #[arg(long, value_name = "ID")]
    pub(crate) user: String,
    /// Base URL of the service [default: a running `agentmesh dev`]
    #[arg(long, value_name = "URL", env = "AGENTMESH_USER_DATA_URL", hide_env_values = true)]
    pub(crate) url: Option<String>,
    /// File with the API key; otherwise it is in AGENTMESH_API_KEY
    #[arg(long, value_name = "FILE")]
    pub(crate) api_key_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SkillsCommand {
    /// Store a skill, over one of the same name
    Put {
        #[command(flatten)]
        service: ServiceArgs,
        /// Its name, such as debugging.md
        name: String,
        /// File with its text; - for standard input
        file: PathBuf,
    },
    /// Show the names of the user's skills
    List {
        #[command(flatten)]
        service: ServiceArgs,
    },
    /// Show a skill, byte for byte if it goes to a file or a pipe
    Get {
        #[command(flatten)]
        service: ServiceArgs,
        /// Its name
        name: String,
    },
    /// Delete a skill; one that is not there is deleted, too
    Delete {
        #[command(flatten)]
        service: ServiceArgs,
        /// Its name
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConversationsCommand {
    /// Store a conversation, over one of the same id
    Save {
        #[command(flatten)]
        service: ServiceArgs,
        /// Its id, if the file does not say it as conversationId
        #[arg(long, value_name = "ID")]
        id: Option<String>,
        /// File with a JSON object; - for standard input
        file: PathBuf,
    },
    /// Show the ids of the user's conversations
    List {
        #[command(flatten)]
        service: ServiceArgs,
    },
    /// Show a conversation as it was saved
    Get {
        #[command(flatten)]
        service: ServiceArgs,
        /// Its id
        id: String,
    },
    /// Delete a conversation; one that is not there is deleted, too
    Delete {
        #[command(flatten)]
        service: ServiceArgs,
        /// Its id
        id: String,
    },
}
