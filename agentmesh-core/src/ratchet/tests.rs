//! What the types of this folder print.

use super::{chain_key::ChainKey, message_key::MessageKey, root_key::RootKey};
use crate::keys::Secret;

#[test]
fn keys_print_redacted() {
    assert_eq!(format!("{:?}", RootKey::new(Secret::new([1; 32]))), "RootKey([redacted])");
    assert_eq!(format!("{:?}", ChainKey::new(Secret::new([1; 32]))), "ChainKey([redacted])");
    assert_eq!(format!("{:?}", MessageKey::new(Secret::new([1; 32]))), "MessageKey([redacted])");
}
