//! The server's side of RFC 6455, over buffers: bytes in, events out, frames appended to a `Vec`.
//!
//! Why not a WebSocket library: those keep a read buffer a connection (the goal is 10 KiB for an idle connection, all
//! told), hand out an owned message for each frame, and read or write a socket themselves. Here ten thousand idle
//! connections have no buffers at all, a read of many frames is worked off in place, and many frames leave in one
//! write. A property test holds it against the library that most clients use.
//!
//! Knows nothing of relay frames. No extensions are negotiated, so reserved bits are errors.

use std::ops::Range;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opcode {
    Continuation = 0,
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

impl Opcode {
    const fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return None,
        })
    }

    const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// Why a connection ends, as its close code.
pub(crate) mod close {
    pub(crate) const NORMAL: u16 = 1000;
    pub(crate) const GOING_AWAY: u16 = 1001;
    pub(crate) const PROTOCOL_ERROR: u16 = 1002;
    pub(crate) const NOT_UTF8: u16 = 1007;
    pub(crate) const POLICY: u16 = 1008;
    /// A newer connection of the same agent took over.
    pub(crate) const REPLACED: u16 = 4006;
}

/// The client broke RFC 6455; the connection has to be closed with this code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Violation(pub(crate) u16);

const PROTOCOL: Violation = Violation(close::PROTOCOL_ERROR);

/// What came in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event<'a> {
    Text(&'a str),
    Binary(&'a [u8]),
    Ping(&'a [u8]),
    Pong,
    /// The client closes; it is owed a close frame.
    Close,
    /// A message over the limit, which was skipped.
    TooLong,
}

/// Bytes read from the socket and not yet consumed.
#[derive(Debug, Default)]
pub(crate) struct Input {
    bytes: Vec<u8>,
    start: usize,
}

impl Input {
    /// Starts with what was read before the upgrade.
    pub(crate) const fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, start: 0 }
    }

    pub(crate) fn unread(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    fn consume(&mut self, n: usize) {
        self.start = (self.start + n).min(self.bytes.len());
    }

    /// Whether all was consumed.
    pub(crate) const fn is_empty(&self) -> bool {
        self.start == self.bytes.len()
    }

    /// Gives the memory back. Only when empty.
    pub(crate) fn release(&mut self) {
        *self = Self::default();
    }

    /// Room for at least `n` more bytes, to be appended to the buffer.
    pub(crate) fn spare(&mut self, n: usize) -> &mut Vec<u8> {
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.reserve(n);
        &mut self.bytes
    }
}

/// Turns bytes into events; keeps what spans frames.
#[derive(Debug)]
pub(crate) struct Decoder {
    limit: usize,
    /// The message being put together from fragments.
    fragments: Option<(Opcode, Vec<u8>)>,
    /// The last message put together; borrowed by its event.
    assembled: Vec<u8>,
    /// Payload bytes of the current frame still to be skipped, and whether it is its message's last.
    skip: Option<(u64, bool)>,
    /// The current message is over the limit.
    overflown: bool,
}

/// A frame with its payload in the input, unmasked and consumed.
struct Frame {
    opcode: Opcode,
    last: bool,
    payload: Range<usize>,
}

enum Step {
    NeedsMore,
    Again,
    /// A whole message or control frame, in the input.
    Whole(Opcode, Range<usize>),
    /// A whole message, in `assembled`.
    Assembled(Opcode),
    TooLong,
}

struct Header {
    opcode: Opcode,
    last: bool,
    mask: [u8; 4],
    size: usize,
    length: u64,
}

fn header(bytes: &[u8]) -> Result<Option<Header>, Violation> {
    let [first, second, rest @ ..] = bytes else { return Ok(None) };
    let opcode = Opcode::from_bits(first & 0x0f).ok_or(PROTOCOL)?;
    let last = first & 0x80 != 0;
    // Reserved bits belong to extensions, and every client frame is masked.
    if first & 0x70 != 0 || second & 0x80 == 0 {
        return Err(PROTOCOL);
    }
    let (length, extended) = match second & 0x7f {
        126 => {
            let Some((n, _)) = rest.split_first_chunk::<2>() else { return Ok(None) };
            (u64::from(u16::from_be_bytes(*n)), 2)
        }
        127 => {
            let Some((n, _)) = rest.split_first_chunk::<8>() else { return Ok(None) };
            (u64::from_be_bytes(*n), 8)
        }
        short => (u64::from(short), 0),
    };
    if length >> 63 != 0 || (opcode.is_control() && (!last || length > 125)) {
        return Err(PROTOCOL);
    }
    let Some((mask, _)) = rest.get(extended..).and_then(|r| r.split_first_chunk::<4>()) else {
        return Ok(None);
    };
    Ok(Some(Header { opcode, last, mask: *mask, size: 2 + extended + 4, length }))
}

impl Decoder {
    /// Messages over `limit` bytes are skipped.
    pub(crate) const fn new(limit: usize) -> Self {
        Self { limit, fragments: None, assembled: Vec::new(), skip: None, overflown: false }
    }

    /// Bytes of the message that is being put together.
    pub(crate) fn collected(&self) -> usize {
        self.fragments.as_ref().map_or(0, |(_, bytes)| bytes.len())
    }

    /// Sets another limit, from the next message on.
    pub(crate) const fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// The next event, or `None` if the input does not hold a whole one.
    pub(crate) fn next<'a>(
        &'a mut self,
        input: &'a mut Input,
    ) -> Result<Option<Event<'a>>, Violation> {
        let (opcode, payload) = loop {
            match self.step(input)? {
                Step::NeedsMore => return Ok(None),
                Step::Again => {}
                Step::TooLong => return Ok(Some(Event::TooLong)),
                Step::Whole(opcode, range) => {
                    break (opcode, input.bytes.get(range).unwrap_or_default());
                }
                Step::Assembled(opcode) => break (opcode, self.assembled.as_slice()),
            }
        };
        let text = |bytes| std::str::from_utf8(bytes).map_err(|_| Violation(close::NOT_UTF8));
        Ok(Some(match opcode {
            Opcode::Text => Event::Text(text(payload)?),
            Opcode::Binary | Opcode::Continuation => Event::Binary(payload),
            Opcode::Ping => Event::Ping(payload),
            Opcode::Pong => Event::Pong,
            Opcode::Close => match payload.split_first_chunk::<2>() {
                None if payload.is_empty() => Event::Close,
                Some((code, reason)) if is_valid_code(u16::from_be_bytes(*code)) => {
                    text(reason)?;
                    Event::Close
                }
                _ => return Err(PROTOCOL),
            },
        }))
    }

    fn step(&mut self, input: &mut Input) -> Result<Step, Violation> {
        if let Some((left, last)) = self.skip {
            return Ok(self.skip_more(input, left, last));
        }
        let Some(frame) = self.frame(input)? else { return Ok(Step::NeedsMore) };
        let Frame { opcode, last, payload } = frame;
        if opcode.is_control() {
            return Ok(Step::Whole(opcode, payload));
        }
        if self.skip.is_some() {
            return Ok(Step::Again);
        }
        match (opcode, self.fragments.take()) {
            (Opcode::Continuation, Some((first, mut bytes))) => {
                bytes.extend_from_slice(input.bytes.get(payload).unwrap_or_default());
                Ok(self.fragment(first, bytes, last))
            }
            (Opcode::Continuation, None) | (_, Some(_)) => Err(PROTOCOL),
            (whole, None) if last => Ok(Step::Whole(whole, payload)),
            (first, None) => {
                let bytes = input.bytes.get(payload).unwrap_or_default().to_vec();
                Ok(self.fragment(first, bytes, false))
            }
        }
    }

    fn fragment(&mut self, first: Opcode, bytes: Vec<u8>, last: bool) -> Step {
        if last {
            self.assembled = bytes;
            return Step::Assembled(first);
        }
        self.fragments = Some((first, bytes));
        Step::Again
    }

    /// Consumes the next frame if all of it is there; begins to skip it if its message is too long.
    fn frame(&mut self, input: &mut Input) -> Result<Option<Frame>, Violation> {
        self.assembled = Vec::new();
        let Some(Header { opcode, last, mask, size, length }) = header(input.unread())? else {
            return Ok(None);
        };
        let too_long = |length: usize| {
            let collected = self.fragments.as_ref().map_or(0, |(_, bytes)| bytes.len());
            self.overflown || length > self.limit.saturating_sub(collected)
        };
        let fits = usize::try_from(length).ok().filter(|n| opcode.is_control() || !too_long(*n));
        let Some(length) = fits else {
            if (opcode == Opcode::Continuation) != (self.overflown || self.fragments.is_some()) {
                return Err(PROTOCOL);
            }
            input.consume(size);
            self.fragments = None;
            self.overflown = true;
            self.skip = Some((length, last));
            return Ok(Some(Frame { opcode: Opcode::Continuation, last, payload: 0..0 }));
        };
        if input.unread().len() < size + length {
            return Ok(None);
        }
        let start = input.start + size;
        let payload = start..start + length;
        unmask(input.bytes.get_mut(payload.clone()).unwrap_or_default(), mask);
        input.consume(size + length);
        Ok(Some(Frame { opcode, last, payload }))
    }

    fn skip_more(&mut self, input: &mut Input, left: u64, last: bool) -> Step {
        let here = usize::try_from(left).unwrap_or(usize::MAX).min(input.unread().len());
        input.consume(here);
        let left = left.saturating_sub(u64::try_from(here).unwrap_or(left));
        if left > 0 {
            self.skip = Some((left, last));
            return Step::NeedsMore;
        }
        self.skip = None;
        if last {
            self.overflown = false;
            return Step::TooLong;
        }
        Step::Again
    }
}

