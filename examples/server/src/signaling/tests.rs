//! The protocol's conformance cases (`docs/conformance.md`), as far as they are the server's and need no socket.

use std::task::{Context, Poll, Waker};

use agentmesh_core::Timestamp;
use serde_json::{Value, json, value::RawValue};

use super::{
    hub::{ConnectError, Hub, SignalingLimits},
    ice::IceConfig,
    room::{Attached, Attempt, Claim, Refusal},
};

const ROOM: &str = "ROOM";

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(1_000_000 + seconds * 1000)
}

fn hub() -> Hub {
    Hub::new(SignalingLimits::default(), IceConfig::default(), at(0))
}

/// A client as it sees itself.
struct Client {
    attached: Attached,
    token: String,
}

impl Client {
    fn join(hub: &Hub, now: Timestamp) -> Self {
        let attached = hub.connect(ROOM, None, now).unwrap();
        Self::of(attached)
    }

    /// Reads `joined`.
    fn of(attached: Attached) -> Self {
        let (name, joined) = next(&attached).unwrap();
        assert_eq!(name, "joined");
        assert_eq!(joined["id"], attached.id.as_str());
        let token = joined["token"].as_str().unwrap().to_owned();
        Self { attached, token }
    }

    fn id(&self) -> &str {
        &self.attached.id
    }

    fn claim(&self) -> Option<Claim> {
        self.attempt(None)
    }

    fn attempt(&self, attempt: Option<(&str, u64)>) -> Option<Claim> {
        let attempt = attempt.map(|(process, number)| Attempt { process: process.into(), number });
        Some(Claim { id: self.id().to_owned(), token: Some(self.token.clone()), attempt })
    }

    fn cut(&self, hub: &Hub, now: Timestamp) {
        hub.detach(ROOM, self.id(), self.attached.generation, now);
    }

    fn resume(&self, hub: &Hub, now: Timestamp) -> Self {
        Self::of(hub.connect(ROOM, self.claim(), now).unwrap())
    }

    fn signal(&self, hub: &Hub, to: &str, what: &Value, now: Timestamp) -> Result<(), Refusal> {
        let raw = RawValue::from_string(what.to_string()).unwrap();
        hub.signal(ROOM, self.id(), &self.token, to, &raw, now)
    }

    fn events(&self) -> Vec<(String, Value)> {
        std::iter::from_fn(|| next(&self.attached)).collect()
    }

    /// The last roster among what waits; nothing if there is none.
    fn roster(&self) -> Option<Value> {
        self.events().into_iter().rev().find(|(name, _)| name == "roster").map(|(_, ids)| ids)
    }
}

/// The next event: its name and data. Comments come as `:`.
fn next(attached: &Attached) -> Option<(String, Value)> {
    let cx = Context::from_waker(Waker::noop());
    let Poll::Ready(Some(bytes)) = attached.outbox.poll_next(&cx) else { return None };
    let text = std::str::from_utf8(&bytes).unwrap();
    assert!(text.ends_with("\n\n"), "{text:?}");
    if text.starts_with(':') {
        return Some((":".to_owned(), Value::Null));
    }
    let lines: Vec<_> = text.lines().collect();
    let [name, data, ""] = lines[..] else { panic!("{text:?}") };
    let data = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
    Some((name.strip_prefix("event: ").unwrap().to_owned(), data))
}

#[test]
fn case_1_and_2_joined_comes_first_and_then_a_roster_of_oneself() {
    let hub = hub();
    let client = Client::join(&hub, at(0));
    for uuid in [client.id(), &client.token] {
        let parsed = uuid::Uuid::parse_str(uuid).unwrap();
        assert_eq!(parsed.get_version_num(), 4);
    }
    assert_ne!(client.id(), client.token);
    assert_eq!(client.events(), [("roster".to_owned(), json!([client.id()]))]);
    assert_eq!((hub.rooms(), hub.sessions()), (1, 1));
}

#[test]
fn case_3_everybody_sees_everybody_in_the_order_of_joining() {
    let hub = hub();
    let (a, b) = (Client::join(&hub, at(0)), Client::join(&hub, at(1)));
    let both = json!([a.id(), b.id()]);
    assert_eq!((a.roster(), b.roster()), (Some(both.clone()), Some(both)));
}

