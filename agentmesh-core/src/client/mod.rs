//! The native client: the only room with tasks, sockets and timers.
//!
//! `platform` has the clock, `http` and `transport` move bytes, `registry` and `relay` speak the two services, and the
//! driver above them owns the engine.

mod agent;
mod audit;
pub mod backoff;
mod driver;
pub mod http;
#[cfg(feature = "metrics")]
pub mod metrics;
pub mod platform;
mod policy_file;
#[cfg(not(target_arch = "wasm32"))]
pub mod proxy;
mod rate_limit;
#[cfg(test)]
mod redaction;
pub mod registry;
pub mod relay;
#[cfg(feature = "s3")]
pub mod s3;
mod spans;
mod store_key;
mod store_url;
pub mod subscription;
#[cfg(not(target_arch = "wasm32"))]
pub mod tls;
pub mod trace;
pub mod transport;

pub use agent::{
    Agent, AgentBuilder, AgentConfig, AgentError, AgentEvent, Awaited, Chunk, InboxItem,
    IncomingStream, KnockHandler, Message, Messages, NegotiationHandler, OpenStream, OutboxItem,
    OutgoingStream, PendingKnock, Profile, SendOptions, Sent, StreamConfig, StreamError,
    StreamOptions, StreamWatch, TraceSource,
};
pub use audit::{AuditLog, AuditOptions, AuditOwner, AuditReader, Fsync};
pub use rate_limit::{
    BucketStatus, Rate, RateLimited, RateLimiter, RateLimits, RateScope, RateStatus,
};
pub use store_url::StoreUrl;
