//! The state machine against a relay in memory, on stopped time: every wait below takes no time at all.

use base64ct::{Base64, Encoding};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::time::{Instant, advance, timeout};

use super::*;
use crate::{
    Timestamp,
    client::transport::{
        Incoming, Outgoing, TransportError,
        memory::{self, MemoryListener, MemorySocket},
    },
    keys::Signature,
    test_utils::seeded_rng,
    wire::{
        relay_auth::ConnectAuth,
        relay_binary::{BinaryFrame, BinaryMessageType},
        relay_error::RelayErrorCode,
        relay_frame::{ClientFrame, ConnectFrame, ReceiveFrame, RelayMessageType, ServerFrame},
        relay_id::RelayMessageId,
    },
};

const NOW: Timestamp = Timestamp::from_millis(1_770_206_400_123);
const ID: RelayMessageId = RelayMessageId::from_bytes([7; 16]);

struct Client {
    handle: RelayHandle,
    events: Subscription<RelayEvent>,
    listener: MemoryListener,
    identity: Arc<Identity>,
}

fn client_with(change: impl FnOnce(&mut RelayConfig), capacity: usize) -> Client {
    let identity = Arc::new(Identity::generate(NOW, &mut seeded_rng(1)));
    let (connector, listener) = memory::listener(capacity);
    let mut config = RelayConfig::new(Url::parse("ws://relay.example:8787/v1/connect").unwrap());
    change(&mut config);
    let (handle, events) = connect(
        config,
        RelayContext {
            identity: identity.clone(),
            connector: Arc::new(connector),
            clock: Clock::starting_at(NOW),
            rng: Box::new(seeded_rng(2)),
        },
    );
    Client { handle, events, listener, identity }
}

fn client() -> Client {
    client_with(|_| (), 64)
}

impl Client {
    /// The relay's side up to `connect`.
    async fn accept(&mut self) -> (Relay, ConnectFrame) {
        let mut relay = Relay(self.listener.accept().await.unwrap());
        match relay.next().await {
            ClientFrame::Connect(frame) => (relay, frame),
            other => panic!("{other:?}"),
        }
    }

    /// An accepted connection with these extensions, up to the `Connected` event.
    async fn connected(&mut self, features: Features) -> Relay {
        let (mut relay, _) = self.accept().await;
        relay.greet(features).await;
        let event = self.event().await;
        assert!(matches!(event, RelayEvent::Connected { .. }), "{event:?}");
        relay
    }

    async fn event(&mut self) -> RelayEvent {
        timeout(Duration::from_secs(300), self.events.next()).await.unwrap().unwrap()
    }

    async fn lost(&mut self) -> (RelayError, Duration) {
        match self.event().await {
            RelayEvent::Disconnected { error, retry_in } => (error, retry_in),
            other => panic!("{other:?}"),
        }
    }

    fn message(&self) -> Outbound {
        Outbound {
            to: self.identity.amid(),
            id: ID,
            message_type: RelayMessageType::Knock,
            payload: RelayPayload::Native(Bytes::from_static(b"\x03frame")),
        }
    }
}

struct Relay(MemorySocket);

impl Relay {
    async fn raw(&mut self) -> Option<Incoming> {
        timeout(Duration::from_secs(300), self.0.next()).await.unwrap().and_then(Result::ok)
    }

