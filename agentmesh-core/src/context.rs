//! Time and randomness for those parts that an application calls directly, without a driver that would pass them in.
//!
//! Knows nothing of what they are used for. Below `client` nobody reads a clock: whoever makes a [`Context`] says
//! where both come from.

use core::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rand_core::CryptoRng;

use crate::time::Timestamp;

type ClockFn = dyn Fn() -> Timestamp + Send + Sync;

/// Where time and randomness come from. A clone is the same context.
///
/// `Context::system()` (feature `client`) is the machine's clock and generator. Elsewhere, such as in a browser, the
/// clock is passed in:
///
/// ```
/// # #[cfg(feature = "getrandom")] {
/// use agentmesh_core::{Context, Timestamp};
///
/// # fn milliseconds_since_1970() -> u64 { 1_770_206_400_000 }
/// let context = Context::with_clock(|| Timestamp::from_millis(milliseconds_since_1970()));
/// assert!(context.now() > Timestamp::ZERO);
/// # }
/// ```
#[derive(Clone)]
pub struct Context {
    clock: Arc<ClockFn>,
    rng: Arc<Mutex<dyn CryptoRng + Send>>,
}

impl Context {
    /// Takes both from the caller. All keys come out of `rng`: a generator that is not one for cryptography gives
    /// away everything.
    pub fn new(
        clock: impl Fn() -> Timestamp + Send + Sync + 'static,
        rng: impl CryptoRng + Send + 'static,
    ) -> Self {
        Self { clock: Arc::new(clock), rng: Arc::new(Mutex::new(rng)) }
    }

    /// The system's generator, and a clock of the caller's.
    #[cfg(feature = "getrandom")]
    pub fn with_clock(clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self::new(clock, crate::rng::SystemRng)
    }

    /// The time of day.
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Lends the generator. Must not be called again from inside.
    pub(crate) fn with_rng<T>(&self, f: impl FnOnce(&mut dyn CryptoRng) -> T) -> T {
        // A generator has no state that a panic elsewhere could leave half changed.
        let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        f(&mut *rng)
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { clock: _, rng: _ } = self;
        f.write_str("Context")
    }
}
