//! Moving everything from one store to another, such that at no moment two of them can be used.
//!
//! The source is marked first: agents refuse a store that was moved elsewhere. Then the records are copied, with their
//! versions, and read back and compared; only then does the target stop being marked as incomplete. An interrupted copy is
//! resumed by starting it again.
//!
//! Knows records; no key is needed, since they stay sealed as they are. Spec: `docs/protocol/state.md`, Copying.

use super::{
    Changes, Record, RecordId, RecordKind, Storage, StorageError, checksum::checksum,
    require_consistent,
};
use crate::{
    codec::{CodecError, Reader, Write},
    error::errors,
    time::Timestamp,
};

/// Records read and written at a time; one may have 64 MiB.
const PAGE: usize = 16;
const FORMAT: u8 = 1;
const MAX_NAME: usize = 4096;
/// On a source, from the copy's beginning on.
const MOVED: RecordId = RecordId::new(RecordKind::Meta, *b"moved elsewhere!");
/// On a target.
const CAME: RecordId = RecordId::new(RecordKind::Meta, *b"copied hereto...");

errors! {
    /// Why a store could not be copied, or cannot be used because it was. Copying again goes on where it stopped.
    pub enum CopyError {
        /// The target holds records, and not those of an earlier part of this copy. Nothing was written.
        #[error("{to} is not empty: copy into a new store")]
        NotEmpty {
            /// The target.
            to: String,
        } = "COPY_NOT_EMPTY", Conflict, permanent;
        /// The state of this store goes on in another one. Used any longer, two copies of the same sessions would repeat
        /// message keys.
        #[error("this store was moved to {to} at {}: use that one", .at.to_rfc3339_millis())]
        Moved {
            /// Where to.
            to: String,
            /// When.
            at: Timestamp,
        } = "COPY_MOVED", Conflict, permanent;
        /// The store is a copy that is not complete. Copy again, from the same source, to complete it.
        #[error("this store is an unfinished copy of {from}: copy again to finish it")]
        Unfinished {
            /// What it is a copy of.
            from: String,
        } = "COPY_UNFINISHED", Conflict, permanent;
        /// There is nothing to copy.
        #[error("{from} is empty")]
        SourceEmpty {
            /// The source.
            from: String,
        } = "COPY_SOURCE_EMPTY", NotFound, permanent;
        /// Source and target differ: somebody else writes to one of them, or loses what is written.
        #[error("the copy of {id} differs from the original")]
        Differs {
            /// The record.
            id: RecordId,
        } = "COPY_DIFFERS", Storage, permanent;
        /// The store was not moved elsewhere, so there is nothing to take back.
        #[error("this store was not moved")]
        NotMoved = "COPY_NOT_MOVED", NotFound, permanent;
        /// A mark that copying leaves does not parse: the store was damaged, or a newer release copied it.
        #[error("the mark of a copy does not parse: {source}")]
        Mark {
            /// Where and why.
            #[from]
            source: CodecError,
        } = "COPY_MARK", Storage, permanent;
        /// One of the two stores failed.
        #[error("{source}")]
        Storage {
            /// What it says.
            #[from]
            source: StorageError,
        } = "COPY_STORAGE", Storage, permanent;
    }
}

/// What is copied, in words, and when.
#[derive(Debug, Clone, Copy)]
pub struct CopyNames<'a> {
    /// The source, for messages: a path or URL without credentials.
    pub from: &'a str,
    /// The target, likewise. Names where the state goes on.
    pub to: &'a str,
    /// When.
    pub now: Timestamp,
}

/// How far a copy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CopyProgress {
    /// Records that are in the target.
    pub copied: u64,
    /// Records that were read back and compared.
    pub verified: u64,
    /// Bytes of the copied records.
    pub bytes: u64,
}

/// One end of a copy, as its mark says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyMark {
    copy: [u8; 16],
    /// The other store.
    pub other: String,
    /// When the copy began.
    pub at: Timestamp,
    /// Whether every record had arrived and was compared.
    pub is_complete: bool,
    version: u64,
}

/// The marks of a store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CopyMarks {
    /// It was moved elsewhere, or is about to be.
    pub moved: Option<CopyMark>,
    /// It came from elsewhere.
    pub came: Option<CopyMark>,
}

