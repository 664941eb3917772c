//! The native client: the only room with tasks, sockets and timers.
//!
//! `platform` has the clock, `http` and `transport` move bytes, `registry` and `relay` speak the two services, and the
//! driver above them owns the engine.

mod agent;
mod audit;
pub mod backoff;
mod driver;
pub mod http;
pub mod platform;
mod policy_file;
pub mod proxy;
mod rate_limit;
#[cfg(test)]
mod redaction;
pub mod registry;
pub mod relay;
mod store_key;
pub mod subscription;
mod tls;
pub mod transport;

pub use agent::{
    Agent, AgentBuilder, AgentConfig, AgentError, AgentEvent, KnockHandler, Message, Messages,
    OutboxItem, SendOptions, Sent,
};
pub use audit::{AuditLog, AuditOptions, AuditOwner, AuditReader, Fsync};
pub use rate_limit::{
    BucketStatus, Rate, RateLimited, RateLimiter, RateLimits, RateScope, RateStatus,
};
