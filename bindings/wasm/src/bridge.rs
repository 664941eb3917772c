//! Between Rust's futures and JavaScript's promises: a call is a promise, and a `Canceller` drops it; what an application is asked for
//! goes to a function.

use std::{cell::RefCell, collections::BTreeMap, future::Future, pin::Pin};

use agentmesh_facade::FacadeError;
use js_sys::{Array, Function, Object, Promise, Reflect, Uint8Array};
use tokio_util::sync::CancellationToken;
use wasm_bindgen::prelude::*;

use crate::{
    error::thrown,
    executor::{enter, spawn},
};

/// What becomes a value of JavaScript.
pub(crate) trait Value {
    fn js(self) -> JsValue;
}

macro_rules! values {
    ($($kind:ty),* $(,)?) => {$(
        impl Value for $kind {
            fn js(self) -> JsValue {
                self.into()
            }
        }
    )*};
}

values!(
    String,
    bool,
    f64,
    u32,
    crate::agent::Agent,
    crate::identity::Identity,
    crate::knock::KnockQuestion,
    crate::messages::AuditLog,
    crate::messages::Message,
    crate::messages::Messages,
    crate::storage::StorageCall,
    crate::streams::IncomingStream,
    crate::streams::OutgoingStream,
);

impl Value for () {
    fn js(self) -> JsValue {
        JsValue::UNDEFINED
    }
}

impl Value for Vec<u8> {
    fn js(self) -> JsValue {
        Uint8Array::from(self.as_slice()).into()
    }
}

impl<T: Value> Value for Option<T> {
    fn js(self) -> JsValue {
        self.map_or(JsValue::NULL, Value::js)
    }
}

impl<T: Value> Value for Vec<T> {
    fn js(self) -> JsValue {
        self.into_iter().map(Value::js).collect::<Array>().into()
    }
}

impl<A: Value, B: Value> Value for (A, B) {
    fn js(self) -> JsValue {
        Array::of2(&self.0.js(), &self.1.js()).into()
    }
}

/// A plain object.
pub(crate) struct Members(Object);

impl Members {
    pub(crate) fn new() -> Self {
        Self(Object::new())
    }

    pub(crate) fn with(self, name: &str, value: impl Value) -> Self {
        // Plain objects take every member.
        let _ = Reflect::set(&self.0, &name.into(), &value.js());
        self
    }
}

impl Value for Members {
    fn js(self) -> JsValue {
        self.0.into()
    }
}

thread_local! {
    static TOKENS: RefCell<(u32, BTreeMap<u32, CancellationToken>)> =
        const { RefCell::new((0, BTreeMap::new())) };
}

/// Gives up calls that it was passed to.
#[wasm_bindgen]
pub struct Canceller(u32);

#[wasm_bindgen]
impl Canceller {
    /// Not used yet.
    #[wasm_bindgen(constructor)]
    #[allow(clippy::new_without_default, reason = "a constructor for JavaScript")]
    pub fn new() -> Self {
        TOKENS.with_borrow_mut(|(last, tokens)| {
            *last = last.wrapping_add(1);
            tokens.insert(*last, CancellationToken::new());
            Self(*last)
        })
    }

    /// By which calls find it: optional objects of Rust cannot be lent to a call.
    #[wasm_bindgen(getter)]
    pub fn id(&self) -> u32 {
        self.0
    }

    /// Drops the calls at the next point where they wait; their promises resolve with nothing.
    pub fn cancel(&self) {
        if let Some(token) = TOKENS.with_borrow(|(_, tokens)| tokens.get(&self.0).cloned()) {
            enter(|| token.cancel());
        }
    }
}

impl Drop for Canceller {
    fn drop(&mut self) {
        TOKENS.with_borrow_mut(|(_, tokens)| tokens.remove(&self.0));
    }
}

#[wasm_bindgen]
extern "C" {
    /// A `Canceller`, as calls get it.
    pub type CancellerRef;

    #[wasm_bindgen(method, getter)]
    fn id(this: &CancellerRef) -> u32;
}

/// Starts a call; the promise has its result.
#[allow(
    clippy::unnecessary_wraps,
    clippy::needless_pass_by_value,
    reason = "as exported functions have it"
)]
pub(crate) fn call<T: Value + 'static>(
    canceller: Option<CancellerRef>,
    future: impl Future<Output = Result<T, FacadeError>> + 'static,
) -> Result<Promise, JsValue> {
    let token = canceller
        .and_then(|canceller| TOKENS.with_borrow(|(_, all)| all.get(&canceller.id()).cloned()));
    Ok(promise(token, Box::pin(async move { future.await.map(Value::js) })))
}

/// The same for all calls, whatever they are: the module is to be small.
fn promise(
    token: Option<CancellationToken>,
    future: Pin<Box<dyn Future<Output = Result<JsValue, FacadeError>>>>,
) -> Promise {
    let mut task = None;
    let promise = Promise::new(&mut |resolve: Function, reject: Function| {
        task = Some((resolve, reject));
    });
    let Some((resolve, reject)) = task else { return promise };
    enter(|| {
        spawn(async move {
            let result = match token {
                None => future.await,
                // What is finished is handed on, so that nothing that was taken is lost.
                Some(token) => token.run_until_cancelled(future).await.unwrap_or(Ok(JsValue::NULL)),
            };
            // Neither function throws.
            let _ = match result {
                Ok(value) => resolve.call1(&JsValue::UNDEFINED, &value),
                Err(error) => reject.call1(&JsValue::UNDEFINED, &thrown(error)),
            };
        });
    });
    promise
}

/// Runs something beside everything else.
pub(crate) fn beside(future: impl Future<Output = Result<(), FacadeError>> + 'static) {
    enter(|| {
        spawn(async move {
            // What ends it is told to who uses what it serves.
            let _ = future.await;
        });
    });
}

/// Calls a function of the application. Those of the TypeScript half throw nothing.
pub(crate) fn notify(function: &Function, value: impl Value) {
    let _ = function.call1(&JsValue::UNDEFINED, &value.js());
}