#[test]
fn case_4_a_signal_arrives_with_its_sender_and_nothing_else() {
    let hub = hub();
    let (a, b) = (Client::join(&hub, at(0)), Client::join(&hub, at(0)));
    b.events();
    let what =
        json!({"sdp": {"type": "offer", "sdp": "v=0\no=ü ☂ \u{2028}"}, "n": [1.5, null, {}]});
    a.signal(&hub, b.id(), &what, at(0)).unwrap();
    let expected = json!({"sender": a.id(), "signal": what});
    assert_eq!(b.events(), [("signal".to_owned(), expected)]);
}

#[test]
fn case_5_and_9_who_does_not_have_the_token_sends_nothing_and_costs_nothing() {
    let hub = hub();
    let (a, b) = (Client::join(&hub, at(0)), Client::join(&hub, at(0)));
    b.events();
    let raw = RawValue::from_string("{}".to_owned()).unwrap();
    for _ in 0..100 {
        let spoofed = hub.signal(ROOM, b.id(), &a.token, b.id(), &raw, at(0));
        assert_eq!(spoofed, Err(Refusal::Unauthorized));
        assert_eq!(hub.signal(ROOM, a.id(), "x", b.id(), &raw, at(0)), Err(Refusal::Unauthorized));
    }
    assert_eq!(b.events(), []);
    assert!((0..50).all(|_| a.signal(&hub, b.id(), &json!(1), at(0)).is_ok()));
}

#[test]
fn case_7_and_8_fifty_at_once_and_ten_a_second() {
    let hub = hub();
    let (a, b) = (Client::join(&hub, at(0)), Client::join(&hub, at(0)));
    let burst = |now| (0..60).filter(|_| a.signal(&hub, b.id(), &json!({}), now).is_ok()).count();
    assert_eq!(burst(at(0)), 50);
    let tenth = at(0).plus_millis(100);
    assert_eq!(a.signal(&hub, b.id(), &json!({}), tenth), Ok(()));
    assert_eq!(a.signal(&hub, b.id(), &json!({}), tenth), Err(Refusal::TooFast));
    assert_eq!(burst(tenth.plus_millis(5000)), 50);
}

#[test]
fn case_10_one_keepalive_in_ten_seconds_and_six_in_sixty() {
    let hub = hub();
    let client = Client::join(&hub, at(0));
    client.events();
    let mut comments = 0;
    for half in 1..=120_u64 {
        hub.tick(at(0).plus_millis(half * 500));
        comments += client.events().iter().filter(|(name, _)| name == ":").count();
        match half {
            19 => assert_eq!(comments, 0),
            20 => assert_eq!(comments, 1),
            120 => assert_eq!(comments, 6),
            _ => {}
        }
    }
}

#[test]
fn case_11_a_cut_client_stays_for_ninety_seconds_and_until_the_next_scan() {
    let hub = hub();
    let (a, b) = (Client::join(&hub, at(0)), Client::join(&hub, at(0)));
    a.cut(&hub, at(5));
    for second in 1..=119 {
        hub.tick(at(second));
        let rosters: Vec<_> = b.events().into_iter().filter(|(name, _)| name == "roster").collect();
        assert!(second <= 1 || rosters.is_empty(), "{second}: {rosters:?}");
    }
    hub.tick(at(120));
    assert_eq!(b.roster(), Some(json!([b.id()])));
    assert_eq!(hub.sessions(), 1);
}

#[test]
fn case_12_a_live_stream_is_never_pruned() {
    let hub = hub();
    let client = Client::join(&hub, at(0));
    for second in 1..=600 {
        hub.tick(at(second));
        client.events();
    }
    assert_eq!(hub.sessions(), 1);
}

#[test]
fn a_stream_that_nobody_reads_is_no_sign_of_life() {
    let hub = hub();
    let _client = Client::join(&hub, at(0));
    (1..=180).for_each(|second| hub.tick(at(second)));
    assert_eq!((hub.rooms(), hub.sessions()), (0, 0));
}

