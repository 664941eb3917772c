//! From a chain to what may be believed of it.

use x509_cert::ext::pkix::{SubjectAltName, name::GeneralName};

use super::{
    CertificateError,
    parse::{CertificateChain, Parsed},
};
use crate::{identity::Amid, keys::VerifyingKey, time::Timestamp, wire::registry::Tier};

/// Roots that are believed, because somebody configured them.
///
/// There is no default, and the system's own roots have nothing to do with it.
#[derive(Debug, Clone, Default)]
pub struct TrustRoots(Vec<Parsed>);

impl TrustRoots {
    /// Reads roots in PEM, as `GET /registry/authority` of our server gives its own.
    ///
    /// # Errors
    /// As [`CertificateChain::from_pem`]; [`CertificateError::NotAllowedToSign`] for one that is no authority.
    pub fn from_pem(text: &str) -> Result<Self, CertificateError> {
        let CertificateChain(roots) = CertificateChain::from_pem(text)?;
        if roots.iter().all(|root| root.is_authority) {
            Ok(Self(roots))
        } else {
            Err(CertificateError::NotAllowedToSign)
        }
    }

    /// With the roots of another set.
    #[must_use]
    pub fn with(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Whether there are none, and nothing is believed.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A certificate behind which a configured root stands.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AgentCertificate {
    /// The agent. Follows from the key.
    pub amid: Amid,
    /// The agent's key.
    pub signing_key: VerifyingKey,
    /// The tier that the issuer gave it.
    pub tier: Tier,
    /// The organization that it belongs to, in the issuer's words.
    pub organization: Option<String>,
    /// The organization's domain; in the certificate of its admin.
    pub domain: Option<String>,
    /// From when it counts.
    pub not_before: Timestamp,
    /// Until when it counts.
    pub not_after: Timestamp,
    /// Its number, in hexadecimal.
    pub serial: String,
}

impl CertificateChain {
    /// Verifies the chain: each signature, each date, that each issuer may sign, up to one of `roots`; and that the first
    /// certificate is that of the agent whose key it holds.
    ///
    /// Whether the agent was revoked since is not in here.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn verify(
        &self,
        roots: &TrustRoots,
        now: Timestamp,
    ) -> Result<AgentCertificate, CertificateError> {
        let [leaf, authorities @ ..] = self.0.as_slice() else {
            return Err(CertificateError::Malformed);
        };
        leaf.check_time(now)?;
        if leaf.claims_authority {
            return Err(CertificateError::Subject);
        }
        let mut below = leaf;
        // Authorities between the one looked at and the leaf.
        let mut passed: u8 = 0;
        let mut given = authorities.iter();
        loop {
            let named = |root: &&Parsed| below.is_issued_in_the_name_of(root);
            if let Some(root) =
                roots.0.iter().filter(named).find(|r| below.verify_signed_by(&r.key).is_ok())
            {
                check_issuer(root, passed, now)?;
                return describe(leaf);
            }
            let Some(authority) = given.next() else {
                // A root of that name with another key is a lie; none at all is a stranger.
                let known = roots.0.iter().any(|root| below.is_issued_in_the_name_of(root));
                return Err(match known {
                    true => CertificateError::BadSignature,
                    false => CertificateError::Untrusted,
                });
            };
            if !below.is_issued_in_the_name_of(authority) {
                return Err(CertificateError::Untrusted);
            }
            below.verify_signed_by(&authority.key)?;
            check_issuer(authority, passed, now)?;
            passed = passed.saturating_add(1);
            below = authority;
        }
    }
}

fn check_issuer(issuer: &Parsed, passed: u8, now: Timestamp) -> Result<(), CertificateError> {
    issuer.check_time(now)?;
    let long = issuer.path_length.is_some_and(|limit| passed > limit);
    if !issuer.is_authority || long {
        return Err(CertificateError::NotAllowedToSign);
    }
    Ok(())
}

fn describe(leaf: &Parsed) -> Result<AgentCertificate, CertificateError> {
    let content = leaf.certificate.tbs_certificate();
    let subject = content.subject();
    let text = |found: Result<Option<x509_cert::ext::pkix::name::DirectoryString>, _>| match found {
        Ok(name) => Ok(name.map(|name| name.value().into_owned())),
        Err(_) => Err(CertificateError::Subject),
    };
    let amid = Amid::of(&leaf.key);
    if text(subject.common_name())? != Some(amid.to_string()) {
        return Err(CertificateError::Subject);
    }
    let names =
        content.get_extension::<SubjectAltName>().map_err(|_| CertificateError::Malformed)?;
    let names = names.map(|(_, SubjectAltName(names))| names).unwrap_or_default();
    let did = amid.did();
    let uris = names.iter().filter_map(|name| match name {
        GeneralName::UniformResourceIdentifier(uri) => Some(uri.as_str()),
        _ => None,
    });
    if uris.clone().count() == 0 || !uris.clone().all(|uri| uri == did) {
        return Err(CertificateError::Subject);
    }
    let domain = names.iter().find_map(|name| match name {
        GeneralName::DnsName(domain) => Some(domain.as_str().to_owned()),
        _ => None,
    });
    let tier = text(subject.organization_unit())?.map(|tier| Tier::from(tier.as_str()));
    let tier = tier.filter(Tier::is_known).ok_or(CertificateError::Subject)?;
    let organization = text(subject.organization())?;
    if (tier == Tier::Organization) != organization.is_some() {
        return Err(CertificateError::Subject);
    }
    let (not_before, not_after) = leaf.validity();
    let serial = content.serial_number().as_bytes();
    Ok(AgentCertificate {
        amid,
        signing_key: leaf.key,
        tier,
        organization,
        domain,
        not_before,
        not_after,
        serial: serial.iter().map(|byte| format!("{byte:02x}")).collect(),
    })
}
