//! User data: skills, conversations and settings of users, sandboxes that agents work in, and a channel to talk to them.
//! Nothing is encrypted end to end. The guide is `docs/guides/user-data.md`.
//!
//! [`UserDataClient`] is the service over HTTP, [`UserDataChannel`] a conversation with an agent over Socket.IO. Knows
//! nothing of agents of the mesh: an agent of this service is a program in a sandbox, beside the server. With the
//! feature `user-data-store`, [`store`] is what a service keeps them in.

mod answer;
mod channel;
mod client;
mod error;
mod names;
#[cfg(test)]
mod redaction;
mod retry;
#[cfg(feature = "user-data-store")]
pub mod store;

pub use self::{
    answer::{
        Conversation, ConversationEntry, ConversationList, Deleted, Health, Other, Settings, Setup,
        SetupMethod, Skill, SkillList, Stored, StoredConversation,
    },
    channel::{
        AgentOptions, Block, BlockView, ChannelAuth, ChannelBuilder, ChannelEvent, ChannelMessage,
        ChannelTimings, HookAction, HookAnswer, HookHandler, HookPolicy, HookRequest,
        MessageFields, Object, Resume, Role, Turn, TurnEnd, TurnOptions, TurnPart, UserDataChannel,
    },
    client::{PREFERENCES, Timeouts, UserDataBuilder, UserDataClient},
    error::UserDataError,
    names::{Name, NameError, NameKind},
    retry::RetryPolicy,
};
pub use super::SecretText;
