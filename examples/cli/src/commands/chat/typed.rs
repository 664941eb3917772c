//! What is typed. Lines come one after the other; at a terminal, commands are read while an answer is waited for, too, and
//! the questions among them wait for their turn.

use std::{collections::VecDeque, io::IsTerminal};

use tokio::io::{AsyncBufReadExt, BufReader, Lines, Stdin};

use crate::{error::CliError, output::Output};

/// What a terminal is told at the beginning, and of commands that are none.
pub(super) const HELP: &str =
    "one question a line; /clear, /cancel, /history, /ping; /quit or Ctrl-D ends";
const COMMANDS: [&str; 4] = ["cancel", "clear", "history", "ping"];
/// Questions that wait; further lines are not read until one was asked.
const MAX_WAITING: usize = 64;

/// A line that says something.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    Question(String),
    /// Without its slash.
    Command(String),
    Quit,
}

/// See the module.
pub(super) struct Typed {
    out: Output,
    lines: Lines<BufReader<Stdin>>,
    terminal: bool,
    waiting: VecDeque<String>,
    /// Standard input is at its end, or broken.
    ended: bool,
    quit: bool,
}

impl Typed {
    pub(super) fn new(out: Output) -> Self {
        Self {
            out,
            lines: BufReader::new(tokio::io::stdin()).lines(),
            terminal: std::io::stdin().is_terminal(),
            waiting: VecDeque::new(),
            ended: false,
            quit: false,
        }
    }

    pub(super) const fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// The next line. Safe to cancel.
    pub(super) async fn next(&mut self) -> Result<Option<Line>, CliError> {
        if self.quit {
            return Ok(Some(Line::Quit));
        }
        if let Some(question) = self.waiting.pop_front() {
            return Ok(Some(Line::Question(question)));
        }
        while !self.ended {
            let line = self.lines.next_line().await;
            match line.map_err(|e| CliError::failed(format!("standard input: {e}")))? {
                Some(line) => {
                    if let Some(line) = self.read(&line) {
                        return Ok(Some(line));
                    }
                }
                None => self.ended = true,
            }
        }
        Ok(None)
    }

    /// The next line that does not wait for an answer; nothing else comes of it. Safe to cancel.
    pub(super) async fn next_urgent(&mut self) -> Line {
        while self.terminal && !self.ended && self.waiting.len() < MAX_WAITING {
            match self.lines.next_line().await {
                Ok(Some(line)) => match self.read(&line) {
                    Some(Line::Question(question)) => self.waiting.push_back(question),
                    Some(line) => {
                        self.quit = line == Line::Quit;
                        return line;
                    }
                    None => {}
                },
                // Who reads the next line is told.
                Ok(None) | Err(_) => self.ended = true,
            }
        }
        std::future::pending().await
    }

    /// What a line says, if anything.
    fn read(&self, line: &str) -> Option<Line> {
        let line = line.trim();
        match line.strip_prefix('/').filter(|_| self.terminal) {
            None => (!line.is_empty()).then(|| Line::Question(line.to_owned())),
            Some("quit") => Some(Line::Quit),
            Some(name) if COMMANDS.contains(&name) => Some(Line::Command(name.to_owned())),
            Some(_) => {
                self.out.note(format_args!("{line:?} is no command: {HELP}"));
                None
            }
        }
    }
}
