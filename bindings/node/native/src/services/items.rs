//! What services tell, to be pulled one by one.

use std::sync::Arc;

use agentmesh_facade as facade;
use napi::{Env, bindgen_prelude::Object};
use napi_derive::napi;

use crate::bridge::{Canceller, call};

/// Events, or the pieces of an answer.
#[napi]
pub struct ItemStream(Arc<facade::ItemStream>);

/// Something that a service tells.
#[napi(object, object_from_js = false)]
pub struct Item {
    /// What.
    pub kind: String,
    /// An object, as JSON.
    pub details: String,
}

impl Item {
    pub(super) fn new(item: &facade::Item) -> Self {
        Self { kind: item.kind.to_owned(), details: item.details.to_string() }
    }
}

impl ItemStream {
    pub(super) fn new(items: facade::ItemStream) -> Self {
        Self(Arc::new(items))
    }
}

#[napi]
impl ItemStream {
    /// The next; nothing after the last.
    #[napi]
    pub fn next<'env>(
        &self,
        env: &'env Env,
        canceller: Option<&Canceller>,
    ) -> napi::Result<Object<'env>> {
        let items = Arc::clone(&self.0);
        call(env, canceller, async move { Ok(items.next().await?.as_ref().map(Item::new)) })
    }
}
