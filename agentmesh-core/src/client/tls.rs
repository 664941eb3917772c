//! One TLS configuration for everything: rustls on aws-lc, certificates judged by the platform, or by those of a file.
//!
//! Certificates are loaded when the first TLS handshake needs them. So a machine without any (a bare container) can
//! still talk to a server on loopback, and gets an error that says what is missing otherwise.

use std::{
    ffi::OsString,
    fmt, fs,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use rustls_platform_verifier::Verifier;

/// Certificates read from all files together.
const MAX_CERTIFICATES: usize = 10_000;

/// Which certificate authorities are trusted.
///
/// ```
/// use agentmesh_core::client::{http::HttpConfig, tls::TlsConfig};
///
/// // The company's own authority, beside those of the platform:
/// let tls = TlsConfig::from_env().with_ca_file("/etc/company/ca.pem");
/// let http = HttpConfig { tls, ..HttpConfig::default() };
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct TlsConfig {
    /// Files and directories that take the place of the platform's authorities.
    instead: Vec<PathBuf>,
    /// Files beside them.
    beside: Vec<PathBuf>,
}

impl TlsConfig {
    /// What the platform trusts: the operating system's store of certificates.
    pub fn platform() -> Self {
        Self::default()
    }

    /// What the environment says: the authorities in the file `SSL_CERT_FILE` and in the files of the directories
    /// `SSL_CERT_DIR` instead of the platform's, as OpenSSL does it; the platform's if neither is set.
    pub fn from_env() -> Self {
        let set = |name| std::env::var_os(name).filter(|value: &OsString| !value.is_empty());
        let file = set("SSL_CERT_FILE").map(PathBuf::from);
        let dirs = set("SSL_CERT_DIR");
        let dirs = dirs.iter().flat_map(std::env::split_paths);
        Self { instead: file.into_iter().chain(dirs).collect(), beside: Vec::new() }
    }

    /// Also trusts the authorities in a PEM file.
    #[must_use]
    pub fn with_ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.beside.push(path.into());
        self
    }

    /// Trusts the authorities in a PEM file, or in the files of a directory, and no others.
    #[must_use]
    pub fn only_ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.instead = vec![path.into()];
        self.beside.clear();
        self
    }

    /// Reads the certificates now, to find out what is wrong with them; how many are in files. They are read again when
    /// they are needed.
    ///
    /// # Errors
    /// Which file cannot be read, or holds none.
    pub fn check(&self) -> Result<usize, String> {
        let count = |paths: &[PathBuf]| load(paths).map(|found| found.len());
        Ok(count(&self.instead)? + count(&self.beside)?)
    }

    fn verifier(
        &self,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ServerCertVerifier>, Error> {
        let general = |problem: String| Error::General(problem);
        let beside = load(&self.beside).map_err(general)?;
        if self.instead.is_empty() {
            let platform = if beside.is_empty() {
                Verifier::new(Arc::clone(provider))
            } else {
                Verifier::new_with_extra_roots(beside, Arc::clone(provider))
            };
            return Ok(Arc::new(platform?));
        }
        let mut roots = RootCertStore::empty();
        // What is no certificate of an authority is left out; what remains must be something.
        roots.add_parsable_certificates(
            load(&self.instead).map_err(general)?.into_iter().chain(beside),
        );
        WebPkiServerVerifier::builder_with_provider(roots.into(), Arc::clone(provider))
            .build()
            .map(|verifier| verifier as Arc<dyn ServerCertVerifier>)
            .map_err(|e| Error::General(format!("{}: {e}", shown(&self.instead))))
    }
}

impl fmt::Debug for TlsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for TlsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.instead.as_slice() {
            [] => f.write_str("the platform's certificates")?,
            paths => write!(f, "the certificates of {}", shown(paths))?,
        }
        if !self.beside.is_empty() {
            write!(f, " and of {}", shown(&self.beside))?;
        }
        Ok(())
    }
}

fn shown(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// The certificates in files, and in the files of directories.
fn load(paths: &[PathBuf]) -> Result<Vec<CertificateDer<'static>>, String> {
    let mut found = Vec::new();
    for path in paths {
        let before = found.len();
        if path.is_dir() {
            let entries = fs::read_dir(path).map_err(|e| format!("{}: {e}", path.display()))?;
            for entry in entries.flatten() {
                // A directory of certificates may hold other things.
                let _ = load_file(&entry.path(), &mut found);
            }
        } else {
            load_file(path, &mut found)?;
        }
        if found.len() == before {
            return Err(format!("{} holds no certificate in PEM", path.display()));
        }
    }
    Ok(found)
}

fn load_file(path: &Path, found: &mut Vec<CertificateDer<'static>>) -> Result<(), String> {
    let failed = |e: &dyn fmt::Display| format!("{}: {e}", path.display());
    let certificates = CertificateDer::pem_file_iter(path).map_err(|e| failed(&e))?;
    for certificate in certificates {
        if found.len() >= MAX_CERTIFICATES {
            return Err(failed(&"too many certificates"));
        }
        found.push(certificate.map_err(|e| failed(&e))?);
    }
    Ok(())
}

/// A client configuration that speaks TLS 1.2 and 1.3 and trusts what `trust` says.
///
/// # Errors
/// Only if the cryptographic provider supports no protocol version, which is a bug in how it was built.
pub(crate) fn client_config(trust: &TlsConfig) -> Result<ClientConfig, Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = Arc::new(LazyVerifier {
        provider: provider.clone(),
        trust: trust.clone(),
        inner: OnceLock::new(),
    });
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth())
}

/// The verifier, made when first needed. Every judgement about a chain is its own.
#[derive(Debug)]
struct LazyVerifier {
    provider: Arc<CryptoProvider>,
    trust: TlsConfig,
    inner: OnceLock<Result<Arc<dyn ServerCertVerifier>, Error>>,
}

impl ServerCertVerifier for LazyVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.inner
            .get_or_init(|| self.trust.verifier(&self.provider))
            .as_ref()
            .map_err(Clone::clone)?
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