impl CopyMark {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.put_u8(FORMAT);
        out.put(&self.copy);
        out.put_lp(self.other.as_bytes());
        out.put_u64(self.at.as_millis());
        out.put_bool(self.is_complete);
        out
    }

    fn parse(record: &Record) -> Result<Self, CodecError> {
        let mut r = Reader::new(&record.sealed);
        let version = r.u8("version")?;
        if version != FORMAT {
            return Err(CodecError::UnknownVersion { what: "mark of a copy", version });
        }
        let mark = Self {
            copy: r.array("copy")?,
            other: r.text(MAX_NAME, "other store")?.to_owned(),
            at: r.timestamp("time")?,
            is_complete: r.bool("complete")?,
            version: record.version,
        };
        r.finish("mark of a copy")?;
        Ok(mark)
    }
}

/// The marks that copying left on a store.
///
/// # Errors
/// [`CopyError::Mark`], [`CopyError::Storage`].
pub async fn marks(storage: &dyn Storage) -> Result<CopyMarks, CopyError> {
    let mut found = storage.load(&[MOVED, CAME]).await?.into_iter();
    let mut next = || found.next().flatten().as_ref().map(CopyMark::parse).transpose();
    Ok(CopyMarks { moved: next()?, came: next()? })
}

/// Whether a record is a mark of a copy rather than content.
pub(crate) fn is_mark(id: RecordId) -> bool {
    [MOVED, CAME].contains(&id)
}

/// Whether a store may be used: it was not moved elsewhere, and is no half of a copy. Agents ask before anything else.
///
/// # Errors
/// [`CopyError::Moved`], [`CopyError::Unfinished`].
pub async fn require_here(storage: &dyn Storage) -> Result<(), CopyError> {
    let CopyMarks { moved, came } = marks(storage).await?;
    if let Some(came) = came.filter(|came| !came.is_complete) {
        return Err(CopyError::Unfinished { from: came.other });
    }
    match moved {
        Some(moved) => Err(CopyError::Moved { to: moved.other, at: moved.at }),
        None => Ok(()),
    }
}

/// Moves everything from one store to another, which must be empty, and leaves the source marked, so that no agent uses it
/// any more. Both must be open here and nowhere else. The sealed bytes stay what they are: the target has the same store key.
///
/// Every record is read back from the target and compared. If it is interrupted, the same call with the same names goes on.
/// Until it has succeeded, neither store can be used; if the target is lost before, [`take_back`] the source.
///
/// # Errors
/// [`CopyError::NotEmpty`], [`CopyError::Moved`], [`CopyError::Unfinished`] and [`CopyError::SourceEmpty`] before anything
/// was written. Any other leaves an unfinished copy.
pub async fn copy(
    from: &dyn Storage,
    to: &dyn Storage,
    names: CopyNames<'_>,
    progress: &mut (dyn FnMut(CopyProgress) + Send),
) -> Result<CopyProgress, CopyError> {
    require_consistent(to)?;
    let (source, target) = begin(from, to, names).await?;
    let mut done = CopyProgress::default();
    if target.is_complete {
        return Ok(done);
    }
    for kind in RecordKind::ALL {
        let mut after = None;
        while let Some(page) = page(from, kind, &mut after).await? {
            transfer(to, page, &mut done).await?;
            progress(done);
        }
    }
    for kind in RecordKind::ALL {
        let mut after = None;
        while let Some(page) = page(from, kind, &mut after).await? {
            compare(to, &page).await?;
            done.verified += page.len() as u64;
            progress(done);
        }
        nothing_else(from, to, kind).await?;
    }
    // The source first: from here on it is never copied into an empty store again, whatever becomes of this target.
    complete(from, MOVED, source).await?;
    complete(to, CAME, target).await?;
    Ok(done)
}

async fn complete(storage: &dyn Storage, id: RecordId, mark: CopyMark) -> Result<(), StorageError> {
    if mark.is_complete {
        return Ok(());
    }
    let mut changes = Changes::new();
    changes.put(id, mark.version, CopyMark { is_complete: true, ..mark }.encode());
    storage.commit(changes).await
}

/// Makes the source of a copy usable again, for when its target was never finished and is gone. If the target can still
/// be used, this forks every session: destroy it first.
///
/// # Errors
/// [`CopyError::NotMoved`], and what the store says.
pub async fn take_back(storage: &dyn Storage) -> Result<(), CopyError> {
    let moved = marks(storage).await?.moved.ok_or(CopyError::NotMoved)?;
    let mut changes = Changes::new();
    changes.delete(MOVED, moved.version);
    Ok(storage.commit(changes).await?)
}

