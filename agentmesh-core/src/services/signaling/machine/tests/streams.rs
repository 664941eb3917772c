//! Streams: joining, resuming, losing, ending.

use super::*;

#[test]
fn joins_and_sees_who_comes_and_goes() {
    let mut test = Test::start();
    test.open();
    let ice = json!([{"urls": "stun:s"}]);
    test.event("joined", json!({"id": "me", "token": "t", "iceServers": ice, "more": 1}));
    let events = test.events();
    let [SignalingEvent::Joined { id, ice_servers }] = &events[..] else { panic!("{events:?}") };
    assert_eq!((id.as_str(), ice_servers.len()), ("me", 1));
    test.roster(&["a", "me", "b"]);
    let roster = roster_of(&test.events());
    assert_eq!((roster.peers, roster.joined), (ids(&["a", "b"]), ids(&["a", "b"])));
    assert!(roster.first && roster.left.is_empty());
    test.roster(&["b", "me", "c", "c"]);
    let roster = roster_of(&test.events());
    assert_eq!((roster.joined, roster.left), (ids(&["c"]), ids(&["a"])));
    assert_eq!((roster.peers, roster.first), (ids(&["b", "c"]), false));
}

#[test]
fn events_before_joined_wait_for_it_and_are_bounded() {
    let mut test = Test::start();
    test.open();
    test.roster(&["me"]);
    test.event("signal", json!({"sender": "a", "signal": 1}));
    assert_eq!(test.events(), []);
    test.joined("me", "t");
    let events = test.events();
    assert!(matches!(
        events[..],
        [SignalingEvent::Joined { .. }, SignalingEvent::Roster(_), SignalingEvent::Signal(_)]
    ));
    let mut test = Test::start();
    test.open();
    (0..MAX_BUFFERED).for_each(|_| test.roster(&["me"]));
    assert_eq!(test.take(), []);
    test.roster(&["me"]);
    let events = test.events();
    let [SignalingEvent::Disconnected { error, .. }] = &events[..] else { panic!("{events:?}") };
    assert!(matches!(error, SignalingError::Protocol { .. }));
}

#[test]
fn case_23_silent_stream_is_resumed_with_credentials_within_a_second() {
    let mut test = Test::online();
    for _ in 0..6 {
        test.pass(10 * SECOND);
        test.tell(Input::Heard);
    }
    assert_eq!(test.take(), [], "keepalives keep it");
    test.pass(30 * SECOND - MS);
    assert_eq!(test.take(), []);
    test.pass(MS);
    let actions = test.take();
    assert_eq!(actions[0], Action::Drop);
    let Action::Event(SignalingEvent::Disconnected { error, retry_in }) = &actions[1] else {
        panic!("{actions:?}")
    };
    assert!(matches!(error, SignalingError::StreamLost { .. }));
    assert!(*retry_in <= 250 * MS);
    assert!(test.until_open() < SECOND);
    assert_eq!(test.id(), Some("me"), "it has its credentials");
    test.open();
    test.joined("me", "token");
    assert!(matches!(test.events()[..], [SignalingEvent::Resumed { .. }]));
    test.roster(&["a", "b", "me"]);
    let roster = roster_of(&test.events());
    assert!(roster.joined.is_empty() && roster.left.is_empty() && !roster.first);
}

#[test]
fn server_may_leave_joined_out_for_who_comes_back() {
    let mut test = Test::online();
    test.end_stream();
    test.until_open();
    test.open();
    test.event("signal", json!({"sender": "a", "signal": "held"}));
    let events = test.events();
    assert!(matches!(events[0], SignalingEvent::Resumed { .. }));
    assert_eq!(signal_values(&events), [json!("held")]);
}