#[test]
fn case_13_and_14_a_client_that_comes_back_is_the_same_and_gets_what_waited() {
    let hub = hub();
    let (a, b) = (Client::join(&hub, at(0)), Client::join(&hub, at(0)));
    a.events();
    b.events();
    a.cut(&hub, at(10));
    for n in 0..3 {
        b.signal(&hub, a.id(), &json!(n), at(20)).unwrap();
    }
    let back = a.resume(&hub, at(70));
    assert_eq!((back.id(), &back.token), (a.id(), &a.token));
    let signal = |n: u64| ("signal".to_owned(), json!({"sender": b.id(), "signal": n}));
    let roster = ("roster".to_owned(), json!([a.id(), b.id()]));
    assert_eq!(back.events(), [roster, signal(0), signal(1), signal(2)]);
    assert_eq!(b.events(), [], "nobody joined or left");
}

#[test]
fn what_a_stream_was_given_and_did_not_send_comes_with_the_next() {
    let hub = hub();
    let (a, b) = (Client::join(&hub, at(0)), Client::join(&hub, at(0)));
    let signal = |n: u64| ("signal".to_owned(), json!({"sender": b.id(), "signal": n}));
    let send = |n: u64| b.signal(&hub, a.id(), &json!(n), at(n)).unwrap();
    a.events();
    send(1);
    send(2);
    assert_eq!(next(&a.attached), Some(signal(1)));
    a.cut(&hub, at(3));
    send(3);
    let back = a.resume(&hub, at(4));
    assert_eq!(back.events()[1..], [signal(2), signal(3)]);
    // Likewise if the next stream is there before the end of this one was noticed.
    send(4);
    let again = back.resume(&hub, at(5));
    assert_eq!(back.events(), [("superseded".to_owned(), json!({"reason": "replaced"}))]);
    assert_eq!(again.events()[1..], [signal(4)]);
    // And if it was cut off for being too slow.
    for n in 10..300 {
        send(n);
    }
    assert!(again.attached.outbox.is_closed());
    again.cut(&hub, at(300));
    let last: Vec<_> = (300 - 64..300).map(signal).collect();
    assert_eq!(again.resume(&hub, at(301)).events()[1..], last);
}

#[test]
fn what_waits_for_an_absent_client_is_bounded() {
    let hub = hub();
    let (a, b) = (Client::join(&hub, at(0)), Client::join(&hub, at(0)));
    a.cut(&hub, at(0));
    for n in 0..100 {
        b.signal(&hub, a.id(), &json!(n), at(n)).unwrap();
    }
    let waited: Vec<_> = a.resume(&hub, at(100)).events().into_iter().skip(1).collect();
    assert_eq!(waited.len(), 64);
    assert_eq!(waited[0].1["signal"], 36, "the oldest are gone");
}

#[test]
fn case_15_a_wrong_token_takes_nothing_over() {
    let hub = hub();
    let a = Client::join(&hub, at(0));
    a.events();
    for token in [None, Some("wrong".to_owned())] {
        let claim = Some(Claim { id: a.id().to_owned(), token, attempt: None });
        assert_eq!(hub.connect(ROOM, claim, at(1)).err(), Some(ConnectError::Unauthorized));
    }
    a.signal(&hub, a.id(), &json!("still here"), at(1)).unwrap();
    assert_eq!(a.events().len(), 1);
}

#[test]
fn case_16_the_newest_stream_wins_and_the_other_is_told() {
    let hub = hub();
    let a = Client::join(&hub, at(0));
    a.events();
    let second = a.resume(&hub, at(1));
    assert_eq!(a.events(), [("superseded".to_owned(), json!({"reason": "replaced"}))]);
    assert!(a.attached.outbox.is_closed());
    // The end of the first stream, which comes later, does not make the client absent.
    a.cut(&hub, at(2));
    second.events();
    second.signal(&hub, a.id(), &json!(1), at(3)).unwrap();
    assert_eq!(second.events().len(), 1);
}

#[test]
fn case_16_a_request_that_comes_late_takes_no_stream_from_a_later_one() {
    let hub = hub();
    let a = Client::join(&hub, at(0));
    let connect = |attempt| hub.connect(ROOM, a.attempt(attempt), at(1));
    let second = connect(Some(("p", 2))).unwrap();
    assert_eq!(connect(Some(("p", 1))).err(), Some(ConnectError::Stale));
    assert!(!second.outbox.is_closed());
    // Something on the way asks twice.
    let again = connect(Some(("p", 2))).unwrap();
    assert!(second.outbox.is_closed() && !again.outbox.is_closed());
    // Another process counts for itself, and a client that does not count is the newest.
    let other = connect(Some(("q", 1))).unwrap();
    assert!(again.outbox.is_closed() && !other.outbox.is_closed());
    connect(None).unwrap();
    assert!(other.outbox.is_closed());
}

