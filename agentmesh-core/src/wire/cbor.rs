//! Deterministic CBOR (RFC 8949 §4.2.1), read strictly: the plaintext of every native message and the bodies of KNOCK
//! and its answers (`docs/protocol/native.md` §2, §6).
//!
//! One value has one encoding, so anything else is refused with a reason: indefinite lengths; lengths, numbers and
//! floats not in their shortest form; map keys out of order or twice; bytes after the end. Entries that nobody asked
//! for are skipped under the same rules and to a bounded depth. Knows no schema.

use core::cmp::Ordering;

use crate::{error::errors, limits::MAX_CBOR_DEPTH};

errors! {
    /// Why bytes are not the deterministic CBOR that was expected.
    pub enum CborError {
        /// The input ends inside an item.
        #[error("CBOR: the input ends too early")]
        Truncated = "CBOR_TRUNCATED", Protocol, permanent;
        /// Bytes were left over after the item.
        #[error("CBOR: {extra} bytes after the end")]
        TrailingBytes {
            /// How many bytes too many.
            extra: usize,
        } = "CBOR_TRAILING_BYTES", Protocol, permanent;
        /// A string, array or map of indefinite length.
        #[error("CBOR: indefinite length")]
        Indefinite = "CBOR_INDEFINITE", Protocol, permanent;
        /// A number, length or float that has a shorter form.
        #[error("CBOR: not the shortest form")]
        NotShortest = "CBOR_NOT_SHORTEST", Protocol, permanent;
        /// Map keys that do not ascend.
        #[error("CBOR: map keys out of order")]
        UnsortedKeys = "CBOR_UNSORTED_KEYS", Protocol, permanent;
        /// A map key that occurs twice.
        #[error("CBOR: duplicate map key")]
        DuplicateKey = "CBOR_DUPLICATE_KEY", Protocol, permanent;
        /// Items nested too deeply.
        #[error("CBOR: nested deeper than {limit}")]
        TooDeep {
            /// The limit.
            limit: usize,
        } = "CBOR_TOO_DEEP", Protocol, permanent;
        /// Not CBOR: a reserved form, or text that is not UTF-8.
        #[error("CBOR: malformed item")]
        Malformed = "CBOR_MALFORMED", Protocol, permanent;
        /// An item of another type than the field has.
        #[error("{field}: wrong CBOR type")]
        WrongType {
            /// The field.
            field: &'static str,
        } = "CBOR_WRONG_TYPE", Protocol, permanent;
        /// A field without which the rest means nothing.
        #[error("{field} is missing")]
        Missing {
            /// The field.
            field: &'static str,
        } = "CBOR_MISSING_FIELD", Protocol, permanent;
        /// A field with a value that is not allowed.
        #[error("{field}: value not allowed")]
        InvalidValue {
            /// The field.
            field: &'static str,
        } = "CBOR_INVALID_VALUE", Protocol, permanent;
        /// A field longer, or with more items, than allowed.
        #[error("{field}: {actual} exceeds the limit of {limit}")]
        TooLong {
            /// The field.
            field: &'static str,
            /// The limit.
            limit: usize,
            /// What the input claims.
            actual: usize,
        } = "CBOR_TOO_LONG", Protocol, permanent;
    }
}

type Result<T> = core::result::Result<T, CborError>;

const UINT: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;

/// The first byte of an item and the number behind it.
struct Head {
    major: u8,
    /// Low five bits of the first byte, which say how wide the number is.
    info: u8,
    argument: u64,
}

/// Reads items off a byte slice.
#[derive(Debug, Clone)]
pub(crate) struct Decoder<'a> {
    rest: &'a [u8],
}

