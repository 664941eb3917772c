//! Which frames were opened lately, to tell a frame that came twice from a sender whose state went back in time.
//!
//! A frame is known by the first 8 bytes of its AES-GCM tag. The tag depends on key, nonce, header and
//! ciphertext, so two genuine frames differ in it; hashing the whole frame would say no more and cost more than
//! decrypting it. Somebody who forges a known tag onto another frame gets it called a duplicate, which he
//! could have had by sending the original again.

use std::collections::VecDeque;

use crate::{
    codec::{CodecError, Reader, Write},
    keys::aead::TAG_LEN,
    limits::RECENT_FRAMES,
};

/// What is remembered of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameMark([u8; 8]);

impl FrameMark {
    pub(super) fn of(tag: &[u8; TAG_LEN]) -> Self {
        let mut mark = [0; 8];
        mark.copy_from_slice(&tag[..8]);
        Self(mark)
    }
}

/// The last 128 frames that were opened, oldest first.
#[derive(Debug, Default)]
pub(super) struct RecentFrames(VecDeque<FrameMark>);

impl RecentFrames {
    pub(super) fn contains(&self, mark: FrameMark) -> bool {
        self.0.contains(&mark)
    }

    pub(super) fn push(&mut self, mark: FrameMark) {
        if self.0.len() >= RECENT_FRAMES {
            self.0.pop_front();
        }
        self.0.push_back(mark);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn encoded_len(&self) -> usize {
        4 + self.0.len() * 8
    }

    pub(super) fn write(&self, out: &mut impl Write) {
        out.put_count(self.0.len());
        for FrameMark(mark) in &self.0 {
            out.put(mark);
        }
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, CodecError> {
        let count = r.count(RECENT_FRAMES, "recent frames")?;
        let mut marks = VecDeque::with_capacity(count);
        for _ in 0..count {
            marks.push_back(FrameMark(r.array("recent frame")?));
        }
        Ok(Self(marks))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_the_last_128() {
        let mark = |b: u8| FrameMark::of(&[b; TAG_LEN]);
        let mut recent = RecentFrames::default();
        for b in 0..=128 {
            recent.push(mark(b));
        }
        assert_eq!(recent.len(), RECENT_FRAMES);
        assert!(!recent.contains(mark(0)));
        assert!(recent.contains(mark(1)));
        assert!(recent.contains(mark(128)));
    }
}
