//! Behaviour beyond the vectors.

mod junk;
mod refusals;
