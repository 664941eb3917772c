//! The core's conformance suite over a store that is written in another language.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use agentmesh_core::{
    storage::{
        StorageError, StorageFuture,
        conformance::{self, Fixture, Tested},
    },
    test_utils::block_on,
};
use tokio::{
    sync::{Mutex, mpsc, oneshot},
    time::timeout,
};

use crate::{
    FacadeError, ForeignError, StorageCalls, StorageReply,
    runtime::blocking,
    storage::{Closings, ForeignStorage, foreign, reply},
};

/// How long the stores of a test may take to close at its end.
const LAST_CLOSE: Duration = Duration::from_secs(10);

macro_rules! tests {
    ($($name:ident),+ $(,)?) => {
        /// The names of all tests.
        pub const CONFORMANCE_TESTS: &[&str] = &[$(stringify!($name)),+];

        fn run(name: &str, fixture: &QueueFixture) -> Option<Tested> {
            match name {
                $(stringify!($name) => Some(block_on(conformance::$name(fixture))),)+
                _ => None,
            }
        }
    };
}

tests!(
    reads_what_was_committed,
    a_stale_version_conflicts,
    a_batch_is_atomic,
    lists_by_key_in_pages,
    reopening_sees_everything,
    a_closed_store_says_so,
    there_is_one_writer,
    keeps_large_records,
    keeps_many_records,
    commits_from_many_threads,
    an_abandoned_commit_is_whole_or_absent,
);

/// Where a store under test is opened: a queue of requests to open it, each answered with the queue of its calls to come.
#[derive(Debug)]
pub struct ForeignFixture {
    requests: Mutex<mpsc::Receiver<OpenRequest>>,
    fixture: std::sync::Mutex<Option<QueueFixture>>,
}

/// Asks for the store to be opened.
type OpenRequest = (StorageCalls, StorageReply<()>);

#[derive(Debug)]
struct QueueFixture {
    durability: String,
    exclusive: bool,
    requests: mpsc::Sender<OpenRequest>,
    closings: Closings,
}

impl ForeignFixture {
    /// A fixture for one test. `exclusive` says that opening an open store must fail as locked.
    pub fn new(durability: &str, exclusive: bool) -> Self {
        let (sender, receiver) = mpsc::channel(1);
        let fixture = QueueFixture {
            durability: durability.to_owned(),
            exclusive,
            requests: sender,
            closings: Closings::default(),
        };
        Self { requests: Mutex::new(receiver), fixture: std::sync::Mutex::new(Some(fixture)) }
    }

    /// The next request to open the store: its calls, and where to say whether it is open. `None` when the test is over.
    ///
    /// # Errors
    /// None yet.
    pub async fn next(&self) -> Result<Option<OpenRequest>, FacadeError> {
        Ok(self.requests.lock().await.recv().await)
    }
}

impl Fixture for QueueFixture {
    type Store = ForeignStorage;

    fn open(&self) -> StorageFuture<'_, ForeignStorage> {
        Box::pin(async {
            // What was dropped is closed before anything is opened; to a test, dropping is closing.
            all_closed(&self.closings).await;
            let failed = |message: String| StorageError::Io {
                operation: "open",
                path: "the store under test".into(),
                message,
            };
            let (storage, calls) = foreign("the store under test".to_owned(), &self.durability)
                .map_err(|error| failed(error.message))?;
            let (answer, answered) = oneshot::channel();
            let gone = |_| failed("nobody opens stores any more".to_owned());
            let request = (calls, reply(answer));
            self.requests
                .send(request)
                .await
                .map_err(|_| failed("nobody opens stores".to_owned()))?;
            let opened: Result<(), ForeignError> = answered.await.map_err(gone)?;
            opened.map_err(|error| error.core("the store under test", "open"))?;
            Ok(storage.closing_in(&self.closings))
        })
    }

    fn is_exclusive(&self) -> bool {
        self.exclusive
    }
}

/// Waits for the stores that were dropped.
async fn all_closed(closings: &Closings) {
    let dropped =
        std::mem::take(&mut *closings.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    for closed in dropped {
        let _ = closed.await;
    }
}

/// Runs a test by name. `None` if the store passed, else what it did wrong.
///
/// # Errors
/// `BINDING_ARGUMENT` for a test that there is not; `BINDING_USED` for a fixture that was used.
pub async fn run_conformance_test(
    name: String,
    fixture: Arc<ForeignFixture>,
) -> Result<Option<String>, FacadeError> {
    let taken = fixture.fixture.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
    let fixture = taken.ok_or_else(|| FacadeError::used("the fixture"))?;
    let closings = Arc::clone(&fixture.closings);
    // A test says by a panic where the store breaks the contract.
    let problem = blocking(move || match catch_unwind(AssertUnwindSafe(|| run(&name, &fixture))) {
        Ok(Some(Ok(()))) => Ok(None),
        Ok(Some(Err(error))) => Ok(Some(error.to_string())),
        Ok(None) => Err(FacadeError::argument("there is no such test")),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
            Ok(Some(text.unwrap_or_else(|| "the test panicked".to_owned())))
        }
    })
    .await;
    // Nothing is asked of the application's stores after the test. One that does not close in time is left to itself.
    let _ = timeout(LAST_CLOSE, all_closed(&closings)).await;
    problem
}
