//! The body of a stream: what is in the outbox, until that is closed. Dropped when the client goes.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::body::Bytes;
use futures_util::Stream;

use super::{hub::Hub, room::Attached};

/// See the module.
pub(super) struct EventStream {
    pub(super) hub: Arc<Hub>,
    pub(super) room: String,
    pub(super) attached: Attached,
}

impl Stream for EventStream {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.attached.outbox.poll_next(cx).map(|bytes| bytes.map(Ok))
    }
}

impl Drop for EventStream {
    fn drop(&mut self) {
        let Attached { id, generation, outbox } = &self.attached;
        outbox.close();
        let now = self.hub.now();
        self.hub.detach(&self.room, id, *generation, now);
    }
}
