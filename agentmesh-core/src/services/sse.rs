//! Server-sent events out of bytes, however they are cut (HTML Living Standard §9.2; signaling protocol §2.2).
//!
//! `eventsource-stream` reads fields and dispatches; this guard before it cuts lines itself, because the crate keeps a
//! line of any length, panics on a byte order mark at its start, ends the stream at the first byte that is no UTF-8, and loses a
//! `retry` that comes without data. See `docs/decisions/020-signaling.md`.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::mpsc::{Sender, channel},
    task::{Context, Poll, Waker},
    time::Duration,
};

use eventsource_stream::{Event, EventStreamError, Eventsource};
use futures_core::Stream;
use futures_util::stream::poll_fn;

/// Bytes of a line, and of all lines of an event together.
const MAX_BYTES: usize = 1024 * 1024;
const BOM: &[u8] = "\u{feff}".as_bytes();

/// An event as it was dispatched.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SseEvent {
    pub(crate) name: String,
    pub(crate) data: String,
}

/// More than [`MAX_BYTES`]; the stream cannot be read on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

type Parser = Pin<Box<dyn Stream<Item = Result<Event, EventStreamError<Infallible>>> + Send>>;

/// The state of one stream. A truncated event at its end is dropped with it.
pub(crate) struct Decoder {
    /// The line that is not complete.
    line: Vec<u8>,
    /// The last byte ended a line with CR; an LF that follows belongs to it.
    after_cr: bool,
    first_line: bool,
    /// Bytes since the last empty line.
    event_bytes: usize,
    lines: Sender<String>,
    parser: Parser,
    /// What the server asks to wait before reconnecting.
    retry: Option<Duration>,
}

impl Decoder {
    pub(crate) fn new() -> Self {
        let (lines, received) = channel();
        // A comment, so that no byte order mark is the first that the crate gets: on that it panics.
        let _ = lines.send(":\n".to_owned());
        let received = poll_fn(move |_| match received.try_recv() {
            Ok(line) => Poll::Ready(Some(Ok::<String, Infallible>(line))),
            Err(_) => Poll::Pending,
        });
        Self {
            line: Vec::new(),
            after_cr: false,
            first_line: true,
            event_bytes: 0,
            lines,
            parser: Box::pin(received.eventsource()),
            retry: None,
        }
    }

