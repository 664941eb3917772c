//! The owner's signature over a whole DID document.
//!
//! A Data Integrity proof in the document, made as `eddsa-jcs-2022` makes it, but under a label of this protocol, so that no
//! 64 bytes that an application has signed can be one:
//!
//! ```text
//! proofValue = "z" base58(S("did", SHA-256(JCS(proof without proofValue)) || SHA-256(JCS(document without proof))))
//! ```

use serde_json::{Map, Value, json};

use super::{DidError, SIGNING_KEY, jcs::canonical};
use crate::{
    identity::{Amid, Identity, Label},
    keys::{Signature, VerifyingKey, kdf},
    time::Timestamp,
};

/// Names the way the proof is made.
pub(super) const CRYPTOSUITE: &str = "agentmesh-eddsa-jcs-2026";
const PROOF: &str = "proof";
const PROOF_VALUE: &str = "proofValue";

/// Adds the proof to a document.
pub(super) fn sign(
    mut document: Map<String, Value>,
    identity: &Identity,
    now: Timestamp,
) -> Result<Map<String, Value>, DidError> {
    document.remove(PROOF);
    let mut proof = json!({
        "type": "DataIntegrityProof",
        "cryptosuite": CRYPTOSUITE,
        "created": now.to_rfc3339_millis(),
        "verificationMethod": format!("{}{SIGNING_KEY}", identity.amid().did()),
        "proofPurpose": "assertionMethod",
    });
    let document_value = Value::Object(document);
    let [config, content] = hashes(&proof, &document_value)?;
    let signature = identity.sign_labelled(Label::Did, &[&config, &content]);
    let Value::Object(mut document) = document_value else { return Err(DidError::BadProof) };
    if let Some(proof) = proof.as_object_mut() {
        let value = format!("z{}", bs58::encode(signature.as_bytes()).into_string());
        proof.insert(PROOF_VALUE.to_owned(), value.into());
    }
    document.insert(PROOF.to_owned(), proof);
    Ok(document)
}

/// Verifies the proof in a document of `amid`, whose key is `key`.
pub(super) fn verify(
    document: &Map<String, Value>,
    amid: &Amid,
    key: &VerifyingKey,
) -> Result<(), DidError> {
    let mut document = document.clone();
    let proof = document.remove(PROOF).ok_or(DidError::NoProof)?;
    let Value::Object(mut proof) = proof else { return Err(DidError::BadProof) };
    let value = proof.remove(PROOF_VALUE).ok_or(DidError::NoProof)?;
    let is = |name: &str, expected: &str| proof.get(name).and_then(Value::as_str) == Some(expected);
    let method = format!("{}{SIGNING_KEY}", amid.did());
    if !(is("type", "DataIntegrityProof") && is("cryptosuite", CRYPTOSUITE)) {
        return Err(DidError::NoProof);
    }
    if !(is("verificationMethod", &method) && is("proofPurpose", "assertionMethod")) {
        return Err(DidError::BadProof);
    }
    let mut bytes = [0; 64];
    let encoded = value.as_str().and_then(|text| text.strip_prefix('z'));
    let length = encoded.and_then(|text| bs58::decode(text).onto(&mut bytes[..]).ok());
    if length != Some(64) {
        return Err(DidError::BadProof);
    }
    let [config, content] = hashes(&Value::Object(proof), &Value::Object(document))?;
    key.verify_labelled(Label::Did, &[&config, &content], &Signature::from_bytes(bytes))
        .map_err(|_| DidError::BadProof)
}

fn hashes(proof: &Value, document: &Value) -> Result<[[u8; 32]; 2], DidError> {
    let hash = |value: &Value| Some(kdf::sha256(&[canonical(value)?.as_bytes()]));
    match (hash(proof), hash(document)) {
        (Some(proof), Some(document)) => Ok([proof, document]),
        _ => Err(DidError::BadProof),
    }
}
