//! The relay over HTTP requests: the same proofs, the same delivery, the same takeover as on a socket.

use std::time::Duration;

use agentmesh_core::{
    identity::Identity,
    wire::{
        relay_error::RelayErrorCode,
        relay_frame::{ClientFrame, ConnectFrame, ReceiveFrame, ServerFrame},
        relay_id::RelayMessageId,
    },
};
use agentmesh_server::{Server, ServerConfig};
use serde_json::{Value, json};

use crate::{support::*, trust::revocation};

mod bounds;

/// A client that polls, as small as it can be.
pub(crate) struct Poller {
    base: String,
    token: String,
    cursor: u64,
}

fn frames(frames: &[ClientFrame]) -> Value {
    let frames: Vec<Value> =
        frames.iter().map(|frame| serde_json::from_str(&frame.to_json()).unwrap()).collect();
    json!({"frames": frames})
}

async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

fn read(inbox: &Value) -> Vec<ServerFrame> {
    let frames = inbox["frames"].as_array().unwrap();
    frames.iter().map(|frame| ServerFrame::parse(&frame.to_string()).unwrap()).collect()
}

fn received(frame: ServerFrame) -> ReceiveFrame {
    match frame {
        ServerFrame::Receive(frame) => frame,
        other => panic!("not a receive: {other:?}"),
    }
}

/// Posts `connect` and nothing else.
async fn open(server: &Server, connect: ConnectFrame) -> (u16, Value) {
    post(server, "/messages", &frames(&[ClientFrame::Connect(connect)])).await
}

impl Poller {
    /// An admitted session, and what it was told at once.
    pub(crate) async fn connect(server: &Server, identity: &Identity) -> (Self, Vec<ServerFrame>) {
        let (status, body) = open(server, connect_frame(identity, ACK)).await;
        assert_eq!(status, 201, "{body}");
        let mut told = read(&body["inbox"]);
        let ServerFrame::Connected { features, .. } = told.remove(0) else { panic!("{body}") };
        assert_eq!(features, ACK);
        let token = body["token"].as_str().unwrap().to_owned();
        let cursor = body["inbox"]["cursor"].as_u64().unwrap();
        (Self { base: server.registry_url(), token, cursor }, told)
    }

    async fn post(&self, sent: &[ClientFrame]) -> (u16, Value) {
        let request = http().post(format!("{}/messages", self.base)).bearer_auth(&self.token);
        answer(request.json(&frames(sent))).await
    }

    pub(crate) async fn send(&self, sent: &[ClientFrame]) {
        assert_eq!(self.post(sent).await, (202, json!({})));
    }

    fn ask(&self, cursor: u64, wait: u64) -> reqwest::RequestBuilder {
        http()
            .get(format!("{}/inbox?cursor={cursor}&wait={wait}", self.base))
            .bearer_auth(&self.token)
    }

    async fn inbox(&mut self, wait: u64) -> Value {
        let (status, body) = answer(self.ask(self.cursor, wait)).await;
        assert_eq!(status, 200, "{body}");
        self.cursor = body["cursor"].as_u64().unwrap();
        body
    }

    pub(crate) async fn next(&mut self) -> Vec<ServerFrame> {
        read(&self.inbox(8).await)
    }

    async fn ack(&self, from: &Identity, id: RelayMessageId) {
        self.send(&[ClientFrame::Ack { from: from.amid().to_string(), message_id: id }]).await;
    }

    /// It hears that a newer connection took over, and nothing else ever after.
    async fn was_replaced(&mut self) {
        let last = self.inbox(8).await;
        assert_eq!(last["closed"], 4006, "{last}");
        let error = read(&last).pop().unwrap();
        let ServerFrame::Error { code, .. } = error else { panic!("{error:?}") };
        assert_eq!(code, RelayErrorCode::Replaced);
        let again = self.inbox(8).await;
        assert_eq!((&again["closed"], &again["frames"]), (&json!(4006), &json!([])));
    }
}