#[test]
fn case_17_and_b19_forgotten_client_is_told_that_it_is_somebody_else() {
    let mut test = Test::online();
    test.end_stream();
    let waiting = test.send("a");
    test.until_open();
    test.open();
    test.joined("new", "t2");
    let actions = test.take();
    assert!(actions.contains(&Action::Finish(waiting, Err(SignalingError::IdentityChanged))));
    let changed = actions.iter().any(|action| {
        matches!(action, Action::Event(SignalingEvent::IdentityChanged { old, new, .. })
            if old.as_str() == "me" && new.as_str() == "new")
    });
    assert!(changed, "{actions:?}");
    test.roster(&["new", "c"]);
    let roster = roster_of(&test.events());
    assert!(roster.first);
    assert_eq!((roster.joined, roster.left), (ids(&["c"]), ids(&["a", "b"])));
}

#[test]
fn refused_credentials_are_dropped_and_the_room_is_joined_anew() {
    let mut test = Test::online();
    test.end_stream();
    test.until_open();
    test.status(403);
    let actions = test.take();
    assert!(matches!(
        &actions[..],
        [Action::Event(SignalingEvent::IdentityLost { .. }), Action::Open]
    ));
    assert_eq!(test.id(), None);
    test.open();
    test.joined("new", "t2");
    assert!(matches!(test.events()[..], [SignalingEvent::IdentityChanged { .. }]));
    // On a fresh join it is the join key, and for good.
    let mut test = Test::start();
    test.status(403);
    assert!(matches!(closed_with(&test.take()), SignalingError::Unauthorized { .. }));
}

#[test]
fn statuses_that_will_not_change_are_the_end_and_others_are_tried_again() {
    for status in [400, 404, 405, 410] {
        let mut test = Test::start();
        test.status(status);
        assert!(
            matches!(closed_with(&test.take()), SignalingError::Refused { status: s, .. } if *s == status)
        );
        assert_eq!(test.machine.next_wake(), None);
    }
    for status in [204, 408, 429, 500, 502, 503] {
        let mut test = Test::start();
        test.status(status);
        let events = test.events();
        let [SignalingEvent::Disconnected { error, .. }] = &events[..] else {
            panic!("{events:?}")
        };
        assert!(matches!(error, SignalingError::Connect { .. }), "{status}");
        test.until_open();
    }
}

#[test]
fn b21_page_of_a_proxy_is_the_end() {
    let mut test = Test::start();
    let error = SignalingError::UnexpectedContentType { found: "text/html".into() };
    test.tell(Input::OpenFailed(OpenFailure::Fatal(error.clone())));
    assert_eq!(*closed_with(&test.take()), error);
}