impl<'a> Decoder<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// An unsigned integer.
    pub(crate) fn uint(&mut self, field: &'static str) -> Result<u64> {
        self.expect(UINT, field)
    }

    /// An unsigned integer that fits 32 bits.
    pub(crate) fn u32(&mut self, field: &'static str) -> Result<u32> {
        u32::try_from(self.uint(field)?).map_err(|_| CborError::InvalidValue { field })
    }

    /// A byte string of at most `limit` bytes.
    pub(crate) fn bytes(&mut self, limit: usize, field: &'static str) -> Result<&'a [u8]> {
        let len = self.expect(BYTES, field)?;
        self.take(bounded(len, limit, field)?)
    }

    /// A byte string of exactly `N` bytes.
    pub(crate) fn array_of_bytes<const N: usize>(
        &mut self,
        field: &'static str,
    ) -> Result<[u8; N]> {
        self.bytes(N, field)?.try_into().map_err(|_| CborError::InvalidValue { field })
    }

    /// A text string of at most `limit` bytes.
    pub(crate) fn text(&mut self, limit: usize, field: &'static str) -> Result<&'a str> {
        let len = self.expect(TEXT, field)?;
        let bytes = self.take(bounded(len, limit, field)?)?;
        core::str::from_utf8(bytes).map_err(|_| CborError::Malformed)
    }

    /// Whether the next item is a text string; false at the end.
    pub(crate) fn is_text(&self) -> bool {
        self.rest.first().is_some_and(|first| first >> 5 == TEXT)
    }

    /// The head of an array of at most `limit` items; returns their number.
    pub(crate) fn array(&mut self, limit: usize, field: &'static str) -> Result<usize> {
        let len = self.expect(ARRAY, field)?;
        bounded(len, limit, field)
    }

    /// The head of an array of exactly `len` items.
    pub(crate) fn tuple(&mut self, len: usize, field: &'static str) -> Result<()> {
        if self.array(len, field)? == len { Ok(()) } else { Err(CborError::InvalidValue { field }) }
    }

    /// The head of a map of at most `limit` entries. Call [`Entries::next`] before each entry.
    pub(crate) fn map(&mut self, limit: usize, field: &'static str) -> Result<Entries<'a>> {
        let len = self.expect(MAP, field)?;
        Ok(Entries { left: bounded(len, limit, field)?, previous: &[] })
    }

    /// Any one item, checked and passed over.
    pub(crate) fn skip(&mut self) -> Result<()> {
        self.skip_at(MAX_CBOR_DEPTH)
    }

    /// Succeeds only if nothing is left.
    pub(crate) const fn finish(self) -> Result<()> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(CborError::TrailingBytes { extra: self.rest.len() })
        }
    }

    fn expect(&mut self, major: u8, field: &'static str) -> Result<u64> {
        let head = self.head()?;
        if head.major == major { Ok(head.argument) } else { Err(CborError::WrongType { field }) }
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        let (head, tail) = self.rest.split_at_checked(n).ok_or(CborError::Truncated)?;
        self.rest = tail;
        Ok(head)
    }

    fn argument<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (head, tail) = self.rest.split_first_chunk::<N>().ok_or(CborError::Truncated)?;
        self.rest = tail;
        Ok(*head)
    }

    fn head(&mut self) -> Result<Head> {
        let [first] = self.argument()?;
        let (major, info) = (first >> 5, first & 0x1f);
        let (argument, smallest) = match info {
            0..=23 => (u64::from(info), 0),
            24 => (u64::from(u8::from_be_bytes(self.argument()?)), 24),
            25 => (u64::from(u16::from_be_bytes(self.argument()?)), 1 << 8),
            26 => (u64::from(u32::from_be_bytes(self.argument()?)), 1 << 16),
            27 => (u64::from_be_bytes(self.argument()?), 1 << 32),
            31 => return Err(CborError::Indefinite),
            _ => return Err(CborError::Malformed),
        };
        // Behind major type 7 stand simple values and floats, which have rules of their own.
        if major <= TAG && argument < smallest {
            return Err(CborError::NotShortest);
        }
        Ok(Head { major, info, argument })
    }

    /// Each round of each loop takes a byte at least, so the work is bounded by the input whatever it claims.
    /// `depth` is how many items may yet lie inside each other.
    fn skip_at(&mut self, depth: usize) -> Result<()> {
        let depth = depth.checked_sub(1).ok_or(CborError::TooDeep { limit: MAX_CBOR_DEPTH })?;
        let head = self.head()?;
        match head.major {
            UINT | NEGATIVE => {}
            BYTES => {
                self.take(length(head.argument))?;
            }
            TEXT => {
                let text = self.take(length(head.argument))?;
                core::str::from_utf8(text).map_err(|_| CborError::Malformed)?;
            }
            ARRAY => {
                for _ in 0..head.argument {
                    self.skip_at(depth)?;
                }
            }
            MAP => {
                let mut previous: &[u8] = &[];
                for _ in 0..head.argument {
                    let start = self.rest;
                    self.skip_at(depth)?;
                    previous = ascending(previous, consumed(start, self.rest))?;
                    self.skip_at(depth)?;
                }
            }
            TAG => self.skip_at(depth)?,
            _ => check_simple(&head)?,
        }
        Ok(())
    }
}