#[tokio::test]
async fn poller_and_socket_exchange_messages() {
    let server = start().await;
    let (alice, bob) = (identity(), identity());
    let mut a = connect(&server, &alice, ACK).await;
    a.send(&message_with_id(&bob, "before", id(1))).await;
    a.acked(id(1)).await;
    let (mut b, told) = Poller::connect(&server, &bob).await;
    let before: Vec<_> = told.into_iter().map(received).collect();
    assert_eq!(before.len(), 1);
    assert_eq!(
        (before[0].encrypted_payload.as_str(), before[0].message_id),
        ("before", Some(id(1)))
    );
    assert_eq!(before[0].from, alice.amid().to_string());
    b.ack(&alice, id(1)).await;
    // A parked request hears of a message when it comes, and of an answer to its own.
    let parked = tokio::spawn(async move { (b.next().await, b) });
    a.send(&message_with_id(&bob, "now", id(2))).await;
    let (now, mut b) = parked.await.unwrap();
    a.acked(id(2)).await;
    assert_eq!(received(now[0].clone()).encrypted_payload, "now");
    b.send(&[
        ClientFrame::Ack { from: alice.amid().to_string(), message_id: id(2) },
        message_with_id(&alice, "back", id(3)),
        message_with_id(&alice, &"x".repeat(70_000), id(4)),
    ])
    .await;
    assert_eq!(a.receive().await.encrypted_payload, "back");
    a.ack(&bob, id(3)).await;
    let mut heard = Vec::new();
    while heard.len() < 2 {
        heard.extend(b.next().await);
    }
    assert!(heard.contains(&ServerFrame::Ack { message_id: id(3) }), "{heard:?}");
    assert!(heard.iter().any(|frame| matches!(frame,
        ServerFrame::Error { code: RelayErrorCode::MessageTooLarge, message_id: Some(about), .. }
            if *about == id(4))));
    // It leaves, and is absent.
    b.send(&[ClientFrame::Disconnect { reason: "done".into() }]).await;
    a.send(&ClientFrame::PresenceQuery { amid: bob.amid().to_string() }).await;
    let ServerFrame::PresenceResponse { status, .. } = a.next().await else { panic!() };
    assert_eq!(status.as_str(), "offline");
    assert_eq!(b.inbox(8).await["closed"], 1000);
    assert_eq!(Poller::connect(&server, &bob).await.1, []);
}

#[tokio::test]
async fn who_cannot_prove_it_gets_nothing_and_changes_nothing() {
    let server = start_with(|config| config.public_hosts = vec!["mesh.example".into()]).await;
    let (alice, bob) = (identity(), identity());
    let mut a = connect(&server, &alice, ACK).await;
    a.send(&message_with_id(&bob, "for bob", id(1))).await;
    a.acked(id(1)).await;
    let mut b = connect(&server, &bob, ACK).await;
    b.receive().await;
    let good = connect_frame(&bob, ACK);
    let refusals = [
        (401, "UNAUTHORIZED", ConnectFrame { amid: alice.amid().to_string(), ..good.clone() }),
        (
            401,
            "INVALID_SIGNATURE",
            ConnectFrame { signature: connect_frame(&alice, ACK).signature, ..good.clone() },
        ),
        (
            401,
            "INVALID_SIGNATURE",
            ConnectFrame { timestamp: "2020-01-01T00:00:00.001+00:00".into(), ..good.clone() },
        ),
        (401, "UNAUTHORIZED", auth_frame(&bob, &server.addr().to_string())),
        (400, "PROTOCOL_MISMATCH", ConnectFrame { protocol: "other/1".into(), ..good.clone() }),
    ];
    for (status, code, frame) in refusals {
        let (found, body) = open(&server, frame).await;
        assert_eq!((found, body["code"].as_str()), (status, Some(code)), "{body}");
    }
    for body in [json!({"frames": []}), frames(&[message(&alice, "x")])] {
        let (status, body) = post(&server, "/messages", &body).await;
        assert_eq!((status, &body["code"]), (401, &json!("UNAUTHORIZED")), "{body}");
    }
    for body in [json!({}), json!({"frames": 1}), json!([[]])] {
        assert_eq!(post(&server, "/messages", &body).await.0, 400);
    }
    // A proof for a socket is used up by it, and the other way round.
    let proof = connect_frame(&identity(), ACK);
    connect_with(&server, proof.clone()).await.next().await;
    assert_eq!(open(&server, proof).await.0, 401);
    let proof = connect_frame(&identity(), ACK);
    assert_eq!(open(&server, proof.clone()).await.0, 201);
    assert_eq!(open(&server, proof).await.0, 401);
    // Nor does a token help that is made up, cut, or of another scheme.
    let (poller, _) = Poller::connect(&server, &identity()).await;
    let mut other = poller.token.clone();
    other.replace_range(60..64, if other.ends_with("AAAA") { "BBBB" } else { "AAAA" });
    for token in ["", "x", &other, &poller.token[..60]] {
        let request = http().get(format!("{}/inbox", poller.base)).bearer_auth(token);
        let (status, body) = answer(request).await;
        assert_eq!((status, &body["code"]), (401, &json!("UNKNOWN_SESSION")), "{body}");
        let request = http().post(format!("{}/messages", poller.base)).bearer_auth(token);
        assert_eq!(answer(request.json(&frames(&[message(&bob, "forged")]))).await.0, 401);
    }
    assert_eq!(answer(http().get(format!("{}/inbox", poller.base))).await.0, 401);
    // Bob never noticed.
    b.is_alive().await;
    b.drop_it();
    assert_eq!(connect_pending(&server, &bob, ACK).await.1, 1);
}