/// Marks both stores, or finds the marks of the same copy.
async fn begin(
    from: &dyn Storage,
    to: &dyn Storage,
    names: CopyNames<'_>,
) -> Result<(CopyMark, CopyMark), CopyError> {
    let source = marks(from).await?;
    let target = marks(to).await?;
    if let (Some(moved), Some(came)) = (&source.moved, &target.came)
        && moved.copy == came.copy
    {
        return Ok((moved.clone(), came.clone()));
    }
    if let Some(came) = source.came.filter(|came| !came.is_complete) {
        return Err(CopyError::Unfinished { from: came.other });
    }
    if is_empty(from).await? {
        return Err(CopyError::SourceEmpty { from: names.from.to_owned() });
    }
    if !is_empty(to).await? {
        return Err(match source.moved {
            Some(moved) => CopyError::Moved { to: moved.other, at: moved.at },
            None => CopyError::NotEmpty { to: names.to.to_owned() },
        });
    }
    // Interrupted between the two marks: the same copy, if it has the same target.
    let moved = match source.moved {
        Some(moved) if moved.other == names.to && !moved.is_complete => moved,
        Some(moved) => return Err(CopyError::Moved { to: moved.other, at: moved.at }),
        None => {
            let at = names.now;
            let parts =
                [names.from.as_bytes(), &[0], names.to.as_bytes(), &at.as_millis().to_be_bytes()];
            let (copy, other) = (checksum(&parts), names.to.to_owned());
            let moved = CopyMark { copy, other, at, is_complete: false, version: 1 };
            let mut changes = Changes::new();
            changes.put(MOVED, 0, moved.encode());
            from.commit(changes).await?;
            moved
        }
    };
    let came = CopyMark { other: names.from.to_owned(), version: 1, ..moved.clone() };
    let mut changes = Changes::new();
    changes.put(CAME, 0, came.encode());
    to.commit(changes).await?;
    Ok((moved, came))
}

async fn is_empty(storage: &dyn Storage) -> Result<bool, StorageError> {
    for kind in RecordKind::ALL {
        let found = storage.list(kind, None, 3).await?;
        if found.iter().any(|record| !is_mark(record.id)) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The next records of a kind, without the marks; `None` after the last.
async fn page(
    storage: &dyn Storage,
    kind: RecordKind,
    after: &mut Option<[u8; 16]>,
) -> Result<Option<Vec<Record>>, StorageError> {
    let mut records = storage.list(kind, *after, PAGE).await?;
    let Some(last) = records.last() else { return Ok(None) };
    *after = Some(last.id.key);
    records.retain(|record| !is_mark(record.id));
    Ok(Some(records))
}

/// Writes what is not there yet.
async fn transfer(
    to: &dyn Storage,
    records: Vec<Record>,
    done: &mut CopyProgress,
) -> Result<(), CopyError> {
    let ids: Vec<_> = records.iter().map(|record| record.id).collect();
    let present = to.load(&ids).await?;
    let mut changes = Changes::new();
    for (record, present) in records.into_iter().zip(present) {
        done.copied += 1;
        done.bytes = done.bytes.saturating_add(record.sealed.len() as u64);
        match present {
            None => changes.import(record),
            Some(present) if present == record => {}
            Some(_) => return Err(CopyError::Differs { id: record.id }),
        }
    }
    Ok(to.commit(changes).await?)
}

async fn compare(to: &dyn Storage, records: &[Record]) -> Result<(), CopyError> {
    let ids: Vec<_> = records.iter().map(|record| record.id).collect();
    let copies = to.load(&ids).await?;
    for (record, copy) in records.iter().zip(copies) {
        if copy.as_ref() != Some(record) {
            return Err(CopyError::Differs { id: record.id });
        }
    }
    Ok(())
}

/// Whether the target has no record of that kind that the source lacks.
async fn nothing_else(
    from: &dyn Storage,
    to: &dyn Storage,
    kind: RecordKind,
) -> Result<(), CopyError> {
    let mut after = None;
    while let Some(page) = page(to, kind, &mut after).await? {
        let ids: Vec<_> = page.iter().map(|record| record.id).collect();
        let originals = from.load(&ids).await?;
        if let Some((id, _)) = ids.iter().zip(originals).find(|(_, original)| original.is_none()) {
            return Err(CopyError::Differs { id: *id });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