    async fn next(&mut self) -> ClientFrame {
        match self.raw().await {
            Some(Incoming::Text(text)) => ClientFrame::parse(&text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    async fn say(&mut self, frame: &ServerFrame) {
        self.text(&frame.to_json()).await;
    }

    async fn text(&mut self, text: &str) {
        self.0.send(Outgoing::Text(text.into())).await.unwrap();
    }

    async fn greet(&mut self, features: Features) {
        let session_id = "s".to_owned();
        self.say(&ServerFrame::Connected { session_id, pending_messages: 3, features }).await;
    }

    async fn error(&mut self, code: RelayErrorCode, retry_after_seconds: Option<u64>) {
        let message = "words".to_owned();
        self.say(&ServerFrame::Error { code, message, retry_after_seconds, message_id: None })
            .await;
    }

    async fn receive(&mut self, from: &str, payload: &str) {
        self.say(&ServerFrame::Receive(ReceiveFrame {
            from: from.to_owned(),
            encrypted_payload: payload.to_owned(),
            message_type: RelayMessageType::Message,
            timestamp: "2026-02-04T12:00:00.123456789Z".to_owned(),
            ice_candidates: None,
            message_id: Some(ID),
        }))
        .await;
    }

    async fn pong(&mut self) {
        self.say(&ServerFrame::Pong { timestamp: String::new() }).await;
    }
}

#[tokio::test(start_paused = true)]
async fn connect_is_signed_for_the_moment_and_for_the_relay() {
    let mut client = client();
    let (mut relay, frame) = client.accept().await;
    assert_eq!((frame.protocol.as_str(), frame.p2p_capable), ("agentmesh/0.2", false));
    assert_eq!(frame.amid, client.identity.amid().to_string());
    let key = *client.identity.signing_key();
    assert_eq!(frame.public_key, Base64::encode_string(key.as_bytes()), "bare, without prefix");
    assert!(frame.timestamp.ends_with("+00:00") && !frame.timestamp.contains(".000"));
    let signature = Signature::from_slice(&Base64::decode_vec(&frame.signature).unwrap()).unwrap();
    key.verify(frame.timestamp.as_bytes(), &signature).unwrap();

    let auth = ConnectAuth::parse(frame.auth.as_deref().unwrap()).unwrap();
    auth.verify(&key, "relay.example:8787", &frame.timestamp).unwrap();

    assert_eq!(frame.features, Features::ALL);
    relay.greet(Features { binary: false, ..Features::ALL }).await;
    let event = client.event().await;
    let features = Features { binary: false, ..Features::ALL };
    assert_eq!(event, RelayEvent::Connected { session_id: "s".into(), pending: 3, features });
    assert_eq!(client.handle.state(), RelayState::Connected);
}

#[tokio::test(start_paused = true)]
async fn plain_0_2_relays_get_plain_0_2() {
    let mut client = client_with(|c| c.features = Features::NONE, 64);
    let (mut relay, frame) = client.accept().await;
    assert_eq!((frame.features, frame.auth), (Features::NONE, None));
    // It may claim what was not announced; that changes nothing.
    relay.greet(Features::ALL).await;
    client.event().await;
    client.handle.send(RelayCommand::Ack { from: client.identity.amid(), id: ID }).await.unwrap();
    client.handle.send(RelayCommand::Send(client.message())).await.unwrap();
    let ClientFrame::Send(sent) = relay.next().await else { panic!() };
    assert_eq!(sent.message_id, None);
    assert_eq!(sent.encrypted_payload, Base64::encode_string(b"\x03frame"));
    assert_eq!(sent.message_type, RelayMessageType::Knock);

    let from = client.identity.amid();
    relay.receive(&from.to_string(), r#"{"type":"encrypted"}"#).await;
    let RelayEvent::Frame(frame) = client.event().await else { panic!() };
    assert_eq!(frame.payload, RelayPayload::Text(r#"{"type":"encrypted"}"#.into()));
    assert_eq!((frame.from, frame.received_at), (from, Some(NOW)));
}

#[tokio::test(start_paused = true)]
async fn negotiated_binary_frames_go_both_ways() {
    let mut client = client();
    let mut relay = client.connected(Features::ALL).await;
    let from = client.identity.amid();
    client.handle.send(RelayCommand::Send(client.message())).await.unwrap();
    client.handle.send(RelayCommand::Ack { from, id: ID }).await.unwrap();
    let amid = from.to_string();
    let Some(Incoming::Binary(sent)) = relay.raw().await else { panic!() };
    let message_type = BinaryMessageType::Knock;
    let frame = b"\x03frame";
    assert_eq!(
        BinaryFrame::parse(&sent),
        Ok(BinaryFrame::Send { to: &amid, id: ID, message_type, frame })
    );
    let Some(Incoming::Binary(acked)) = relay.raw().await else { panic!() };
    assert_eq!(BinaryFrame::parse(&acked), Ok(BinaryFrame::Ack { peer: &amid, id: ID }));

    let ack = BinaryFrame::Ack { peer: &amid, id: ID }.encode();
    relay.0.send(Outgoing::Binary(ack.into())).await.unwrap();
    assert_eq!(client.event().await, RelayEvent::Acked(ID));
    let message = BinaryFrame::Receive { from: &amid, id: ID, message_type, time: NOW, frame };
    relay.0.send(Outgoing::Binary(message.encode().into())).await.unwrap();
    let RelayEvent::Frame(frame) = client.event().await else { panic!() };
    assert_eq!(frame.payload, RelayPayload::Native(Bytes::from_static(b"\x03frame")));
    assert_eq!((frame.from, frame.id, frame.received_at), (from, Some(ID), Some(NOW)));
}

#[tokio::test(start_paused = true)]
async fn agt_1998_a_malformed_frame_does_not_kill_the_client() {
    let mut client = client();
    let mut relay = client.connected(Features::ALL).await;
    for junk in ["", "{", "[]", r#"{"type":"receive"}"#, r#"{"type":"novelty","x":1}"#, "\u{0}"] {
        relay.text(junk).await;
    }
    for junk in [&b""[..], b"\x02", b"\x02\xff\xff", b"\xff\xff", &[0; 100]] {
        relay.0.send(Outgoing::Binary(Bytes::copy_from_slice(junk))).await.unwrap();
    }
    relay.text(&"x".repeat(crate::limits::MAX_RELAY_FRAME + 1)).await;
    relay.say(&ServerFrame::Ack { message_id: ID }).await;
    assert_eq!(client.event().await, RelayEvent::Acked(ID));
    assert_eq!(client.handle.state(), RelayState::Connected);
}

#[tokio::test(start_paused = true)]
async fn a_message_from_nobody_is_acknowledged_and_forgotten() {
    let mut client = client();
    let mut relay = client.connected(Features { binary: false, ..Features::ALL }).await;
    relay.receive("not an amid", "AAAA").await;
    let ack = ClientFrame::Ack { from: "not an amid".into(), message_id: ID };
    assert_eq!(relay.next().await, ack);
}

#[tokio::test(start_paused = true)]
async fn agt_takeover_loop_a_replaced_connection_does_not_come_back() {
    for by_close_code in [false, true] {
        let mut client = client();
        let mut relay = client.connected(Features::ALL).await;
        if by_close_code {
            relay.0.set_close_code(CLOSE_REPLACED);
            relay.0.close().await.unwrap();
        } else {
            relay.error(RelayErrorCode::Replaced, None).await;
        }
        assert_eq!(client.event().await, RelayEvent::Replaced);
        assert_eq!(client.events.next().await, None);
        assert_eq!(client.handle.state(), RelayState::Replaced);
        let sent = client.handle.send(RelayCommand::Send(client.message())).await;
        assert_eq!(sent, Err(RelayError::Replaced));
        let again = timeout(Duration::from_secs(3600), client.listener.accept()).await;
        assert!(matches!(again, Ok(None)), "no second connection");
    }
}

#[tokio::test(start_paused = true)]
async fn agt_2055_a_silent_relay_is_left_and_dialed_again() {
    let mut client = client();
    let mut relay = client.connected(Features::ALL).await;
    let started = Instant::now();
    // Answers for a while, then not any more, as a relay does that has gone deaf.
    for _ in 0..3 {
        assert!(matches!(relay.next().await, ClientFrame::Ping { .. }));
        relay.pong().await;
    }
    assert_eq!(started.elapsed().as_secs(), 60);
    let (error, retry_in) = client.lost().await;
    assert_eq!(error, RelayError::Silent { after: Duration::from_secs(10) });
    assert_eq!(started.elapsed().as_secs(), 91, "20 s, 10 s, and a second for a goodbye");
    assert!(retry_in >= Duration::from_secs(1), "the old socket gets time to end");
    client.connected(Features::ALL).await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_owner_is_not_taken_for_a_silent_relay() {
    let mut client = client_with(|c| c.queue = 1, 64);
    let mut relay = client.connected(Features::ALL).await;
    for _ in 0..20 {
        relay.say(&ServerFrame::Ack { message_id: ID }).await;
    }
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(client.handle.state(), RelayState::Connected);
    for _ in 0..20 {
        assert_eq!(client.event().await, RelayEvent::Acked(ID));
    }
    // Caught up: from now on silence counts again.
    assert!(matches!(client.lost().await, (RelayError::Silent { .. }, _)));
}

#[tokio::test(start_paused = true)]
async fn l2_an_error_frame_keeps_the_connection() {
    let mut client = client();
    let mut relay = client.connected(Features::ALL).await;
    relay.error(RelayErrorCode::RateLimited, Some(17)).await;
    let RelayEvent::Error { code, message, id, retry_after } = client.event().await else {
        panic!()
    };
    assert_eq!((code, message.as_str(), id), (RelayErrorCode::RateLimited, "words", None));
    assert_eq!(retry_after, Some(Duration::from_secs(17)));
    client.handle.send(RelayCommand::QueryPresence(client.identity.amid())).await.unwrap();
    assert!(matches!(relay.next().await, ClientFrame::PresenceQuery { .. }));
    relay.text(&format!(r#"{{"type":"presence_response","amid":"{}","status":"away","last_seen":"2026-02-04T12:00:00.123Z"}}"#, client.identity.amid())).await;
    let expected = RelayEvent::Presence {
        amid: client.identity.amid(),
        status: PresenceStatus::Away,
        last_seen: Some(NOW),
    };
    assert_eq!(client.event().await, expected);
}

/// There are no such connections here, and 0.2 has frames for them; nothing is done about unknown ones either.
#[tokio::test(start_paused = true)]
async fn frames_of_peer_to_peer_connections_are_passed_over() {
    let mut client = client();
    let mut relay = client.connected(Features::NONE).await;
    for frame in [
        r#"{"type":"ice_offer","to":"A","sdp":"v=0","candidates":[]}"#,
        r#"{"type":"ice_answer","to":"A","sdp":"v=0","candidates":[]}"#,
        r#"{"type":"p2_p_established","peer":"A"}"#,
        r#"{"type":"p2p_established","peer":"A"}"#,
        r#"{"type":"pending_messages","messages":[]}"#,
    ] {
        relay.text(frame).await;
    }
    relay.error(RelayErrorCode::RateLimited, None).await;
    assert!(matches!(client.event().await, RelayEvent::Error { .. }), "and nothing before");
    client.handle.send(RelayCommand::QueryPresence(client.identity.amid())).await.unwrap();
    assert!(matches!(relay.next().await, ClientFrame::PresenceQuery { .. }), "and nothing said");
}

#[tokio::test(start_paused = true)]
async fn agt_2090_a_message_before_connected_is_kept() {
    let mut client = client();
    let (mut relay, _) = client.accept().await;
    relay.receive(&client.identity.amid().to_string(), "AAAA").await;
    relay.greet(Features::NONE).await;
    assert!(matches!(client.event().await, RelayEvent::Connected { .. }));
    let RelayEvent::Frame(frame) = client.event().await else { panic!() };
    assert_eq!(frame.payload, RelayPayload::Native(Bytes::from_static(&[0, 0, 0])));
}

#[tokio::test(start_paused = true)]
async fn the_handshake_is_bounded_in_time_and_frames() {
    let mut client = client_with(|_| (), 200);
    let (relay, _) = client.accept().await;
    let started = Instant::now();
    let (error, _) = client.lost().await;
    assert_eq!(error, RelayError::HandshakeTimeout { after: Duration::from_secs(10) });
    assert_eq!(started.elapsed().as_secs(), 10);
    drop(relay);

    let (mut relay, _) = client.accept().await;
    for _ in 0..=100 {
        relay.say(&ServerFrame::Ack { message_id: ID }).await;
    }
    for _ in 0..100 {
        client.event().await;
    }
    assert_eq!(client.lost().await.0, RelayError::HandshakeFlooded { frames: 100 });

    let (mut relay, _) = client.accept().await;
    relay.error(RelayErrorCode::RateLimited, Some(60)).await;
    relay.0.close().await.unwrap();
    assert!(matches!(client.event().await, RelayEvent::Error { .. }));
    let (error, retry_in) = client.lost().await;
    assert_eq!(error, RelayError::Refused { code: RelayErrorCode::RateLimited });
    assert!(retry_in >= Duration::from_secs(60) && retry_in <= Duration::from_secs(75));

    let (mut relay, _) = client.accept().await;
    relay.0.close().await.unwrap();
    assert_eq!(client.lost().await.0, RelayError::ClosedInHandshake, "as 0.2 relays refuse");
}

#[tokio::test(start_paused = true)]
async fn pauses_between_attempts_are_jittered_and_grow() {
    let mut client = client();
    let mut pauses = Vec::new();
    for _ in 0..40 {
        drop(client.accept().await);
        let (_, retry_in) = client.lost().await;
        assert_eq!(client.handle.state(), RelayState::Waiting);
        let sent = client.handle.try_send(RelayCommand::Send(client.message()));
        assert_eq!(sent, Err(RelayError::NotConnected));
        pauses.push(retry_in);
    }
    for (attempt, pause) in pauses.iter().enumerate() {
        let bound = Duration::from_millis(2000 << attempt.min(6)).min(Duration::from_secs(30));
        assert!(*pause <= bound, "{attempt}: {pause:?}");
    }
    let late = pauses.iter().skip(6).sum::<Duration>() / 34;
    assert!(late > Duration::from_secs(10) && late < Duration::from_secs(20), "{late:?}");

    // A connection that lasts is a success; one that breaks at once is not.
    let relay = client.connected(Features::ALL).await;
    drop(relay);
    let mut relay = client.connected_after_loss().await;
    for _ in 0..2 {
        assert!(matches!(relay.next().await, ClientFrame::Ping { .. }));
        relay.pong().await;
    }
    drop(relay);
    let (_, retry_in) = client.lost().await;
    assert!(retry_in <= Duration::from_secs(2), "{retry_in:?}");
}

impl Client {
    async fn connected_after_loss(&mut self) -> Relay {
        self.lost().await;
        self.connected(Features::ALL).await
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_queued_for_a_lost_connection_is_dropped() {
    // A relay that reads nothing: the second message stays in the client's queue, until writing takes too long.
    let mut client = client_with(|_| (), 1);
    let relay = client.connected(Features::ALL).await;
    for _ in 0..10 {
        client.handle.send(RelayCommand::Send(client.message())).await.unwrap();
    }
    let started = Instant::now();
    let (error, _) = client.lost().await;
    let after = Duration::from_secs(20);
    assert_eq!(error, RelayError::Transport { source: TransportError::Timeout { after } });
    assert_eq!(
        started.elapsed().as_secs(),
        21,
        "20 s, and one for a goodbye that is not read either"
    );
    drop(relay);
    let mut relay = client.connected(Features::ALL).await;
    assert!(matches!(relay.next().await, ClientFrame::Ping { .. }), "nothing stale");
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_is_busy_and_a_cancelled_send_is_not_queued() {
    let mut client = client_with(|c| c.queue = 2, 1);
    let mut relay = client.connected(Features::ALL).await;
    let command = || RelayCommand::Send(client.message());
    let mut queued = 0;
    loop {
        tokio::task::yield_now().await;
        match client.handle.try_send(command()) {
            Ok(()) => queued += 1,
            Err(error) => break assert_eq!(error, RelayError::Busy),
        }
    }
    let waiting = timeout(Duration::from_millis(10), client.handle.send(command())).await;
    assert!(waiting.is_err(), "waits for room");
    for _ in 0..queued {
        assert!(matches!(relay.raw().await, Some(Incoming::Binary(_))));
    }
    assert!(
        matches!(relay.next().await, ClientFrame::Ping { .. }),
        "the cancelled one was not sent"
    );
}

#[tokio::test(start_paused = true)]
async fn presence_is_told_to_every_connection() {
    let mut client = client();
    client.handle.set_presence(PresenceStatus::Away);
    let away = ClientFrame::Presence { status: PresenceStatus::Away };
    let mut relay = client.connected(Features::ALL).await;
    assert_eq!(relay.next().await, away);
    client.handle.set_presence(PresenceStatus::DoNotDisturb);
    let busy = ClientFrame::Presence { status: PresenceStatus::DoNotDisturb };
    assert_eq!(relay.next().await, busy);
    drop(relay);
    let mut relay = client.connected_after_loss().await;
    assert_eq!(relay.next().await, busy);
}

#[tokio::test(start_paused = true)]
async fn close_says_goodbye_and_ends_everything() {
    let mut client = client();
    let mut relay = client.connected(Features::ALL).await;
    let ack = RelayCommand::Ack { from: client.identity.amid(), id: ID };
    client.handle.send(ack).await.unwrap();
    let closing = platform::spawn(client.handle.close());
    assert!(matches!(relay.raw().await, Some(Incoming::Binary(_))), "what was queued still goes");
    assert!(matches!(relay.next().await, ClientFrame::Disconnect { .. }));
    assert_eq!(relay.raw().await, Some(Incoming::Close(None)));
    relay.0.close().await.unwrap();
    closing.await.unwrap();
    assert_eq!(client.events.next().await, None);
    assert!(client.listener.accept().await.is_none(), "the connector is gone with its task");
}

#[tokio::test(start_paused = true)]
async fn close_takes_no_longer_than_it_may() {
    // While connected to a relay that does not answer, while dialing, and while waiting.
    let mut unanswered = client();
    let _relay = unanswered.connected(Features::ALL).await;
    let started = Instant::now();
    unanswered.handle.close().await;
    assert!(started.elapsed() <= Duration::from_secs(1));

    let mut dialing = client();
    let (_relay, _) = dialing.accept().await;
    dialing.handle.close().await;
    assert_eq!(dialing.events.next().await, None);

    let mut waiting = client_with(|c| c.backoff.base = Duration::from_secs(30), 64);
    drop(waiting.accept().await);
    waiting.lost().await;
    let started = Instant::now();
    waiting.handle.close().await;
    assert_eq!(started.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn dropping_either_end_ends_the_task() {
    let mut client = client();
    let mut relay = client.connected(Features::ALL).await;
    drop(client.handle);
    assert_eq!(relay.raw().await, None, "gone without a goodbye");
    assert!(client.listener.accept().await.is_none());

    let mut client = self::client();
    let mut relay = client.connected(Features::ALL).await;
    drop(client.events);
    assert!(matches!(relay.next().await, ClientFrame::Disconnect { .. }));
    drop(relay);
    advance(Duration::from_secs(2)).await;
    assert!(client.listener.accept().await.is_none());
    let sent = client.handle.send(RelayCommand::QueryPresence(client.identity.amid())).await;
    assert_eq!(sent, Err(RelayError::Closed));
}

#[test]
fn payloads_do_not_show_in_logs() {
    let shown = format!(
        "{:?} {:?}",
        RelayPayload::Text("hush".into()),
        RelayPayload::Native(Bytes::from_static(b"hush"))
    );
    assert_eq!(shown, "Text(4 bytes) Native(4 bytes)");
}
