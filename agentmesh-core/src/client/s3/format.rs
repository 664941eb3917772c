//! The two objects that say what a bucket's store holds, byte by byte.
//!
//! ```text
//! object name = epoch u64 | random 16 | length u64        as text: 16, 32 and 16 hex digits with hyphens between
//! place       = object name | offset u64 | length u64 | checksum 16
//!
//! head  = "AMs3head" | format u32 = 1 | store 16 | sequence u64 | commit 16 | list(earlier commit 16)
//!       | epoch u64 | option(lease) | option(index: object name | checksum 16)
//!       | list(kind u8 | key 16 | version u64 | 00 deleted, or 01 lp(sealed), or 02 place)
//!       | checksum( all before ) 16
//! lease = instance 16 | pid u32 | lp(host) | since u64 | until u64
//!
//! index = "AMs3indx" | format u32 = 1 | store 16 | list(object name)
//!       | list(kind u8 | key 16 | version u64 | object u32 | offset u64 | length u64 | checksum 16)
//!       | checksum( all before ) 16
//! ```
//!
//! Pure: knows bytes, no bucket. Spec: `docs/protocol/state.md`, S3.

use core::fmt;
use std::collections::BTreeMap;

use bytes::Bytes;

use crate::{
    Timestamp,
    codec::{CodecError, Reader, Write},
    limits::MAX_RECORD,
    storage::{Holder, RecordId, RecordKind, checksum},
};

/// The version of both objects.
pub(super) const FORMAT: u32 = 1;
const HEAD: &[u8; 8] = b"AMs3head";
const INDEX: &[u8; 8] = b"AMs3indx";
const SUM: usize = 16;
/// Commits that the head remembers, so that one whose answer was lost finds itself under those that came after it.
pub(super) const REMEMBERED: usize = 64;
const MAX_HOST: usize = 256;
/// Entries of a list: far more than an agent has, and few enough to be kept in memory.
const MAX_ENTRIES: usize = 1 << 24;

/// Names an object that is written once: the epoch of the lease that it was written under, and its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ObjectName {
    pub(super) epoch: u64,
    pub(super) random: [u8; 16],
    pub(super) length: u64,
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { epoch, random, length } = self;
        write!(f, "{epoch:016x}-{:032x}-{length:016x}", u128::from_be_bytes(*random))
    }
}

impl ObjectName {
    /// Reads what [`fmt::Display`] writes.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (epoch, rest) = text.split_once('-')?;
        let (random, length) = rest.split_once('-')?;
        let number = |part: &str| u64::from_str_radix(part, 16).ok();
        let name = Self {
            epoch: number(epoch)?,
            random: u128::from_str_radix(random, 16).ok()?.to_be_bytes(),
            length: number(length)?,
        };
        // Numbers have other spellings; names have one.
        (name.to_string() == text).then_some(name)
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self {
            epoch: r.u64("epoch of an object")?,
            random: r.array("name of an object")?,
            length: r.u64("length of an object")?,
        })
    }

    fn write(self, out: &mut Vec<u8>) {
        out.put_u64(self.epoch);
        out.put(&self.random);
        out.put_u64(self.length);
    }
}

/// Where the bytes of a record are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) object: ObjectName,
    pub(super) offset: u64,
    pub(super) length: u64,
    /// The record's checksum, as all stores compute it.
    pub(super) sum: [u8; SUM],
}

impl Place {
    /// The first byte behind it.
    pub(super) const fn end(&self) -> u64 {
        self.offset.saturating_add(self.length)
    }
}

/// Who may commit, and until when nobody else takes over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lease {
    pub(super) instance: [u8; 16],
    pub(super) pid: u32,
    pub(super) host: String,
    pub(super) since: Timestamp,
    pub(super) until: Timestamp,
}

impl Lease {
    /// For people.
    pub(super) fn holder(&self) -> Holder {
        let mut holder = Holder::UNKNOWN;
        holder.pid = Some(self.pid);
        holder.host = Some(self.host.clone());
        holder.instance = Some(format!("{:032x}", u128::from_be_bytes(self.instance)));
        (holder.since, holder.until) = (Some(self.since), Some(self.until));
        holder
    }
}

/// What became of a record since the index was written.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Fresh {
    Deleted,
    Here { version: u64, sealed: Bytes },
    There { version: u64, place: Place },
}

/// Which index holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct IndexRef {
    pub(super) name: ObjectName,
    pub(super) sum: [u8; SUM],
}

/// The one object that is replaced. Whoever replaces it has committed.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Head {
    /// Chosen when the store was made.
    pub(super) store: [u8; 16],
    pub(super) sequence: u64,
    /// This commit, drawn at random.
    pub(super) commit: [u8; 16],
    /// Those before, latest first.
    pub(super) earlier: Vec<[u8; 16]>,
    pub(super) epoch: u64,
    pub(super) lease: Option<Lease>,
    pub(super) index: Option<IndexRef>,
    pub(super) fresh: BTreeMap<RecordId, Fresh>,
}

