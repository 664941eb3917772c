//! The deployed SDK's proof on a DID document, made and verified.
//!
//! It signs much less than it seems to: at every depth only those members whose names also stand at the top of the document.
//! Keys, types and endpoints are not signed; take nothing but ids from such a document.

use super::{
    LegacyFormatError,
    ecma::{Value, write_string},
};
use crate::{
    identity::Identity,
    keys::{KeyError, Signature, VerifyingKey},
    time::Timestamp,
};

const WHAT: &str = "DID document";

/// The text under the proof of a document.
///
/// # Errors
/// [`LegacyFormatError`] if it is no JSON object.
pub fn did_signing_string(document: &str) -> Result<String, LegacyFormatError> {
    signing_string(&Value::parse(document, WHAT)?)
}

fn signing_string(document: &Value) -> Result<String, LegacyFormatError> {
    let Value::Object(members) = document else {
        return Err(LegacyFormatError::InvalidValue { what: WHAT, field: "document" });
    };
    let mut names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
    // As JavaScript sorts: by UTF-16 code units.
    names.sort_by(|a, b| a.encode_utf16().cmp(b.encode_utf16()));
    Ok(document.to_text_of(&names))
}

/// The document with the proof that the deployed SDK would give it.
///
/// # Errors
/// [`LegacyFormatError`] if it is no JSON object.
pub fn sign_did_document(
    own: &Identity,
    document: &str,
    now: Timestamp,
) -> Result<String, LegacyFormatError> {
    let document = Value::parse(document, WHAT)?;
    let signature = own
        .sign(signing_string(&document)?.as_bytes())
        .map_err(|_| LegacyFormatError::InvalidValue { what: WHAT, field: "document" })?;
    let mut out = format!("{{\"document\":{},\"proof\":{{", document.to_text());
    for (name, value) in [
        ("type", "Ed25519Signature2020".to_owned()),
        ("created", now.to_rfc3339_millis()),
        ("verificationMethod", format!("{}#signing-key", own.amid().did())),
        ("proofPurpose", "assertionMethod".to_owned()),
        ("proofValue", format!("z{}", bs58::encode(signature.as_bytes()).into_string())),
    ] {
        write_string(&mut out, name);
        out.push(':');
        write_string(&mut out, &value);
        out.push(',');
    }
    out.pop();
    out.push_str("}}");
    Ok(out)
}

/// Verifies the proof of a signed document, `{document, proof}`, with the key of its subject.
///
/// # Errors
/// [`LegacyFormatError`] if it cannot be read; [`KeyError::BadSignature`] in the inner result if the proof is not by `signer`.
pub fn verify_did_document(
    signed: &str,
    signer: &VerifyingKey,
) -> Result<Result<(), KeyError>, LegacyFormatError> {
    let signed = Value::parse(signed, WHAT)?;
    let invalid = |field| LegacyFormatError::InvalidValue { what: WHAT, field };
    let document = signed.member("document").ok_or_else(|| invalid("document"))?;
    let proof = signed.member("proof").and_then(|proof| proof.member("proofValue"));
    let Some(Value::String(proof)) = proof else {
        return Err(invalid("proofValue"));
    };
    let signature = proof
        .strip_prefix('z')
        // A signature has at most 88 digits.
        .filter(|digits| digits.len() <= 88)
        .and_then(|digits| bs58::decode(digits).into_vec().ok())
        .and_then(|bytes| Signature::from_slice(&bytes).ok());
    let text = signing_string(document)?;
    Ok(match signature {
        Some(signature) => signer.verify(text.as_bytes(), &signature),
        None => Err(KeyError::BadSignature),
    })
}
