//! Length-checked reading and writing of the binary encodings of `docs/protocol/native.md` §2: integers are
//! big-endian, `lp(x)` is a u32 length followed by `x`. Knows nothing of what it carries.

use crate::{error::errors, time::Timestamp};

errors! {
    /// Why bytes could not be parsed.
    pub enum CodecError {
        /// The input ended before the named field was complete.
        #[error("{field}: the input ends too early")]
        Truncated {
            /// The field being read.
            field: &'static str,
        } = "CODEC_TRUNCATED", Protocol, permanent;
        /// Bytes were left over after the last field.
        #[error("{extra} bytes after the end of {what}")]
        TrailingBytes {
            /// What was being read.
            what: &'static str,
            /// How many bytes too many.
            extra: usize,
        } = "CODEC_TRAILING_BYTES", Protocol, permanent;
        /// A length or count exceeds its limit.
        #[error("{field}: {actual} exceeds the limit of {limit}")]
        TooLong {
            /// The field being read.
            field: &'static str,
            /// The limit.
            limit: usize,
            /// What the input claims.
            actual: usize,
        } = "CODEC_TOO_LONG", Protocol, permanent;
        /// A field holds a value that is not allowed.
        #[error("{field}: value not allowed")]
        InvalidValue {
            /// The field being read.
            field: &'static str,
        } = "CODEC_INVALID_VALUE", Protocol, permanent;
        /// A version this build does not know; a newer release wrote it.
        #[error("{what}: version {version} is not known to this build")]
        UnknownVersion {
            /// What was being read.
            what: &'static str,
            /// The version found.
            version: u8,
        } = "CODEC_UNKNOWN_VERSION", Protocol, permanent;
    }
}

/// Reads fields off a byte slice; every read names its field for the error.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the beginning of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What has not been read yet.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next `n` bytes.
    pub fn bytes(&mut self, n: usize, field: &'static str) -> Result<&'a [u8], CodecError> {
        let (head, tail) = self.rest.split_at_checked(n).ok_or(CodecError::Truncated { field })?;
        self.rest = tail;
        Ok(head)
    }

    /// The next `N` bytes as an array.
    pub fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], CodecError> {
        let (head, tail) =
            self.rest.split_first_chunk::<N>().ok_or(CodecError::Truncated { field })?;
        self.rest = tail;
        Ok(*head)
    }

    /// One byte.
    pub fn u8(&mut self, field: &'static str) -> Result<u8, CodecError> {
        self.array::<1>(field).map(|[b]| b)
    }

    /// A byte that must be 0 or 1.
    pub fn bool(&mut self, field: &'static str) -> Result<bool, CodecError> {
        match self.u8(field)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(CodecError::InvalidValue { field }),
        }
    }

    /// Two bytes, big-endian.
    pub fn u16(&mut self, field: &'static str) -> Result<u16, CodecError> {
        self.array(field).map(u16::from_be_bytes)
    }

    /// Four bytes, big-endian.
    pub fn u32(&mut self, field: &'static str) -> Result<u32, CodecError> {
        self.array(field).map(u32::from_be_bytes)
    }

    /// Eight bytes, big-endian.
    pub fn u64(&mut self, field: &'static str) -> Result<u64, CodecError> {
        self.array(field).map(u64::from_be_bytes)
    }

    /// A time in milliseconds, at most the last one that [`Timestamp`] keeps as it is.
    pub fn timestamp(&mut self, field: &'static str) -> Result<Timestamp, CodecError> {
        let ms = self.u64(field)?;
        let time = Timestamp::from_millis(ms);
        if time.as_millis() == ms { Ok(time) } else { Err(CodecError::InvalidValue { field }) }
    }

    /// A u32 length of at most `limit`, then that many bytes.
    pub fn lp(&mut self, limit: usize, field: &'static str) -> Result<&'a [u8], CodecError> {
        let n = self.count(limit, field)?;
        self.bytes(n, field)
    }

    /// A length-prefixed UTF-8 string.
    pub fn text(&mut self, limit: usize, field: &'static str) -> Result<&'a str, CodecError> {
        core::str::from_utf8(self.lp(limit, field)?).map_err(|_| CodecError::InvalidValue { field })
    }

    /// A u32 count of at most `limit`.
    pub fn count(&mut self, limit: usize, field: &'static str) -> Result<usize, CodecError> {
        let n = usize::try_from(self.u32(field)?).unwrap_or(usize::MAX);
        if n > limit {
            return Err(CodecError::TooLong { field, limit, actual: n });
        }
        Ok(n)
    }

    /// Presence byte, then the value read by `read` if it is 1.
    pub fn option<T>(
        &mut self,
        field: &'static str,
        read: impl FnOnce(&mut Self) -> Result<T, CodecError>,
    ) -> Result<Option<T>, CodecError> {
        if self.bool(field)? { read(self).map(Some) } else { Ok(None) }
    }

    /// Succeeds only if nothing is left.
    pub const fn finish(self, what: &'static str) -> Result<(), CodecError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(CodecError::TrailingBytes { what, extra: self.rest.len() })
        }
    }
}

