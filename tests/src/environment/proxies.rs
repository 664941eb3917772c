//! Small proxies: CONNECT, CONNECT over TLS, and SOCKS 5, each with a password or without. Whatever host they are asked
//! for, they connect to one port of loopback, and write down what they were asked.

use std::{
    io,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use base64ct::{Base64, Encoding};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};

use super::tls_server::Authority;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Connect,
    ConnectOverTls,
    Socks5,
}

pub(super) struct Proxy {
    kind: Kind,
    port: u16,
    authority: Option<Authority>,
    tunnels: Arc<Mutex<Vec<String>>>,
}

#[derive(Clone)]
struct Rules {
    password: Option<String>,
    target: u16,
    tunnels: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    pub(super) async fn start(kind: Kind, password: Option<&str>, target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let authority = (kind == Kind::ConnectOverTls).then(|| Authority::new("localhost"));
        let acceptor = authority.as_ref().map(|authority| authority.acceptor.clone());
        let tunnels = Arc::default();
        let password = password.map(str::to_owned);
        let rules = Rules { password, target, tunnels: Arc::clone(&tunnels) };
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (rules, acceptor) = (rules.clone(), acceptor.clone());
                tokio::spawn(async move {
                    // Clients hang up when they are refused.
                    let _ = match (kind, acceptor) {
                        (Kind::Socks5, _) => rules.socks(socket).await,
                        (_, Some(tls)) => match tls.accept(socket).await {
                            Ok(stream) => rules.connect(stream).await,
                            Err(error) => Err(error),
                        },
                        (_, None) => rules.connect(socket).await,
                    };
                });
            }
        });
        Self { kind, port, authority, tunnels }
    }

    /// With the user `user` and a password, or without.
    pub(super) fn url(&self, password: Option<&str>) -> String {
        let escaped = password.map(|p| p.replace('@', "%40").replace(':', "%3A"));
        let user = escaped.map(|p| format!("user:{p}@")).unwrap_or_default();
        let scheme = match self.kind {
            Kind::Connect => "http",
            Kind::ConnectOverTls => "https",
            Kind::Socks5 => "socks5h",
        };
        // The name is what its certificate is for.
        format!("{scheme}://{user}localhost:{}", self.port)
    }

    pub(super) fn ca_file(&self) -> Option<PathBuf> {
        self.authority.as_ref().map(Authority::ca_file)
    }

    /// What it was asked for and agreed to.
    pub(super) fn tunnels(&self) -> Vec<String> {
        self.tunnels.lock().unwrap().clone()
    }
}

impl Rules {
    async fn tunnel<S>(&self, mut client: S, asked: String) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.tunnels.lock().unwrap().push(asked);
        let mut server = TcpStream::connect(("127.0.0.1", self.target)).await?;
        copy_bidirectional(&mut client, &mut server).await.map(drop)
    }

    async fn connect<S>(&self, mut client: S) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(client.read_u8().await?);
        }
        let head = String::from_utf8(head).unwrap();
        let asked = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()).unwrap();
        let allowed = self.password.as_ref().is_none_or(|password| {
            let expected = Base64::encode_string(format!("user:{password}").as_bytes());
            head.to_ascii_lowercase()
                .contains(&format!("proxy-authorization: basic {}", expected.to_ascii_lowercase()))
        });
        if !allowed {
            let refused =
                b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n";
            return client.write_all(refused).await;
        }
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
        self.tunnel(client, asked.to_owned()).await
    }

    /// RFC 1928 and RFC 1929.
    async fn socks(&self, mut client: TcpStream) -> io::Result<()> {
        assert_eq!(client.read_u8().await?, 5);
        let mut methods = vec![0; usize::from(client.read_u8().await?)];
        client.read_exact(&mut methods).await?;
        let wanted = if self.password.is_some() { 2 } else { 0 };
        if !methods.contains(&wanted) {
            return client.write_all(&[5, 0xff]).await;
        }
        client.write_all(&[5, wanted]).await?;
        if let Some(password) = &self.password {
            assert_eq!(client.read_u8().await?, 1);
            let (user, given) = (text(&mut client).await?, text(&mut client).await?);
            let right = user == "user" && given == *password;
            client.write_all(&[1, u8::from(!right)]).await?;
            if !right {
                return Ok(());
            }
        }
        let mut request = [0; 4];
        client.read_exact(&mut request).await?;
        assert_eq!(request[..3], [5, 1, 0]);
        let host = match request[3] {
            1 => {
                let mut address = [0; 4];
                client.read_exact(&mut address).await?;
                std::net::Ipv4Addr::from(address).to_string()
            }
            3 => text(&mut client).await?,
            other => panic!("address of kind {other}"),
        };
        let port = client.read_u16().await?;
        client.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 0]).await?;
        self.tunnel(client, format!("{host}:{port}")).await
    }
}

/// A length in one byte, and so many bytes.
async fn text(client: &mut TcpStream) -> io::Result<String> {
    let mut bytes = vec![0; usize::from(client.read_u8().await?)];
    client.read_exact(&mut bytes).await?;
    Ok(String::from_utf8(bytes).unwrap())
}
