//! Typed primitives: the only room that touches the crypto crates.