/// What is left of a map.
#[derive(Debug)]
pub(crate) struct Entries<'a> {
    left: usize,
    previous: &'a [u8],
}

impl<'a> Entries<'a> {
    /// The next key, or [`NO_NUMBER`] for one that is no number. Read its value, or skip it, before calling again.
    pub(crate) fn next(&mut self, decoder: &mut Decoder<'a>) -> Result<Option<u64>> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        let start = decoder.rest;
        let number = match decoder.clone().head()? {
            Head { major: UINT, argument, .. } => argument,
            _ => NO_NUMBER,
        };
        decoder.skip()?;
        self.previous = ascending(self.previous, consumed(start, decoder.rest))?;
        Ok(Some(number))
    }
}

/// Stands for keys that are no numbers. No field has it as its number.
pub(crate) const NO_NUMBER: u64 = u64::MAX;

/// What was read between two positions.
fn consumed<'a>(start: &'a [u8], rest: &[u8]) -> &'a [u8] {
    start.get(..start.len() - rest.len()).unwrap_or_default()
}

/// `key`, provided that it follows `previous` bytewise. Empty stands for no key yet; no item is empty.
fn ascending<'a>(previous: &[u8], key: &'a [u8]) -> Result<&'a [u8]> {
    match previous.cmp(key) {
        Ordering::Less => Ok(key),
        Ordering::Equal => Err(CborError::DuplicateKey),
        Ordering::Greater => Err(CborError::UnsortedKeys),
    }
}

fn length(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

fn bounded(n: u64, limit: usize, field: &'static str) -> Result<usize> {
    let n = length(n);
    if n > limit {
        return Err(CborError::TooLong { field, limit, actual: n });
    }
    Ok(n)
}

/// Simple values have one form; floats the shortest that keeps their value, and NaN is `f97e00`.
fn check_simple(head: &Head) -> Result<()> {
    let shortest = match head.info {
        24 if head.argument < 32 => return Err(CborError::Malformed),
        25 => !is_half_nan(head.argument) || head.argument == 0x7e00,
        26 => !fits_half(u32::try_from(head.argument).unwrap_or_default()),
        27 => {
            let wide = f64::from_bits(head.argument);
            // Whether this loses anything is the question.
            let narrow = wide as f32;
            !wide.is_nan() && f64::from(narrow).to_bits() != wide.to_bits()
        }
        _ => true,
    };
    if shortest { Ok(()) } else { Err(CborError::NotShortest) }
}

const fn is_half_nan(bits: u64) -> bool {
    bits & 0x7c00 == 0x7c00 && bits & 0x3ff != 0
}

/// Whether the float with these bits has a form of 16 bits.
const fn fits_half(bits: u32) -> bool {
    let exponent = (bits >> 23 & 0xff) as i32 - 127;
    let mantissa = bits & 0x7f_ffff;
    match exponent {
        // Infinities and NaN.
        128 => true,
        -14..=15 => mantissa.trailing_zeros() >= 13,
        // Subnormal there: a multiple of 2^-24.
        -24..=-15 => (mantissa | 1 << 23).trailing_zeros() as i32 > -exponent - 2,
        // Zero; what is subnormal here is too small there.
        -127 => mantissa == 0,
        _ => false,
    }
}

/// Writes items. The caller keeps map keys in ascending order.
#[derive(Debug, Default)]
pub(crate) struct Encoder(Vec<u8>);

impl Encoder {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }

    pub(crate) fn uint(&mut self, n: u64) -> &mut Self {
        self.head(UINT, n)
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.head(BYTES, bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        self.head(TEXT, text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    pub(crate) fn array(&mut self, len: usize) -> &mut Self {
        self.head(ARRAY, len as u64)
    }

    pub(crate) fn map(&mut self, len: usize) -> &mut Self {
        self.head(MAP, len as u64)
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }

    fn head(&mut self, major: u8, n: u64) -> &mut Self {
        let major = major << 5;
        let wide = n.to_be_bytes();
        let [.., a, b, c, d] = wide;
        match n {
            0..=23 => self.0.push(major | d),
            24..=0xff => self.0.extend([major | 24, d]),
            0x100..=0xffff => self.0.extend([major | 25, c, d]),
            0x1_0000..=0xffff_ffff => self.0.extend([major | 26, a, b, c, d]),
            _ => {
                self.0.push(major | 27);
                self.0.extend(wide);
            }
        }
        self
    }
}

#[cfg(test)]
#[path = "cbor_tests.rs"]
mod tests;
