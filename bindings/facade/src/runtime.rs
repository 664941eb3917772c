//! The runtime that all objects of a process share, and calls on it.
//!
//! One multi-threaded tokio runtime a process, started by the first call. A process that was forked off has none of its parent's
//! threads, so it gets a runtime of its own; the objects of the parent refuse to work there (`BINDING_FORKED`).
//!
//! A call is a task. Who drops or cancels its handle drops the future; a panic inside is an error (`BINDING_PANICKED`)
//! and no crash.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::OnceLock,
    task::{Context, Poll, Waker},
};

use tokio::{
    runtime::{Builder, Handle, Runtime},
    task::AbortHandle,
};

use crate::FacadeError;

/// One value a process: made when it is first asked for, and anew in a process that was forked off. Values of parents
/// stay where they are and are never touched.
#[derive(Debug)]
pub struct PerProcess<T>(OnceLock<Box<Generation<T>>>);

/// The value of a process, and behind it those of the processes that were forked off after it was made.
#[derive(Debug)]
struct Generation<T> {
    process: u32,
    value: T,
    next: PerProcess<T>,
}

impl<T> Default for PerProcess<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> PerProcess<T> {
    /// Nothing yet.
    pub const fn new() -> Self {
        Self(OnceLock::new())
    }

    /// The value of this process, if it was made.
    pub fn get(&self) -> Option<&T> {
        let mut place = self;
        while let Some(found) = place.0.get() {
            if found.process == std::process::id() {
                return Some(&found.value);
            }
            place = &found.next;
        }
        None
    }

    /// The value of this process. If several threads make one at once, one is kept, and the others are dropped.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn get_or_try_init<E>(&self, make: impl Fn() -> Result<T, E>) -> Result<&T, E> {
        loop {
            if let Some(found) = self.get() {
                return Ok(found);
            }
            let (process, value) = (std::process::id(), make()?);
            let mut made = Box::new(Generation { process, value, next: Self::new() });
            let mut place = self;
            while let Err(unused) = place.0.set(made) {
                made = unused;
                match place.0.get() {
                    Some(found) if found.process != process => place = &found.next,
                    _ => break,
                }
            }
        }
    }
}

/// Kept, and with it its threads, for as long as the process lives.
static RUNTIME: PerProcess<Runtime> = PerProcess::new();

/// The runtime of this process; starts it if there is none yet.
pub(crate) fn handle() -> Result<Handle, FacadeError> {
    let make = || Builder::new_multi_thread().thread_name("agentmesh").enable_all().build();
    let runtime = RUNTIME.get_or_try_init(make).map_err(|_| FacadeError::panicked())?;
    Ok(runtime.handle().clone())
}

/// Runs something on the calling thread; a panic is an error.
///
/// # Errors
/// Those of `work`; `BINDING_PANICKED`.
pub fn catch<T>(work: impl FnOnce() -> Result<T, FacadeError>) -> Result<T, FacadeError> {
    // What panicked is not used again.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(FacadeError::panicked()))
}

/// A call under way. Dropping the handle lets it go on; [`cancel`](Self::cancel) drops its future.
#[derive(Debug, Clone)]
pub struct Call(AbortHandle);

impl Call {
    /// Drops the call's future at the next point where it waits. Its `done` is not called then.
    pub fn cancel(&self) {
        self.0.abort();
    }

    /// Whether it has ended.
    pub fn is_finished(&self) -> bool {
        self.0.is_finished()
    }
}

/// Starts a call. `done` gets the result, on a thread of the runtime, and must not wait there.
///
/// # Errors
/// If the runtime cannot be started.
pub fn start<T, F, D>(future: F, done: D) -> Result<Call, FacadeError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, FacadeError>> + Send + 'static,
    D: FnOnce(Result<T, FacadeError>) + Send + 'static,
{
    let task = handle()?.spawn(async move { done(CatchPanic(Box::pin(future)).await) });
    Ok(Call(task.abort_handle()))
}

/// What [`attempt`] came to.
pub enum Attempt<T> {
    /// The call is over.
    Finished(Result<T, FacadeError>),
    /// It has to wait for something: [`start`] takes it on.
    Waiting(Pin<Box<dyn Future<Output = Result<T, FacadeError>> + Send>>),
}

impl<T> std::fmt::Debug for Attempt<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Finished(_) => "Finished(..)",
            Self::Waiting(_) => "Waiting(..)",
        })
    }
}

