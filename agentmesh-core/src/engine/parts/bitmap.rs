//! Which parts of a large payload are there: one bit each.

use core::fmt;

use crate::{
    codec::{CodecError, Reader, Write},
    limits::MAX_PARTS,
};

/// A set of part numbers below a fixed count.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Bitmap {
    bytes: Vec<u8>,
    len: u32,
    set: u32,
}

impl Bitmap {
    /// None of `len` parts.
    pub(crate) fn new(len: u32) -> Self {
        let bytes = usize::try_from(len.div_ceil(8)).unwrap_or(usize::MAX);
        Self { bytes: vec![0; bytes], len, set: 0 }
    }

    /// How many parts there can be.
    pub(crate) const fn len(&self) -> u32 {
        self.len
    }

    /// How many parts are in it.
    pub(crate) const fn count(&self) -> u32 {
        self.set
    }

    pub(crate) const fn is_full(&self) -> bool {
        self.set == self.len
    }

    pub(crate) fn contains(&self, index: u32) -> bool {
        self.byte(index).is_some_and(|byte| byte & mask(index) != 0)
    }

    /// Adds a part; false if it was there, or cannot be.
    pub(crate) fn insert(&mut self, index: u32) -> bool {
        if index >= self.len || self.contains(index) {
            return false;
        }
        let Some(byte) = usize::try_from(index / 8).ok().and_then(|at| self.bytes.get_mut(at))
        else {
            return false;
        };
        *byte |= mask(index);
        self.set += 1;
        true
    }

    /// The parts that are in it, ascending.
    pub(crate) fn present(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.len).filter(|index| self.contains(*index))
    }

    /// The parts that are missing, ascending.
    pub(crate) fn missing(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.len).filter(|index| !self.contains(*index))
    }

    fn byte(&self, index: u32) -> Option<u8> {
        if index >= self.len {
            return None;
        }
        self.bytes.get(usize::try_from(index / 8).ok()?).copied()
    }

    /// Appends the count and then the bits, the lowest number in the lowest bit of the first byte.
    pub(crate) fn encode(&self, out: &mut impl Write) {
        out.put_u32(self.len);
        out.put(&self.bytes);
    }

    /// Reads what [`Self::encode`] wrote.
    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<Self, CodecError> {
        let field = "parts";
        let len = r.u32(field)?;
        if len == 0 || len > MAX_PARTS {
            return Err(CodecError::InvalidValue { field });
        }
        let mut bitmap = Self::new(len);
        let bytes = r.bytes(bitmap.bytes.len(), field)?;
        bitmap.bytes.copy_from_slice(bytes);
        bitmap.set = bytes.iter().map(|byte| byte.count_ones()).sum();
        // Bits beyond the last part would count.
        if u32::try_from(bitmap.present().count()) != Ok(bitmap.set) {
            return Err(CodecError::InvalidValue { field });
        }
        Ok(bitmap)
    }
}

const fn mask(index: u32) -> u8 {
    1 << (index % 8)
}

impl fmt::Debug for Bitmap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bitmap({} of {})", self.set, self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_each_part_once_and_knows_its_bounds() {
        let mut parts = Bitmap::new(11);
        assert!(parts.insert(0) && parts.insert(10) && !parts.insert(10) && !parts.insert(11));
        assert_eq!((parts.count(), parts.is_full()), (2, false));
        assert_eq!(parts.present().collect::<Vec<_>>(), [0, 10]);
        assert_eq!(parts.missing().collect::<Vec<_>>(), (1..10).collect::<Vec<_>>());
        (1..10).for_each(|i| assert!(parts.insert(i)));
        assert!(parts.is_full());
    }

    #[test]
    fn one_encoding_and_no_bits_beyond_the_end() {
        let mut parts = Bitmap::new(9);
        parts.insert(8);
        let mut bytes = Vec::new();
        parts.encode(&mut bytes);
        assert_eq!(bytes, [0, 0, 0, 9, 0, 1]);
        assert_eq!(Bitmap::decode(&mut Reader::new(&bytes)), Ok(parts));
        for bad in [&[0, 0, 0, 9, 0, 2][..], &[0, 0, 0, 0], &[0, 0, 8, 1, 0], &[0, 0, 0, 9, 0]] {
            assert!(Bitmap::decode(&mut Reader::new(bad)).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn most_parts_that_there_can_be_are_read_and_no_more() {
        for (count, fits) in [(MAX_PARTS, true), (MAX_PARTS + 1, false), (2 * MAX_PARTS, false)] {
            let mut bytes = Vec::new();
            Bitmap::new(count).encode(&mut bytes);
            assert_eq!(Bitmap::decode(&mut Reader::new(&bytes)).is_ok(), fits, "{count}");
        }
    }
}