#[test]
fn b20_what_cannot_be_read_is_ignored_and_joined_without_a_token_is_not() {
    let mut test = Test::online();
    for (name, data) in [
        ("roster", "{}"),
        ("roster", "[1]"),
        ("roster", "no JSON"),
        ("signal", "no JSON"),
        ("signal", "[]"),
        ("signal", r#"{"sender":"a"}"#),
        ("signal", r#"{"sender":"a","signal":null}"#),
        ("signal", r#"{"sender":"","signal":1}"#),
        ("signal", r#"{"signal":1}"#),
    ] {
        test.event(name, data);
        assert!(matches!(test.events()[..], [SignalingEvent::Unreadable { .. }]), "{name} {data}");
    }
    test.event("hello", "no JSON");
    assert_eq!(test.take(), []);
    for data in [
        json!({"id": "x"}),
        json!({"token": "t"}),
        json!({"id": "", "token": "t"}),
        json!({"id": "a\nb", "token": "t"}),
    ] {
        let mut test = Test::start();
        test.open();
        test.event("joined", data);
        let events = test.events();
        let [SignalingEvent::Disconnected { error, .. }] = &events[..] else {
            panic!("{events:?}")
        };
        assert!(matches!(error, SignalingError::Protocol { .. }));
    }
    let mut test = Test::start();
    test.open();
    test.event("joined", "no JSON");
    assert!(matches!(test.events()[..], [SignalingEvent::Unreadable { .. }]));
    test.pass(10 * SECOND);
    assert!(matches!(test.events()[..], [SignalingEvent::Disconnected { .. }]));
}

#[test]
fn case_16_superseded_client_does_not_come_back() {
    let mut test = Test::online();
    test.event("superseded", json!({"reason": "replaced"}));
    let actions = test.take();
    assert_eq!(actions[0], Action::Event(SignalingEvent::Superseded));
    assert_eq!(*closed_with(&actions), SignalingError::Superseded);
    test.end_stream();
    test.pass(1000 * SECOND);
    assert_eq!(test.take(), []);
    assert_eq!(test.id(), None, "the token is gone");
}

#[test]
fn roster_without_oneself_means_that_one_is_forgotten() {
    let mut test = Test::online();
    test.roster(&["a", "b"]);
    let actions = test.take();
    assert!(actions.contains(&Action::Drop));
    test.until_open();
    assert_eq!(test.id(), Some("me"), "the server decides");
}

#[test]
fn stream_that_does_not_begin_and_head_that_does_not_come_have_deadlines() {
    let mut test = Test::start();
    test.pass(10 * SECOND);
    assert!(matches!(
        test.take()[..],
        [Action::Drop, Action::Event(SignalingEvent::Disconnected { .. })]
    ));
    test.until_open();
    test.open();
    test.tell(Input::Heard);
    test.pass(10 * SECOND);
    assert!(matches!(
        test.take()[..],
        [Action::Drop, Action::Event(SignalingEvent::Disconnected { .. })]
    ));
}

#[test]
fn pauses_grow_with_full_jitter_and_end_after_a_stream_that_held() {
    let mut test = Test::online();
    test.end_stream();
    assert!(test.until_open() <= 250 * MS, "the first attempt comes at once");
    let mut bound = 500 * MS;
    for _ in 0..8 {
        test.status(503);
        test.take();
        let pause = test.until_open();
        assert!(pause <= bound, "{pause:?} {bound:?}");
        bound = (bound * 2).min(15 * SECOND);
    }
    // A stream that ends at once is no success.
    test.open();
    test.joined("me", "token");
    test.pass(29 * SECOND);
    test.end_stream();
    let slow = test.machine.backoff.attempts();
    assert!(slow > 8);
    test.until_open();
    test.open();
    test.joined("me", "token");
    for _ in 0..3 {
        test.pass(10 * SECOND);
        test.tell(Input::Heard);
    }
    test.end_stream();
    assert!(test.until_open() <= 250 * MS);
}

#[test]
fn server_says_how_long_to_wait() {
    let mut test = Test::start();
    let retry_after = Some(20 * SECOND);
    test.tell(Input::OpenFailed(OpenFailure::Status {
        status: 429,
        text: String::new(),
        retry_after,
    }));
    test.take();
    assert!(test.until_open() >= 20 * SECOND);
    let mut test = Test::online();
    test.tell(Input::Retry(3 * SECOND));
    test.end_stream();
    assert!(test.until_open() >= 3 * SECOND);
}

#[test]
fn attempts_can_be_limited() {
    let timings = SignalingTimings { attempts: Some(3), ..SignalingTimings::default() };
    let mut test = Test::with(timings, None);
    for _ in 0..2 {
        test.tell(Input::OpenFailed(OpenFailure::Network("refused".into())));
        test.take();
        test.until_open();
    }
    test.tell(Input::OpenFailed(OpenFailure::Network("refused".into())));
    assert!(matches!(closed_with(&test.take()), SignalingError::Connect { .. }));
}

#[test]
fn session_of_another_process_is_resumed_and_offers_anew() {
    let mut test = Test::with(SignalingTimings::default(), session("me"));
    assert_eq!(test.send("a"), 1);
    assert_eq!(test.finished(), [(1, "SIGNALING_NOT_JOINED")]);
    test.open();
    test.joined("me", "token");
    assert!(matches!(test.events()[..], [SignalingEvent::Resumed { .. }]));
    test.roster(&["me", "a"]);
    assert!(roster_of(&test.events()).first);
}

#[test]
fn leave_waits_five_seconds_and_is_idempotent() {
    let mut test = Test::online();
    let waiting = test.send("a");
    test.take();
    test.tell(Input::Leave(5 * SECOND));
    assert_eq!(
        test.take(),
        [Action::Finish(waiting, Err(SignalingError::Closed)), Action::PostLeave]
    );
    test.tell(Input::Leave(5 * SECOND));
    test.end_stream();
    assert_eq!(test.take(), [], "the server closes the stream of who left");
    test.tell(Input::Left);
    assert_eq!(*closed_with(&test.take()), SignalingError::Closed);
    test.tell(Input::Leave(5 * SECOND));
    assert_eq!(test.take(), []);
    // A server that does not answer, and a program that was asked to stop meanwhile.
    for (limit, wanted) in [(5, 5), (2, 2)] {
        let mut test = Test::online();
        test.tell(Input::Leave(5 * SECOND));
        test.tell(Input::Leave(SECOND * limit));
        test.take();
        test.pass(SECOND * wanted - MS);
        assert_eq!(test.take(), []);
        test.pass(MS);
        assert_eq!(*closed_with(&test.take()), SignalingError::Closed);
    }
    // Who has not joined has nothing to leave.
    let mut test = Test::start();
    test.tell(Input::Leave(5 * SECOND));
    assert_eq!(*closed_with(&test.take()), SignalingError::Closed);
}

#[test]
fn client_that_was_cut_off_leaves_all_the_same() {
    let mut test = Test::online();
    test.end_stream();
    test.take();
    test.tell(Input::Leave(2 * SECOND));
    assert_eq!(test.take(), [Action::PostLeave]);
}

/// When clients that all lost their stream at once come back to a server that was away for `down`, in order.
fn arrivals(clients: u64, down: Duration) -> Vec<Duration> {
    let mut arrivals: Vec<_> = (0..clients)
        .map(|seed| {
            let mut test = Test::online();
            test.rng = seeded_rng(seed);
            let lost = test.now;
            test.end_stream();
            loop {
                test.until_open();
                if test.now - lost >= down {
                    return test.now - lost;
                }
                test.tell(Input::OpenFailed(OpenFailure::Network("refused".into())));
                test.take();
            }
        })
        .collect();
    arrivals.sort_unstable();
    arrivals
}

#[test]
fn thousand_clients_come_back_to_a_restarted_server_and_no_second_gets_thrice_the_mean() {
    for down in [1, 2, 3, 5, 10, 20, 30, 60] {
        let down = SECOND * down;
        let arrivals = arrivals(1000, down);
        let (first, last) = (arrivals[0], arrivals[999]);
        let within = |start: &Duration| arrivals.partition_point(|at| *at < *start + SECOND);
        // Whenever the second begins.
        let most = arrivals.iter().enumerate().map(|(n, start)| within(start) - n).max().unwrap();
        let mean = 1000.0 / (last - first).max(SECOND).as_secs_f64();
        assert!(most as f64 <= 3.0 * mean, "down for {down:?}: {most}, {mean} a second on average");
        let longest = (down * 2).min(SECOND * 15);
        assert!(last <= down + longest + SECOND, "down for {down:?}: the last came after {last:?}");
    }
}

#[test]
fn pauses_are_no_longer_than_twice_the_time_away() {
    for seed in 0..100 {
        let mut test = Test::online();
        test.rng = seeded_rng(seed);
        let lost = test.now;
        test.end_stream();
        for n in 0..20 {
            let began = test.now;
            test.until_open();
            let documented =
                if n == 0 { 250 * MS } else { (500 * MS * (1 << (n - 1))).min(15 * SECOND) };
            let (pause, away) = (test.now - began, began - lost);
            assert!(pause <= documented + MS, "{n}: {pause:?}");
            assert!(
                n == 0 || pause <= (away * 2).max(500 * MS) + MS,
                "{n}: {pause:?} after {away:?}"
            );
            test.tell(Input::OpenFailed(OpenFailure::Network("refused".into())));
            test.take();
        }
    }
}
