//! Typed records to sealed records and back.
