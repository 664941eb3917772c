//! Reading: line by line, each checked against the one before.

use std::collections::VecDeque;

use base64ct::{Base64, Encoding};
use serde::Serialize;

use crate::{
    identity::Amid,
    keys::{Secret, VerifyingKey},
};

use super::{
    Anchor, AuditEntry, AuditError, AuditKey, AuditType, ChainId, LineHash,
    line::{self, Header, Line, Parsed, Unreadable},
};

/// What was found in a sound log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AuditReport {
    /// The chain's name.
    pub chain: String,
    /// Files read.
    pub files: u64,
    /// Lines read.
    pub lines: u64,
    /// Events among them.
    pub events: u64,
    /// Number of the first line that is there; more than 0 if old files were removed by rotation.
    pub first: u64,
    /// Number of the last line.
    pub last: u64,
    /// Anchors whose signature is the agent's.
    pub anchors: u64,
    /// Anchors that were not checked, for want of the agent's key.
    pub anchors_unchecked: u64,
    /// Number of the last line that an anchor vouches for. What comes after could be rewritten by whoever can write
    /// the files.
    pub anchored: Option<u64>,
    /// Whether events are encrypted.
    pub encrypted: bool,
    /// Whether they were decrypted.
    pub readable: bool,
    /// Events that the log itself says were not logged.
    pub dropped: u64,
    /// How often the end was incomplete and was cut off, as after a crash.
    pub repairs: u64,
    /// Bytes of an incomplete line at the end.
    pub torn: u64,
}

/// Reads the files of a log in order and checks them.
#[derive(Debug)]
pub struct Verifier {
    amid_key: Option<VerifyingKey>,
    key: Option<AuditKey>,
    chain: Option<ChainId>,
    chain_key: Option<Secret<32>>,
    expected: VecDeque<Anchor>,
    next: u64,
    last: LineHash,
    file: String,
    line: u64,
    /// Numbers of the first file read and of the last.
    files: Option<(u64, u64)>,
    oldest: u64,
    report: AuditReport,
}

impl Verifier {
    /// `key` decrypts an encrypted log, `agent` checks its anchors. Without, the chain is checked all the same.
    pub fn new(key: Option<AuditKey>, agent: Option<VerifyingKey>) -> Self {
        Self {
            amid_key: agent,
            key,
            chain: None,
            chain_key: None,
            expected: VecDeque::new(),
            next: 0,
            last: [0; 32],
            file: String::new(),
            line: 0,
            files: None,
            oldest: 1,
            report: AuditReport::default(),
        }
    }

    /// Has [`finish`](Self::finish) fail if the log does not contain what an anchor says.
    ///
    /// # Errors
    /// [`AuditError::AnchorForged`] if the agent's key is known and did not sign it.
    pub fn expect(&mut self, anchor: Anchor) -> Result<(), AuditError> {
        if let Some(key) = &self.amid_key {
            anchor.verify(key)?;
        }
        self.expected.push_back(anchor);
        Ok(())
    }

    /// The next file; its name is for error messages.
    pub fn begin_file(&mut self, name: &str) {
        name.clone_into(&mut self.file);
        self.line = 0;
    }

    /// The next line, without its line feed. Returns the event in it, if it has one that can be read.
    ///
    /// # Errors
    /// [`AuditError::Broken`] at the first line that does not follow; [`AuditError::FileMissing`],
    /// [`AuditError::Key`], [`AuditError::UnknownVersion`]. Nothing after it means anything.
    pub fn line(&mut self, bytes: &[u8]) -> Result<Option<AuditEntry>, AuditError> {
        self.line += 1;
        let Line { seq, prev, parsed } = line::parse(bytes, self.chain, self.chain_key.as_ref())
            .map_err(|e| match e {
                Unreadable::Malformed => self.broken("not a line of an audit log"),
                Unreadable::Version(version) => AuditError::UnknownVersion { version },
                Unreadable::Sealed => self.broken("does not decrypt: altered, or moved here"),
            })?;
        let header = match &parsed {
            Parsed::Header(header) => Some(header),
            _ => None,
        };
        if header.is_some() != (self.line == 1) {
            return Err(self.broken("headers stand at the beginning of files, and only there"));
        }
        if let Some(header) = header {
            self.header(header)?;
        }
        let begins = self.report.lines == 0;
        if begins {
            self.next = seq;
            self.report.first = seq;
        }
        if seq != self.next {
            return Err(self.broken("its number does not follow that of the line before"));
        }
        // The first line of the oldest file that is left names a line that is gone.
        if (!begins || seq == 0) && prev != self.last {
            return Err(self.broken("the line before is not the one that it names"));
        }
        let entry = match parsed {
            Parsed::Anchor(anchor) => {
                self.anchor(&anchor.anchor, seq, prev)?;
                None
            }
            Parsed::Entry(entry) => {
                self.report.events += 1;
                entry.map(|entry| *entry)
            }
            Parsed::Header(_) => None,
        };
        if let Some(entry) = &entry {
            self.note(entry);
        }
        self.last = line::hash(bytes);
        self.report.lines += 1;
        self.report.last = seq;
        self.next = seq.saturating_add(1);
        self.meet(seq)?;
        Ok(entry)
    }