const fn is_valid_code(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// XOR with the repeated mask, 32 bytes at a time so that the compiler uses wide registers.
fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let mut wide = [0; 32];
    wide.chunks_exact_mut(4).for_each(|chunk| chunk.copy_from_slice(&mask));
    let mut chunks = payload.chunks_exact_mut(32);
    for chunk in &mut chunks {
        chunk.iter_mut().zip(wide).for_each(|(byte, key)| *byte ^= key);
    }
    chunks.into_remainder().iter_mut().zip(wide).for_each(|(byte, key)| *byte ^= key);
}

/// Appends a frame whose payload is given in parts.
pub(crate) fn write_frame(out: &mut Vec<u8>, opcode: Opcode, parts: &[&[u8]]) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    out.reserve(length + 10);
    out.push(0x80 | opcode as u8);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ ..=125), _) => out.push(short),
        (_, Ok(medium)) => {
            out.push(126);
            out.extend_from_slice(&medium.to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend_from_slice(&u64::try_from(length).unwrap_or(u64::MAX).to_be_bytes());
        }
    }
    parts.iter().for_each(|part| out.extend_from_slice(part));
}

/// Appends a close frame. A reason over 123 bytes is left out.
pub(crate) fn write_close(out: &mut Vec<u8>, code: u16, reason: &str) {
    let reason = if reason.len() <= 123 { reason } else { "" };
    write_frame(out, Opcode::Close, &[&code.to_be_bytes(), reason.as_bytes()]);
}

#[cfg(test)]
#[path = "websocket_tests.rs"]
mod tests;
