//! The conformance suite, over stores that the application writes.

use std::sync::{Arc, Mutex, PoisonError};

use agentmesh_facade::{self as facade, ForeignFixture, StorageCalls, StorageReply};

use crate::{NativeError, NativeStorageCalls, NativeStorageFailure, calls::call};

/// Where a store under test is opened.
#[derive(uniffi::Object)]
pub struct NativeFixture(Arc<ForeignFixture>);

#[uniffi::export]
impl NativeFixture {
    /// A fixture for one test. `exclusive` says that opening an open store must fail as locked.
    #[uniffi::constructor]
    pub fn new(durability: String, exclusive: bool) -> Arc<Self> {
        Arc::new(Self(Arc::new(ForeignFixture::new(&durability, exclusive))))
    }

    /// The next request to open the store, nothing when the test is over.
    pub async fn next(&self) -> Result<Option<Arc<NativeOpenRequest>>, NativeError> {
        let fixture = Arc::clone(&self.0);
        call(async move {
            let request = fixture.next().await?;
            Ok(request.map(|request| Arc::new(NativeOpenRequest(Mutex::new(Some(request))))))
        })
        .await
    }
}

/// Asks for the store under test to be opened.
#[derive(uniffi::Object)]
pub struct NativeOpenRequest(Mutex<Option<(StorageCalls, StorageReply<()>)>>);

impl NativeOpenRequest {
    fn taken(&self) -> Option<(StorageCalls, StorageReply<()>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[uniffi::export]
impl NativeOpenRequest {
    /// It is open: its calls, the first time.
    pub fn opened(&self) -> Option<Arc<NativeStorageCalls>> {
        let (calls, reply) = self.taken()?;
        reply.answer(Ok(()));
        Some(NativeStorageCalls::new(calls))
    }

    /// It cannot be opened.
    pub fn fail(&self, failure: NativeStorageFailure, message: String) {
        if let Some((_, reply)) = self.taken() {
            reply.answer(Err(failure.with(message)));
        }
    }
}

/// The names of all tests.
#[uniffi::export]
pub fn conformance_tests() -> Vec<String> {
    facade::CONFORMANCE_TESTS.iter().map(|name| (*name).to_owned()).collect()
}

/// Runs a test; what the store did wrong, or nothing.
///
/// # Errors
/// `BINDING_ARGUMENT`, `BINDING_USED`
#[uniffi::export]
pub async fn run_conformance_test(
    name: String,
    fixture: Arc<NativeFixture>,
) -> Result<Option<String>, NativeError> {
    let fixture = Arc::clone(&fixture.0);
    call(async move { facade::run_conformance_test(name, fixture).await }).await
}
