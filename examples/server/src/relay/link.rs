//! One authenticated connection, as everybody but its own task sees it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use agentmesh_core::wire::{
    relay_error::RelayErrorCode, relay_features::Features, relay_frame::ServerFrame,
    relay_id::RelayMessageId,
};

use super::{
    encode,
    outgoing::Outgoing,
    websocket::{Opcode, write_close, write_frame},
};

/// Handle of a connection.
#[derive(Debug)]
pub(crate) struct Link {
    /// Tells this connection from an earlier one of the same agent.
    pub(crate) id: u64,
    /// Whose it is.
    pub(crate) amid: Arc<str>,
    /// What was agreed on.
    pub(crate) features: Features,
    /// What waits to be written.
    pub(crate) outgoing: Outgoing,
    /// Milliseconds since the server started.
    pub(crate) last_heard: AtomicU64,
    /// Likewise.
    pub(crate) last_pinged: AtomicU64,
    /// Messages were put aside in the mailbox for this connection's task to send.
    pub(crate) has_backlog: AtomicBool,
    /// Without a socket: see `poll`.
    pub(crate) polls: bool,
    closing: AtomicBool,
}

impl Link {
    pub(crate) fn new(
        id: u64,
        amid: Arc<str>,
        features: Features,
        outgoing: Outgoing,
        now_ms: u64,
    ) -> Self {
        Self {
            id,
            amid,
            features,
            outgoing,
            last_heard: AtomicU64::new(now_ms),
            last_pinged: AtomicU64::new(now_ms),
            has_backlog: AtomicBool::new(false),
            polls: false,
            closing: AtomicBool::new(false),
        }
    }

    /// For a client that polls.
    pub(crate) fn to_be_polled(
        id: u64,
        amid: Arc<str>,
        features: Features,
        outgoing_bytes: u32,
        now_ms: u64,
    ) -> Self {
        let outgoing = Outgoing::to_be_polled(outgoing_bytes);
        Self { polls: true, ..Self::new(id, amid, features, outgoing, now_ms) }
    }

    /// Appends a frame; to be flushed.
    pub(crate) fn send(&self, frame: &ServerFrame) {
        let json = frame.to_json();
        self.outgoing.append(|out| write_frame(out, Opcode::Text, &[json.as_bytes()]));
    }

    /// Appends the relay's acknowledgement of one of this client's messages.
    pub(crate) fn acknowledge(&self, recipient: &str, id: RelayMessageId) {
        self.outgoing.append(|out| encode::acknowledgement(out, self.features, recipient, id));
    }

    /// Appends an error about one of this client's frames.
    pub(crate) fn refuse(
        &self,
        code: RelayErrorCode,
        message: String,
        retry_after_seconds: Option<u64>,
        message_id: Option<RelayMessageId>,
    ) {
        let message_id = message_id.filter(|_| self.features.ack);
        self.send(&ServerFrame::Error { code, message, retry_after_seconds, message_id });
    }

    /// Appends a WebSocket ping, to hear whether the client is still there.
    pub(crate) fn ping(&self) {
        if self.polls {
            // Its requests are what is heard of it.
            return;
        }
        self.outgoing.append(|out| write_frame(out, Opcode::Ping, &[]));
    }

    /// Says why and closes. Only the first call does anything; the connection's task does the rest.
    pub(crate) fn close(&self, code: u16, error: Option<(RelayErrorCode, &str)>) {
        if self.closing.swap(true, Ordering::AcqRel) {
            return;
        }
        let reason = error.as_ref().map_or("", |(_, reason)| *reason);
        if let Some((code, reason)) = &error {
            self.send(&ServerFrame::error(code.clone(), *reason));
        }
        self.outgoing.append(|out| write_close(out, code, reason));
        self.outgoing.close();
    }

    /// Whether nothing more is to be accepted from the client.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// Marks messages for the connection's task to send.
    pub(crate) fn put_aside(&self) {
        if !self.has_backlog.swap(true, Ordering::AcqRel) {
            self.outgoing.wake();
        }
    }
}
