//! From PEM to certificates whose bytes are known.

use base64ct::{Base64, Encoding};
use x509_cert::{
    Certificate,
    der::{Decode, Encode, oid::ObjectIdentifier},
    ext::pkix::{BasicConstraints, KeyUsage},
};

use super::CertificateError;
use crate::{
    keys::{Signature, VerifyingKey},
    limits::{MAX_CERTIFICATE_CHAIN, MAX_CERTIFICATES},
    time::Timestamp,
    wire::registry::LegacyCertificate,
};

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// Ed25519, RFC 8410: as a key and as a signature.
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
/// Extensions that are looked at, or that change nothing for what is asked here.
const UNDERSTOOD: [ObjectIdentifier; 5] = [
    ObjectIdentifier::new_unwrap("2.5.29.14"), // subject key identifier
    ObjectIdentifier::new_unwrap("2.5.29.15"), // key usage
    ObjectIdentifier::new_unwrap("2.5.29.17"), // subject alternative name
    ObjectIdentifier::new_unwrap("2.5.29.19"), // basic constraints
    ObjectIdentifier::new_unwrap("2.5.29.35"), // authority key identifier
];

/// Certificates as they came, the agent's first, each signed by the next. Nothing is verified yet.
#[derive(Debug, Clone)]
pub struct CertificateChain(pub(super) Vec<Parsed>);

impl CertificateChain {
    /// Reads PEM.
    ///
    /// # Errors
    /// [`CertificateError::TooLong`], [`CertificateError::Malformed`]; [`CertificateError::Unsigned`] for what deployed
    /// registries call a certificate; [`CertificateError::Algorithm`].
    pub fn from_pem(text: &str) -> Result<Self, CertificateError> {
        if text.len() > MAX_CERTIFICATE_CHAIN {
            let (limit, actual) = (MAX_CERTIFICATE_CHAIN, text.len());
            return Err(CertificateError::TooLong { limit, actual });
        }
        if LegacyCertificate::parse(text).is_some() {
            return Err(CertificateError::Unsigned);
        }
        let mut certificates = Vec::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            let block = rest.strip_prefix(BEGIN).and_then(|rest| rest.split_once(END));
            let (encoded, after) = block.ok_or(CertificateError::Malformed)?;
            let encoded: String = encoded.split_ascii_whitespace().collect();
            let der = Base64::decode_vec(&encoded).map_err(|_| CertificateError::Malformed)?;
            if certificates.len() >= MAX_CERTIFICATES {
                return Err(CertificateError::Malformed);
            }
            certificates.push(Parsed::from_der(&der)?);
            rest = after.trim_start();
        }
        if certificates.is_empty() {
            Err(CertificateError::Malformed)
        } else {
            Ok(Self(certificates))
        }
    }
}

/// A certificate, its key and the bytes that were signed.
#[derive(Debug, Clone)]
pub(super) struct Parsed {
    pub(super) certificate: Certificate,
    pub(super) key: VerifyingKey,
    signed: Vec<u8>,
    signature: Signature,
    /// Whether it may sign others.
    pub(super) is_authority: bool,
    /// Whether it says of itself that it signs others, allowed or not: no agent's does.
    pub(super) claims_authority: bool,
    /// How many authorities may follow below, if that is limited.
    pub(super) path_length: Option<u8>,
}

impl Parsed {
    fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        let malformed = |_| CertificateError::Malformed;
        let certificate = Certificate::from_der(der).map_err(malformed)?;
        // What we verify are the bytes that came, so reading has to lose nothing.
        if certificate.to_der().map_err(malformed)? != der {
            return Err(CertificateError::Malformed);
        }
        let content = certificate.tbs_certificate();
        let spki = content.subject_public_key_info();
        let algorithms = [certificate.signature_algorithm(), content.signature(), &spki.algorithm];
        if algorithms.iter().any(|a| a.oid != ED25519 || a.parameters.is_some()) {
            return Err(CertificateError::Algorithm);
        }
        let key = spki.subject_public_key.as_bytes();
        let key = key.and_then(|bytes| VerifyingKey::from_slice(bytes).ok());
        let signature = certificate.signature().as_bytes();
        let signature = signature.and_then(|bytes| Signature::from_slice(bytes).ok());
        let extensions = content.extensions().map(Vec::as_slice).unwrap_or_default();
        if extensions.iter().any(|e| e.critical && !UNDERSTOOD.contains(&e.extn_id)) {
            return Err(CertificateError::CriticalExtension);
        }
        let constraints = content.get_extension::<BasicConstraints>().map_err(malformed)?;
        let usage = content.get_extension::<KeyUsage>().map_err(malformed)?.map(|(_, usage)| usage);
        let (ca, path_length) = match constraints {
            Some((_, BasicConstraints { ca: true, path_len_constraint })) => {
                (true, path_len_constraint)
            }
            _ => (false, None),
        };
        // RFC 5280 §4.2.1.3: with usages, but without this one, it must not sign certificates.
        let signs = usage.map(|usage| usage.key_cert_sign());
        Ok(Self {
            signed: content.to_der().map_err(malformed)?,
            key: key.ok_or(CertificateError::Algorithm)?,
            signature: signature.ok_or(CertificateError::Algorithm)?,
            is_authority: ca && signs.unwrap_or(true),
            claims_authority: ca || signs == Some(true),
            path_length,
            certificate,
        })
    }

    /// Whether this one names `issuer` as its issuer.
    pub(super) fn is_issued_in_the_name_of(&self, issuer: &Self) -> bool {
        let (own, other) =
            (self.certificate.tbs_certificate(), issuer.certificate.tbs_certificate());
        own.issuer() == other.subject()
    }

    /// Verifies that the holder of `key` signed this one.
    pub(super) fn verify_signed_by(&self, key: &VerifyingKey) -> Result<(), CertificateError> {
        key.verify(&self.signed, &self.signature).map_err(|_| CertificateError::BadSignature)
    }

    pub(super) fn check_time(&self, now: Timestamp) -> Result<(), CertificateError> {
        let (from, until) = self.validity();
        if now < from {
            Err(CertificateError::NotYetValid)
        } else if now > until {
            Err(CertificateError::Expired)
        } else {
            Ok(())
        }
    }

    pub(super) fn validity(&self) -> (Timestamp, Timestamp) {
        let validity = self.certificate.tbs_certificate().validity();
        let time = |time: x509_cert::time::Time| {
            Timestamp::from_millis(time.to_unix_duration().as_secs().saturating_mul(1000))
        };
        (time(validity.not_before), time(validity.not_after))
    }
}
