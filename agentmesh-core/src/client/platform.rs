//! What the client needs from the machine it runs on: a clock, pauses, tasks.
//!
//! Everything else in the crate gets the time as a parameter; only this room reads a clock or spawns a task. `native` is
//! tokio; in WebAssembly, where there are neither threads nor sockets, `host` asks whoever embeds the module. Does not know agents or frames.

#[cfg(target_arch = "wasm32")]
mod host;
#[cfg(not(target_arch = "wasm32"))]
mod native;

use std::{future::Future, pin::Pin, time::Duration};

#[cfg(target_arch = "wasm32")]
use host as machine;
#[cfg(target_arch = "wasm32")]
pub use host::{Host, HostFailure, HostRequest, HostResponse, host, install};
#[cfg(not(target_arch = "wasm32"))]
use native as machine;

pub(crate) use machine::{JoinSet, Task, blocking, spawn, time};

use self::time::Instant;
use crate::{Context, Timestamp};

/// A boxed future that may move between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Waits; tests stop and advance this time with `tokio::time`.
pub(crate) async fn sleep(duration: Duration) {
    time::sleep(duration).await;
}

/// Where the client gets the time of day from.
///
/// Pauses and deadlines never use it: they run on the monotonic clock, so that setting the machine's clock neither
/// fires nor delays them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clock(Source);

#[derive(Debug, Clone, Copy, Default)]
enum Source {
    #[default]
    System,
    Since {
        start: Timestamp,
        at: Instant,
    },
}

impl Clock {
    /// The machine's clock.
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that shows `start` now and then follows tokio's time, for tests: `tokio::time::advance` moves it.
    pub fn starting_at(start: Timestamp) -> Self {
        Self(Source::Since { start, at: Instant::now() })
    }

    /// The time of day. A machine whose clock stands before 1970 gets [`Timestamp::ZERO`].
    pub fn now(&self) -> Timestamp {
        let (start, passed) = match self.0 {
            Source::System => (Timestamp::ZERO, machine::since_1970()),
            Source::Since { start, at } => (start, at.elapsed()),
        };
        start.plus_millis(u64::try_from(passed.as_millis()).unwrap_or(u64::MAX))
    }
}

impl Context {
    /// The machine's clock and generator.
    pub fn system() -> Self {
        Clock::system().into()
    }
}

/// That clock, and the system's generator.
impl From<Clock> for Context {
    fn from(clock: Clock) -> Self {
        Self::with_clock(move || clock.now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn test_clock_follows_tokio_and_the_system_clock_is_recent() {
        let clock = Clock::starting_at(Timestamp::from_millis(1_000));
        sleep(Duration::from_millis(250)).await;
        assert_eq!(clock.now(), Timestamp::from_millis(1_250));
        assert!(Clock::system().now() > Timestamp::from_millis(1_700_000_000_000));
    }

    #[tokio::test(start_paused = true)]
    async fn dropping_the_handle_ends_the_task() {
        let (alive, mut ended) = tokio::sync::mpsc::channel::<()>(1);
        let task = spawn(async move {
            let _alive = alive;
            std::future::pending::<()>().await;
        });
        drop(task);
        assert_eq!(ended.recv().await, None);
    }
}
