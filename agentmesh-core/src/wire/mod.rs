//! Bytes and JSON on the wire. No secret type is in scope here.
