//! A line between a client and a server, to be cut: a TCP forwarder whose state a test sets.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

/// What becomes of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    /// They arrive.
    Up,
    /// They vanish, and nobody is told: packets are dropped, or the other side is half-open. New connections hang.
    Silent,
    /// Connections break, and new ones are reset.
    Cut,
}

/// See the module.
pub(crate) struct Network {
    addr: SocketAddr,
    line: watch::Sender<Line>,
    server: watch::Sender<SocketAddr>,
    attempts: Arc<AtomicUsize>,
    _task: JoinSet<()>,
}

impl Network {
    /// A line to `server`.
    pub(crate) async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (line, state) = watch::channel(Line::Up);
        let (server, leads_to) = watch::channel(server);
        let attempts = Arc::new(AtomicUsize::new(0));
        let (mut task, counted) = (JoinSet::new(), Arc::clone(&attempts));
        task.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, Ordering::Relaxed);
                connections.spawn(connection(client, leads_to.clone(), state.clone()));
                while connections.try_join_next().is_some() {}
            }
        });
        Self { addr, line, server, attempts, _task: task }
    }

    pub(crate) const fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(crate) fn set(&self, line: Line) {
        self.line.send_replace(line);
    }

    /// Breaks off what there is; new connections lead elsewhere.
    pub(crate) fn lead_to(&self, server: SocketAddr) {
        self.server.send_replace(server);
    }

    /// Connections that were asked for so far.
    pub(crate) fn attempts(&self) -> usize {
        self.attempts.load(Ordering::Relaxed)
    }
}

async fn connection(
    client: TcpStream,
    mut server: watch::Receiver<SocketAddr>,
    mut state: watch::Receiver<Line>,
) {
    let up = state.wait_for(|line| *line != Line::Silent).await.map(|line| *line);
    if !matches!(up, Ok(Line::Up)) {
        return reset(&client);
    }
    let leads_to = *server.borrow_and_update();
    let Ok(upstream) = TcpStream::connect(leads_to).await else { return reset(&client) };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = upstream.into_split();
    let (mut up, mut down) = (vec![0; 16 * 1024], vec![0; 16 * 1024]);
    loop {
        let line = *state.borrow_and_update();
        let moved = tokio::select! {
            changed = state.changed() => changed.is_ok(),
            _ = server.changed() => false,
            read = from_client.read(&mut up), if line == Line::Up => match read {
                Ok(count) if count > 0 => {
                    to_server.write_all(up.get(..count).unwrap_or_default()).await.is_ok()
                }
                _ => false,
            },
            read = from_server.read(&mut down), if line == Line::Up => match read {
                Ok(count) if count > 0 => {
                    to_client.write_all(down.get(..count).unwrap_or_default()).await.is_ok()
                }
                _ => false,
            },
        };
        if !moved || *state.borrow() == Line::Cut {
            return;
        }
    }
}

/// Breaks a connection off instead of closing it.
fn reset(client: &TcpStream) {
    let _ = client.set_zero_linger();
}
