//! The one place of this program that reads a clock.

use agentmesh_core::Timestamp;

/// The time now.
#[allow(clippy::disallowed_methods, reason = "a server is a program: this is its clock")]
pub(crate) fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Timestamp::from_millis(since.map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX)))
}
