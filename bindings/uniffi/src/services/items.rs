//! What services tell, one item after the other.

use std::sync::Arc;

use agentmesh_facade::{Item, ItemStream};

use crate::{NativeError, calls::call};

/// Something that a service tells.
#[derive(Clone, PartialEq, uniffi::Record)]
pub struct NativeItem {
    /// What: `joined`, `delta`, `closed` and so on.
    pub kind: String,
    /// Everything else: a JSON object.
    pub details: String,
}

impl From<Item> for NativeItem {
    fn from(Item { kind, details }: Item) -> Self {
        Self { kind: kind.to_owned(), details: details.to_string() }
    }
}

/// Items to be pulled.
#[derive(uniffi::Object)]
pub struct NativeItems(Arc<ItemStream>);

impl NativeItems {
    pub(crate) fn new(items: ItemStream) -> Arc<Self> {
        Arc::new(Self(Arc::new(items)))
    }
}

#[uniffi::export]
impl NativeItems {
    /// The next item, nothing after the last. Safe to cancel.
    pub async fn next(&self) -> Result<Option<NativeItem>, NativeError> {
        let items = Arc::clone(&self.0);
        call(async move { Ok(items.next().await?.map(Into::into)) }).await
    }
}
