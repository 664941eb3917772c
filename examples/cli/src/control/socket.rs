//! The socket through which a running agent takes orders: `control.sock` in the home's directory, mode 0600, one JSON line
//! each way. Unix only; elsewhere the process has to be ended first.

/// The socket's name in the home.
pub(crate) const FILE: &str = "control.sock";

#[cfg(unix)]
pub(crate) use unix::{Request, Socket, deliver};

#[cfg(not(unix))]
pub(crate) use elsewhere::{Request, Socket, deliver};

#[cfg(unix)]
mod unix {
    use std::{fs, io, os::unix::fs::PermissionsExt, path::PathBuf, time::Duration};

    use agentmesh_core::{Error, ErrorInfo};
    use serde::{Deserialize, Serialize};
    use tokio::{
        io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
        net::{UnixListener, UnixStream},
        task::JoinSet,
        time::timeout,
    };

    use super::FILE;
    use crate::{
        control::{Line, Order},
        error::CliError,
        home::Home,
    };

    /// How long one line may take.
    const PATIENCE: Duration = Duration::from_secs(2);
    /// How long an order may take: an emergency stop says its last words first.
    const ORDER_PATIENCE: Duration = Duration::from_secs(20);
    /// Connections at a time.
    const CONNECTIONS: usize = 8;
    /// Bytes of an order.
    const MAX_ORDER: u64 = 4096;
    /// Bytes of an answer: more sessions than an agent has.
    const MAX_ANSWER: u64 = 64 << 20;

    /// What comes back.
    #[derive(Serialize, Deserialize)]
    enum Reply {
        Done(Vec<Line>),
        Failed { code: String, message: String },
    }

    /// The end that takes orders.
    #[derive(Debug)]
    pub(crate) struct Socket {
        listener: UnixListener,
        path: PathBuf,
        reading: JoinSet<Option<Request>>,
    }

    /// An order and who gave it.
    #[derive(Debug)]
    pub(crate) struct Request {
        pub(crate) order: Order,
        stream: UnixStream,
    }

    impl Socket {
        /// Begins to take orders for a home whose store this process has open: a socket that is there already is
        /// what another one left.
        pub(crate) fn bind(home: &Home) -> io::Result<Self> {
            let path = home.path().join(FILE);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let listener = UnixListener::bind(&path)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
            Ok(Self { listener, path, reading: JoinSet::new() })
        }

        /// The next order. Safe to cancel.
        pub(crate) async fn next(&mut self) -> Request {
            loop {
                tokio::select! {
                    Some(read) = self.reading.join_next() => if let Ok(Some(request)) = read {
                        return request;
                    },
                    Ok((stream, _)) = self.listener.accept(), if self.reading.len() < CONNECTIONS => {
                        self.reading.spawn(read(stream));
                    }
                    else => std::future::pending().await,
                }
            }
        }
    }

    impl Drop for Socket {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.path);
        }
    }

    async fn read(mut stream: UnixStream) -> Option<Request> {
        let mut line = String::new();
        let mut reader = BufReader::new((&mut stream).take(MAX_ORDER));
        timeout(PATIENCE, reader.read_line(&mut line)).await.ok()?.ok()?;
        let order = serde_json::from_str(&line).ok()?;
        Some(Request { order, stream })
    }

    impl Request {
        /// Tells whoever asked. If nobody is left there, nobody is told.
        pub(crate) async fn answer(mut self, result: Result<Vec<Line>, Error>) {
            let reply = match result {
                Ok(lines) => Reply::Done(lines),
                Err(error) => {
                    Reply::Failed { code: error.code().to_owned(), message: error.to_string() }
                }
            };
            let Ok(mut text) = serde_json::to_string(&reply) else { return };
            text.push('\n');
            let _ = timeout(PATIENCE, self.stream.write_all(text.as_bytes())).await;
        }
    }

    /// Gives the order to the process that runs the agent of this home; `None` if there is none that takes orders.
    pub(crate) async fn deliver(home: &Home, order: &Order) -> Result<Option<Vec<Line>>, CliError> {
        let path = home.path().join(FILE);
        // Nothing is there, or what a dead process left.
        let Ok(mut stream) = UnixStream::connect(&path).await else { return Ok(None) };
        let failed = |problem: &str| CliError::home(&path, format!("the running agent {problem}"));
        let exchange = async {
            let mut line = serde_json::to_string(order).map_err(io::Error::other)?;
            line.push('\n');
            stream.write_all(line.as_bytes()).await?;
            let mut answer = String::new();
            BufReader::new((&mut stream).take(MAX_ANSWER)).read_line(&mut answer).await?;
            Ok::<_, io::Error>(answer)
        };
        let answer = timeout(ORDER_PATIENCE, exchange)
            .await
            .map_err(|_| failed("does not answer"))?
            .map_err(|error| failed(&format!("broke off: {error}")))?;
        match serde_json::from_str(&answer) {
            Ok(Reply::Done(lines)) => Ok(Some(lines)),
            Ok(Reply::Failed { code, message }) => {
                Err(CliError::failed(format!("{message} ({code})")))
            }
            Err(_) => Err(failed("does not understand the order")),
        }
    }
}

#[cfg(not(unix))]
mod elsewhere {
    use agentmesh_core::Error;

    use crate::{
        control::{Line, Order},
        error::CliError,
        home::Home,
    };

    /// Takes no orders.
    #[derive(Debug)]
    pub(crate) struct Socket;

    /// Never comes.
    #[derive(Debug)]
    pub(crate) struct Request {
        pub(crate) order: Order,
    }

    impl Socket {
        pub(crate) fn bind(_: &Home) -> std::io::Result<Self> {
            Err(std::io::ErrorKind::Unsupported.into())
        }

        pub(crate) async fn next(&mut self) -> Request {
            std::future::pending().await
        }
    }

    impl Request {
        pub(crate) async fn answer(self, _: Result<Vec<Line>, Error>) {}
    }

    pub(crate) async fn deliver(_: &Home, _: &Order) -> Result<Option<Vec<Line>>, CliError> {
        Ok(None)
    }
}