    /// What comes after the last line feed: a line that was not written to its end.
    pub const fn torn(&mut self, bytes: u64) {
        self.report.torn += bytes;
    }

    /// The end of the last file.
    ///
    /// # Errors
    /// [`AuditError::AnchorNotFound`] if the log is shorter than an anchor says, [`AuditError::FileMissing`].
    pub fn finish(self) -> Result<AuditReport, AuditError> {
        if let Some((first, _)) = self.files
            && first > self.oldest
        {
            return Err(AuditError::FileMissing { number: self.oldest });
        }
        if let Some(anchor) = self.expected.front() {
            return Err(AuditError::AnchorNotFound { seq: anchor.seq });
        }
        Ok(self.report)
    }

    fn broken(&self, problem: &'static str) -> AuditError {
        AuditError::Broken { file: self.file.clone(), line: self.line, problem }
    }

    fn header(&mut self, header: &Header) -> Result<(), AuditError> {
        let chain =
            ChainId::parse(&header.chain).ok_or_else(|| self.broken("the chain has no id"))?;
        match (self.chain, self.files) {
            (Some(known), _) if known != chain => {
                return Err(self.broken("the file belongs to another chain"));
            }
            (_, Some((first, last))) => {
                if header.file != last.saturating_add(1) {
                    return Err(AuditError::FileMissing { number: last.saturating_add(1) });
                }
                self.files = Some((first, header.file));
            }
            (_, None) => self.files = Some((header.file, header.file)),
        }
        if header.oldest > header.file {
            return Err(self.broken("its header contradicts itself"));
        }
        self.oldest = header.oldest;
        self.chain = Some(chain);
        self.report.chain = header.chain.clone();
        self.report.files += 1;
        self.chain_key = None;
        if let Some(id) = &header.key {
            self.report.encrypted = true;
            match &self.key {
                None => {}
                Some(key) if key.id() == *id => {
                    self.chain_key = Some(key.chain_key(&chain));
                    self.report.readable = true;
                }
                Some(_) => return Err(AuditError::Key),
            }
        } else {
            self.report.readable = true;
        }
        Ok(())
    }

    fn anchor(&mut self, signature: &str, seq: u64, hash: LineHash) -> Result<(), AuditError> {
        let Some(key) = &self.amid_key else {
            self.report.anchors_unchecked += 1;
            return Ok(());
        };
        let (Some(chain), Some(before)) = (self.chain, seq.checked_sub(1)) else {
            return Err(self.broken("an anchor without a chain"));
        };
        let signature = Base64::decode_vec(signature)
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or(AuditError::AnchorForged { seq: before })?;
        Anchor { amid: Amid::of(key), chain, seq: before, hash, signature }.verify(key)?;
        self.report.anchors += 1;
        self.report.anchored = Some(before);
        Ok(())
    }

    fn note(&mut self, entry: &AuditEntry) {
        let count = |name: &str| entry.metadata.get(name).and_then(serde_json::Value::as_u64);
        match entry.kind {
            AuditType::AuditDropped => {
                let more = count("count").unwrap_or(1);
                self.report.dropped = self.report.dropped.saturating_add(more);
            }
            AuditType::AuditRepaired => self.report.repairs += 1,
            _ => {}
        }
    }

    /// Crosses off the anchors that this line is meant by.
    fn meet(&mut self, seq: u64) -> Result<(), AuditError> {
        let (chain, last) = (self.chain, self.last);
        for anchor in &self.expected {
            if anchor.seq == seq && (Some(anchor.chain) != chain || anchor.hash != last) {
                return Err(AuditError::AnchorNotFound { seq });
            }
        }
        self.expected.retain(|anchor| anchor.seq != seq);
        Ok(())
    }
}
