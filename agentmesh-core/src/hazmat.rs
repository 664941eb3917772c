//! Raw entry points for vectors and interop tests.
