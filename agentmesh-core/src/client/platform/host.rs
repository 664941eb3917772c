//! The machine in WebAssembly: whoever embeds the module lends a clock, timers, tasks, HTTP and WebSockets.
//!
//! Everything runs on one thread. Knows no JavaScript: `bindings/wasm` implements [`Host`] with what workers and browsers
//! have.

mod task;
pub(crate) mod time;

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use http::{HeaderMap, Method, StatusCode};
use url::Url;

pub(crate) use self::task::{JoinSet, Task, blocking, spawn};
use super::BoxFuture;
use crate::client::transport::Connector;

/// What the embedder lends. Futures that are dropped give up what they were for.
pub trait Host: fmt::Debug + Send + Sync {
    /// Since the beginning of 1970.
    fn since_1970(&self) -> Duration;
    /// Since any moment, never going back.
    fn monotonic(&self) -> Duration;
    /// Runs a task to its end, beside everything else.
    fn spawn(&self, task: BoxFuture<'static, ()>);
    /// Waits.
    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()>;
    /// Exchanges one HTTP request for its answer, following no redirections.
    fn fetch(&self, request: HostRequest) -> BoxFuture<'static, Result<HostResponse, HostFailure>>;
    /// What opens WebSockets.
    fn connector(&self) -> Arc<dyn Connector>;
}

/// A request to be sent.
#[derive(Debug)]
pub struct HostRequest {
    /// Such as `POST`.
    pub method: Method,
    /// Where to.
    pub url: Url,
    /// All headers that matter.
    pub headers: HeaderMap,
    /// What is sent.
    pub body: Option<Vec<u8>>,
    /// Bytes of the answer, decompressed, at most.
    pub max_response: usize,
}

/// An answer.
#[derive(Debug)]
pub struct HostResponse {
    /// Its status.
    pub status: StatusCode,
    /// Its headers, as far as the platform shows them.
    pub headers: HeaderMap,
    /// All of it.
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostFailure {
    /// No connection, or it broke: platforms do not tell which.
    Network(String),
    /// The answer is longer than the request allows.
    TooLong,
}

static HOST: OnceLock<Box<dyn Host>> = OnceLock::new();

/// Sets the host, once and before anything else of the client is used. `false` if there was one.
pub fn install(host: impl Host + 'static) -> bool {
    HOST.set(Box::new(host)).is_ok()
}

/// The host that was installed; one that can do nothing if none was.
pub fn host() -> &'static dyn Host {
    HOST.get().map_or(&NoHost, AsRef::as_ref)
}

/// The time of day.
pub(super) fn since_1970() -> Duration {
    host().since_1970()
}

/// Time stands still, and nobody answers.
#[derive(Debug)]
struct NoHost;

impl Host for NoHost {
    fn since_1970(&self) -> Duration {
        Duration::ZERO
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    fn spawn(&self, _: BoxFuture<'static, ()>) {}

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }

    fn fetch(&self, _: HostRequest) -> BoxFuture<'static, Result<HostResponse, HostFailure>> {
        Box::pin(async { Err(HostFailure::Network("no host is installed".to_owned())) })
    }

    fn connector(&self) -> Arc<dyn Connector> {
        Arc::new(Self)
    }
}

impl Connector for NoHost {
    fn connect<'a>(
        &'a self,
        url: &'a Url,
    ) -> BoxFuture<
        'a,
        Result<crate::client::transport::BoxSocket, crate::client::transport::TransportError>,
    > {
        Box::pin(async move {
            Err(crate::client::transport::TransportError::Connect {
                host: url.host_str().unwrap_or_default().to_owned(),
                reason: "no host is installed".to_owned(),
            })
        })
    }
}
