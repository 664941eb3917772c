//! A server under a certificate of a private authority: echoes WebSockets, and answers requests as a healthy registry.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use futures_util::{SinkExt, StreamExt};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

const HEALTH: &str = r#"{"status":"healthy","agents_registered":0,"version":"test"}"#;

/// Ends with the test's runtime.
pub(super) struct TlsServer {
    port: u16,
    ca: Authority,
}

/// A certificate authority, and a file with its certificate.
pub(super) struct Authority {
    dir: tempfile::TempDir,
    pub(super) acceptor: TlsAcceptor,
}

impl Authority {
    /// An authority of its own, with a certificate for `name`, `::1` and no other.
    pub(super) fn new(name: &str) -> Self {
        let ca_key = KeyPair::generate().unwrap();
        let mut ca = CertificateParams::new(Vec::new()).unwrap();
        // Two authorities of one name would be taken for each other.
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::SeqCst);
        ca.distinguished_name.push(DnType::CommonName, format!("Authority {number}"));
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_certificate = ca.self_signed(&ca_key).unwrap();
        let key = KeyPair::generate().unwrap();
        let names = vec![name.to_owned(), "::1".to_owned()];
        let params = CertificateParams::new(names).unwrap();
        let certificate = params.signed_by(&key, &Issuer::new(ca, ca_key)).unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ca.pem"), ca_certificate.pem()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
            )
            .unwrap();
        Self { dir, acceptor: TlsAcceptor::from(Arc::new(config)) }
    }

    pub(super) fn ca_file(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }
}

impl TlsServer {
    pub(super) async fn start(name: &str) -> Self {
        Self::start_at("127.0.0.1:0", name).await.unwrap()
    }

    /// `None` if the address cannot be had.
    pub(super) async fn start_at(address: &str, name: &str) -> Option<Self> {
        let listener = TcpListener::bind(address).await.ok()?;
        let ca = Authority::new(name);
        let port = listener.local_addr().unwrap().port();
        let acceptor = ca.acceptor.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    // Clients that do not trust us end it here.
                    let Ok(stream) = acceptor.accept(socket).await else { return };
                    let mut stream = BufReader::new(stream);
                    let head = stream.fill_buf().await.unwrap_or_default();
                    if head.windows(18).any(|w| w.eq_ignore_ascii_case(b"upgrade: websocket")) {
                        let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
                        while let Some(Ok(message)) = socket.next().await {
                            if message.is_text() {
                                socket.send(message).await.unwrap();
                            }
                        }
                    } else {
                        let answer = format!(
                            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\
                             content-length: {}\r\n\r\n{HEALTH}",
                            HEALTH.len()
                        );
                        let _ = stream.write_all(answer.as_bytes()).await;
                        let _ = stream.shutdown().await;
                    }
                });
            }
        });
        Some(Self { port, ca })
    }

    pub(super) const fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn ca_file(&self) -> PathBuf {
        self.ca.ca_file()
    }
}
