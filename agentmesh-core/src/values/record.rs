//! A value as it is stored (`docs/protocol/state.md`, "Values"):
//!
//! ```text
//! version u8 = 1 | lp(name) | option( expires at ) | list( lp(key) | lp(text) ) | lp(value)
//! ```
//! Metadata by ascending key. The name is inside, since record ids say nothing.

use std::collections::BTreeMap;

use super::{Entry, KeyValueError, SetOptions};
use crate::{
    codec::{CodecError, Reader, Write},
    limits::{MAX_VALUE, MAX_VALUE_METADATA, MAX_VALUE_NAME},
    time::Timestamp,
};

const VERSION: u8 = 1;

/// A name and its entry.
pub(super) struct Named {
    pub(super) name: String,
    pub(super) entry: Entry,
}

impl Named {
    /// Checks every bound.
    pub(super) fn new(
        name: &str,
        value: &[u8],
        options: SetOptions,
        now: Timestamp,
    ) -> Result<Self, KeyValueError> {
        check_name(name)?;
        let SetOptions { ttl_s, metadata } = options;
        let too_large = |what, limit, actual| KeyValueError::TooLarge { what, limit, actual };
        if value.len() > MAX_VALUE {
            return Err(too_large("value", MAX_VALUE, value.len()));
        }
        let actual = metadata.iter().map(|(key, text)| key.len() + text.len() + 8).sum();
        if actual > MAX_VALUE_METADATA {
            return Err(too_large("metadata", MAX_VALUE_METADATA, actual));
        }
        let expires_at = ttl_s.map(|s| now.plus_millis(s.saturating_mul(1000)));
        let entry = Entry { value: value.to_owned(), metadata, expires_at };
        Ok(Self { name: name.to_owned(), entry })
    }

    pub(super) fn is_expired(&self, now: Timestamp) -> bool {
        self.entry.expires_at.is_some_and(|at| now >= at)
    }

    pub(super) fn write(&self, out: &mut impl Write) {
        let Entry { value, metadata, expires_at } = &self.entry;
        out.put_u8(VERSION);
        out.put_lp(self.name.as_bytes());
        out.put_option(*expires_at, |w, at| w.put_u64(at.as_millis()));
        out.put_count(metadata.len());
        for (key, text) in metadata {
            out.put_lp(key.as_bytes());
            out.put_lp(text.as_bytes());
        }
        out.put_lp(value);
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut r = Reader::new(bytes);
        let version = r.u8("version")?;
        if version != VERSION {
            return Err(CodecError::UnknownVersion { what: "value", version });
        }
        let name = r.text(MAX_VALUE_NAME, "name")?.to_owned();
        let expires_at = r.option("expiry", |r| r.timestamp("expiry"))?;
        let mut metadata = BTreeMap::new();
        let mut last: Option<String> = None;
        for _ in 0..r.count(MAX_VALUE_METADATA / 8, "metadata")? {
            let key = r.text(MAX_VALUE_METADATA, "metadata key")?.to_owned();
            if last.as_ref().is_some_and(|last| *last >= key) {
                return Err(CodecError::InvalidValue { field: "metadata key" });
            }
            let text = r.text(MAX_VALUE_METADATA, "metadata")?.to_owned();
            last = Some(key.clone());
            metadata.insert(key, text);
        }
        let value = r.lp(MAX_VALUE, "value")?.to_vec();
        r.finish("value")?;
        Ok(Self { name, entry: Entry { value, metadata, expires_at } })
    }
}

pub(super) const fn check_name(name: &str) -> Result<(), KeyValueError> {
    match name.len() {
        1..=MAX_VALUE_NAME => Ok(()),
        actual => Err(KeyValueError::InvalidName { limit: MAX_VALUE_NAME, actual }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value() -> Named {
        let mut options = SetOptions::ttl(60);
        options.metadata.insert("b".into(), "2".into());
        options.metadata.insert("a".into(), "1".into());
        Named::new("presence:x", b"online", options, Timestamp::from_millis(1000)).unwrap()
    }

    /// The bytes of `docs/protocol/state.md`.
    #[test]
    fn is_written_as_documented_and_read_back() {
        let mut bytes = Vec::new();
        value().write(&mut bytes);
        let expected = [
            &[1, 0, 0, 0, 10][..],
            b"presence:x",
            &[1, 0, 0, 0, 0, 0, 0, 0xee, 0x48],
            &[0, 0, 0, 2, 0, 0, 0, 1, b'a', 0, 0, 0, 1, b'1', 0, 0, 0, 1, b'b', 0, 0, 0, 1, b'2'],
            &[0, 0, 0, 6],
            b"online",
        ]
        .concat();
        assert_eq!(bytes, expected);
        let read = Named::read(&bytes).unwrap();
        assert_eq!((read.name.as_str(), &read.entry), ("presence:x", &value().entry));
        for end in 0..bytes.len() {
            assert!(Named::read(&bytes[..end]).is_err(), "{end}");
        }
        bytes.push(0);
        assert!(Named::read(&bytes).is_err());
    }

    #[test]
    fn bounds_hold() {
        let now = Timestamp::ZERO;
        let set = |name: &str, len: usize| {
            Named::new(name, &vec![0; len], SetOptions::default(), now).map(|_| ())
        };
        assert!(set("", 0).is_err());
        assert_eq!(set(&"n".repeat(MAX_VALUE_NAME), MAX_VALUE), Ok(()));
        assert!(set(&"n".repeat(MAX_VALUE_NAME + 1), 0).is_err());
        assert!(set("n", MAX_VALUE + 1).is_err());
        let mut options = SetOptions::default();
        options.metadata.insert("k".into(), "v".repeat(MAX_VALUE_METADATA - 9));
        assert!(Named::new("n", &[], options.clone(), now).is_ok());
        options.metadata.insert("l".into(), String::new());
        assert!(Named::new("n", &[], options, now).is_err());
    }
}