/// Begins a call on the calling thread, as far as it goes without waiting. For calls that compute a little and seldom
/// wait: they cost no way to the runtime and back.
///
/// # Errors
/// If the runtime cannot be started.
pub fn attempt<T, F>(future: F) -> Result<Attempt<T>, FacadeError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, FacadeError>> + Send + 'static,
{
    let runtime = handle()?;
    let _inside = runtime.enter();
    let mut call = Box::pin(CatchPanic(Box::pin(future)));
    // Whoever takes it on polls it before anything else, so this waker is never needed.
    match call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => Ok(Attempt::Finished(result)),
        Poll::Pending => Ok(Attempt::Waiting(call)),
    }
}

/// Runs a call to its end on the calling thread, which must not be one of the runtime's.
///
/// # Errors
/// Those of the call.
pub fn block_on<T, F>(future: F) -> Result<T, FacadeError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, FacadeError>> + Send + 'static,
{
    handle()?.block_on(CatchPanic(Box::pin(future)))
}

/// Runs something that blocks or takes long where it disturbs nobody.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, FacadeError> + Send + 'static,
) -> Result<T, FacadeError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| FacadeError::panicked())?
}

/// A future whose panics are errors.
struct CatchPanic<T>(Pin<Box<dyn Future<Output = Result<T, FacadeError>> + Send>>);

impl<T> Future for CatchPanic<T> {
    type Output = Result<T, FacadeError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // A future that panicked is not polled again, so what it left behind is seen by nobody.
        match catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(cx))) {
            Ok(poll) => poll,
            Err(_) => Poll::Ready(Err(FacadeError::panicked())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_panic_is_an_error() {
        let result = block_on(async {
            if std::hint::black_box(true) {
                panic!("as a bug would");
            }
            Ok(())
        });
        assert_eq!(result.map_err(|e| e.code), Err("BINDING_PANICKED"));
    }

    #[test]
    fn a_call_that_need_not_wait_is_over_at_once_and_another_goes_on_elsewhere() {
        let at_once = attempt(async { Ok(1) }).unwrap();
        assert!(matches!(at_once, Attempt::Finished(Ok(1))), "{at_once:?}");
        let broken = attempt(async {
            if std::hint::black_box(true) {
                panic!("as a bug would");
            }
            Ok(())
        });
        let Attempt::Finished(Err(error)) = broken.unwrap() else { panic!("it did not end") };
        assert_eq!(error.code, "BINDING_PANICKED");
        let (tell, told) = mpsc::channel();
        let (send, receive) = tokio::sync::oneshot::channel();
        let waits = attempt(async move { Ok(receive.await.unwrap_or_default()) }).unwrap();
        let Attempt::Waiting(call) = waits else { panic!("it had to wait") };
        start(call, move |result| tell.send(result).unwrap()).unwrap();
        send.send(2).unwrap();
        assert_eq!(told.recv().unwrap(), Ok(2));
    }

    #[test]
    fn values_are_made_once_a_process() {
        let value = PerProcess::new();
        assert_eq!(value.get(), None);
        assert_eq!(value.get_or_try_init(|| Ok::<_, ()>(1)), Ok(&1));
        assert_eq!(value.get_or_try_init(|| Ok::<_, ()>(2)), Ok(&1));
        // As if the process that made it were another one's parent.
        let mut old = value.0.into_inner().unwrap();
        old.process = old.process.wrapping_add(1);
        let value = PerProcess(OnceLock::from(old));
        assert_eq!(value.get(), None);
        assert_eq!(value.get_or_try_init(|| Err("no")), Err("no"));
        assert_eq!(value.get_or_try_init(|| Ok::<_, ()>(3)), Ok(&3));
        assert_eq!(value.get(), Some(&3));
    }

    #[test]
    fn cancelling_drops_the_future() {
        struct Told(mpsc::Sender<()>);
        impl Drop for Told {
            fn drop(&mut self) {
                let _ = self.0.send(());
            }
        }
        let (tell, dropped) = mpsc::channel();
        let told = Told(tell);
        let call = start(
            async move {
                let _told = told;
                std::future::pending::<()>().await;
                Ok(())
            },
            |_| panic!("a cancelled call has no result"),
        )
        .unwrap();
        assert!(!call.is_finished());
        call.cancel();
        dropped.recv().unwrap();
    }
}
