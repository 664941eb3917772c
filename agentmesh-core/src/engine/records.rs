//! What the engine keeps of peers, sessions and messages, and the form in which each is stored.
//!
//! `docs/protocol/state.md` describes the bytes field by field. Lists are written in the order of memory,
//! which is deterministic, so that the same state gives the same bytes in every language.

pub(crate) mod assembly;
pub(crate) mod chunk;
pub(crate) mod circuit;
pub(crate) mod group;
pub(crate) mod inbox;
pub(crate) mod outbox;
pub(crate) mod peer;
pub(crate) mod session;
pub(crate) mod stream;

pub(crate) use assembly::{Assembly, AssemblyState};
pub(crate) use chunk::Chunk;
pub use chunk::ChunkKey;
pub(crate) use circuit::CircuitRecord;
pub(crate) use group::Group;
pub(crate) use inbox::{InboxEntry, InboxState, Seen};
pub(crate) use outbox::{OutboxBody, OutboxEntry, Transmission};
pub(crate) use peer::Peer;
pub(crate) use session::{Decision, Role, SessionEntry};
pub(crate) use stream::StreamEntry;
