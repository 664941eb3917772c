//! Maps whose keys come from peers: hashed with a seed that nobody outside knows, on every target.
//!
//! The standard library's seed is random where there is an operating system, and a constant in WebAssembly: there whoever chooses
//! their own identifiers could choose them so that all of them meet in one place of a map. So everything here uses these types
//! instead, which on other targets are those of the standard library (a test of the architecture checks it).

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use std::collections::{HashMap, HashSet};

#[cfg(target_arch = "wasm32")]
pub(crate) type HashMap<K, V> = std::collections::HashMap<K, V, seeded::Seeded>;
#[cfg(target_arch = "wasm32")]
pub(crate) type HashSet<K> = std::collections::HashSet<K, seeded::Seeded>;

#[cfg(any(test, target_arch = "wasm32"))]
mod seeded {
    use core::hash::{BuildHasher, Hasher};
    use std::{hash::DefaultHasher, sync::OnceLock};

    /// Begins every hash with the seed, which SipHash takes in as it takes in a key.
    #[derive(Clone, Debug)]
    pub(crate) struct Seeded(u128);

    impl Seeded {
        #[cfg(test)]
        pub(super) const fn with(seed: u128) -> Self {
            Self(seed)
        }
    }

    impl Default for Seeded {
        fn default() -> Self {
            static SEED: OnceLock<u128> = OnceLock::new();
            Self(*SEED.get_or_init(drawn))
        }
    }

    impl BuildHasher for Seeded {
        type Hasher = DefaultHasher;

        fn build_hasher(&self) -> DefaultHasher {
            let mut hasher = DefaultHasher::new();
            hasher.write_u128(self.0);
            hasher
        }
    }

    #[cfg(feature = "getrandom")]
    fn drawn() -> u128 {
        let mut seed = [0; 16];
        rand_core::Rng::fill_bytes(&mut crate::rng::SystemRng, &mut seed);
        u128::from_ne_bytes(seed)
    }

    /// The caller injects every random byte, and none for this.
    #[cfg(not(feature = "getrandom"))]
    fn drawn() -> u128 {
        0
    }
}

#[cfg(test)]
mod tests {
    use core::hash::BuildHasher;

    use super::seeded::Seeded;

    #[test]
    fn a_hash_depends_on_the_seed_and_the_seed_is_drawn_once() {
        let hash = |seed: &Seeded| seed.hash_one("the same key");
        assert_eq!(hash(&Seeded::with(1)), hash(&Seeded::with(1)));
        assert_ne!(hash(&Seeded::with(1)), hash(&Seeded::with(2)));
        assert_eq!(hash(&Seeded::default()), hash(&Seeded::default()));
        #[cfg(feature = "getrandom")]
        assert_ne!(hash(&Seeded::default()), hash(&Seeded::with(0)));
    }
}
