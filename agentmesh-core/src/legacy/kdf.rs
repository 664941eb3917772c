//! The ratchet's two derivations, as deployed.

use crate::keys::{Secret, kdf};

const ROOT_INFO: &[u8] = b"agentmesh_rk";

/// `(RK', CK) = HKDF-SHA-256(salt = RK, ikm = DH, info = "agentmesh_rk", 64)`, split in halves.
pub fn root_step(root: &Secret<32>, shared: &Secret<32>) -> (Secret<32>, Secret<32>) {
    kdf::hkdf_sha256::<64>(root.as_bytes(), &[shared.as_bytes()], &[ROOT_INFO]).split()
}

/// `(MK, CK')`: HMAC-SHA-256 of 01 and of 02 under the chain key.
pub fn chain_step(chain: &Secret<32>) -> (Secret<32>, Secret<32>) {
    let key = kdf::HmacKey::new(chain.as_bytes());
    (key.mac(&[&[1]]), key.mac(&[&[2]]))
}
