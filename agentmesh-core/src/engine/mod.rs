//! The sans-IO heart: bytes in, an outcome out.
