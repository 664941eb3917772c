//! The native client: the only room with tasks, sockets and timers.
//!
//! `platform` has the clock, `http` and `transport` move bytes, `registry` and `relay` speak the two services, and the
//! driver above them owns the engine.

pub mod backoff;
pub mod http;
pub mod platform;
pub mod proxy;
pub mod registry;
pub mod relay;
pub mod subscription;
mod tls;
pub mod transport;
