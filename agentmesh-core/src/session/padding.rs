//! `80 00…` to a multiple of 256 bytes, so that sizes say less. Checked strictly, and only on plaintext that was
//! authenticated.

use crate::limits::PADDING_BLOCK;

const MARK: u8 = 0x80;

/// Length of a plaintext of `len` bytes once padded; always at least one byte more.
pub(super) const fn padded_len(len: usize) -> usize {
    (len / PADDING_BLOCK + 1) * PADDING_BLOCK
}

/// Pads what `buffer` holds from `from` on.
pub(super) fn pad(buffer: &mut Vec<u8>, from: usize) {
    let len = buffer.len().saturating_sub(from);
    buffer.push(MARK);
    buffer.resize(from + padded_len(len), 0);
}

/// The plaintext without its padding; nothing if a sender of this protocol cannot have padded it so.
pub(super) fn unpad(padded: &[u8]) -> Option<&[u8]> {
    let end = padded.iter().rposition(|&b| b != 0)?;
    let (plaintext, padding) = padded.split_at_checked(end)?;
    let exact = padding.first() == Some(&MARK) && padded_len(plaintext.len()) == padded.len();
    exact.then_some(plaintext)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pads_to_the_next_multiple_and_back() {
        for (len, padded) in [(0, 256), (1, 256), (255, 256), (256, 512), (511, 512), (512, 768)] {
            let mut buffer = vec![9; 3];
            buffer.resize(3 + len, 7);
            pad(&mut buffer, 3);
            assert_eq!(buffer.len(), 3 + padded);
            assert_eq!(unpad(&buffer[3..]), Some(&vec![7; len][..]));
        }
    }

    #[test]
    fn a_plaintext_that_ends_in_the_padding_bytes_survives() {
        let mut buffer = vec![1, 0x80, 0, 0];
        pad(&mut buffer, 0);
        assert_eq!(unpad(&buffer), Some(&[1, 0x80, 0, 0][..]));
    }

    #[test]
    fn refuses_every_other_padding() {
        let mut block = [0u8; 512];
        assert_eq!(unpad(&block), None, "zeros only");
        block[255] = MARK;
        assert_eq!(unpad(&block), None, "a block too many");
        block[256] = MARK;
        assert_eq!(unpad(&block).map(<[u8]>::len), Some(256));
        block[511] = 1;
        assert_eq!(unpad(&block), None, "no mark");
        assert_eq!(unpad(&[MARK, 0, 0]), None, "not a multiple");
        assert_eq!(unpad(&[]), None);
    }
}
