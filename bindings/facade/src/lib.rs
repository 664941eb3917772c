//! What the bindings of all languages share: the agent, identities, managers, stores, policies, the audit log and the
//! services beside messages as plain objects over `agentmesh-core`, and the runtime that they run on.
//!
//! Objects are owned, `'static`, `Send` and `Sync`; values are plain structures that serialise to JSON; there is one error type
//! with a stable code. Nothing here calls into a foreign language: what an application decides or stores is asked for
//! by queues that a binding reads ([`KnockQueue`], [`StorageCalls`], [`LogQueue`]), so no lock is ever held across a call.
//!
//! In WebAssembly there is no runtime but the platform's: bindings poll the futures themselves, and there are no stores in files.
//!
//! Knows no language and has no macros of any foreign function interface. Has no rules of its own either: what a message, a session or
//! a policy is, the core says.

mod agent;
mod arguments;
mod audit;
mod config;
#[cfg(feature = "conformance")]
mod conformance;
mod envelope;
mod error;
mod events;
mod identity;
mod knock;
#[cfg(not(target_arch = "wasm32"))]
mod logs;
mod managers;
mod message;
mod owned;
mod payload;
#[cfg(not(target_arch = "wasm32"))]
mod runtime;
#[cfg(feature = "server")]
mod server;
#[cfg(feature = "services")]
mod services;
mod storage;
mod stream;
mod values;

pub use agent::{Agent, OpenMode, Opening, StoreKeySource};
pub use arguments::from_json;
pub use audit::AuditLog;
pub use config::{
    AgentSettings, AuditSettings, RateLimitSettings, RateSetting, RelayTransportSetting,
    SendSettings, StreamSettings,
};
#[cfg(feature = "conformance")]
pub use conformance::{CONFORMANCE_TESTS, ForeignFixture, run_conformance_test};
pub use envelope::{Envelope, EnvelopeParts};
pub use error::{ErrorCode, FacadeError, error_codes};
pub use events::{Event, Events};
pub use identity::{Backup, Identity, safety_number, verify_signature};
pub use knock::{
    Decision, KnockQuestion, KnockQueue, KnockSink, evaluate_policy, knock_queue, normalize_policy,
    policy_preset,
};
#[cfg(not(target_arch = "wasm32"))]
pub use logs::{LogLevel, LogQueue, LogRecord, subscribe_logs};
pub use managers::{
    IncomingEnvelope, InitiatedSession, JudgedKnock, KnockProtocol, PrekeyManager, SealedStore,
    SessionManager,
};
pub use message::{Message, MessageContent, Messages};
pub use payload::Payload;
#[cfg(not(target_arch = "wasm32"))]
pub use runtime::{Attempt, Call, PerProcess, attempt, block_on, catch, start};
#[cfg(feature = "server")]
pub use server::{Server, ServerSettings};
#[cfg(feature = "services")]
pub use services::*;
pub use storage::{
    ForeignChange, ForeignError, ForeignRecord, ForeignRecordId, Storage, StorageCall,
    StorageCalls, StorageReply, foreign_storage,
};
pub use stream::{ChunkContent, IncomingStream, OutgoingStream, StreamChunk};
pub use values::*;

/// Version of the packages, all of which have the same.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
