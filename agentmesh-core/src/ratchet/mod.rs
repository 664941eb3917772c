//! The Double Ratchet.
