//! No key bytes are left in memory that was freed.

#[path = "keys/conversation.rs"]
mod conversation;
#[path = "keys/types.rs"]
mod types;

use agentmesh_zeroization::{Seen, Watch};
use zeroize::Zeroizing;

#[global_allocator]
static WATCH: Watch = Watch;

/// Nothing was left, and something was looked at.
#[track_caller]
fn nothing_left(what: &str, seen: Seen) {
    assert!(seen.freed > 0, "{what}: nothing was freed");
    assert_eq!(seen.left, 0, "{what}: keys in freed memory (RUST_BACKTRACE=1 says who freed it)");
}

const KEY: [u8; 32] = *b"a key that everybody may know..!";

#[test]
fn what_is_not_wiped_is_seen() {
    let keys = [KEY.to_vec()];
    let parts = KEY.len() / 8 - 1;
    // Dropped as it is, or moved when it grows.
    let dropped = Watch::armed(&keys, || drop(Box::new(KEY)));
    assert_eq!(dropped.left, parts);
    let grown = Watch::armed(&keys, || {
        let mut bytes = Zeroizing::new(KEY.to_vec());
        bytes.reserve(1000);
    });
    assert_eq!(grown.left, parts);
    // A part of it, anywhere.
    let part = Watch::armed(&keys, || drop([b"xxx", &KEY[8..24], b"yy"].concat()));
    assert_eq!(part.left, 1);
}

#[test]
fn what_is_wiped_is_not_seen() {
    let keys = [KEY.to_vec()];
    nothing_left("Zeroizing", Watch::armed(&keys, || drop(Zeroizing::new(KEY.to_vec()))));
    let other = Watch::armed(&keys, || drop(Box::new(KEY.map(|byte| byte ^ 1))));
    nothing_left("another key", other);
    let apart = Watch::armed(&keys, || Watch::disarmed(|| drop(Box::new(KEY))));
    assert_eq!(apart.left, 0);
}
