//! What happens on a channel besides turns.

use std::time::Duration;

use serde_json::Value;

use super::{ChannelMessage, HookAnswer, HookRequest, Object, TurnPart};
use crate::{client::subscription::Lag, services::user_data::UserDataError};

/// What happens on a channel besides turns.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ChannelEvent {
    /// The channel is open, for the first time or again.
    Connected,
    /// After a lost connection: the server still has the session, and a turn that was under way goes on.
    Resumed,
    /// After a lost connection: the server does not have the session any more.
    NewSession,
    /// The agent's own id for the conversation. It is carried from turn to turn, see
    /// [`Resume`](super::Resume).
    Conversation {
        /// The id.
        id: String,
    },
    /// What was said before, without what was told already.
    History {
        /// Oldest first.
        messages: Vec<ChannelMessage>,
    },
    /// Something that an agent says while no turn of this channel is under way.
    Unasked(TurnPart),
    /// How the server does.
    Status {
        /// `info`, `warning` or `error`.
        level: String,
        /// For people.
        message: String,
    },
    /// A hook was answered.
    HookAnswered {
        /// What was asked.
        request: HookRequest,
        /// What was answered.
        answer: HookAnswer,
        /// Nobody answered in time, so the policy did.
        too_late: bool,
    },
    /// A hook tells, and does not ask.
    HookNotification(HookRequest),
    /// The history was emptied, by whomever.
    Cleared,
    /// An error that belongs to no turn.
    Error {
        /// The server's words, cut.
        message: String,
    },
    /// An event without a place of its own: `stream_event`, `stderr`, `compact_boundary`, `image_created`, …
    Other {
        /// Its name.
        name: String,
        /// What came with it.
        data: Value,
    },
    /// An event that could not be read. The channel goes on.
    Unreadable {
        /// What is wrong with it.
        reason: String,
    },
    /// The connection was lost, or could not be made; the next attempt follows.
    Disconnected {
        /// Why.
        error: UserDataError,
        /// When.
        retry_in: Duration,
    },
    /// The end: nothing follows.
    Closed {
        /// Why.
        error: UserDataError,
    },
    /// The reader was too slow for so many events.
    Lagged {
        /// How many.
        missed: u64,
    },
}

impl Lag for ChannelEvent {
    fn lagged(missed: u64) -> Self {
        Self::Lagged { missed }
    }
}

/// The parts of a result that turns are judged by.
pub(super) fn is_error_result(result: &Object) -> bool {
    result.get("is_error").and_then(Value::as_bool).unwrap_or(false)
}
