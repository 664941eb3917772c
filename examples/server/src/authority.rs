//! The registry's own certification authority: one Ed25519 root key, and X.509 certificates of agents and organizations
//! that it signs.
//!
//! The key lives in `authority.pem` beside the database, readable by its owner only, and is made on the first start. Clients
//! that want to rely on certificates get the root (`GET /v1/registry/authority`) over a channel that they trust, and
//! pin it. A certificate says what the registry knew when it was issued; whether the agent was revoked since is asked
//! separately.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

use agentmesh_core::{
    Timestamp,
    identity::Amid,
    keys::VerifyingKey,
    time::{DAY, HOUR},
    wire::registry::Tier,
};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ED25519, PublicKeyData, SanType, SignatureAlgorithm,
};
use time::OffsetDateTime;

use crate::ServerError;

const FILE: &str = "authority.pem";
const ROOT_NAME: &str = "AgentMesh Registry Root";
const ROOT_LIFE: u64 = 10 * 365 * DAY;
const LEAF_LIFE: u64 = 365 * DAY;
/// Clocks of clients may be behind ours.
const BACKDATED: u64 = HOUR;
/// Larger than the file ever is.
const MAX_FILE: u64 = 64 * 1024;

/// Why a certificate was not issued: a bug, or a name that X.509 cannot hold.
#[derive(Debug, thiserror::Error)]
#[error("certificate: {0}")]
pub(crate) struct IssueError(#[from] rcgen::Error);

/// Whom a certificate is for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    /// The agent's key; its AMID becomes the common name.
    pub(crate) key: &'a VerifyingKey,
    /// The tier at the time.
    pub(crate) tier: &'a Tier,
    /// The organization that it belongs to, or acts for.
    pub(crate) organization: Option<&'a str>,
    /// The organization's domain, in the certificate of its admin only.
    pub(crate) domain: Option<&'a str>,
}

/// See the module.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root: String,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

struct AgentKey<'a>(&'a VerifyingKey);

impl PublicKeyData for AgentKey<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ED25519
    }
}

fn date(time: Timestamp) -> Result<OffsetDateTime, rcgen::Error> {
    i64::try_from(time.as_millis() / 1000)
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .ok_or(rcgen::Error::Time)
}

fn root_params(now: Timestamp) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name = name(&[(DnType::CommonName, ROOT_NAME)]);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = date(now.minus_millis(BACKDATED))?;
    params.not_after = date(now.plus_millis(ROOT_LIFE))?;
    Ok(params)
}

fn name(parts: &[(DnType, &str)]) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    for (kind, text) in parts {
        name.push(kind.clone(), *text);
    }
    name
}

impl Authority {
    /// Reads the authority's key in `dir`, or makes one; one in memory without a directory.
    pub(crate) fn open(dir: Option<&Path>, now: Timestamp) -> Result<Self, ServerError> {
        let Some(dir) = dir else { return Self::create(now).map(|(authority, _)| authority) };
        let path = dir.join(FILE);
        let failed = |source| ServerError::DataDir { path: path.clone(), source };
        match fs::metadata(&path) {
            Ok(meta) if meta.len() <= MAX_FILE => {
                let text = fs::read_to_string(&path).map_err(failed)?;
                Self::read(&text, now).ok_or_else(|| ServerError::Corrupt {
                    path: path.clone(),
                    detail: "not a key and a certificate of this server".into(),
                })
            }
            Ok(_) => Err(ServerError::Corrupt { path, detail: "the file is too large".into() }),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let (authority, text) = Self::create(now)?;
                write_private(dir, &path, &text).map_err(failed)?;
                Ok(authority)
            }
            Err(e) => Err(failed(e)),
        }
    }

    fn create(now: Timestamp) -> Result<(Self, String), ServerError> {
        let made = || {
            let key = KeyPair::generate_for(&PKCS_ED25519)?;
            let params = root_params(now)?;
            let root = params.self_signed(&key)?.pem();
            let text = format!("{}{root}", key.serialize_pem());
            Ok::<_, rcgen::Error>((Self { issuer: Issuer::new(params, key), root }, text))
        };
        made().map_err(|e| ServerError::Start(io::Error::other(e)))
    }

    fn read(text: &str, now: Timestamp) -> Option<Self> {
        let (key, root) = text.split_at(text.find("-----BEGIN CERTIFICATE-----")?);
        let key = KeyPair::from_pem(key).ok()?;
        // What is signed with depends on name and key only, which never change.
        Some(Self { issuer: Issuer::new(root_params(now).ok()?, key), root: root.to_owned() })
    }

    /// The root's certificate, PEM.
    pub(crate) fn root(&self) -> &str {
        &self.root
    }

    /// A certificate for an agent, PEM. It cannot sign further ones.
    pub(crate) fn issue(&self, subject: Subject<'_>, now: Timestamp) -> Result<String, IssueError> {
        let amid = Amid::of(subject.key);
        let (common, tier) = (amid.to_string(), subject.tier.to_string());
        let mut parts = vec![(DnType::CommonName, common.as_str())];
        parts.push((DnType::OrganizationalUnitName, &tier));
        parts.extend(subject.organization.map(|name| (DnType::OrganizationName, name)));
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name = name(&parts);
        params.subject_alt_names = vec![SanType::URI(amid.did().try_into()?)];
        if let Some(domain) = subject.domain {
            params.subject_alt_names.push(SanType::DnsName(domain.try_into()?));
        }
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        params.not_before = date(now.minus_millis(BACKDATED))?;
        params.not_after = date(now.plus_millis(LEAF_LIFE))?;
        Ok(params.signed_by(&AgentKey(subject.key), &self.issuer)?.pem())
    }
}

/// Writes the file whole or not at all, for its owner's eyes only.
fn write_private(dir: &Path, path: &Path, text: &str) -> io::Result<()> {
    let begun = dir.join("authority.new");
    match fs::remove_file(&begun) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&begun)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&begun, path)?;
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_stays_the_same_and_is_nobody_elses_business() {
        let dir = tempfile::tempdir().unwrap();
        let now = Timestamp::from_millis(1_770_206_400_000);
        let first = Authority::open(Some(dir.path()), now).unwrap();
        let again = Authority::open(Some(dir.path()), now.plus_millis(DAY)).unwrap();
        assert_eq!(first.root(), again.root());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(dir.path().join(FILE)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        fs::write(dir.path().join(FILE), "nonsense").unwrap();
        assert!(matches!(Authority::open(Some(dir.path()), now), Err(ServerError::Corrupt { .. })));
    }
}
