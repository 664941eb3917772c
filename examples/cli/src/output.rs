//! Standard output: one JSON object a line with `--json`, text for people without. Nothing else writes there.

use std::{
    fmt,
    io::{self, IsTerminal, Write},
};

use serde::Serialize;

use crate::error::CliError;

/// Something a command has to say: JSON for programs, [`fmt::Display`] for people.
pub(crate) trait Line: Serialize + fmt::Display {}

impl<T: Serialize + fmt::Display> Line for T {}

/// Where lines go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) const fn new(json: bool) -> Self {
        Self { json }
    }

    /// Writes one line and flushes it: when this returns, the reader's end of the pipe has it.
    pub(crate) fn show(self, line: &impl Line) -> Result<(), CliError> {
        let mut text = if self.json {
            serde_json::to_string(line).map_err(|e| CliError::failed(format!("output: {e}")))?
        } else {
            harmless(&line.to_string())
        };
        text.push('\n');
        let mut stdout = io::stdout().lock();
        stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush())
            .map_err(|e| CliError::failed(format!("standard output: {e}")))
    }

    /// Shows a text that somebody stored: as it is to a file or a pipe, made harmless at a terminal.
    pub(crate) fn show_content(self, json: &impl Serialize, text: &str) -> Result<(), CliError> {
        let mut stdout = io::stdout().lock();
        let text = if self.json {
            serde_json::to_string(json)
                .map(|text| format!("{text}\n"))
                .map_err(|e| CliError::failed(format!("output: {e}")))?
        } else if stdout.is_terminal() {
            format!("{}\n", harmless(text).trim_end_matches('\n'))
        } else {
            text.to_owned()
        };
        stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush())
            .map_err(|e| CliError::failed(format!("standard output: {e}")))
    }

    /// For people only: left out of JSON, where an empty list is no line at all.
    pub(crate) fn show_text(self, text: &str) -> Result<(), CliError> {
        if self.json { Ok(()) } else { self.show(&text) }
    }

    /// Something that happens beside the results: a line of JSON like them, but for people a note, if they see it at all.
    pub(crate) fn show_event(self, to_people: bool, line: &impl Line) -> Result<(), CliError> {
        if self.json {
            return self.show(line);
        }
        if to_people {
            self.note(line);
        }
        Ok(())
    }

    /// Something that is no result: to standard error.
    pub(crate) fn note(self, text: impl fmt::Display) {
        // Nobody is left to tell if standard error is gone.
        let _ = writeln!(io::stderr().lock(), "agentmesh: {}", harmless(&text.to_string()));
    }

    /// Why the command failed: to standard error, and with `--json` as a line of its own to standard output.
    pub(crate) fn failure(self, error: &CliError) {
        self.note(error);
        if self.json {
            let line = Failure {
                error: FailureBody {
                    code: error.code,
                    message: &error.message,
                    retryable: error.retryable,
                    exit: error.exit as u8,
                    id: error.id.map(|id| id.to_string()),
                },
            };
            let _ =
                serde_json::to_string(&line).map(|text| writeln!(io::stdout().lock(), "{text}"));
        }
    }
}

#[derive(Serialize)]
struct Failure<'a> {
    error: FailureBody<'a>,
}

#[derive(Serialize)]
struct FailureBody<'a> {
    code: &'a str,
    message: &'a str,
    retryable: bool,
    exit: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
}

/// What peers and servers wrote must not steer the terminal: control characters and those that turn the direction of
/// writing are shown as their numbers.
fn harmless(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if (c.is_control() && c != '\n') || turns(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::harmless;

    #[test]
    fn nothing_steers_the_terminal() {
        assert_eq!(
            harmless("wörld\n\u{1b}[2J\u{9b}1m\u{202e}"),
            "wörld\n\\u{1b}[2J\\u{9b}1m\\u{202e}"
        );
    }
}
