//! Prekeys and the signed bundle.
