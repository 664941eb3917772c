//! Tests.
#[cfg(test)]
mod client_plumbing;
#[cfg(test)]
mod vectors;
