//! A request's body whose bytes are counted until the request is answered: many clients that send large bodies slowly
//! must not fill the memory.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use axum::body::{Body, Bytes};
use hyper::body::{Frame, SizeHint};

use super::visitors::Held;

/// The account of one request.
#[derive(Debug)]
struct Account {
    held: Held,
    overdrawn: bool,
}

/// What keeps the account open.
#[derive(Debug, Clone)]
pub(super) struct Meter(Arc<Mutex<Account>>);

impl Meter {
    pub(super) fn new(held: Held) -> Self {
        Self(Arc::new(Mutex::new(Account { held, overdrawn: false })))
    }

    /// The body, counted.
    pub(super) fn measure(&self, body: Body) -> Body {
        Body::new(Metered { body, meter: self.clone() })
    }

    /// Whether there was no room for all of it.
    pub(super) fn is_overdrawn(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).overdrawn
    }

    fn take(&self, bytes: usize) -> Result<(), axum::Error> {
        let mut account = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = account.held.bytes().saturating_add(bytes);
        if account.held.set(bytes) {
            return Ok(());
        }
        account.overdrawn = true;
        Err(axum::Error::new(std::io::Error::other("too much is being sent at once")))
    }
}

struct Metered {
    body: Body,
    meter: Meter,
}

impl hyper::body::Body for Metered {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
            && let Err(error) = self.meter.take(data.len())
        {
            return Poll::Ready(Some(Err(error)));
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
