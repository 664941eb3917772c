//! A TCP proxy that can cut its connections, or go deaf on them without a word.

use std::net::SocketAddr;

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Forward,
    /// Close what there is.
    Cut(u32),
    /// Keep what there is open, and pass nothing on.
    Freeze(u32),
}

/// See the module.
pub(super) struct Proxy {
    addr: SocketAddr,
    orders: watch::Sender<Order>,
    count: u32,
    _serving: JoinSet<()>,
}

impl Proxy {
    pub(super) async fn before(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (orders, ordered) = watch::channel(Order::Forward);
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let mut ordered = ordered.clone();
                // Orders of before are not about this connection.
                ordered.mark_unchanged();
                connections.spawn(forward(client, target, ordered));
            }
        });
        Self { addr, orders, count: 0, _serving: serving }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    pub(super) fn cut(&mut self) {
        self.count += 1;
        self.orders.send_replace(Order::Cut(self.count));
    }

    pub(super) fn freeze(&mut self) {
        self.count += 1;
        self.orders.send_replace(Order::Freeze(self.count));
    }
}

async fn forward(mut client: TcpStream, target: SocketAddr, mut ordered: watch::Receiver<Order>) {
    let Ok(mut server) = TcpStream::connect(target).await else { return };
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => {}
        _ = ordered.changed() => {
            if matches!(*ordered.borrow(), Order::Freeze(_)) {
                std::future::pending::<()>().await;
            }
        }
    }
}
