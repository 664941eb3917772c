//! The file of one record, byte for byte. Integers are big-endian.
//!
//! ```text
//! "AMrecord"  8   format version u32   kind u8   key 16   record version u64   length u64   checksum 16   sealed bytes
//! ```
//! The checksum is the first half of SHA-256 over kind, key, record version and sealed bytes.

use super::super::{
    Record, RecordId, StorageError,
    checksum::{SUM_LEN, record_checksum},
};
use crate::codec::{CodecError, Reader, Write};
use std::path::Path;

const MAGIC: &[u8; 8] = b"AMrecord";
const FORMAT: u32 = 1;

/// Bytes before the sealed ones.
pub(super) const HEADER_LEN: usize = 8 + 4 + 1 + 16 + 8 + 8 + SUM_LEN;

/// The file's bytes.
pub(super) fn encode(id: RecordId, version: u64, sealed: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_LEN + sealed.len());
    bytes.put(MAGIC);
    bytes.put_u32(FORMAT);
    bytes.put_u8(id.kind.as_u8());
    bytes.put(&id.key);
    bytes.put_u64(version);
    bytes.put_u64(sealed.len() as u64);
    bytes.put(&record_checksum(id, version, sealed));
    bytes.put(sealed);
    bytes
}

/// The record that must be in the file: that one, in that version.
pub(super) fn decode(
    bytes: &[u8],
    id: RecordId,
    version: u64,
    path: &Path,
) -> Result<Record, StorageError> {
    let corrupt = |what: &str| StorageError::Corrupt {
        path: path.to_path_buf(),
        hint: format!("{what}; restore the whole directory from a backup"),
    };
    let header = read_header(bytes).map_err(|_| corrupt("it is cut short"))?;
    if header.magic != *MAGIC {
        return Err(corrupt("it is not a record"));
    }
    if header.format != FORMAT {
        return Err(StorageError::ForeignVersion {
            path: path.to_path_buf(),
            found: header.format,
            supported: FORMAT,
        });
    }
    if header.length != header.sealed.len() as u64 {
        return Err(corrupt("it has not the length that it says"));
    }
    let found = (header.kind, header.key);
    if found != (id.kind.as_u8(), id.key) {
        return Err(corrupt("it is another record's file"));
    }
    if header.version != version {
        let what = format!("it holds version {}, not {version}", header.version);
        return Err(corrupt(&what));
    }
    if header.sum != record_checksum(id, version, header.sealed) {
        return Err(corrupt("its bytes were altered"));
    }
    Ok(Record { id, version, sealed: header.sealed.to_vec() })
}

struct Header<'a> {
    magic: [u8; 8],
    format: u32,
    kind: u8,
    key: [u8; 16],
    version: u64,
    length: u64,
    sum: [u8; SUM_LEN],
    sealed: &'a [u8],
}

fn read_header(bytes: &[u8]) -> Result<Header<'_>, CodecError> {
    let mut reader = Reader::new(bytes);
    Ok(Header {
        magic: reader.array("magic")?,
        format: reader.u32("format")?,
        kind: reader.u8("kind")?,
        key: reader.array("key")?,
        version: reader.u64("version")?,
        length: reader.u64("length")?,
        sum: reader.array("sum")?,
        sealed: reader.rest(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::RecordKind;

    const ID: RecordId = RecordId { kind: RecordKind::Peer, key: [9; 16] };

    #[test]
    fn every_flipped_bit_and_every_truncation_is_an_error_that_names_the_file() {
        let bytes = encode(ID, 5, b"sealed");
        let path = Path::new("/d/peer");
        let record = decode(&bytes, ID, 5, path).unwrap();
        assert_eq!(record, Record { id: ID, version: 5, sealed: b"sealed".to_vec() });
        for at in 0..bytes.len() {
            let cut = decode(&bytes[..at], ID, 5, path);
            assert!(matches!(cut, Err(StorageError::Corrupt { path: p, .. }) if p == path));
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                assert!(decode(&flipped, ID, 5, path).is_err(), "byte {at} bit {bit}");
            }
        }
        assert!(decode(&bytes, ID, 6, path).is_err());
        assert!(decode(&bytes, RecordId { key: [8; 16], ..ID }, 5, path).is_err());
    }

    /// Pins the format.
    #[test]
    fn stored_format_known_answer() {
        let hex: String = encode(ID, 5, b"sealed").iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(
            hex,
            "414d7265636f7264000000010309090909090909090909090909090909000000000000000500000000000000064521a72ac1b04c131a40faf1984fec9a7365616c6564"
        );
    }
}
