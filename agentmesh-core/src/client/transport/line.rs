//! The way to a host: straight, through an HTTP proxy (CONNECT), through one that speaks TLS itself, or through SOCKS.
//!
//! hyper-util dials (both families, with a head start for the first) and tunnels. Knows no WebSockets; TLS to the host
//! is put on top of what comes out here.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use hyper_util::{
    client::legacy::connect::{
        HttpConnector,
        proxy::{SocksV4, SocksV5, Tunnel},
    },
    client::proxy::matcher::Intercept,
    rt::TokioIo,
};
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tower_service::Service;

use super::TransportError;
use crate::client::{
    http::reasons,
    platform::BoxFuture,
    proxy::{ProxyConfig, ProxyMatcher},
    tls::{self, TlsConfig},
};

/// Dials. Cheap to share.
pub(super) struct Dialer {
    tcp: HttpConnector,
    proxies: ProxyMatcher,
    /// To proxies.
    tls: Arc<rustls::ClientConfig>,
}

/// A connection that nothing was sent on yet.
#[derive(Debug)]
pub(crate) enum Line {
    Tcp(TcpStream),
    /// Through a proxy that speaks TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Dialer {
    pub(super) fn new(
        proxies: &ProxyConfig,
        trust: &TlsConfig,
        timeout: Duration,
    ) -> Result<Self, rustls::Error> {
        let mut tcp = HttpConnector::new();
        // It connects to `https` addresses as well: TLS is put on top by others.
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(Duration::from_secs(60)));
        tcp.set_connect_timeout(Some(timeout));
        let mut tls = tls::client_config(trust)?;
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { tcp, proxies: proxies.matcher(), tls: Arc::new(tls) })
    }

    /// Connects to an `http` or `https` address; `host` is its name in errors.
    pub(super) async fn dial(
        &self,
        address: &::http::Uri,
        host: &str,
    ) -> Result<Line, TransportError> {
        let Some(proxy) = self.proxies.proxy_for(address) else {
            let socket = self.tcp.clone().call(address.clone()).await;
            let socket = socket.map_err(|e| TransportError::Connect {
                host: host.to_owned(),
                reason: reasons(&e),
            })?;
            return Ok(Line::Tcp(socket.into_inner()));
        };
        let target = with_port(address)?;
        let scheme = proxy.uri().scheme_str().unwrap_or_default().to_owned();
        match scheme.as_str() {
            "http" => {
                let socket = tunnel(&proxy, self.tcp.clone()).call(target).await;
                Ok(Line::Tcp(socket.map_err(|e| refused(&e))?.into_inner()))
            }
            "https" => {
                let dialer = TlsDialer { tcp: self.tcp.clone(), tls: Arc::clone(&self.tls) };
                let socket = tunnel(&proxy, dialer).call(target).await;
                Ok(Line::Tls(Box::new(socket.map_err(|e| refused(&e))?.into_inner())))
            }
            "socks5" | "socks5h" | "socks4" | "socks4a" => {
                self.socks(&proxy, &scheme, target).await.map(Line::Tcp)
            }
            other => {
                Err(TransportError::Proxy { reason: format!("{other} proxies are not supported") })
            }
        }
    }

    async fn socks(
        &self,
        proxy: &Intercept,
        scheme: &str,
        target: ::http::Uri,
    ) -> Result<TcpStream, TransportError> {
        let is_v5 = scheme.starts_with("socks5");
        // The `h` and the `a` leave names to the proxy.
        let target =
            if matches!(scheme, "socks5" | "socks4") { resolve(target).await? } else { target };
        if target.host().is_some_and(|host| host.starts_with('[')) {
            let reason = "an IPv6 address cannot be asked of it: use the host's name, and socks5h";
            return Err(TransportError::Proxy { reason: reason.to_owned() });
        }
        let uri = with_default_port(proxy.uri(), 1080)?;
        let socket = if is_v5 {
            let mut socks = SocksV5::new(uri, self.tcp.clone());
            if let Some((user, password)) = proxy.raw_auth() {
                socks = socks.with_auth(user.to_owned(), password.to_owned());
            }
            socks.call(target).await.map_err(|e| refused(&e))?
        } else {
            SocksV4::new(uri, self.tcp.clone()).call(target).await.map_err(|e| refused(&e))?
        };
        Ok(socket.into_inner())
    }
}

