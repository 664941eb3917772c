//! What KNOCK and its answers have in common: the signature, over the body as received.
//!
//! ```text
//! sig = S("knock" | "accept" | "reject", AD || lp(body))
//! ```
//! It is checked before the body is read. AD is that of the session, so none of them means anything in another
//! session; the label is that of the type, so none can stand for another.

use super::KnockError;
use crate::{
    identity::{Identity, Label},
    keys::VerifyingKey,
    wire::{CborError, plaintext::SignedBody},
};

pub(super) fn sign(
    label: Label,
    body: Vec<u8>,
    own: &Identity,
    associated_data: &[u8; 32],
) -> SignedBody {
    let signature = own.sign_labelled(label, &[associated_data, &lp_len(&body), &body]);
    SignedBody { body, signature }
}

pub(super) fn verify(
    label: Label,
    signed: &SignedBody,
    from: &VerifyingKey,
    associated_data: &[u8; 32],
) -> Result<(), KnockError> {
    let SignedBody { body, signature } = signed;
    from.verify_labelled(label, &[associated_data, &lp_len(body), body], signature)?;
    Ok(())
}

/// The length in `lp(body)`; bodies are bounded by the frame they came in.
fn lp_len(body: &[u8]) -> [u8; 4] {
    u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes()
}

pub(super) const fn missing(field: &'static str) -> CborError {
    CborError::Missing { field }
}

pub(super) const fn check_len(
    actual: usize,
    limit: usize,
    field: &'static str,
) -> Result<(), CborError> {
    if actual > limit { Err(CborError::TooLong { field, limit, actual }) } else { Ok(()) }
}