#[tokio::test]
async fn who_acknowledges_nothing_is_not_let_in() {
    let server = start().await;
    let plain = connect_frame(&identity(), agentmesh_core::wire::relay_features::Features::NONE);
    let (status, body) = open(&server, plain).await;
    assert_eq!((status, &body["code"]), (400, &json!("INVALID_MESSAGE")), "{body}");
    // Binary frames are for sockets.
    let (status, body) = open(&server, connect_frame(&identity(), BINARY)).await;
    assert_eq!(status, 201, "{body}");
    let ServerFrame::Connected { features, .. } = read(&body["inbox"]).remove(0) else { panic!() };
    assert_eq!(features, ACK);
}

#[tokio::test]
async fn an_answer_that_was_lost_is_given_again() {
    let server = start().await;
    let (alice, bob) = (identity(), identity());
    let mut a = connect(&server, &alice, ACK).await;
    let (mut b, _) = Poller::connect(&server, &bob).await;
    a.send(&message_with_id(&bob, "once", id(1))).await;
    a.acked(id(1)).await;
    let before = b.cursor;
    let first = b.inbox(8).await;
    assert_eq!(first["cursor"], before + 1);
    for _ in 0..2 {
        assert_eq!(answer(b.ask(before, 8)).await, (200, first.clone()));
    }
    // Whoever has it gets what is next, and nothing comes a second time.
    a.send(&message_with_id(&bob, "twice", id(2))).await;
    assert_eq!(received(b.next().await.remove(0)).encrypted_payload, "twice");
    for wrong in [0, before, b.cursor + 1, u64::MAX] {
        let (status, body) = answer(b.ask(wrong, 8)).await;
        assert_eq!((status, &body["code"]), (409, &json!("INVALID_CURSOR")), "{wrong} {body}");
    }
    assert_eq!(b.inbox(0).await["frames"], json!([]));
}

#[tokio::test]
async fn what_was_not_acked_comes_again_and_what_was_acked_does_not() {
    let server = start_with(|config| config.limits.redeliver_after = Duration::from_secs(1)).await;
    let (alice, bob) = (identity(), identity());
    let mut a = connect(&server, &alice, ACK).await;
    for n in 0..40 {
        a.send(&message_with_id(&bob, &n.to_string(), id(n))).await;
        a.acked(id(n)).await;
    }
    let (b, told) = Poller::connect(&server, &bob).await;
    let order: Vec<_> = told.into_iter().map(|frame| received(frame).message_id).collect();
    assert_eq!(order, (0..40).map(|n| Some(id(n))).collect::<Vec<_>>());
    for n in 0..39 {
        b.ack(&alice, id(n)).await;
    }
    // On the same session after a while, on the next one at once, also if that is a socket.
    let mut b = b;
    assert_eq!(received(b.next().await.remove(0)).message_id, Some(id(39)));
    let (_, told) = Poller::connect(&server, &bob).await;
    assert_eq!(told.len(), 1);
    let (mut socket, pending) = connect_pending(&server, &bob, ACK).await;
    assert_eq!((pending, socket.receive().await.message_id), (1, Some(id(39))));
    socket.ack(&alice, id(39)).await;
    socket.is_alive().await;
    assert_eq!(Poller::connect(&server, &bob).await.1, []);
}

