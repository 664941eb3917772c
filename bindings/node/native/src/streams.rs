//! Both ends of a stream.

use std::sync::Arc;

use agentmesh_facade as facade;
use napi::{Env, bindgen_prelude::Object};
use napi_derive::napi;

use crate::{
    bridge::{Canceller, call},
    error::run,
    payload::{Content, chunk, chunk_content},
};

/// Places in streams are far below 2^53.
#[allow(clippy::cast_precision_loss, reason = "see above")]
const fn number(place: u64) -> f64 {
    place as f64
}

/// A chunk.
#[napi(object, object_from_js = false)]
pub struct Chunk {
    /// Its place.
    pub number: f64,
    /// What it says.
    pub data: Content,
}

/// An answer that comes in pieces.
#[napi]
pub struct IncomingStream(Arc<facade::IncomingStream>);

impl IncomingStream {
    pub(crate) fn new(stream: facade::IncomingStream) -> Self {
        Self(Arc::new(stream))
    }
}

#[napi]
impl IncomingStream {
    /// Who answers.
    #[napi(getter)]
    pub fn peer(&self) -> String {
        self.0.peer().to_owned()
    }

    /// The request.
    #[napi(getter)]
    pub fn id(&self) -> String {
        self.0.id().to_owned()
    }

    /// The next chunk's number.
    #[napi(getter)]
    pub fn position(&self) -> f64 {
        number(self.0.position())
    }

    /// What the sender said about the stream, as JSON.
    #[napi(getter)]
    pub fn metadata(&self) -> Option<String> {
        self.0.metadata()
    }

    /// The next chunk; nothing behind the last.
    #[napi]
    pub fn next<'env>(
        &self,
        env: &'env Env,
        canceller: Option<&Canceller>,
    ) -> napi::Result<Object<'env>> {
        let stream = Arc::clone(&self.0);
        call(env, canceller, async move {
            let chunk = stream.next().await?;
            Ok(chunk.map(|chunk| Chunk {
                number: number(chunk.number),
                data: chunk_content(chunk.content),
            }))
        })
    }

    /// Marks chunks as consumed.
    #[napi]
    pub fn ack(&self, below: u32) -> napi::Result<()> {
        run(|| self.0.ack(below.into()))
    }

    /// Ends the stream.
    #[napi]
    pub fn cancel<'env>(&self, env: &'env Env, reason: String) -> napi::Result<Object<'env>> {
        let stream = Arc::clone(&self.0);
        call(env, None, async move { stream.cancel(reason).await })
    }

    /// Stops reading.
    #[napi]
    pub fn detach<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let stream = Arc::clone(&self.0);
        call(env, None, async move { stream.detach().await })
    }
}

/// An answer that is given in pieces.
#[napi]
pub struct OutgoingStream(Arc<facade::OutgoingStream>);

impl OutgoingStream {
    pub(crate) fn new(stream: facade::OutgoingStream) -> Self {
        Self(Arc::new(stream))
    }
}

#[napi]
impl OutgoingStream {
    /// Who asked.
    #[napi(getter)]
    pub fn peer(&self) -> String {
        self.0.peer().to_owned()
    }

    /// The request.
    #[napi(getter)]
    pub fn id(&self) -> String {
        self.0.id().to_owned()
    }

    /// The next chunk's number.
    #[napi]
    pub fn position(&self) -> napi::Result<f64> {
        run(|| self.0.position().map(number))
    }

    /// Whether the stream is over.
    #[napi]
    pub fn is_stopped(&self) -> napi::Result<bool> {
        run(|| self.0.is_stopped())
    }

    /// Sends a chunk; its number.
    #[napi]
    pub fn send<'env>(
        &self,
        env: &'env Env,
        data: Content,
        canceller: Option<&Canceller>,
    ) -> napi::Result<Object<'env>> {
        let (stream, data) = (Arc::clone(&self.0), chunk(data));
        call(env, canceller, async move { stream.send(data).await.map(number) })
    }

    /// Says something about the stream, as JSON.
    #[napi]
    pub fn set_metadata<'env>(&self, env: &'env Env, json: String) -> napi::Result<Object<'env>> {
        let stream = Arc::clone(&self.0);
        call(env, None, async move { stream.set_metadata(json).await })
    }

    /// Waits for the disk.
    #[napi]
    pub fn flush<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let stream = Arc::clone(&self.0);
        call(env, None, async move { stream.flush().await })
    }

    /// The end.
    #[napi]
    pub fn finish<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let stream = Arc::clone(&self.0);
        call(env, None, async move { stream.finish().await })
    }

    /// An end that is none.
    #[napi]
    pub fn fail<'env>(
        &self,
        env: &'env Env,
        code: String,
        message: String,
        retryable: bool,
    ) -> napi::Result<Object<'env>> {
        let stream = Arc::clone(&self.0);
        call(env, None, async move { stream.fail(&code, &message, retryable).await })
    }
}
