//! A client as small as it can be: a socket, frames, and an identity to sign with.

use std::time::Duration;

use agentmesh_core::{
    Timestamp,
    identity::Identity,
    rng::SystemRng,
    wire::{
        registry_auth::{REQUEST_AUTH_HEADER, RequestAuth, SignedRequest},
        relay_auth::ConnectAuth,
        relay_binary::BinaryFrame,
        relay_error::RelayErrorCode,
        relay_features::Features,
        relay_frame::{
            ClientFrame, ConnectFrame, RELAY_PROTOCOL, ReceiveFrame, RelayMessageType, SendFrame,
            ServerFrame,
        },
        relay_id::RelayMessageId,
    },
};
use agentmesh_server::{Server, ServerConfig};
use base64ct::{Base64, Encoding};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, protocol::CloseFrame},
};

/// Longer than anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// Long enough for something that should not come to come.
pub(crate) const A_WHILE: Duration = Duration::from_millis(200);

pub(crate) const ACK: Features = Features { auth: false, ack: true, resume: true, binary: false };
pub(crate) const BINARY: Features = Features { auth: false, ack: true, resume: true, binary: true };

pub(crate) async fn start() -> Server {
    start_with(|_| {}).await
}

pub(crate) async fn start_with(change: impl FnOnce(&mut ServerConfig)) -> Server {
    let mut config = ServerConfig::default();
    change(&mut config);
    Server::start(config).await.unwrap()
}

pub(crate) fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap())
}

pub(crate) fn identity() -> Identity {
    Identity::generate(now(), &mut SystemRng)
}

pub(crate) fn key(identity: &Identity) -> String {
    format!("ed25519:{}", Base64::encode_string(identity.signing_key().as_bytes()))
}

pub(crate) fn id(n: u8) -> RelayMessageId {
    RelayMessageId::from_bytes([n; 16])
}

/// A plain, good `connect`.
pub(crate) fn connect_frame(identity: &Identity, features: Features) -> ConnectFrame {
    let (timestamp, signature) = identity.sign_timestamp(now());
    ConnectFrame {
        protocol: RELAY_PROTOCOL.into(),
        amid: identity.amid().to_string(),
        public_key: key(identity),
        signature,
        timestamp,
        p2p_capable: false,
        features,
        auth: None,
    }
}

/// A `connect` with the extension `auth`, for the relay `host`.
pub(crate) fn auth_frame(identity: &Identity, host: &str) -> ConnectFrame {
    let mut frame = connect_frame(identity, Features { auth: true, ..ACK });
    frame.auth =
        Some(ConnectAuth::sign(identity, host, &frame.timestamp, &mut SystemRng).to_field());
    frame
}