#[tokio::test]
async fn much_mail_comes_in_bounded_answers() {
    let server = start_with(|config| {
        config.limits.messages_per_minute = 0;
        config.limits.outgoing_bytes = 100_000;
    })
    .await;
    let (alice, bob) = (identity(), identity());
    let mut a = connect(&server, &alice, ACK).await;
    for n in 0..20 {
        a.send(&message_with_id(&bob, &"x".repeat(30_000), id(n))).await;
        a.acked(id(n)).await;
    }
    let (mut b, mut told) = Poller::connect(&server, &bob).await;
    let mut came = Vec::new();
    while came.len() < 20 {
        assert!(!told.is_empty() && told.len() < 6, "{}", told.len());
        came.extend(told.into_iter().map(|frame| received(frame).message_id));
        told = if came.len() < 20 { b.next().await } else { Vec::new() };
    }
    assert_eq!(came, (0..20).map(|n| Some(id(n))).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_newest_connection_counts_whatever_it_is() {
    let server = start().await;
    let (alice, bob) = (identity(), identity());
    let mut a = connect(&server, &alice, ACK).await;
    let mut socket = connect(&server, &bob, ACK).await;
    let (mut first, _) = Poller::connect(&server, &bob).await;
    socket.error(RelayErrorCode::Replaced).await;
    socket.closed(4006).await;
    // Parked or not, a session that was replaced hears it; what it posts from then on does nothing.
    let (mut second, _) = Poller::connect(&server, &bob).await;
    first.was_replaced().await;
    first.send(&[message_with_id(&alice, "from the grave", id(1))]).await;
    let parked = tokio::spawn(async move {
        second.was_replaced().await;
    });
    let mut socket = connect(&server, &bob, ACK).await;
    parked.await.unwrap();
    socket.is_alive().await;
    a.send(&message_with_id(&bob, "to the socket", id(2))).await;
    assert_eq!(socket.receive().await.message_id, Some(id(2)));
    a.acked(id(2)).await;
    a.is_alive().await;
}

#[tokio::test]
async fn session_ends_with_the_server_and_the_mail_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let config = ServerConfig { data_dir: Some(dir.path().to_owned()), ..ServerConfig::default() };
    let server = Server::start(config.clone()).await.unwrap();
    let (alice, bob) = (identity(), identity());
    let (mut a, _) = Poller::connect(&server, &alice).await;
    a.send(&[message_with_id(&bob, "kept", id(1))]).await;
    assert_eq!(a.next().await, [ServerFrame::Ack { message_id: id(1) }]);
    server.shutdown().await;
    let server = Server::start(config).await.unwrap();
    a.base = server.registry_url();
    let (status, body) = a.post(&[]).await;
    assert_eq!((status, &body["code"]), (401, &json!("UNKNOWN_SESSION")));
    let (_, told) = Poller::connect(&server, &bob).await;
    assert_eq!(received(told[0].clone()).encrypted_payload, "kept");
}

#[tokio::test]
async fn revoked_agent_hears_it_on_its_parked_request() {
    let server = start().await;
    let alice = identity();
    register(&server, &alice, &[]).await;
    let (mut a, _) = Poller::connect(&server, &alice).await;
    let parked = tokio::spawn(async move { a.inbox(8).await });
    let (status, body) = post(&server, "/registry/revoke", &revocation(&alice, &alice)).await;
    assert_eq!(status, 200, "{body}");
    let last = parked.await.unwrap();
    assert_eq!(last["closed"], 1008, "{last}");
    assert_eq!(open(&server, connect_frame(&alice, ACK)).await.0, 401);
}
