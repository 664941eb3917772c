//! Everything that reads bytes from outside, each under a name, for whoever throws bytes at it: the targets in `fuzz/`, and the
//! tests that replay what those found (features `test-utils`).
//!
//! A target panics if a promise is broken: reading never panics, what was read is written and read again as the same, and
//! what is forged changes nothing. What a target does not say, it does not check.

mod believed;
mod interaction;
#[cfg(feature = "legacy-0-2")]
mod legacy;
mod protocol;
mod registry;
mod seeds;
#[cfg(feature = "client")]
mod services;
mod stored;

pub use seeds::seeds;

/// Bytes come in, and nothing comes out, or a panic.
pub type Target = fn(&[u8]);

/// All targets, by their names.
pub const TARGETS: &[(&str, Target)] = &[
    ("native-frame", protocol::native_frame),
    ("handshake", protocol::handshake),
    ("ratchet-header", protocol::ratchet_header),
    ("bundle", protocol::bundle),
    ("plaintext", protocol::plaintext),
    ("relay-frame", protocol::relay_frame),
    ("knock", protocol::knock),
    ("policy-file", protocol::policy_file),
    ("registry-json", registry::bodies),
    ("stored-record", stored::record),
    ("sealed-record", stored::sealed),
    ("interaction", interaction::two_parties),
    #[cfg(feature = "legacy-0-2")]
    ("legacy-envelope", legacy::envelope),
    #[cfg(feature = "legacy-0-2")]
    ("legacy-json", legacy::json),
    #[cfg(feature = "signaling")]
    ("sse", services::sse),
    #[cfg(feature = "signaling")]
    ("signal", services::signal),
    #[cfg(feature = "user-data")]
    ("socket-io", services::socket_io),
    #[cfg(feature = "agent-ws")]
    ("agent-websocket", services::agent_websocket),
    #[cfg(feature = "aiwm")]
    ("aiwm-answer", services::aiwm_answer),
];

/// Runs the target of this name. `false` if there is none.
pub fn run(name: &str, data: &[u8]) -> bool {
    let target = TARGETS.iter().find(|(of, _)| *of == name);
    if let Some((_, target)) = target {
        target(data);
    }
    target.is_some()
}

/// The bytes as text, for readers of text; what is no UTF-8 says nothing to them.
fn text(data: &[u8]) -> Option<&str> {
    core::str::from_utf8(data).ok()
}
