//! Tests.
#[cfg(test)]
mod vectors;
