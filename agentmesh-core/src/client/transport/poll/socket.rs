//! The owner's end of a connection that polls: two queues, and the task between them and the relay.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::Stream;
use futures_util::Sink;
use tokio::sync::mpsc;
use tokio_util::sync::PollSender;

use super::super::{Incoming, Outgoing, TransportError};
use crate::client::platform::Task;

/// Dropping it ends the task; closing it lets the task post what is queued first.
pub(super) struct PollSocket {
    pub(super) incoming: mpsc::Receiver<Result<Incoming, TransportError>>,
    pub(super) outgoing: PollSender<Outgoing>,
    pub(super) _task: Task<()>,
}

fn gone<E>(_: E) -> TransportError {
    TransportError::Broken { reason: "the session with the relay has ended".into() }
}

impl Stream for PollSocket {
    type Item = Result<Incoming, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.incoming.poll_recv(cx)
    }
}

impl Sink<Outgoing> for PollSocket {
    type Error = TransportError;

    fn poll_ready(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), TransportError>> {
        self.outgoing.poll_reserve(cx).map_err(gone)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Outgoing) -> Result<(), TransportError> {
        self.outgoing.send_item(message).map_err(gone)
    }

    /// What is queued is on its way.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Result<(), TransportError>> {
        self.outgoing.close();
        Poll::Ready(Ok(()))
    }
}