    /// Reads on, and says which events are complete.
    ///
    /// # Errors
    /// [`TooLong`].
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<Vec<SseEvent>, TooLong> {
        let mut events = Vec::new();
        let mut rest = bytes;
        if self.after_cr && !rest.is_empty() {
            self.after_cr = false;
            rest = rest.strip_prefix(b"\n").unwrap_or(rest);
        }
        while let Some(at) = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
            let (head, tail) = rest.split_at(at);
            self.extend(head)?;
            self.end_line(&mut events);
            rest = match tail {
                [b'\r', b'\n', rest @ ..] => rest,
                [b'\r'] => {
                    self.after_cr = true;
                    &[]
                }
                [_, rest @ ..] => rest,
                [] => &[],
            };
        }
        self.extend(rest)?;
        Ok(events)
    }

    /// The last `retry` of the stream.
    #[cfg_attr(
        not(feature = "signaling"),
        allow(dead_code, reason = "who asks a model does not come back for the rest")
    )]
    pub(crate) const fn retry(&self) -> Option<Duration> {
        self.retry
    }

    fn extend(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        self.event_bytes += bytes.len();
        if self.event_bytes > MAX_BYTES {
            return Err(TooLong);
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn end_line(&mut self, events: &mut Vec<SseEvent>) {
        let line = std::mem::take(&mut self.line);
        let mut bytes = line.as_slice();
        if std::mem::take(&mut self.first_line) {
            bytes = bytes.strip_prefix(BOM).unwrap_or(bytes);
        }
        if bytes.is_empty() {
            self.event_bytes = 0;
        }
        // A comment holds nothing, and a stream of nothing else must not add up.
        if bytes.first() == Some(&b':') {
            self.event_bytes -= line.len().min(self.event_bytes);
            return;
        }
        let mut text = String::from_utf8_lossy(bytes).into_owned();
        if let Some(value) = text.strip_prefix("retry:") {
            let value = value.strip_prefix(' ').unwrap_or(value);
            let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
            if let (true, Ok(ms)) = (digits, value.parse()) {
                self.retry = Some(Duration::from_millis(ms));
            }
        }
        text.push('\n');
        // The parser, which has the other end, lives as long as this.
        let _ = self.lines.send(text);
        let mut cx = Context::from_waker(Waker::noop());
        while let Poll::Ready(Some(Ok(event))) = self.parser.as_mut().poll_next(&mut cx) {
            events.push(SseEvent { name: event.event, data: event.data });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(bytes: &[u8]) -> Vec<(String, String)> {
        in_pieces(&[bytes])
    }

    fn in_pieces(pieces: &[&[u8]]) -> Vec<(String, String)> {
        let mut decoder = Decoder::new();
        let events = pieces.iter().flat_map(|piece| decoder.feed(piece).unwrap());
        events.map(|event| (event.name, event.data)).collect()
    }

    fn event(name: &str, data: &str) -> (String, String) {
        (name.to_owned(), data.to_owned())
    }

    /// CRLF, BOM, comments, two-line data, a letter of three bytes, all line ends, an event without data.
    const STREAM: &str = "\u{feff}event: joined\r\ndata: {\"id\":\"☂\"}\r\n\r\n: keepalive\r\n\r\n\r\n\
        event:roster\ndata: [\ndata: ]\nid: 7\n\nevent: nothing\n\ndata:  two spaces\ndata\n\nignored: x\nevent: cr\rdata: y\r\r\
        data: \u{feff}later\n\nevent: cut\ndata: off";

    #[test]
    fn case_22_the_events_are_the_same_wherever_the_stream_is_cut() {
        let wanted = [
            event("joined", "{\"id\":\"☂\"}"),
            event("roster", "[\n]"),
            event("message", " two spaces\n"),
            event("cr", "y"),
            event("message", "\u{feff}later"),
        ];
        let bytes = STREAM.as_bytes();
        assert_eq!(all(bytes), wanted);
        for at in 0..=bytes.len() {
            let (head, tail) = bytes.split_at(at);
            assert_eq!(in_pieces(&[head, tail]), wanted, "cut at {at}");
        }
        let single: Vec<_> = bytes.chunks(1).collect();
        assert_eq!(in_pieces(&single), wanted);
    }

    #[test]
    fn case_22_other_line_ends_make_the_same_events() {
        let plain = STREAM.replace("\r\n", "\n").replace('\r', "\n");
        for end in ["\n", "\r", "\r\n"] {
            assert_eq!(all(plain.replace('\n', end).as_bytes()), all(plain.as_bytes()), "{end:?}");
        }
    }

    #[test]
    fn event_of_a_stream_with_bare_cr_is_dispatched_at_once() {
        let mut decoder = Decoder::new();
        assert_eq!(decoder.feed(b"data: x\r\r").unwrap().len(), 1);
        assert_eq!(decoder.feed(b"\ndata: y\r\n\r\n").unwrap().len(), 1);
    }

    #[test]
    fn lines_and_events_are_bounded_and_comments_do_not_count() {
        let mut decoder = Decoder::new();
        assert_eq!(decoder.feed(&vec![b'x'; MAX_BYTES]), Ok(vec![]));
        assert_eq!(decoder.feed(b"x"), Err(TooLong));
        let mut decoder = Decoder::new();
        let line = [&b"data: "[..], &vec![b'x'; MAX_BYTES / 4], b"\n"].concat();
        assert!((0..4).any(|_| decoder.feed(&line).is_err()), "many lines are no way around it");
        let mut decoder = Decoder::new();
        for _ in 0..1000 {
            decoder.feed(&[&b": "[..], &[b'x'; 4096], b"\n"].concat()).unwrap();
        }
        assert_eq!(decoder.feed(b"data: x\n\n").unwrap().len(), 1);
    }

    #[test]
    fn retry_counts_with_and_without_data_if_it_is_a_number() {
        for (text, wanted) in [
            ("retry: 250\n", Some(250)),
            ("retry:7\ndata: x\n\n", Some(7)),
            ("retry: +5\n", None),
            ("retry: x\n", None),
        ] {
            let mut decoder = Decoder::new();
            decoder.feed(text.as_bytes()).unwrap();
            assert_eq!(decoder.retry(), wanted.map(Duration::from_millis), "{text}");
        }
    }

    /// Both panicked. Fuzzing found the first.
    #[test]
    fn byte_order_mark_counts_once_and_is_a_letter_everywhere_else() {
        for begin in ["\u{feff}\u{feff}", ": comment\n\u{feff}"] {
            let text = format!("{begin}data: x\n\ndata: y\n\n");
            assert_eq!(all(text.as_bytes()), [event("message", "y")], "{begin:?}");
        }
    }

    #[test]
    fn bytes_that_are_no_utf_8_spoil_no_more_than_themselves() {
        assert_eq!(
            all(b"data: a\xffb\n\ndata: c\n\n"),
            [event("message", "a\u{fffd}b"), event("message", "c")]
        );
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_pieces_make_the_same_events(
            bytes in prop::collection::vec(prop::sample::select(&b"data: \r\n:evnt\xef\xbb\xbf\x00\xff"[..]), 0..200),
            at in any::<prop::sample::Index>(),
        ) {
            let (head, tail) = bytes.split_at(at.index(bytes.len() + 1));
            prop_assert_eq!(in_pieces(&[head, tail]), all(&bytes));
        }
    }
}
