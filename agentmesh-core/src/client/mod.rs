//! The native client: the only room with tasks, sockets and timers.
//!
//! `platform` has the clock, `http` and `transport` move bytes, `registry` and `relay` speak the two services, and the
//! driver above them owns the engine.

pub mod backoff;
// Until the registry client has landed.
#[allow(dead_code)]
pub mod http;
pub mod platform;
pub mod proxy;
pub mod relay;
pub mod subscription;
mod tls;
pub mod transport;
