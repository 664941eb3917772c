//! How calls run: on the facade's runtime, for as long as somebody waits for them.
//!
//! UniFFI drops the future of a coroutine or task that was cancelled; that cancels the call.

use std::future::Future;

use agentmesh_facade::{Attempt, Call, FacadeError, attempt, catch, start};
use serde::{Serialize, de::DeserializeOwned};
use tokio::{sync::oneshot, task::spawn_blocking};

use crate::NativeError;

/// Cancels its call.
struct CancelOnDrop(Call);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Only when the process ends under the call.
fn given_up<E>(_: E) -> FacadeError {
    FacadeError::argument("the call was given up: the process ends")
}

/// Begins a call on the calling thread; the runtime takes it on if it has to wait.
pub(crate) async fn call<T, F>(future: F) -> Result<T, NativeError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, FacadeError>> + Send + 'static,
{
    let waiting = match attempt(future)? {
        Attempt::Finished(result) => return Ok(result?),
        Attempt::Waiting(waiting) => waiting,
    };
    let (tell, told) = oneshot::channel();
    let _cancels = CancelOnDrop(start(waiting, move |result| {
        // Whoever gave up waits for nothing.
        let _ = tell.send(result);
    })?);
    Ok(told.await.map_err(given_up)??)
}

/// Runs what blocks or takes long where it disturbs nobody. Cancelled, it comes to its end unseen.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, FacadeError> + Send + 'static,
) -> Result<T, NativeError> {
    call(async move { spawn_blocking(move || catch(work)).await.map_err(given_up)? }).await
}

/// Runs something short on the calling thread; a panic is an error.
pub(crate) fn run<T>(work: impl FnOnce() -> Result<T, FacadeError>) -> Result<T, NativeError> {
    Ok(catch(work)?)
}

/// A value as JSON text.
pub(crate) fn json(value: &impl Serialize) -> Result<String, FacadeError> {
    Ok(serde_json::to_string(value)?)
}

/// Settings out of JSON text; the defaults if there is none.
pub(crate) fn settings<T: DeserializeOwned + Default>(
    text: Option<&str>,
) -> Result<T, FacadeError> {
    text.map_or_else(|| Ok(T::default()), agentmesh_facade::from_json)
}

/// A number of things.
pub(crate) fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
