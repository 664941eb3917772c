//! Reading a log again: selecting events, and checking the chain. Blocks; takes no lock and changes nothing.

use std::{
    collections::VecDeque,
    fs::File,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use crate::{
    audit::{
        Anchor, AuditEntry, AuditError, AuditKey, AuditQuery, AuditReport, MAX_LINE, Verifier,
    },
    keys::VerifyingKey,
};

use super::files;

/// A log that is read, also while another process writes to it.
#[derive(Debug)]
pub struct AuditReader {
    directory: PathBuf,
    key: Option<AuditKey>,
    agent: Option<VerifyingKey>,
}

impl AuditReader {
    /// The log in a directory. `key` decrypts it, `agent` checks its anchors.
    pub fn new(
        directory: impl AsRef<Path>,
        key: Option<AuditKey>,
        agent: Option<VerifyingKey>,
    ) -> Self {
        Self { directory: directory.as_ref().to_path_buf(), key, agent }
    }

    /// Whether there is a log at all.
    ///
    /// # Errors
    /// [`AuditError::Io`]
    pub fn is_empty(&self) -> Result<bool, AuditError> {
        files::numbers(&self.directory).map(|numbers| numbers.is_empty())
    }

    /// The events that match, oldest first. Blocks.
    ///
    /// # Errors
    /// [`AuditError`]: the log cannot be read, or is broken; then nothing of it is returned.
    pub fn query(&self, query: &AuditQuery) -> Result<Vec<AuditEntry>, AuditError> {
        let mut found = VecDeque::new();
        let limit = query.limit.unwrap_or(usize::MAX);
        let report = self.read(None, |entry| {
            if query.matches(&entry) {
                found.push_back(entry);
                if found.len() > limit {
                    found.pop_front();
                }
            }
        })?;
        if report.encrypted && !report.readable {
            return Err(AuditError::Key);
        }
        Ok(found.into())
    }

    /// Checks everything; with an anchor, also that the log still has what the anchor says. Blocks.
    ///
    /// # Errors
    /// [`AuditError`], with the first line that is wrong.
    pub fn verify(&self, anchor: Option<Anchor>) -> Result<AuditReport, AuditError> {
        self.read(anchor, drop)
    }

    fn read(
        &self,
        anchor: Option<Anchor>,
        mut each: impl FnMut(AuditEntry),
    ) -> Result<AuditReport, AuditError> {
        let key = self.key.as_ref().map(AuditKey::duplicate);
        let mut verifier = Verifier::new(key, self.agent);
        if let Some(anchor) = anchor {
            verifier.expect(anchor)?;
        }
        let numbers = files::numbers(&self.directory)?;
        for number in &numbers {
            let path = files::path_of(&self.directory, *number);
            let file = match File::open(&path) {
                Ok(file) => file,
                // Removed by a rotation since the directory was read; the header of the next one says so.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(files::io_error(&path, &error)),
            };
            verifier.begin_file(&path.display().to_string());
            let mut lines = BufReader::new(file);
            while let Some(line) =
                next_line(&mut lines).map_err(|error| files::io_error(&path, &error))?
            {
                match line {
                    Read1::Line(line) => {
                        if let Some(entry) = verifier.line(&line)? {
                            each(entry);
                        }
                    }
                    Read1::Torn(bytes) if Some(number) == numbers.last() => verifier.torn(bytes),
                    // Only the newest file may end in the middle of a line.
                    Read1::Torn(_) => {
                        verifier.line(b"")?;
                    }
                }
            }
        }
        verifier.finish()
    }
}

/// What was read.
pub(super) enum Read1 {
    /// A line, without its line feed.
    Line(Vec<u8>),
    /// Bytes that no line feed follows.
    Torn(u64),
}

/// The next line; one that is longer than any of ours is cut, and is none then.
pub(super) fn next_line(reader: &mut impl BufRead) -> std::io::Result<Option<Read1>> {
    let mut line = Vec::new();
    let limit = u64::try_from(MAX_LINE).unwrap_or(u64::MAX).saturating_add(2);
    let read = reader.take(limit).read_until(b'\n', &mut line)?;
    if read == 0 {
        return Ok(None);
    }
    if line.pop_if(|byte| *byte == b'\n').is_some() {
        return Ok(Some(Read1::Line(line)));
    }
    if line.len() > MAX_LINE {
        return Ok(Some(Read1::Line(line)));
    }
    Ok(Some(Read1::Torn(u64::try_from(read).unwrap_or(u64::MAX))))
}
