//! The journal, byte for byte: the catalogue of all records, then one entry a group of commits. Knows no files.
//!
//! Integers are big-endian. A checksum is the first half of SHA-256 over what it covers; a short one its first 8 bytes.
//!
//! ```text
//! header  "AMstore\0" 8   format version u32   generation u64   count u64
//!         count × { kind u8   key 16   version u64   length u64 }
//!         checksum 16 of all before
//! entry   "AMen" 4   number u64   length u64   short checksum 8 of generation, number, length
//!         length × body
//!         checksum 16 of generation, number, body
//! body    count u32   count × { kind u8   key 16   version u64   00 | 01 u32 length, sealed bytes }
//! ```
//! Version and `00` is a deletion. The generation is new with every catalogue, so that nothing left over from an
//! earlier journal passes for an entry. After the last entry there may be zeros: room for more.
//!
//! An entry is written only after the one before was synced, so a crash can spoil the last one and no other: what does
//! not verify at the end was never confirmed to anybody and is dropped. If a sound entry follows it, that was
//! not a crash but damage, and an error.

use super::super::{
    Changes, RecordId, RecordKind,
    checksum::{SUM_LEN, checksum},
};
use crate::codec::{CodecError, Reader, Write};
use std::collections::BTreeMap;

const MAGIC: &[u8; 8] = b"AMstore\0";
const ENTRY_MAGIC: &[u8; 4] = b"AMen";
const ENTRY_HEADER_LEN: usize = 4 + 8 + 8 + SHORT_SUM_LEN;
const SHORT_SUM_LEN: usize = 8;
const CATALOGUE_LINE_LEN: usize = 1 + 16 + 8 + 8;

/// The version of all of this.
pub(super) const FORMAT: u32 = 1;

/// What the catalogue knows of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) version: u64,
    /// Sealed bytes.
    pub(super) len: u64,
}

/// All records.
pub(super) type Catalogue = BTreeMap<RecordId, Known>;

/// What the entries say: the record's new bytes, `None` for deleted.
pub(super) type Unsaved = BTreeMap<RecordId, Option<Vec<u8>>>;

/// A journal that was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Journal {
    pub(super) generation: u64,
    /// As of the last entry.
    pub(super) catalogue: Catalogue,
    pub(super) unsaved: Unsaved,
    /// Number of the next entry.
    pub(super) next: u64,
    /// Where the next entry goes.
    pub(super) end: usize,
}

/// Why a journal could not be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum JournalFault {
    Empty,
    Foreign(u32),
    Damaged(&'static str),
}

/// A journal without entries.
pub(super) fn encode_header(generation: u64, catalogue: &Catalogue) -> Vec<u8> {
    let len = 8 + 4 + 8 + 8 + catalogue.len() * CATALOGUE_LINE_LEN + SUM_LEN;
    let mut bytes = Vec::with_capacity(len);
    bytes.put(MAGIC);
    bytes.put_u32(FORMAT);
    bytes.put_u64(generation);
    bytes.put_u64(catalogue.len() as u64);
    for (id, known) in catalogue {
        bytes.put_u8(id.kind.as_u8());
        bytes.put(&id.key);
        bytes.put_u64(known.version);
        bytes.put_u64(known.len);
    }
    let sum = checksum(&[&bytes]);
    bytes.put(&sum);
    bytes
}

/// The entry for a group of batches, as the `number`th after the catalogue.
pub(super) fn encode_entry<'a>(
    generation: u64,
    number: u64,
    batches: impl Iterator<Item = &'a Changes> + Clone,
) -> Vec<u8> {
    let mut body = Vec::new();
    body.put_count(batches.clone().map(Changes::len).sum());
    for change in batches.flatten() {
        body.put_u8(change.id.kind.as_u8());
        body.put(&change.id.key);
        body.put_u64(change.new_version());
        body.put_option(change.value.as_ref(), |body, sealed| body.put_lp(sealed));
    }
    let mut bytes = Vec::with_capacity(ENTRY_HEADER_LEN + body.len() + SUM_LEN);
    bytes.put(&entry_header(generation, number, body.len() as u64));
    bytes.put(&body);
    bytes.put(&body_checksum(generation, number, &body));
    bytes
}

fn entry_header(generation: u64, number: u64, len: u64) -> Vec<u8> {
    let (number, len) = (number.to_be_bytes(), len.to_be_bytes());
    let sum = checksum(&[&generation.to_be_bytes(), &number, &len]);
    let mut bytes = Vec::with_capacity(ENTRY_HEADER_LEN);
    bytes.put(ENTRY_MAGIC);
    bytes.put(&number);
    bytes.put(&len);
    bytes.put(sum.first_chunk::<SHORT_SUM_LEN>().map_or(&[], |short| short));
    bytes
}

fn body_checksum(generation: u64, number: u64, body: &[u8]) -> [u8; SUM_LEN] {
    checksum(&[&generation.to_be_bytes(), &number.to_be_bytes(), body])
}

