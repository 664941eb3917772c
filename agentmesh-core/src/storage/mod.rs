//! Records of ids and sealed bytes.
