//! Behaviour beyond the vectors.