pub(crate) struct Socket(pub(crate) WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    pub(crate) async fn open(url: &str) -> Self {
        Self(connect_async(url).await.unwrap().0)
    }

    pub(crate) async fn send(&mut self, frame: &ClientFrame) {
        self.text(&frame.to_json()).await;
    }

    pub(crate) async fn json(&mut self, value: Value) {
        self.text(&value.to_string()).await;
    }

    pub(crate) async fn text(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    pub(crate) async fn binary(&mut self, frame: BinaryFrame<'_>) {
        self.0.send(Message::binary(frame.encode())).await.unwrap();
    }

    /// The next message that is not a WebSocket ping or pong.
    pub(crate) async fn message(&mut self) -> Message {
        timeout(PATIENCE, async {
            loop {
                match self.0.next().await {
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    Some(Ok(message)) => return message,
                    other => panic!("the connection ended: {other:?}"),
                }
            }
        })
        .await
        .expect("nothing came")
    }

    pub(crate) async fn next(&mut self) -> ServerFrame {
        match self.message().await {
            Message::Text(text) => ServerFrame::parse(&text).unwrap(),
            other => panic!("not a text frame: {other:?}"),
        }
    }

    pub(crate) async fn receive(&mut self) -> ReceiveFrame {
        match self.next().await {
            ServerFrame::Receive(frame) => frame,
            other => panic!("not a receive: {other:?}"),
        }
    }

    /// The next frame is an error with this code; returns text, seconds and id.
    pub(crate) async fn error(
        &mut self,
        expected: RelayErrorCode,
    ) -> (String, Option<u64>, Option<RelayMessageId>) {
        match self.next().await {
            ServerFrame::Error { code, message, retry_after_seconds, message_id } => {
                assert_eq!(code, expected, "{message}");
                (message, retry_after_seconds, message_id)
            }
            other => panic!("not an error: {other:?}"),
        }
    }

    pub(crate) async fn acked(&mut self, expected: RelayMessageId) {
        assert_eq!(self.next().await, ServerFrame::Ack { message_id: expected });
    }

    /// The server closes, with this code.
    pub(crate) async fn closed(&mut self, expected: u16) {
        match self.message().await {
            Message::Close(Some(CloseFrame { code, .. })) => {
                assert_eq!(u16::from(code), expected);
            }
            other => panic!("not a close frame: {other:?}"),
        }
        // And then the connection.
        let end = timeout(PATIENCE, self.0.next()).await.expect("the socket stays open");
        assert!(!matches!(end, Some(Ok(_))), "{end:?}");
    }

    /// Nothing comes for a while.
    pub(crate) async fn is_silent(&mut self) {
        let deadline = tokio::time::Instant::now() + A_WHILE;
        while let Ok(message) = tokio::time::timeout_at(deadline, self.0.next()).await {
            match message {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("this should not have come: {other:?}"),
            }
        }
    }

    /// The connection is alive: a ping is answered, and nothing comes before the answer.
    pub(crate) async fn is_alive(&mut self) {
        let timestamp = now().to_rfc3339_millis();
        self.send(&ClientFrame::Ping { timestamp: timestamp.clone() }).await;
        assert_eq!(self.next().await, ServerFrame::Pong { timestamp });
    }

    pub(crate) async fn ack(&mut self, from: &Identity, id: RelayMessageId) {
        let frame = ClientFrame::Ack { from: from.amid().to_string(), message_id: id };
        self.send(&frame).await;
    }

    /// Goes away without a word.
    pub(crate) fn drop_it(self) {
        drop(self);
    }
}

/// Sends `frame` as the first and returns the socket, whatever the answer is.
pub(crate) async fn connect_with(server: &Server, frame: ConnectFrame) -> Socket {
    let mut socket = Socket::open(&server.relay_url()).await;
    socket.send(&ClientFrame::Connect(frame)).await;
    socket
}

/// An admitted connection, and how many messages wait.
pub(crate) async fn connect_pending(
    server: &Server,
    identity: &Identity,
    features: Features,
) -> (Socket, u64) {
    let mut socket = connect_with(server, connect_frame(identity, features)).await;
    match socket.next().await {
        ServerFrame::Connected { pending_messages, features: agreed, session_id } => {
            assert_eq!(agreed, features);
            assert_eq!(session_id.len(), 36);
            (socket, pending_messages)
        }
        other => panic!("not connected: {other:?}"),
    }
}

pub(crate) async fn connect(server: &Server, identity: &Identity, features: Features) -> Socket {
    connect_pending(server, identity, features).await.0
}

/// A message as a 0.2 client sends it.
pub(crate) fn message(to: &Identity, payload: &str) -> ClientFrame {
    ClientFrame::Send(SendFrame {
        to: to.amid().to_string(),
        encrypted_payload: payload.into(),
        message_type: RelayMessageType::Message,
        ice_candidates: None,
        message_id: None,
    })
}

/// A message whose sender wants to hear that it is safe.
pub(crate) fn message_with_id(to: &Identity, payload: &str, id: RelayMessageId) -> ClientFrame {
    let ClientFrame::Send(frame) = message(to, payload) else { panic!() };
    ClientFrame::Send(SendFrame { message_id: Some(id), ..frame })
}

/// Two connected agents.
pub(crate) async fn pair(
    server: &Server,
    features: Features,
) -> ((Identity, Socket), (Identity, Socket)) {
    let (a, b) = (identity(), identity());
    let (sa, sb) = (connect(server, &a, features).await, connect(server, &b, features).await);
    ((a, sa), (b, sb))
}

pub(crate) fn http() -> reqwest::Client {
    reqwest::Client::builder().timeout(PATIENCE).build().unwrap()
}

/// A body that registers `identity`.
pub(crate) fn registration(identity: &Identity, capabilities: &[&str]) -> Value {
    let (timestamp, signature) = identity.sign_timestamp(now());
    json!({
        "amid": identity.amid().to_string(),
        "signing_public_key": key(identity),
        "exchange_public_key":
            format!("x25519:{}", Base64::encode_string(identity.exchange_key().as_bytes())),
        "display_name": "Tést",
        "capabilities": capabilities,
        "timestamp": timestamp,
        "signature": signature,
    })
}

/// Registers `identity`.
pub(crate) async fn register(server: &Server, identity: &Identity, capabilities: &[&str]) {
    let (status, body) =
        post(server, "/registry/register", &registration(identity, capabilities)).await;
    assert_eq!(status, 201, "{body}");
}

/// A plain signed body: `fields` with amid, timestamp and signature.
pub(crate) fn signed(identity: &Identity, mut fields: Value) -> Value {
    let (timestamp, signature) = identity.sign_timestamp(now());
    fields["amid"] = identity.amid().to_string().into();
    fields["timestamp"] = timestamp.into();
    fields["signature"] = signature.into();
    fields
}

async fn answer(response: reqwest::Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

pub(crate) async fn post(server: &Server, path: &str, body: &Value) -> (u16, Value) {
    let url = format!("{}{path}", server.registry_url());
    answer(http().post(url).json(body).send().await.unwrap()).await
}

pub(crate) async fn get(server: &Server, path: &str) -> (u16, Value) {
    let url = format!("{}{path}", server.registry_url());
    answer(http().get(url).send().await.unwrap()).await
}

/// The header over a request to `server`.
pub(crate) fn request_auth(
    server: &Server,
    identity: &Identity,
    method: &str,
    path: &str,
    body: &str,
) -> String {
    let host = server.addr().to_string();
    let target = format!("/v1{path}");
    let request = SignedRequest { method, host: &host, target: &target, body: body.as_bytes() };
    RequestAuth::sign(identity, &request, now(), &mut SystemRng).to_header()
}

pub(crate) async fn post_with(
    server: &Server,
    path: &str,
    body: &Value,
    auth: &str,
) -> (u16, Value) {
    let request = http()
        .post(format!("{}{path}", server.registry_url()))
        .header(REQUEST_AUTH_HEADER, auth)
        .header("content-type", "application/json")
        .body(body.to_string());
    answer(request.send().await.unwrap()).await
}

pub(crate) async fn post_signed(
    server: &Server,
    identity: &Identity,
    path: &str,
    body: &Value,
) -> (u16, Value) {
    let auth = request_auth(server, identity, "POST", path, &body.to_string());
    post_with(server, path, body, &auth).await
}

pub(crate) async fn get_with(server: &Server, path: &str, auth: &str) -> (u16, Value) {
    let url = format!("{}{path}", server.registry_url());
    answer(http().get(url).header(REQUEST_AUTH_HEADER, auth).send().await.unwrap()).await
}

pub(crate) async fn get_signed(server: &Server, identity: &Identity, path: &str) -> (u16, Value) {
    let auth = request_auth(server, identity, "GET", path, "");
    get_with(server, path, &auth).await
}