/// What is wrong with an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    Foreign(u32),
    Damaged(String),
}

impl From<CodecError> for Fault {
    fn from(error: CodecError) -> Self {
        Self::Damaged(error.to_string())
    }
}

impl Head {
    /// The head of a store that holds nothing.
    pub(super) const fn new(store: [u8; 16], commit: [u8; 16]) -> Self {
        Self {
            store,
            sequence: 1,
            commit,
            earlier: Vec::new(),
            epoch: 1,
            lease: None,
            index: None,
            fresh: BTreeMap::new(),
        }
    }

    /// The head that follows this one, still with the same content.
    pub(super) fn next(&self, commit: [u8; 16]) -> Self {
        let mut next = self.clone();
        next.earlier.insert(0, next.commit);
        next.earlier.truncate(REMEMBERED);
        next.sequence = next.sequence.saturating_add(1);
        next.commit = commit;
        next
    }

    /// Whether that commit is this head or one of those before it.
    pub(super) fn includes(&self, commit: &[u8; 16]) -> bool {
        self.commit == *commit || self.earlier.contains(commit)
    }

    /// Bytes of the records that the head holds itself, and what goes around them, roughly.
    pub(super) fn weight(&self) -> usize {
        self.fresh
            .values()
            .map(|fresh| match fresh {
                Fresh::Here { sealed, .. } => 32 + sealed.len(),
                Fresh::Deleted | Fresh::There { .. } => 90,
            })
            .sum()
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.weight() + 2048);
        out.put(HEAD);
        out.put_u32(FORMAT);
        out.put(&self.store);
        out.put_u64(self.sequence);
        out.put(&self.commit);
        out.put_count(self.earlier.len());
        self.earlier.iter().for_each(|commit| out.put(commit));
        out.put_u64(self.epoch);
        out.put_option(self.lease.as_ref(), |out, lease| {
            out.put(&lease.instance);
            out.put_u32(lease.pid);
            out.put_lp(lease.host.as_bytes());
            out.put_u64(lease.since.as_millis());
            out.put_u64(lease.until.as_millis());
        });
        out.put_option(self.index, |out, index| {
            index.name.write(out);
            out.put(&index.sum);
        });
        out.put_count(self.fresh.len());
        for (id, fresh) in &self.fresh {
            put_id(&mut out, *id);
            match fresh {
                Fresh::Deleted => {
                    out.put_u64(0);
                    out.put_u8(0);
                }
                Fresh::Here { version, sealed } => {
                    out.put_u64(*version);
                    out.put_u8(1);
                    out.put_lp(sealed);
                }
                Fresh::There { version, place } => {
                    out.put_u64(*version);
                    out.put_u8(2);
                    place.object.write(&mut out);
                    out.put_u64(place.offset);
                    out.put_u64(place.length);
                    out.put(&place.sum);
                }
            }
        }
        finish(out)
    }

    pub(super) fn parse(bytes: &Bytes) -> Result<Self, Fault> {
        let mut r = Reader::new(body(bytes, HEAD)?);
        let store = r.array("store")?;
        let sequence = r.u64("sequence")?;
        let commit = r.array("commit")?;
        let n = r.count(REMEMBERED, "earlier commits")?;
        let earlier = (0..n).map(|_| r.array("earlier commit")).collect::<Result<_, _>>()?;
        let epoch = r.u64("epoch")?;
        let lease = r.option("lease", |r| {
            Ok(Lease {
                instance: r.array("instance")?,
                pid: r.u32("pid")?,
                host: r.text(MAX_HOST, "host")?.to_owned(),
                since: r.timestamp("since")?,
                until: r.timestamp("until")?,
            })
        })?;
        let index = r.option("index", |r| {
            Ok(IndexRef { name: ObjectName::read(r)?, sum: r.array("checksum")? })
        })?;
        let n = r.count(MAX_ENTRIES, "records")?;
        let mut fresh = BTreeMap::new();
        for _ in 0..n {
            let id = read_id(&mut r)?;
            let version = r.u64("version")?;
            let what = match r.u8("kind of change")? {
                0 => Fresh::Deleted,
                1 => {
                    let sealed = bytes.slice_ref(r.lp(MAX_RECORD, "record")?);
                    Fresh::Here { version, sealed }
                }
                2 => Fresh::There { version, place: read_place(&mut r, ObjectName::read)? },
                _ => return Err(CodecError::InvalidValue { field: "kind of change" }.into()),
            };
            fresh.insert(id, what);
        }
        r.finish("head")?;
        Ok(Self { store, sequence, commit, earlier, epoch, lease, index, fresh })
    }
}

