//! A server that answers as a test says, one request a connection.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinSet,
    time::timeout,
};

use super::PATIENCE;

/// What a request gets.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    /// A status, a content type, a body.
    Whole(&'static str, &'static str, String),
    /// A redirection.
    To(&'static str, String),
    /// These bytes after the head of a stream, which then stays open.
    Stream(String),
    /// The same with `X-Signal-Features: header-auth`.
    HeaderStream(String),
    /// The same, which then ends.
    Ended(String),
    /// The connection breaks before any answer.
    Nothing,
}

impl Answer {
    pub(super) fn json(status: &'static str, body: &str) -> Self {
        Self::Whole(status, "application/json", body.to_owned())
    }

    pub(super) fn success() -> Self {
        Self::json("200 OK", r#"{"success":true}"#)
    }

    /// A stream that begins as it should.
    pub(super) fn joined(id: &str, token: &str) -> String {
        let ice = r#"[{"urls":"turn:t","username":"u","credential":"hush-hush-turn"}]"#;
        format!(
            "event: joined\ndata: {{\"id\":\"{id}\",\"token\":\"{token}\",\"iceServers\":{ice}}}\n\n\
             event: roster\ndata: [\"{id}\",\"peer\"]\n\n"
        )
    }

    fn bytes(&self) -> (String, bool) {
        let stream = |body: &str, more: &str| {
            format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n{more}\r\n{body}"
            )
        };
        match self {
            Self::Whole(status, kind, body) => {
                let length = body.len();
                (
                    format!(
                        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
                    ),
                    false,
                )
            }
            Self::To(status, to) => (
                format!(
                    "HTTP/1.1 {status}\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                ),
                false,
            ),
            Self::Stream(body) => (stream(body, ""), true),
            Self::HeaderStream(body) => {
                (stream(body, "X-Signal-Features: other, Header-Auth\r\n"), true)
            }
            Self::Ended(body) => (stream(body, ""), false),
            Self::Nothing => (String::new(), false),
        }
    }
}

/// See the module.
pub(super) struct Fake {
    pub(super) url: String,
    seen: Arc<Mutex<Vec<String>>>,
    came: Arc<Notify>,
    _serving: JoinSet<()>,
}

impl Fake {
    /// `answer` gets the request with its body, and how many came before.
    pub(super) async fn start(
        answer: impl Fn(&str, usize) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (seen, came) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Notify::new()));
        let answer = Arc::new(answer);
        let mut serving = JoinSet::new();
        let (all, notify) = (Arc::clone(&seen), Arc::clone(&came));
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let (all, notify, answer) =
                    (Arc::clone(&all), Arc::clone(&notify), Arc::clone(&answer));
                connections.spawn(async move { serve(socket, &all, &notify, &*answer).await });
            }
        });
        Self { url, seen, came, _serving: serving }
    }

    pub(super) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    /// Waits until so many requests came.
    pub(super) async fn requests(&self, count: usize) -> Vec<String> {
        let enough = async {
            loop {
                let came = self.came.notified();
                let seen = self.seen();
                if seen.len() >= count {
                    return seen;
                }
                came.await;
            }
        };
        timeout(PATIENCE, enough).await.expect("requests in time")
    }
}

async fn serve(
    mut socket: TcpStream,
    seen: &Mutex<Vec<String>>,
    came: &Notify,
    answer: &(dyn Fn(&str, usize) -> Answer + Send + Sync),
) {
    let mut bytes = Vec::new();
    let text = loop {
        let mut buffer = [0; 4096];
        match socket.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(read) => bytes.extend_from_slice(&buffer[..read]),
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| {
            line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok()
        });
        if body.len() >= length.unwrap_or(0) {
            break text;
        }
    };
    let (answer, stays) = {
        let mut seen = seen.lock().unwrap();
        let answer = answer(&text, seen.len()).bytes();
        seen.push(text);
        answer
    };
    came.notify_waiters();
    // A client that breaks off early does not read it all.
    let _ = socket.write_all(answer.as_bytes()).await;
    if stays {
        let _ = socket.read(&mut [0; 1]).await;
    } else {
        let _ = socket.shutdown().await;
    }
}
