//! Behaviour beyond the vectors.

mod refusals;
