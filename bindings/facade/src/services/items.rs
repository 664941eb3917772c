//! What services tell, one item after the other: events, and the pieces of answers.

use std::{fmt, pin::Pin};

use agentmesh_core::client::subscription::Subscription;
use futures_util::{Stream, StreamExt};
use serde_json::Value;
use tokio::sync::Mutex;

use crate::{FacadeError, owned::Owned};

/// Something that a service tells.
#[derive(Clone, PartialEq)]
pub struct Item {
    /// What: `joined`, `delta`, `closed` and so on. New ones may come with every release.
    pub kind: &'static str,
    /// An object with everything else.
    pub details: Value,
}

impl Item {
    pub(super) const fn new(kind: &'static str, details: Value) -> Self {
        Self { kind, details }
    }
}

/// What services tell is people's, and holds credentials: only the kind is printed.
impl fmt::Debug for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Item").field("kind", &self.kind).finish_non_exhaustive()
    }
}

type Source = Pin<Box<dyn Stream<Item = Result<Item, FacadeError>> + Send>>;

/// Items to be pulled.
pub struct ItemStream(Owned<Mutex<Source>>);

impl fmt::Debug for ItemStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ItemStream").finish_non_exhaustive()
    }
}

impl ItemStream {
    /// Events of a client.
    pub(super) fn events<T>(events: Subscription<T>, item: fn(T) -> Item) -> Self
    where
        T: Send + 'static,
    {
        Self::new(events.map(move |event| Ok(item(event))))
    }

    /// Anything that comes one by one.
    pub(super) fn new(
        source: impl Stream<Item = Result<Item, FacadeError>> + Send + 'static,
    ) -> Self {
        Self(Owned::new(Mutex::new(Box::pin(source))))
    }

    /// The next item, `None` after the last. Safe to cancel. Readers at a time take turns.
    ///
    /// # Errors
    /// Why there is no more, for pieces of answers; `BINDING_FORKED`.
    pub async fn next(&self) -> Result<Option<Item>, FacadeError> {
        self.0.get()?.lock().await.next().await.transpose()
    }
}