/// Reads a journal, entries included.
pub(super) fn parse(bytes: &[u8]) -> Result<Journal, JournalFault> {
    let mut journal = parse_header(bytes)?;
    let mut rest = bytes.get(journal.end..).unwrap_or_default();
    while let Some((body, after)) = next_entry(rest, journal.generation, journal.next) {
        // The checksum was right, so this can only be what we wrote, or a newer release did.
        apply(body, &mut journal).map_err(|_| {
            JournalFault::Damaged("it has an entry that this build does not understand")
        })?;
        journal.next += 1;
        rest = after;
        journal.end = bytes.len() - rest.len();
    }
    if has_later_entry(rest, journal.generation, journal.next) {
        return Err(JournalFault::Damaged("an entry before the last one does not verify"));
    }
    Ok(journal)
}

fn parse_header(bytes: &[u8]) -> Result<Journal, JournalFault> {
    const CUT: JournalFault = JournalFault::Damaged("its catalogue is cut short");
    let cut = |_: CodecError| CUT;
    if bytes.is_empty() {
        return Err(JournalFault::Empty);
    }
    let mut reader = Reader::new(bytes);
    if reader.array("magic").map_err(cut)? != *MAGIC {
        return Err(JournalFault::Damaged("it is not a journal"));
    }
    match reader.u32("format").map_err(cut)? {
        FORMAT => {}
        found => return Err(JournalFault::Foreign(found)),
    }
    let generation = reader.u64("generation").map_err(cut)?;
    let count = reader.u64("count").map_err(cut)?;
    let lines_len = usize::try_from(count).ok().and_then(|n| n.checked_mul(CATALOGUE_LINE_LEN));
    let lines = reader.bytes(lines_len.ok_or(CUT)?, "lines").map_err(cut)?;
    let covered = bytes.get(..bytes.len() - reader.rest().len()).unwrap_or_default();
    if reader.array("checksum").map_err(cut)? != checksum(&[covered]) {
        return Err(JournalFault::Damaged("its catalogue does not verify"));
    }
    let end = bytes.len() - reader.rest().len();
    let catalogue = parse_lines(lines)
        .map_err(|_| JournalFault::Damaged("it lists a record that this build does not know"))?;
    Ok(Journal { generation, catalogue, unsaved: Unsaved::new(), next: 0, end })
}

fn parse_lines(lines: &[u8]) -> Result<Catalogue, CodecError> {
    let mut reader = Reader::new(lines);
    let mut catalogue = Catalogue::new();
    while !reader.rest().is_empty() {
        let id = read_id(&mut reader)?;
        let (version, len) = (reader.u64("version")?, reader.u64("length")?);
        catalogue.insert(id, Known { version, len });
    }
    Ok(catalogue)
}

fn read_id(reader: &mut Reader<'_>) -> Result<RecordId, CodecError> {
    let kind = RecordKind::from_u8(reader.u8("kind")?);
    let kind = kind.ok_or(CodecError::InvalidValue { field: "kind" })?;
    Ok(RecordId { kind, key: reader.array("key")? })
}

/// The body of the entry at the start of `bytes`, and what follows it, if it verifies.
fn next_entry(bytes: &[u8], generation: u64, number: u64) -> Option<(&[u8], &[u8])> {
    let (header, rest) = bytes.split_at_checked(ENTRY_HEADER_LEN)?;
    let len = header_len(header, generation, number)?;
    let (body, rest) = rest.split_at_checked(usize::try_from(len).ok()?)?;
    let (sum, rest) = rest.split_first_chunk::<SUM_LEN>()?;
    (*sum == body_checksum(generation, number, body)).then_some((body, rest))
}

/// The body length in an entry header of that number.
fn header_len(header: &[u8], generation: u64, number: u64) -> Option<u64> {
    let mut reader = Reader::new(header.strip_prefix(ENTRY_MAGIC)?);
    let (_, len) = (reader.u64("number").ok()?, reader.u64("length").ok()?);
    (header == entry_header(generation, number, len)).then_some(len)
}

/// Whether the header of an entry with a number above `number` is anywhere in `bytes`.
fn has_later_entry(bytes: &[u8], generation: u64, number: u64) -> bool {
    bytes.windows(ENTRY_HEADER_LEN).filter(|window| window.starts_with(ENTRY_MAGIC)).any(|window| {
        let mut reader = Reader::new(window);
        let found = reader.bytes(ENTRY_MAGIC.len(), "magic").and_then(|_| reader.u64("number"));
        found.is_ok_and(|n| n > number && header_len(window, generation, n).is_some())
    })
}

fn apply(body: &[u8], journal: &mut Journal) -> Result<(), CodecError> {
    let mut reader = Reader::new(body);
    for _ in 0..reader.u32("count")? {
        let id = read_id(&mut reader)?;
        let version = reader.u64("version")?;
        let value = reader.option("value", |r| r.lp(usize::MAX, "sealed").map(<[u8]>::to_vec))?;
        match &value {
            Some(sealed) => {
                let len = sealed.len() as u64;
                journal.catalogue.insert(id, Known { version, len });
            }
            None => {
                journal.catalogue.remove(&id);
            }
        }
        journal.unsaved.insert(id, value);
    }
    reader.finish("journal entry")
}

#[cfg(test)]
mod tests;
