//! The channel: a conversation with the agent of one session, over Socket.IO.
//!
//! `machine` decides, without I/O; `driver` gives it a socket and a clock. The rest is what applications see.

mod builder;
mod driver;
mod event;
mod handle;
mod hook;
mod machine;
mod message;
mod options;
mod turn;

use serde_json::{Map, Value};

pub use self::{
    builder::{ChannelAuth, ChannelBuilder},
    event::ChannelEvent,
    handle::UserDataChannel,
    hook::{HookAction, HookAnswer, HookHandler, HookPolicy, HookRequest},
    machine::ChannelTimings,
    message::{Block, BlockView, ChannelMessage, MessageFields, Role},
    options::{AgentOptions, Resume, TurnOptions},
    turn::{Turn, TurnEnd, TurnPart},
};

#[cfg(test)]
pub(super) use self::{
    driver::{Driver, Renew},
    machine::Terms,
};

/// A JSON object as it came.
pub type Object = Map<String, Value>;
