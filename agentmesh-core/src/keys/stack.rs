//! Primitives move keys about, and what they moved stays where their frames were. Whoever reads the memory of the process finds it
//! there, and it is carried on: a value that is moved into a box takes along what lies in its unused bytes
//! (`tests/zeroization` found keys of messages in boxes of the engine).

use core::hint::black_box;

/// Deeper than the frames of ciphers and curves, also where nothing is optimised.
const DEPTH: usize = 8 * 1024;
/// ML-KEM has its matrices there.
const KEM_DEPTH: usize = 32 * 1024;

/// Calls `act`, and overwrites the stack below.
pub(super) fn cleaned<T>(act: impl FnOnce() -> T) -> T {
    let result = apart(act);
    overwrite::<DEPTH>();
    result
}

/// The same for ML-KEM.
pub(super) fn cleaned_after_kem<T>(act: impl FnOnce() -> T) -> T {
    let result = apart(act);
    overwrite::<KEM_DEPTH>();
    result
}

/// In a frame of its own, so that all that it has on the stack lies below its caller.
#[inline(never)]
fn apart<T>(act: impl FnOnce() -> T) -> T {
    act()
}

#[inline(never)]
fn overwrite<const N: usize>() {
    black_box(&mut [0u8; N]);
}
