//! A client's socket: writes prepared bytes, and tells messages from other frames by their size.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use crate::{nats, system::SIZE, websocket};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    WebSocket,
    Nats,
}

/// What one read brought.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Frames that hold at least a message.
    pub(crate) messages: usize,
    /// Shorter frames: acknowledgements.
    pub(crate) others: usize,
}

#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    framing: Framing,
    buffer: Vec<u8>,
    filled: usize,
}

impl Connection {
    pub(crate) fn open(addr: SocketAddr, framing: Framing) -> Self {
        let stream = TcpStream::connect(addr).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Self { stream, framing, buffer: Vec::new(), filled: 0 }
    }

    /// The socket once more, for a thread of its own.
    pub(crate) fn handle(&self) -> TcpStream {
        self.stream.try_clone().unwrap()
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    fn fill(&mut self) {
        // Small until there is more, so that 10,000 idle clients are cheap.
        if self.filled == self.buffer.len() {
            self.buffer.resize((self.buffer.len() * 2).clamp(2048, 256 * 1024), 0);
        }
        let n = self.stream.read(&mut self.buffer[self.filled..]).unwrap();
        assert!(n > 0, "the server closed the connection");
        self.filled += n;
    }

    /// Everything up to and with `end`, which must come.
    pub(crate) fn read_until(&mut self, end: &[u8]) -> Vec<u8> {
        loop {
            let bytes = &self.buffer[..self.filled];
            if let Some(at) = bytes.windows(end.len()).position(|window| window == end) {
                let head = bytes[..at + end.len()].to_vec();
                self.consume(head.len());
                return head;
            }
            self.fill();
        }
    }

    fn consume(&mut self, n: usize) {
        self.buffer.copy_within(n..self.filled, 0);
        self.filled -= n;
    }

    /// Reads once and counts the frames; hands each that holds a message to `each`.
    pub(crate) fn read_each(&mut self, mut each: impl FnMut(&[u8])) -> Counts {
        let mut counts = Counts::default();
        let mut at = 0;
        self.fill();
        loop {
            let rest = &self.buffer[at..self.filled];
            let scanned = match self.framing {
                Framing::WebSocket => websocket::scan(rest),
                Framing::Nats => nats::scan(rest),
            };
            let Some((whole, payload)) = scanned else { break };
            if payload >= SIZE {
                counts.messages += 1;
                each(&rest[..whole]);
            } else if payload > 0 {
                counts.others += 1;
            }
            at += whole;
        }
        self.consume(at);
        counts
    }

    pub(crate) fn read(&mut self) -> Counts {
        self.read_each(|_| {})
    }

    /// Waits for any frame.
    pub(crate) fn await_frame(&mut self) {
        while self.read() == Counts::default() {}
    }
}
