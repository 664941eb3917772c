//! Asking for a stream, reading on, and answering with one.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::{
    IncomingStream, OutgoingStream, StreamCommand, StreamError,
    shared::{IncomingCell, ReaderEnd},
};
use crate::{
    Error,
    client::{Agent, Message, SendOptions, driver::Command},
    identity::Amid,
    knock::SessionType,
    stream::{StreamKey, StreamRole},
    wire::{
        id::MessageId,
        plaintext::{MessageType, Payload, StreamTerms},
    },
};

/// Items between driver and reader besides the window: the end, a sign of life, a failure.
const SPARE: u32 = 8;

/// How to ask for a stream.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamOptions {
    /// How the request is sent. Its session type is `streaming` unless it says otherwise; what it waits for does not
    /// matter, and its timeout neither: the stream is there as soon as the request is queued.
    pub send: SendOptions,
    /// How much may be on its way or here, unconsumed. Default: 16 frames, 256 KiB.
    pub window: StreamTerms,
    /// Reading says [`StreamError::Idle`] when nothing came for this long. A sender that is there says so every 20 s.
    /// Default: 60 s.
    pub idle_timeout: Duration,
    /// Whether chunks count as consumed only when [`IncomingStream::ack`] says so. Default: no, when more are asked for.
    pub manual_ack: bool,
}

impl Default for StreamOptions {
    fn default() -> Self {
        Self {
            send: SendOptions::default(),
            window: StreamTerms::default(),
            idle_timeout: Duration::from_secs(60),
            manual_ack: false,
        }
    }
}

/// A stream that has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenStream {
    /// The agent at the other end.
    pub peer: Amid,
    /// The request.
    pub id: MessageId,
    /// Which end we are.
    pub role: StreamRole,
    /// Sender: chunks queued. Reader: chunks consumed.
    pub position: u64,
}

impl Agent {
    /// Sends a request and reads the answer as it comes.
    ///
    /// Returns as soon as the request is queued. Whether the peer answers with a stream or with one response is up to
    /// it: a response comes as a stream of one chunk.
    ///
    /// # Errors
    /// [`StreamError::Busy`] if `options.send.id` is that of a stream that was asked for before:
    /// [`resume_stream`](Self::resume_stream) reads on. [`StreamError::Invalid`] for a window out of bounds, and those of [`send`](Self::send) at
    /// [`Stage::Queued`](crate::engine::Stage::Queued).
    ///
    /// # Example
    /// ```no_run
    /// # async fn example(agent: agentmesh_core::client::Agent, peer: agentmesh_core::identity::Amid) -> Result<(), agentmesh_core::Error> {
    /// use agentmesh_core::client::StreamOptions;
    ///
    /// let mut tokens = agent.stream(peer, r#"{"prompt":"hello"}"#, StreamOptions::default()).await?;
    /// while let Some(chunk) = tokens.next().await {
    ///     print!("{}", chunk?.text());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn stream(
        &self,
        to: Amid,
        payload: impl Into<Payload>,
        options: StreamOptions,
    ) -> Result<IncomingStream, Error> {
        let terms = options.window;
        if !terms.is_valid() {
            return Err(StreamError::Invalid { what: "a window of so many frames or bytes" }.into());
        }
        let mut send = options.send.clone();
        if send.knock_request.is_none() {
            send.session_type.get_or_insert(SessionType::Streaming);
        }
        let mut message =
            send.message(to, MessageType::Request, None, payload.into(), self.new_id());
        message.headers.stream = Some(terms);
        self.prepare(&mut message, &send)?;
        let key = StreamKey { peer: to, id: message.id, role: StreamRole::Reader };
        let (reply, opened) = oneshot::channel();
        let message = Box::new(message);
        self.incoming(key, 0, &options, opened, |end| StreamCommand::Open {
            key,
            message,
            terms,
            end,
            reply,
        })
        .await
    }

    /// Reads a stream on from chunk `from`: after [`IncomingStream::detach`], or after a crash.
    ///
    /// `from` is what the application knows to have: chunks below it are taken as consumed.
    ///
    /// # Errors
    /// [`StreamError::Unknown`] if the stream was cancelled, or read to its end, or if nothing has moved in it for 7 days;
    /// [`StreamError::Gap`] if chunks from `from` on were consumed before.
    pub async fn resume_stream(
        &self,
        peer: Amid,
        id: MessageId,
        from: u64,
        options: StreamOptions,
    ) -> Result<IncomingStream, Error> {
        let key = StreamKey { peer, id, role: StreamRole::Reader };
        let (reply, opened) = oneshot::channel();
        self.incoming(key, from, &options, opened, |end| StreamCommand::Resume {
            key,
            from,
            end,
            reply,
        })
        .await
    }

    async fn incoming(
        &self,
        key: StreamKey,
        from: u64,
        options: &StreamOptions,
        opened: oneshot::Receiver<Result<(), Error>>,
        command: impl FnOnce(ReaderEnd) -> StreamCommand,
    ) -> Result<IncomingStream, Error> {
        // A resumed stream keeps the window that it was opened with, whatever that was.
        let room = crate::limits::MAX_STREAM_WINDOW_FRAMES + SPARE;
        let (items, receiver) = mpsc::channel(usize::try_from(room).unwrap_or(usize::MAX));
        let cell = std::sync::Arc::<IncomingCell>::default();
        let end = ReaderEnd { items, cell: std::sync::Arc::clone(&cell) };
        self.command(Command::Stream(command(end))).await?;
        let opened = opened.await.map_err(|_| self.closed())?;
        if let Err(error) = opened {
            drop(receiver);
            self.shared.streams.touch(key);
            return Err(error);
        }
        Ok(IncomingStream::new(self.clone(), key, cell, receiver, options, from))
    }

    /// Streams that have not ended, of this run and earlier ones.
    ///
    /// # Errors
    /// [`AgentError::Closed`](crate::client::AgentError::Closed)
    pub async fn open_streams(&self) -> Result<Vec<OpenStream>, Error> {
        let (reply, answer) = oneshot::channel();
        self.command(Command::Stream(StreamCommand::List { reply })).await?;
        answer.await.map_err(|_| self.closed())?
    }
}

impl Message {
    /// Whether the sender wants its answer as a stream: how much of it may be under way.
    pub fn wants_stream(&self) -> Option<StreamTerms> {
        self.content.headers.stream
    }

    /// Answers a request with a stream. The request counts as handled when the stream ends; if the process dies before,
    /// it comes again, and the stream goes on where it was: see [`OutgoingStream::position`].
    ///
    /// # Errors
    /// [`StreamError::NotAsked`] if the message is no request for a stream: answer it otherwise. [`StreamError::Busy`].
    /// [`AgentError::MessageDone`](crate::client::AgentError::MessageDone) if it was answered before.
    pub async fn stream(&self, agent: &Agent) -> Result<OutgoingStream, Error> {
        let asked =
            self.content.headers.stream.filter(|_| self.content.kind == MessageType::Request);
        let Some(terms) = asked else { return Err(StreamError::NotAsked.into()) };
        self.check_open()?;
        let key =
            StreamKey { peer: self.content.from, id: self.content.id, role: StreamRole::Sender };
        let (reply, answer) = oneshot::channel();
        agent.command(Command::Stream(StreamCommand::Answer { key, terms, reply })).await?;
        let cell = answer.await.map_err(|_| agent.closed())??;
        // The end of the stream is its verdict.
        drop(self.take_verdict());
        Ok(OutgoingStream::new(agent.clone(), cell))
    }
}
