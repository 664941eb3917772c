//! How log lines look: one line an event, whatever is in it. Names, reasons and errors come from strangers, and a line break
//! or a terminal's escape sequence in them must not pass for a line of ours.

use std::fmt::{self, Write};

use tracing_subscriber::{
    field::MakeExt,
    fmt::{FormatFields, format::debug_fn},
};

/// Writes fields with every control character escaped. For `tracing_subscriber::fmt`'s `fmt_fields`.
pub fn one_line() -> impl for<'writer> FormatFields<'writer> + Send + Sync + 'static {
    debug_fn(|writer, field, value| {
        if field.name() != "message" {
            write!(writer, "{field}=")?;
        }
        write!(Escaped { writer }, "{value:?}")
    })
    .delimited(" ")
}

/// Passes text on, escaped.
struct Escaped<'a> {
    writer: &'a mut dyn Write,
}

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for part in text.split_inclusive(is_control) {
            let end = part.chars().next_back().filter(|last| is_control(*last));
            let plain = end.map_or(part, |last| part.strip_suffix(last).unwrap_or(part));
            self.writer.write_str(plain)?;
            if let Some(last) = end {
                write!(self.writer, "{}", last.escape_default())?;
            }
        }
        Ok(())
    }
}

/// Control characters, and those that only look like line breaks or turn the direction of writing around.
fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex, PoisonError},
    };

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_strangers_send_makes_no_line_and_no_colour_of_its_own() {
        let lines = Lines::default();
        let to = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .fmt_fields(one_line())
            .with_ansi(false)
            .with_writer(move || to.clone())
            .finish();
        let evil = "x\r\n2026-01-01T00:00:00Z ERROR forged\u{1b}[31m\u{9b}2J\u{2028}\u{202e}\0";
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(who = evil, shown = %evil, debug = ?evil, number = 5, "{evil}");
            tracing::info_span!("span", of = %evil)
                .in_scope(|| tracing::warn!(%evil, "plain words"));
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.matches('\n').count(), 2, "{text}");
        assert!(text.chars().all(|c| c == '\n' || !is_control(c)), "{text:?}");
        let first = text.lines().next().unwrap();
        assert!(first.contains("x\\r\\n2026") && first.contains("number=5"), "{first}");
        assert!(text.ends_with('\n') && text.contains("plain words evil=x\\r\\n"), "{text}");
    }
}