fn tunnel<C>(proxy: &Intercept, dialer: C) -> Tunnel<C> {
    let tunnel = Tunnel::new(proxy.uri().clone(), dialer);
    match proxy.basic_auth() {
        Some(credentials) => tunnel.with_auth(credentials.clone()),
        None => tunnel,
    }
}

fn refused(error: &dyn std::error::Error) -> TransportError {
    TransportError::Proxy { reason: reasons(error) }
}

/// The same address with the host as an IPv4 address, which is what the older kinds of SOCKS take.
async fn resolve(target: ::http::Uri) -> Result<::http::Uri, TransportError> {
    let (host, port) = (target.host().unwrap_or_default(), target.port_u16().unwrap_or(443));
    if host.starts_with('[') || host.parse::<std::net::IpAddr>().is_ok() {
        return Ok(target);
    }
    let unknown = |reason: String| TransportError::Connect { host: host.to_owned(), reason };
    let mut found =
        tokio::net::lookup_host((host, port)).await.map_err(|e| unknown(e.to_string()))?;
    let address = found.find(std::net::SocketAddr::is_ipv4);
    let address = address.ok_or_else(|| unknown("the name has no IPv4 address".to_owned()))?;
    with_authority(&address.to_string())
}

/// CONNECT and SOCKS want a port.
pub(super) fn with_port(address: &::http::Uri) -> Result<::http::Uri, TransportError> {
    with_default_port(address, if address.scheme_str() == Some("https") { 443 } else { 80 })
}

fn with_default_port(address: &::http::Uri, port: u16) -> Result<::http::Uri, TransportError> {
    let port = address.port_u16().unwrap_or(port);
    with_authority(&format!("{}:{port}", address.host().unwrap_or_default()))
}

fn with_authority(authority: &str) -> Result<::http::Uri, TransportError> {
    ::http::Uri::builder()
        .scheme("http")
        .authority(authority)
        .path_and_query("/")
        .build()
        .map_err(|_| TransportError::InvalidUrl { reason: "the host is not valid".into() })
}

/// Dials a proxy and speaks TLS with it.
struct TlsDialer {
    tcp: HttpConnector,
    tls: Arc<rustls::ClientConfig>,
}

impl Service<::http::Uri> for TlsDialer {
    type Response = TokioIo<TlsStream<TcpStream>>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, proxy: ::http::Uri) -> Self::Future {
        let (mut tcp, tls) = (self.tcp.clone(), TlsConnector::from(Arc::clone(&self.tls)));
        Box::pin(async move {
            let host = proxy.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
            let name = ServerName::try_from(host).map_err(io::Error::other)?;
            let address = with_default_port(&proxy, 443).map_err(io::Error::other)?;
            let socket = tcp.call(address).await.map_err(io::Error::other)?;
            Ok(TokioIo::new(tls.connect(name, socket.into_inner()).await?))
        })
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Tcp(socket) => Pin::new(socket).poll_read(cx, buf),
            Self::Tls(socket) => Pin::new(socket).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Tcp(socket) => Pin::new(socket).poll_write(cx, bytes),
            Self::Tls(socket) => Pin::new(socket).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Tcp(socket) => Pin::new(socket).poll_flush(cx),
            Self::Tls(socket) => Pin::new(socket).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Tcp(socket) => Pin::new(socket).poll_shutdown(cx),
            Self::Tls(socket) => Pin::new(socket).poll_shutdown(cx),
        }
    }
}
