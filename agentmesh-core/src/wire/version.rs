//! Names of the protocol's versions, as they appear in signed labels, registration and logs.

/// The protocol as deployed; `connect.protocol` of relays, and legacy sessions.
pub const LEGACY_PROTOCOL: &str = "agentmesh/0.2";
/// The native suites.
pub const NATIVE_PROTOCOL: &str = "agentmesh/0.3";
