//! The thread that owns the files of a log.

use std::{
    fs::{self, File},
    io::{BufReader, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use crate::{
    Timestamp,
    audit::{Anchor, AuditEntry, AuditError, AuditFields, AuditType, Chain, Severity},
    keys::kdf,
    rng::SystemRng,
    wire::id::MessageId,
};

use super::{
    AuditOptions, AuditOwner, Fsync, files,
    reader::{Read1, next_line},
};

/// Orders written with one `fsync`.
const MAX_GROUP: usize = 512;

/// What the writer is asked for.
pub(super) enum Order {
    Log(Box<AuditEntry>),
    Flush(oneshot::Sender<Result<(), AuditError>>),
    Anchor(oneshot::Sender<Result<Anchor, AuditError>>),
}

pub(super) struct Writer {
    directory: PathBuf,
    owner: AuditOwner,
    options: AuditOptions,
    _lock: File,
    chain: Chain,
    file: File,
    /// Bytes of the file that are whole lines of the chain.
    length: u64,
    /// Lines since the last anchor, and whether one is worth writing.
    since_anchor: u64,
    unsynced: bool,
    synced_at: Instant,
    /// Events that found the queue full.
    overflow: Arc<AtomicU64>,
    /// Events lost, and not yet said so.
    lost: u64,
    failing: Option<AuditError>,
}

impl Writer {
    pub(super) fn open(
        directory: PathBuf,
        owner: AuditOwner,
        options: AuditOptions,
        overflow: Arc<AtomicU64>,
    ) -> Result<Self, AuditError> {
        files::make_directory(&directory)?;
        let lock = files::lock(&directory)?;
        let numbers = files::numbers(&directory)?;
        let (end, removed) = End::find(&directory, &numbers)?;
        let (number, length) = end.as_ref().map_or((1, 0), |end| (end.number, end.length));
        let path = files::path_of(&directory, number);
        let io = |error: &std::io::Error| files::io_error(&path, error);
        let file = files::append_to(&path).map_err(|e| io(&e))?;
        let chain = match &end {
            Some(end) => Chain::resume(owner.amid, owner.key.as_ref(), &end.header, &end.last)?,
            None => Chain::new(owner.amid, owner.key.as_ref(), &mut SystemRng),
        };
        let torn = torn(&path, length).map_err(|e| io(&e))?;
        let mut writer = Self {
            directory,
            owner,
            options,
            _lock: lock,
            chain,
            file,
            length,
            since_anchor: 0,
            unsynced: false,
            synced_at: Instant::now(),
            overflow,
            lost: 0,
            failing: None,
        };
        if torn.is_some() {
            writer.file.set_len(length).map_err(|e| io(&e))?;
        }
        match &end {
            None => writer.begin_file(1)?,
            // Encrypted from now on, or not any more: in a file of its own.
            Some(end) if end.key_id()? != writer.chain.key_id().map(str::to_owned) => {
                end.may_change_key(&writer.chain)?;
                writer.rotate()?;
            }
            Some(_) => {}
        }
        for (bytes, digest) in removed.into_iter().chain(torn) {
            let fields = AuditFields::new().with("bytes", bytes).with("sha256", digest);
            writer.own(AuditType::AuditRepaired, "the end of the log was incomplete", fields)?;
        }
        writer.sync()?;
        Ok(writer)
    }

    /// Works until there is nobody left to give orders.
    pub(super) fn run(mut self, orders: &Receiver<Order>) {
        loop {
            let first = match self.next_sync() {
                None => orders.recv().ok(),
                Some(wait) => match orders.recv_timeout(wait) {
                    Ok(order) => Some(order),
                    Err(RecvTimeoutError::Timeout) => {
                        let synced = self.sync();
                        self.noted(synced);
                        continue;
                    }
                    Err(RecvTimeoutError::Disconnected) => None,
                },
            };
            let Some(first) = first else { break };
            let mut waiting = Vec::new();
            let mut next = Some(first);
            for _ in 0..MAX_GROUP {
                match next.take() {
                    Some(Order::Log(entry)) => self.write_entry(&entry),
                    Some(order) => waiting.push(order),
                    None => break,
                }
                next = orders.try_recv().ok();
            }
            if let Some(Order::Log(entry)) = &next {
                self.write_entry(entry);
            } else {
                waiting.extend(next);
            }
            self.say_lost();
            if self.options.fsync == Fsync::Group || !waiting.is_empty() {
                let synced = self.sync();
                self.noted(synced);
            }
            for order in waiting {
                self.answer(order);
            }
        }
        self.say_lost();
        let ended = self.anchor_line().and_then(|()| self.sync());
        self.noted(ended);
    }

    fn answer(&self, order: Order) {
        match order {
            Order::Flush(reply) => {
                let _ = reply.send(self.failing.clone().map_or(Ok(()), Err));
            }
            Order::Anchor(reply) => {
                let anchor = match (&self.failing, &self.owner.signer) {
                    (Some(error), _) => Err(error.clone()),
                    (None, None) => Err(AuditError::Closed),
                    (None, Some(identity)) => Ok(self.chain.anchor(identity)),
                };
                let _ = reply.send(anchor);
            }
            Order::Log(_) => {}
        }
    }

    fn write_entry(&mut self, entry: &AuditEntry) {
        let written = self.write(entry);
        if written.is_err() {
            self.lost += 1;
        }
        self.noted(written);
    }

    /// Says that events were lost, as soon as something can be written again.
    fn say_lost(&mut self) {
        self.lost += self.overflow.swap(0, Ordering::Relaxed);
        if self.lost == 0 {
            return;
        }
        let fields = AuditFields::new().with("count", self.lost);
        let said = self.own(AuditType::AuditDropped, "events were not logged", fields);
        if said.is_ok() {
            self.lost = 0;
        }
        self.noted(said);
    }

    /// Remembers what goes wrong, and says so once.
    fn noted(&mut self, result: Result<(), AuditError>) {
        match result {
            Ok(()) => self.failing = None,
            Err(error) => {
                if self.failing.is_none() {
                    tracing::error!(target: "agentmesh", %error, "the audit log cannot be written");
                }
                self.failing = Some(error);
            }
        }
    }

    fn now(&self) -> Timestamp {
        self.options.clock.now()
    }

    /// An event of the log itself.
    fn own(
        &mut self,
        kind: AuditType,
        message: &str,
        fields: AuditFields,
    ) -> Result<(), AuditError> {
        let now = self.now();
        let id = MessageId::new_v7(now, &mut SystemRng);
        let severity = Severity::Warning;
        let entry = AuditEntry::new(id, now, self.owner.amid, kind, severity, message, fields);
        self.write(&entry)
    }

    fn write(&mut self, entry: &AuditEntry) -> Result<(), AuditError> {
        if self.length >= self.options.max_file_bytes {
            self.rotate()?;
        }
        let mut chain = self.chain.clone();
        let line = chain.append(entry, &mut SystemRng);
        self.put(chain, line)?;
        let every = self.options.anchor_every;
        if every > 0 && self.since_anchor >= every { self.anchor_line() } else { Ok(()) }
    }

    /// The identity's signature under what was written since the last.
    fn anchor_line(&mut self) -> Result<(), AuditError> {
        if self.since_anchor == 0 {
            return Ok(());
        }
        let Some(identity) = self.owner.signer.clone() else { return Ok(()) };
        let mut chain = self.chain.clone();
        let line = chain.append_anchor(&identity, self.now());
        self.put(chain, line)?;
        self.since_anchor = 0;
        Ok(())
    }

    /// Appends a line. The chain moves on only if the line is there whole.
    fn put(&mut self, chain: Chain, mut line: String) -> Result<(), AuditError> {
        line.push('\n');
        if let Err(error) = self.file.write_all(line.as_bytes()) {
            // Whatever part of it got there; if even this fails, the next start repairs it.
            let _ = self.file.set_len(self.length);
            return Err(self.io(&error));
        }
        self.length += u64::try_from(line.len()).unwrap_or(0);
        self.chain = chain;
        self.since_anchor += 1;
        self.unsynced = true;
        Ok(())
    }

    fn rotate(&mut self) -> Result<(), AuditError> {
        self.anchor_line()?;
        self.sync()?;
        let number = self.chain.file() + 1;
        let path = files::path_of(&self.directory, number);
        let file = files::append_to(&path).map_err(|e| files::io_error(&path, &e))?;
        self.file = file;
        self.length = 0;
        let keep = self.options.max_files;
        let oldest = if keep == 0 { 1 } else { number.saturating_sub(keep - 1).max(1) };
        let first = files::numbers(&self.directory)?.first().copied().unwrap_or(1);
        self.begin_file(oldest.max(first))?;
        self.prune(oldest)
    }

    fn begin_file(&mut self, oldest: u64) -> Result<(), AuditError> {
        let mut chain = self.chain.clone();
        let header = chain.begin_file(oldest, self.now());
        self.put(chain, header)?;
        files::sync_directory(&self.directory)
            .map_err(|error| files::io_error(&self.directory, &error))?;
        self.sync()
    }

    fn prune(&mut self, oldest: u64) -> Result<(), AuditError> {
        let old: Vec<_> =
            files::numbers(&self.directory)?.into_iter().filter(|n| *n < oldest).collect();
        if old.is_empty() {
            return Ok(());
        }
        for number in &old {
            let path = files::path_of(&self.directory, *number);
            fs::remove_file(&path).map_err(|error| files::io_error(&path, &error))?;
        }
        let fields = AuditFields::new().with("files", old.len());
        self.own(AuditType::AuditPruned, "old files were removed", fields)
    }

    fn next_sync(&self) -> Option<Duration> {
        match self.options.fsync {
            Fsync::Every(time) if self.unsynced => {
                Some(time.saturating_sub(self.synced_at.elapsed()))
            }
            _ => None,
        }
    }

    fn sync(&mut self) -> Result<(), AuditError> {
        if self.unsynced {
            self.file.sync_data().map_err(|error| self.io(&error))?;
            self.unsynced = false;
        }
        self.synced_at = Instant::now();
        Ok(())
    }

    fn io(&self, error: &std::io::Error) -> AuditError {
        files::io_error(&files::path_of(&self.directory, self.chain.file()), error)
    }
}

/// Bytes that were cut off, and their SHA-256.
type Removed = (u64, String);

/// Where a log ends: the newest file with a header, its whole lines, the first and the last of them.
struct End {
    number: u64,
    length: u64,
    header: Vec<u8>,
    last: Vec<u8>,
}

impl End {
    /// Also tells what was removed: a file that a crash left without a header.
    fn find(
        directory: &Path,
        numbers: &[u64],
    ) -> Result<(Option<Self>, Option<Removed>), AuditError> {
        let mut removed = None;
        for (newest, number) in numbers.iter().rev().enumerate() {
            let path = files::path_of(directory, *number);
            let io = |error: &std::io::Error| files::io_error(&path, error);
            let mut lines = BufReader::new(File::open(&path).map_err(|e| io(&e))?);
            let (mut header, mut last, mut length) = (None, Vec::new(), 0);
            let mut read = 0;
            while let Some(Read1::Line(line)) = next_line(&mut lines).map_err(|e| io(&e))? {
                read += u64::try_from(line.len()).unwrap_or(0) + 1;
                // A power failure may leave zeros at the end, or half of a line that another one follows.
                if serde_json::from_slice::<serde_json::Value>(&line).is_ok_and(|v| v.is_object()) {
                    header.get_or_insert_with(|| line.clone());
                    (last, length) = (line, read);
                }
            }
            if let Some(header) = header {
                let end = Self { number: *number, length, header, last };
                return Ok((Some(end), removed));
            }
            // A crash while it was begun; the chain goes on in the file before.
            if newest == 0 {
                removed = torn(&path, 0).map_err(|e| io(&e))?;
                fs::remove_file(&path).map_err(|e| io(&e))?;
            } else {
                let file = path.display().to_string();
                let problem = "the file has no header";
                return Err(AuditError::Broken { file, line: 1, problem });
            }
        }
        Ok((None, removed))
    }

    fn key_id(&self) -> Result<Option<String>, AuditError> {
        let header: serde_json::Value =
            serde_json::from_slice(&self.header).map_err(|_| AuditError::Key)?;
        Ok(header.get("key").and_then(|key| key.as_str()).map(str::to_owned))
    }

    /// A log in the clear may be encrypted from now on, and the other way round; but not with another key, since
    /// then nobody could read it to the end.
    fn may_change_key(&self, chain: &Chain) -> Result<(), AuditError> {
        match (self.key_id()?, chain.key_id()) {
            (Some(_), Some(_)) => Err(AuditError::Key),
            _ => Ok(()),
        }
    }
}

/// What stands behind the whole lines: how much, and its hash.
fn torn(path: &Path, length: u64) -> std::io::Result<Option<Removed>> {
    use std::io::{Read, Seek, SeekFrom};
    let mut file = File::open(path)?;
    let total = file.metadata()?.len();
    if total <= length {
        return Ok(None);
    }
    file.seek(SeekFrom::Start(length))?;
    let mut rest = Vec::new();
    file.take(1024 * 1024).read_to_end(&mut rest)?;
    let digest = kdf::sha256(&[&rest]).iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Some((total - length, digest)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{audit::AuditQuery, client::AuditReader, identity::Amid};

    fn open(directory: &Path, overflow: Arc<AtomicU64>) -> Writer {
        let owner = AuditOwner::new(Amid::from_bytes([7; 20]));
        Writer::open(directory.to_path_buf(), owner, AuditOptions::default(), overflow).unwrap()
    }

    fn entry(writer: &Writer) -> AuditEntry {
        let id = MessageId::new_v7(writer.now(), &mut SystemRng);
        let (kind, fields) = (AuditType::SessionClosed, AuditFields::new());
        let amid = writer.owner.amid;
        AuditEntry::new(id, writer.now(), amid, kind, Severity::Info, "closed", fields)
    }

    fn dropped(directory: &Path) -> Vec<u64> {
        let query = AuditQuery::all().kind(AuditType::AuditDropped);
        let found = AuditReader::new(directory, None, None).query(&query).unwrap();
        found.iter().map(|entry| entry.metadata["count"].as_u64().unwrap()).collect()
    }

    #[test]
    fn events_that_the_disk_refuses_are_counted_in_the_log() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = open(dir.path(), Arc::default());
        let path = files::path_of(dir.path(), 1);
        writer.file = File::open(&path).unwrap();
        for _ in 0..3 {
            let entry = entry(&writer);
            writer.write_entry(&entry);
        }
        writer.say_lost();
        assert!(writer.failing.is_some());
        writer.file = files::append_to(&path).unwrap();
        writer.say_lost();
        assert_eq!(writer.failing, None);
        let entry = entry(&writer);
        writer.write_entry(&entry);
        drop(writer);
        assert_eq!(dropped(dir.path()), [3]);
        assert_eq!(AuditReader::new(dir.path(), None, None).verify(None).unwrap().dropped, 3);
    }

    #[test]
    fn events_that_found_the_queue_full_are_counted_in_the_log() {
        let dir = tempfile::tempdir().unwrap();
        let overflow = Arc::new(AtomicU64::new(5));
        let writer = open(dir.path(), Arc::clone(&overflow));
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        sender.send(Order::Log(Box::new(entry(&writer)))).unwrap();
        drop(sender);
        writer.run(&receiver);
        assert_eq!(dropped(dir.path()), [5]);
        assert_eq!(overflow.load(Ordering::Relaxed), 0);
    }
}
