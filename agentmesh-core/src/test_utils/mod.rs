//! Fixtures for tests: a seeded generator, a minimal executor, stores that fail when told to.

#[cfg(feature = "file")]
mod disk_crash;
mod faulty;

#[cfg(feature = "file")]
pub use disk_crash::CrashAfter;
pub use faulty::{Fault, Faults, FaultyStorage};

pub mod mesh;
mod scripted;

pub use scripted::ScriptedRng;

use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

/// A generator that gives the same bytes for the same seed.
pub fn seeded_rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

/// Drives a future to its end on this thread, parking between wake-ups; for storage tests without a runtime.
pub fn block_on<F: Future>(future: F) -> F::Output {
    use std::{
        pin::pin,
        sync::Arc,
        task::{Context, Poll, Wake},
        thread::{self, Thread},
    };
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(thread::current())).into();
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}
