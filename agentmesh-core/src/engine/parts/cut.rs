//! Where a payload is cut.

use core::ops::Range;

use crate::{limits, wire::plaintext::Payload};

/// Cuts a payload into parts, JSON between two characters; and the empty payload of its type.
pub(super) fn cut(payload: Payload) -> (Vec<Vec<u8>>, Payload) {
    let (bytes, empty, ranges) = match payload {
        Payload::Json(text) => {
            let ranges = ranges(text.len(), |at| text.floor_char_boundary(at));
            (text.into_bytes(), Payload::Json(String::new()), ranges)
        }
        Payload::Bytes(bytes) => {
            let ranges = ranges(bytes.len(), |at| at);
            (bytes, Payload::Bytes(Vec::new()), ranges)
        }
        Payload::None => (Vec::new(), Payload::None, Vec::new()),
    };
    let piece = |range: Range<usize>| bytes.get(range).unwrap_or_default().to_vec();
    (ranges.into_iter().map(piece).collect(), empty)
}

/// Parts of one size, each ended at `boundary` of where it would end: at most three bytes before.
fn ranges(len: usize, boundary: impl Fn(usize) -> usize) -> Vec<Range<usize>> {
    let mut ranges = Vec::with_capacity(len / limits::PART_SIZE + 1);
    let mut start = 0;
    while start < len {
        let end = boundary((start + limits::PART_SIZE).min(len));
        ranges.push(start..end);
        start = end;
    }
    ranges
}

#[cfg(test)]
mod tests;
