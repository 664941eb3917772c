//! Branches of a `select!` that are not there at the moment: they never come.

use std::future::{Future, pending};

use tokio::time::{Instant, sleep_until};

/// The moment, if there is one.
pub(in crate::services) async fn due(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => pending().await,
    }
}

/// The future's end, if there is one. Cancelling this leaves the future where it was.
pub(in crate::services) async fn if_any<F: Future + Unpin>(future: &mut Option<F>) -> F::Output {
    match future {
        Some(future) => future.await,
        None => pending().await,
    }
}
