//! A generator that gives what it was told to give, for known answers that draw keys.

use rand_core::{TryCryptoRng, TryRng};

/// Gives the bytes pushed into it, in that order, and panics when they are used up.
#[derive(Debug, Default)]
pub struct ScriptedRng(Vec<u8>);

impl ScriptedRng {
    /// With these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    /// Adds bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Panics if bytes are left.
    pub fn assert_used_up(&self) {
        assert!(self.0.is_empty(), "{} bytes were not drawn", self.0.len());
    }
}

impl TryRng for ScriptedRng {
    type Error = core::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes).map(|()| u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes).map(|()| u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Self::Error> {
        assert!(self.0.len() >= dst.len(), "more was drawn than the script has");
        let drawn = self.0.drain(..dst.len());
        drawn.zip(dst).for_each(|(from, to)| *to = from);
        Ok(())
    }
}

impl TryCryptoRng for ScriptedRng {}
