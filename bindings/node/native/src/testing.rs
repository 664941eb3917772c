//! The conformance suite, over stores that are written in JavaScript.

use std::sync::{Arc, Mutex, PoisonError};

use agentmesh_facade as facade;
use facade::{FacadeError, ForeignFixture, StorageCalls, StorageReply, start};
use napi::{
    Env,
    bindgen_prelude::{FnArgs, Function, Object, Unknown},
};
use napi_derive::napi;

use crate::{
    bridge::{call, callback, notify},
    error::thrown,
    storage::{StorageCall, failure, pump},
};

/// Asks for the store under test to be opened.
#[napi]
pub struct OpenRequest(Mutex<Option<(StorageCalls, StorageReply<()>)>>);

impl OpenRequest {
    fn taken(&self) -> Option<(StorageCalls, StorageReply<()>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[napi]
impl OpenRequest {
    /// It is open; its calls go to a function.
    #[napi]
    pub fn opened(
        &self,
        on_call: Function<'_, FnArgs<(StorageCall,)>, Unknown<'static>>,
    ) -> napi::Result<()> {
        if let Some((calls, reply)) = self.taken() {
            pump(calls, callback(&on_call)?)?;
            reply.answer(Ok(()));
        }
        Ok(())
    }

    /// It cannot be opened.
    #[napi]
    pub fn fail(&self, kind: String, message: String) -> napi::Result<()> {
        if let Some((_, reply)) = self.taken() {
            reply.answer(Err(failure(&kind, message)?));
        }
        Ok(())
    }
}

/// The names of all tests.
#[napi]
pub fn conformance_tests() -> Vec<&'static str> {
    facade::CONFORMANCE_TESTS.to_vec()
}

/// Runs a test; what the store did wrong, or nothing. Stores are opened by a function, which gets an `OpenRequest`.
#[napi]
pub fn run_conformance_test<'env>(
    env: &'env Env,
    name: String,
    durability: String,
    exclusive: bool,
    on_open: Function<'_, FnArgs<(OpenRequest,)>, Unknown<'static>>,
) -> napi::Result<Object<'env>> {
    let fixture = Arc::new(ForeignFixture::new(&durability, exclusive));
    let requests = Arc::clone(&fixture);
    let on_open = callback(&on_open)?;
    let opening = async move {
        while let Some(request) = requests.next().await? {
            notify(&on_open, OpenRequest(Mutex::new(Some(request))));
        }
        Ok(())
    };
    start(opening, |_: Result<(), FacadeError>| {}).map_err(thrown)?;
    call(env, None, async move { facade::run_conformance_test(name, fixture).await })
}
