//! Between tokio and Node's event loop: a call is a promise, and a `Canceller` drops it; what an application is asked for goes to a
//! function that does not keep the process alive.

use std::future::Future;

use agentmesh_facade::{FacadeError, start};
use napi::{
    Env, Status,
    bindgen_prelude::{FnArgs, Function, Object, ToNapiValue, Unknown},
    threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode},
};
use napi_derive::napi;
use tokio_util::sync::CancellationToken;

use crate::error::thrown;

/// Gives up calls that it was passed to.
#[napi]
pub struct Canceller(CancellationToken);

#[napi]
impl Canceller {
    /// Not used yet.
    #[napi(constructor)]
    #[allow(clippy::new_without_default, reason = "a constructor for JavaScript")]
    pub fn new() -> Self {
        Self(CancellationToken::new())
    }

    /// Drops the calls at the next point where they wait; their promises resolve with nothing.
    #[napi]
    pub fn cancel(&self) {
        self.0.cancel();
    }
}

/// What makes a JavaScript value of a result, on the thread of JavaScript.
type Resolver<T> = Box<dyn FnOnce(Env) -> napi::Result<T> + Send>;

/// Starts a call; the promise has its result.
pub(crate) fn call<'env, T, F>(
    env: &'env Env,
    canceller: Option<&Canceller>,
    future: F,
) -> napi::Result<Object<'env>>
where
    T: ToNapiValue + Send + 'static,
    F: Future<Output = Result<T, FacadeError>> + Send + 'static,
{
    let (deferred, promise) = env.create_deferred::<Option<T>, Resolver<Option<T>>>()?;
    let token = canceller.map(|canceller| canceller.0.clone());
    let cancellable = async move {
        match token {
            None => future.await.map(Some),
            // What is finished is handed on, so that nothing that was taken is lost.
            Some(token) => token.run_until_cancelled(future).await.transpose(),
        }
    };
    start(cancellable, move |result| match result {
        Ok(value) => deferred.resolve(Box::new(move |_| Ok(value))),
        Err(error) => deferred.reject(thrown(error)),
    })
    .map_err(thrown)?;
    Ok(promise)
}

/// A function of JavaScript to be called from threads of the runtime.
pub(crate) type Callback<T> =
    ThreadsafeFunction<T, Unknown<'static>, FnArgs<(T,)>, Status, false, true>;

/// Makes one of a function.
pub(crate) fn callback<T>(
    function: &Function<'_, FnArgs<(T,)>, Unknown<'static>>,
) -> napi::Result<Callback<T>>
where
    T: ToNapiValue + Send + 'static,
{
    function
        .build_threadsafe_function::<T>()
        .callee_handled::<false>()
        .weak::<true>()
        .build_callback(|context| Ok(FnArgs::from((context.value,))))
}

/// Calls it. A function of a thread that is gone is called by nobody; what it was to get is dropped.
pub(crate) fn notify<T: ToNapiValue + Send + 'static>(callback: &Callback<T>, value: T) {
    callback.call(value, ThreadsafeFunctionCallMode::NonBlocking);
}