/// A record in an object of its own or of many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) version: u64,
    pub(super) place: Place,
}

/// Where all records were when the index was written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Index(pub(super) BTreeMap<RecordId, Entry>);

impl Index {
    /// The objects that hold records, and how many of their bytes are in use.
    pub(super) fn objects(&self) -> BTreeMap<ObjectName, u64> {
        let mut objects = BTreeMap::new();
        for entry in self.0.values() {
            let used: &mut u64 = objects.entry(entry.place.object).or_default();
            *used = used.saturating_add(entry.place.length);
        }
        objects
    }

    pub(super) fn encode(&self, store: &[u8; 16]) -> Vec<u8> {
        let objects: Vec<_> = self.objects().into_keys().collect();
        let mut out = Vec::with_capacity(64 + 32 * objects.len() + 61 * self.0.len());
        out.put(INDEX);
        out.put_u32(FORMAT);
        out.put(store);
        out.put_count(objects.len());
        objects.iter().for_each(|name| name.write(&mut out));
        out.put_count(self.0.len());
        for (id, Entry { version, place }) in &self.0 {
            put_id(&mut out, *id);
            out.put_u64(*version);
            // It is there: the list was made from these entries.
            out.put_count(objects.binary_search(&place.object).unwrap_or(usize::MAX));
            out.put_u64(place.offset);
            out.put_u64(place.length);
            out.put(&place.sum);
        }
        finish(out)
    }

    pub(super) fn parse(bytes: &[u8], store: &[u8; 16]) -> Result<Self, Fault> {
        let mut r = Reader::new(body(bytes, INDEX)?);
        if r.array::<16>("store")? != *store {
            return Err(Fault::Damaged("it is the index of another store".to_owned()));
        }
        let n = r.count(MAX_ENTRIES, "objects")?;
        let objects = (0..n).map(|_| ObjectName::read(&mut r)).collect::<Result<Vec<_>, _>>()?;
        let n = r.count(MAX_ENTRIES, "records")?;
        let mut entries = BTreeMap::new();
        for _ in 0..n {
            let id = read_id(&mut r)?;
            let version = r.u64("version")?;
            let place = read_place(&mut r, |r| {
                let at = r.count(MAX_ENTRIES, "object")?;
                objects.get(at).copied().ok_or(CodecError::InvalidValue { field: "object" })
            })?;
            entries.insert(id, Entry { version, place });
        }
        r.finish("index")?;
        Ok(Self(entries))
    }
}

fn put_id(out: &mut Vec<u8>, id: RecordId) {
    out.put_u8(id.kind.as_u8());
    out.put(&id.key);
}

fn read_id(r: &mut Reader<'_>) -> Result<RecordId, CodecError> {
    let kind = RecordKind::from_u8(r.u8("record kind")?)
        .ok_or(CodecError::InvalidValue { field: "record kind" })?;
    Ok(RecordId { kind, key: r.array("record key")? })
}

fn read_place(
    r: &mut Reader<'_>,
    object: impl FnOnce(&mut Reader<'_>) -> Result<ObjectName, CodecError>,
) -> Result<Place, CodecError> {
    let object = object(r)?;
    let offset = r.u64("offset")?;
    let length = r.u64("length")?;
    if usize::try_from(length).map_or(true, |length| length > MAX_RECORD) {
        return Err(CodecError::InvalidValue { field: "length" });
    }
    Ok(Place { object, offset, length, sum: r.array("checksum")? })
}

/// Appends the checksum.
fn finish(mut out: Vec<u8>) -> Vec<u8> {
    let sum = checksum(&[&out]);
    out.put(&sum);
    out
}

/// What is between the format and the checksum, once both are as they should be.
fn body<'a>(bytes: &'a [u8], magic: &[u8; 8]) -> Result<&'a [u8], Fault> {
    let damaged = |what: &str| Fault::Damaged(what.to_owned());
    let mut r = Reader::new(bytes);
    if r.array::<8>("magic")? != *magic {
        return Err(damaged("its first bytes are not those of a store"));
    }
    match r.u32("format")? {
        FORMAT => {}
        0 => return Err(damaged("it claims the impossible format 0")),
        other => return Err(Fault::Foreign(other)),
    }
    let (content, sum) = bytes
        .len()
        .checked_sub(SUM)
        .and_then(|at| bytes.split_at_checked(at))
        .ok_or_else(|| damaged("it is cut"))?;
    if checksum(&[content]) != *sum {
        return Err(damaged("its checksum is not that of its content"));
    }
    content.get(12..).ok_or_else(|| damaged("it is cut"))
}

#[cfg(test)]
#[path = "format_tests.rs"]
mod tests;