#[test]
fn case_17_a_forgotten_client_becomes_a_new_one() {
    let hub = hub();
    let (a, b) = (Client::join(&hub, at(0)), Client::join(&hub, at(0)));
    a.cut(&hub, at(0));
    for second in 1..=120 {
        hub.tick(at(second));
        b.events();
    }
    let back = a.resume(&hub, at(121));
    assert_ne!(back.id(), a.id());
    assert_ne!(back.token, a.token);
    // The same if another room has the session.
    let elsewhere = Client::of(hub.connect("OTHER", b.claim(), at(121)).unwrap());
    assert_ne!(elsewhere.id(), b.id());
}

#[test]
fn case_18_and_19_only_the_client_itself_can_leave() {
    let hub = hub();
    let (a, b) = (Client::join(&hub, at(0)), Client::join(&hub, at(0)));
    b.events();
    assert_eq!(hub.leave(ROOM, a.id(), &b.token), Err(Refusal::Unauthorized));
    assert_eq!(hub.leave("OTHER", a.id(), &a.token), Err(Refusal::Unauthorized));
    assert_eq!(b.events(), []);
    hub.leave(ROOM, a.id(), &a.token).unwrap();
    assert_eq!(b.roster(), Some(json!([b.id()])));
    assert!(a.attached.outbox.is_closed());
    assert_eq!(a.signal(&hub, b.id(), &json!(1), at(1)), Err(Refusal::Unauthorized));
    assert_eq!(hub.leave(ROOM, a.id(), &a.token), Err(Refusal::Unauthorized));
    hub.leave(ROOM, b.id(), &b.token).unwrap();
    assert_eq!((hub.rooms(), hub.sessions()), (0, 0));
}

#[test]
fn case_20_an_unknown_recipient_costs_a_token_too() {
    let hub = hub();
    let a = Client::join(&hub, at(0));
    for _ in 0..50 {
        assert_eq!(a.signal(&hub, "nobody", &json!(1), at(0)), Err(Refusal::NoRecipient));
    }
    assert_eq!(a.signal(&hub, "nobody", &json!(1), at(0)), Err(Refusal::TooFast));
}

#[test]
fn one_scan_shows_one_roster_however_many_are_gone() {
    let hub = hub();
    let stays = Client::join(&hub, at(0));
    for _ in 0..10 {
        Client::join(&hub, at(0)).cut(&hub, at(0));
    }
    for second in 1..120 {
        hub.tick(at(second));
        stays.events();
    }
    hub.tick(at(120));
    let rosters = stays.events().into_iter().filter(|(name, _)| name == "roster").count();
    assert_eq!(rosters, 1);
}

#[test]
fn rooms_and_peers_have_limits() {
    let limits = SignalingLimits { rooms: 2, peers: 3, ..SignalingLimits::default() };
    let hub = Hub::new(limits, IceConfig::default(), at(0));
    let clients: Vec<_> = (0..3).map(|_| Client::join(&hub, at(0))).collect();
    assert_eq!(hub.connect(ROOM, None, at(0)).err(), Some(ConnectError::RoomFull));
    hub.connect("SECOND", None, at(0)).unwrap();
    assert_eq!(hub.connect("THIRD", None, at(0)).err(), Some(ConnectError::TooManyRooms));
    // Those who are in come back all the same.
    clients[0].resume(&hub, at(1));
}

#[test]
fn an_address_connects_twenty_times_and_then_ten_times_a_minute() {
    let hub = hub();
    let (one, other) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
    assert_eq!((0..30).filter(|_| hub.admits(one, at(0))).count(), 20);
    assert!(hub.admits(other, at(0)));
    assert!(!hub.admits(one, at(5)));
    assert!(hub.admits(one, at(6)));
    // Whoever has one IPv6 address has a /64 of them.
    let of_64 = |n: u32| hub.admits(format!("2001:db8::{n:x}").parse().unwrap(), at(0));
    assert_eq!((0..30).filter(|n| of_64(*n)).count(), 20);
    assert!(hub.admits("2001:db8:0:1::1".parse().unwrap(), at(0)));
}