/// Appends fields to a buffer; the mirror of [`Reader`].
///
/// Implemented for `Vec<u8>`, so that secrets can be written into a `Zeroizing<Vec<u8>>` as well.
pub trait Write {
    /// Appends `bytes` as they are.
    fn put(&mut self, bytes: &[u8]);
    /// Appends one byte.
    fn put_u8(&mut self, n: u8) {
        self.put(&[n]);
    }
    /// Appends 0 or 1.
    fn put_bool(&mut self, b: bool) {
        self.put_u8(u8::from(b));
    }
    /// Appends two bytes, big-endian.
    fn put_u16(&mut self, n: u16) {
        self.put(&n.to_be_bytes());
    }
    /// Appends four bytes, big-endian.
    fn put_u32(&mut self, n: u32) {
        self.put(&n.to_be_bytes());
    }
    /// Appends eight bytes, big-endian.
    fn put_u64(&mut self, n: u64) {
        self.put(&n.to_be_bytes());
    }
    /// Appends a u32 count. Counts beyond u32 cannot occur: every collection here is bounded far below.
    fn put_count(&mut self, n: usize) {
        self.put_u32(u32::try_from(n).unwrap_or(u32::MAX));
    }
    /// Appends `lp(bytes)`.
    fn put_lp(&mut self, bytes: &[u8]) {
        self.put_count(bytes.len());
        self.put(bytes);
    }
    /// Appends a presence byte, then what `write` appends.
    fn put_option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T))
    where
        Self: Sized,
    {
        self.put_bool(value.is_some());
        if let Some(value) = value {
            write(self, value);
        }
    }
}

impl Write for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

impl Write for zeroize::Zeroizing<Vec<u8>> {
    /// Grows by copy-and-wipe, so that no reallocation leaves key bytes behind in freed memory.
    fn put(&mut self, bytes: &[u8]) {
        if self.capacity() - self.len() < bytes.len() {
            let mut bigger =
                Vec::with_capacity((self.len() + bytes.len()).max(self.capacity() * 2).max(512));
            bigger.extend_from_slice(self);
            **self = {
                zeroize::Zeroize::zeroize(&mut **self);
                bigger
            };
        }
        self.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_was_written() {
        let mut out = Vec::new();
        out.put_u8(7);
        out.put_u32(1);
        out.put_u64(2);
        out.put_lp(b"abc");
        out.put_option(Some(5u32), |w, n| w.put_u32(n));
        out.put_option(None::<u32>, |w, n| w.put_u32(n));
        let mut r = Reader::new(&out);
        assert_eq!(r.u8("a"), Ok(7));
        assert_eq!(r.u32("b"), Ok(1));
        assert_eq!(r.u64("c"), Ok(2));
        assert_eq!(r.lp(3, "d"), Ok(&b"abc"[..]));
        assert_eq!(r.option("e", |r| r.u32("e")), Ok(Some(5)));
        assert_eq!(r.option("f", |r| r.u32("f")), Ok(None));
        assert_eq!(r.finish("all"), Ok(()));
    }

    #[test]
    fn refuses_truncated_overlong_and_trailing_input() {
        assert_eq!(Reader::new(&[0, 0]).u32("n"), Err(CodecError::Truncated { field: "n" }));
        assert_eq!(
            Reader::new(&[0, 0, 0, 9, 1]).lp(8, "x"),
            Err(CodecError::TooLong { field: "x", limit: 8, actual: 9 })
        );
        assert_eq!(
            Reader::new(&[1]).finish("it"),
            Err(CodecError::TrailingBytes { what: "it", extra: 1 })
        );
        assert_eq!(Reader::new(&[2]).bool("b"), Err(CodecError::InvalidValue { field: "b" }));
        assert_eq!(
            Reader::new(&[0xff; 8]).timestamp("t"),
            Err(CodecError::InvalidValue { field: "t" })
        );
    }

    #[test]
    fn zeroizing_buffer_keeps_content_when_it_grows() {
        let mut out = zeroize::Zeroizing::new(Vec::new());
        for i in 0..2000u32 {
            out.put_u32(i);
        }
        let mut r = Reader::new(&out);
        for i in 0..2000u32 {
            assert_eq!(r.u32("n"), Ok(i));
        }
    }
}
