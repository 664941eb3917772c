//! Argon2id (RFC 9106): a key from a passphrase, as slow as its parameters say.

use super::{KeyError, Secret, backend};

/// What deriving a key from a passphrase costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PassphraseCost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl PassphraseCost {
    /// 64 MiB, three passes, one lane: about a tenth of a second on a server, half a second on a phone.
    pub const DEFAULT: Self = Self { memory_kib: 64 * 1024, passes: 3, lanes: 1 };

    /// 8 to 256 MiB, 1 to 10 passes, 1 to 4 lanes: what one has to be able to read everywhere, and what a file
    /// somebody sent may cost at most.
    ///
    /// # Errors
    /// [`KeyError::PassphraseCost`] outside these bounds.
    pub fn new(memory_kib: u32, passes: u32, lanes: u32) -> Result<Self, KeyError> {
        let bounded = (8 * 1024..=256 * 1024).contains(&memory_kib)
            && (1..=10).contains(&passes)
            && (1..=4).contains(&lanes);
        if bounded { Ok(Self { memory_kib, passes, lanes }) } else { Err(KeyError::PassphraseCost) }
    }

    /// Memory in KiB.
    pub const fn memory_kib(self) -> u32 {
        self.memory_kib
    }

    /// Passes over that memory.
    pub const fn passes(self) -> u32 {
        self.passes
    }

    /// Lanes; computed one after another here.
    pub const fn lanes(self) -> u32 {
        self.lanes
    }
}

impl Default for PassphraseCost {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The key that belongs to `passphrase` and `salt`. Takes as long as `cost` says: call it where blocking is allowed.
///
/// # Errors
/// [`KeyError::OutOfMemory`].
pub fn derive(
    passphrase: &str,
    salt: &[u8; 16],
    cost: PassphraseCost,
) -> Result<Secret<32>, KeyError> {
    let PassphraseCost { memory_kib, passes, lanes } = cost;
    let mut done = false;
    let key = Secret::fill_with(|out| {
        done = backend::argon2id(passphrase.as_bytes(), salt, [memory_kib, passes, lanes], out);
    });
    if done { Ok(key) } else { Err(KeyError::OutOfMemory) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_bounded() {
        assert!(PassphraseCost::new(64 * 1024, 3, 1).is_ok());
        for (memory, passes, lanes) in
            [(8191, 1, 1), (262_145, 1, 1), (8192, 0, 1), (8192, 11, 1), (8192, 1, 0), (8192, 1, 5)]
        {
            let refused = PassphraseCost::new(memory, passes, lanes);
            assert_eq!(refused, Err(KeyError::PassphraseCost));
        }
    }

    #[test]
    fn passphrase_salt_and_cost_all_count() {
        let cost = PassphraseCost::new(8192, 1, 1).unwrap();
        let key = derive("correct horse", &[1; 16], cost).unwrap();
        assert_eq!(derive("correct horse", &[1; 16], cost).unwrap(), key);
        assert_ne!(derive("correct horsf", &[1; 16], cost).unwrap(), key);
        assert_ne!(derive("correct horse", &[2; 16], cost).unwrap(), key);
        let dearer = PassphraseCost::new(8192, 2, 1).unwrap();
        assert_ne!(derive("correct horse", &[1; 16], dearer).unwrap(), key);
    }

    #[test]
    fn cost_tells_what_it_was_made_of() {
        let cost = PassphraseCost::new(8192, 2, 3).unwrap();
        assert_eq!((cost.memory_kib(), cost.passes(), cost.lanes()), (8192, 2, 3));
        let default = PassphraseCost::default();
        assert_eq!((default.memory_kib(), default.passes(), default.lanes()), (65_536, 3, 1));
    }
}
