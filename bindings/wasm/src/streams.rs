//! Both ends of a stream.

use std::sync::Arc;

use agentmesh_facade as facade;
use js_sys::Promise;
use wasm_bindgen::prelude::*;

use crate::{
    bridge::{CancellerRef, Members, Value, call},
    error::run,
    payload::chunk,
};

/// Places in streams are far below 2^53.
#[allow(clippy::cast_precision_loss, reason = "see above")]
const fn number(place: u64) -> f64 {
    place as f64
}

/// An answer that comes in pieces.
#[wasm_bindgen]
pub struct IncomingStream(Arc<facade::IncomingStream>);

impl IncomingStream {
    pub(crate) fn new(stream: facade::IncomingStream) -> Self {
        Self(Arc::new(stream))
    }
}

#[wasm_bindgen]
impl IncomingStream {
    /// Who answers.
    #[wasm_bindgen(getter)]
    pub fn peer(&self) -> String {
        self.0.peer().to_owned()
    }

    /// The request.
    #[wasm_bindgen(getter)]
    pub fn id(&self) -> String {
        self.0.id().to_owned()
    }

    /// The next chunk's number.
    #[wasm_bindgen(getter)]
    pub fn position(&self) -> f64 {
        number(self.0.position())
    }

    /// What the sender said about the stream, as JSON.
    #[wasm_bindgen(getter)]
    pub fn metadata(&self) -> JsValue {
        self.0.metadata().js()
    }

    /// The next chunk; nothing behind the last.
    #[wasm_bindgen]
    pub fn next(&self, canceller: Option<CancellerRef>) -> Result<Promise, JsValue> {
        let stream = Arc::clone(&self.0);
        call(canceller, async move {
            let chunk = stream.next().await?;
            Ok(chunk.map(|chunk| {
                Members::new().with("number", number(chunk.number)).with("data", chunk.content)
            }))
        })
    }

    /// Marks chunks as consumed.
    #[wasm_bindgen]
    pub fn ack(&self, below: u32) -> Result<(), JsValue> {
        run(|| self.0.ack(below.into()))
    }

    /// Ends the stream.
    #[wasm_bindgen]
    pub fn cancel(&self, reason: String) -> Result<Promise, JsValue> {
        let stream = Arc::clone(&self.0);
        call(None, async move { stream.cancel(reason).await })
    }

    /// Stops reading.
    #[wasm_bindgen]
    pub fn detach(&self) -> Result<Promise, JsValue> {
        let stream = Arc::clone(&self.0);
        call(None, async move { stream.detach().await })
    }
}

/// An answer that is given in pieces.
#[wasm_bindgen]
pub struct OutgoingStream(Arc<facade::OutgoingStream>);

impl OutgoingStream {
    pub(crate) fn new(stream: facade::OutgoingStream) -> Self {
        Self(Arc::new(stream))
    }
}

#[wasm_bindgen]
impl OutgoingStream {
    /// Who asked.
    #[wasm_bindgen(getter)]
    pub fn peer(&self) -> String {
        self.0.peer().to_owned()
    }

    /// The request.
    #[wasm_bindgen(getter)]
    pub fn id(&self) -> String {
        self.0.id().to_owned()
    }

    /// The next chunk's number.
    #[wasm_bindgen]
    pub fn position(&self) -> Result<f64, JsValue> {
        run(|| self.0.position().map(number))
    }

    /// Whether the stream is over.
    #[wasm_bindgen(js_name = isStopped)]
    pub fn is_stopped(&self) -> Result<bool, JsValue> {
        run(|| self.0.is_stopped())
    }

    /// Sends a chunk; its number.
    #[wasm_bindgen]
    pub fn send(&self, data: JsValue, canceller: Option<CancellerRef>) -> Result<Promise, JsValue> {
        let (stream, data) = (Arc::clone(&self.0), chunk(data));
        call(canceller, async move { stream.send(data).await.map(number) })
    }

    /// Says something about the stream, as JSON.
    #[wasm_bindgen(js_name = setMetadata)]
    pub fn set_metadata(&self, json: String) -> Result<Promise, JsValue> {
        let stream = Arc::clone(&self.0);
        call(None, async move { stream.set_metadata(json).await })
    }

    /// Waits for the disk.
    #[wasm_bindgen]
    pub fn flush(&self) -> Result<Promise, JsValue> {
        let stream = Arc::clone(&self.0);
        call(None, async move { stream.flush().await })
    }

    /// The end.
    #[wasm_bindgen]
    pub fn finish(&self) -> Result<Promise, JsValue> {
        let stream = Arc::clone(&self.0);
        call(None, async move { stream.finish().await })
    }

    /// An end that is none.
    #[wasm_bindgen]
    pub fn fail(&self, code: String, message: String, retryable: bool) -> Result<Promise, JsValue> {
        let stream = Arc::clone(&self.0);
        call(None, async move { stream.fail(&code, &message, retryable).await })
    }
}
