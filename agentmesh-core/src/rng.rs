//! The system's random number generator, for those who do not inject their own.

use rand_core::{TryCryptoRng, TryRng};

/// The operating system's generator.
///
/// A process that cannot get randomness must not go on with cryptography, so a failing system generator
/// ends the process instead of returning weak bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRng;

impl TryRng for SystemRng {
    type Error = core::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_ne_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_ne_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Self::Error> {
        if getrandom::fill(dst).is_err() {
            std::process::abort();
        }
        Ok(())
    }
}

impl TryCryptoRng for SystemRng {}
