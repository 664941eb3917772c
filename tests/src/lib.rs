//! End-to-end, crash and property tests. The tests are in `main.rs` and its modules: one binary, linked once.

pub mod s3_server;
