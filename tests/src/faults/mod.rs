//! What happens to services when servers are killed, lines are cut and answers are not what they should be. Waits are
//! those of the documents in virtual time beside the state machines; here they are shortened, over real sockets.

mod agent_ws;
mod aiwm;
mod network;
mod signaling;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::timeout,
};

pub(crate) use network::{Line, Network};

/// Longer than anything here takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until something is so.
async fn until(what: &str, is_so: impl Fn() -> bool) {
    let reached = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("never: {what}"));
}

/// What goes on after an answer: piece by piece, with a pause after each.
type More = fn(usize) -> Option<(Vec<u8>, Duration)>;

/// A server with an answer for its first connection and another for all that follow. It hears no more than a request of
/// each, and goes on with more, if there are more.
struct Fake {
    url: String,
    connections: Arc<AtomicUsize>,
    _task: JoinSet<()>,
}

impl Fake {
    async fn answering(answer: impl Into<Vec<u8>>) -> Self {
        Self::start(None, answer.into(), |_| None).await
    }

    async fn first(first: impl Into<Vec<u8>>, answer: impl Into<Vec<u8>>) -> Self {
        Self::start(Some(first.into()), answer.into(), |_| None).await
    }

    /// Until the client has had enough.
    async fn endless(answer: impl Into<Vec<u8>>, more: More) -> Self {
        Self::start(None, answer.into(), more).await
    }

    async fn start(first: Option<Vec<u8>>, answer: Vec<u8>, more: More) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let connections = Arc::new(AtomicUsize::new(0));
        let (mut task, counted) = (JoinSet::new(), Arc::clone(&connections));
        task.spawn(async move {
            let (mut first, mut serving) = (first, JoinSet::new());
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, Ordering::Relaxed);
                let answer = first.take().unwrap_or_else(|| answer.clone());
                serving.spawn(serve(socket, answer, more));
                while serving.try_join_next().is_some() {}
            }
        });
        Self { url, connections, _task: task }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

async fn serve(mut socket: TcpStream, answer: Vec<u8>, more: More) {
    let mut request = [0; 8192];
    let _ = socket.read(&mut request).await;
    let mut sent = socket.write_all(&answer).await;
    for count in 0.. {
        let Some((piece, pause)) = more(count).filter(|_| sent.is_ok()) else { break };
        sent = socket.write_all(&piece).await;
        tokio::time::sleep(pause).await;
    }
    let _ = socket.shutdown().await;
    // Not before the client has read it.
    let _ = socket.read(&mut request).await;
}
