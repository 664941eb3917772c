//! Ready → connected → lost → connected again → closed.

use super::*;

fn pause(events: &[Event]) -> Duration {
    let mut pauses = events.iter().filter_map(|event| match event {
        Event::Disconnected { retry_in, .. } => Some(*retry_in),
        _ => None,
    });
    pauses.next().unwrap_or_else(|| panic!("{events:?}"))
}

fn closed(events: &[Event]) -> &UserDataError {
    match events.last() {
        Some(Event::Closed { error }) => error,
        _ => panic!("{events:?}"),
    }
}

#[test]
fn being_let_in_asks_for_the_history() {
    let auth = Some(Zeroizing::new(r#"{"token":"t"}"#.to_owned()));
    let mut play = Play::with(Terms { auth, ..terms() });
    assert_eq!(play.join(), [r#"40{"token":"t"}"#, r#"42["get_history"]"#]);
    let said = json!({"messages": [{"role": "user", "content": "x", "timestamp": 1}, assistant("u", "y")]});
    play.server("history", &said);
    // The server says it again after a resume.
    play.server("history", &said);
    let events = play.events();
    let [Event::History { messages }] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((messages.len(), messages[1].text()), (2, "y".to_owned()));
}

#[test]
fn namespace_that_the_server_does_not_have_is_replaced_by_the_root_once() {
    let mut play = Play::with(Terms { namespace: "/ws".into(), ..terms() });
    play.tell(Input::Opened);
    play.frame(OPEN);
    assert_eq!(play.sent(), ["40/ws,"]);
    play.frame(r#"44/ws,{"message":"Invalid namespace"}"#);
    assert_eq!(play.sent(), ["40"]);
    play.frame(r#"44{"message":"Invalid namespace"}"#);
    let message = "Invalid namespace".to_owned();
    assert_eq!(closed(&play.events()), &UserDataError::Refused { message });
}

#[test]
fn refusals_are_final_and_a_busy_server_is_not() {
    for status in [0, 200, 301, 401, 404] {
        let mut play = Play::new();
        let text = "no".to_owned();
        play.tell(Input::OpenFailed(DialFailure::Refused { status, text, retry_after: None }));
        assert!(matches!(closed(&play.events()), UserDataError::Refused { .. }), "{status}");
    }
    for status in [408, 425, 429, 503] {
        let mut play = Play::new();
        let retry_after = Some(seconds(30));
        let text = String::new();
        play.tell(Input::OpenFailed(DialFailure::Refused { status, text, retry_after }));
        let pause = pause(&play.events());
        assert!(pause >= seconds(30) && pause <= seconds(38), "{status}: {pause:?}");
    }
    let mut play = Play::new();
    play.tell(Input::Opened);
    play.frame(OPEN);
    play.frame(r#"44{"message":"sessionId required"}"#);
    let message = "sessionId required".to_owned();
    assert_eq!(closed(&play.events()), &UserDataError::Refused { message });
    assert_eq!(play.machine.next_wake(), None);
}

#[test]
fn server_that_forgot_its_token_is_asked_for_another_once() {
    let token = |text: &str| Some(Zeroizing::new(format!(r#"{{"token":"{text}"}}"#)));
    let unauthorized = |play: &mut Play| {
        play.tell(Input::Opened);
        play.frame(OPEN);
        play.frame(r#"44{"message":"Unauthorized"}"#);
    };
    let lost = || {
        let mut play = Play::with(Terms { auth: token("a"), renews: true, ..terms() });
        play.join();
        play.server("history", &json!({"messages": []}));
        play.gone();
        play.pass(seconds(8));
        play.actions();
        unauthorized(&mut play);
        let actions = play.actions();
        assert_eq!(actions[actions.len() - 2..], [Action::Drop, Action::Renew]);
        play
    };
    let mut play = lost();
    // The setup has its own limits; nobody else speaks meanwhile.
    play.pass(seconds(100));
    assert_eq!(play.actions(), []);
    play.tell(Input::Renewed(Ok(Some(SecretText::new(r#"{"token":"b"}"#)))));
    assert_eq!(play.actions(), [Action::Open(Transport::WebSocket)]);
    assert_eq!(play.join()[0], r#"40{"token":"b"}"#);

    // One that refuses its own token, too, is not asked again.
    let mut play = lost();
    play.tell(Input::Renewed(Ok(Some(SecretText::new(r#"{"token":"b"}"#)))));
    unauthorized(&mut play);
    assert!(matches!(closed(&play.events()), UserDataError::Refused { .. }));
    // A setup that fails for now is a failed attempt; one that fails for good is the end.
    let mut play = lost();
    let reason = "refused".to_owned();
    play.tell(Input::Renewed(Err(UserDataError::Connect { reason })));
    pause(&play.events());
    let mut play = lost();
    let refused = UserDataError::Refused { message: "no".to_owned() };
    play.tell(Input::Renewed(Err(refused.clone())));
    assert_eq!(closed(&play.events()), &refused);
    // Closing does not wait for it, and what comes then does nothing.
    let mut play = lost();
    play.tell(Input::Close);
    assert_eq!(play.actions().last(), Some(&Action::End));
    play.tell(Input::Renewed(Ok(None)));
    assert_eq!(play.actions(), []);
    // Without a setup, and at the first time, a refusal is final.
    let mut play = Play::with(Terms { renews: true, ..terms() });
    unauthorized(&mut play);
    assert!(matches!(closed(&play.events()), UserDataError::Refused { .. }));
}

#[test]
fn server_that_does_not_let_in_has_ten_seconds() {
    let mut play = Play::new();
    play.pass(seconds(9));
    play.tell(Input::Opened);
    play.frame(OPEN);
    assert_eq!(play.sent(), ["40"]);
    play.pass(seconds(1));
    let actions = play.actions();
    assert_eq!(actions.first(), Some(&Action::Drop));
    assert!(matches!(
        actions.get(1),
        Some(Action::Event(Event::Disconnected { error: UserDataError::Connect { .. }, .. }))
    ));
}

#[test]
fn pauses_double_to_five_seconds_give_or_take_a_half_and_end_after_ten_attempts() {
    let mut play = Play::joined();
    play.gone();
    let mut pauses = vec![pause(&play.events())];
    for _ in 0..10 {
        play.pass(*pauses.last().unwrap());
        assert!(play.actions().contains(&Action::Open(Transport::WebSocket)));
        play.tell(Input::OpenFailed(DialFailure::Network("refused".into())));
        let events = play.events();
        if pauses.len() == 10 {
            assert!(matches!(closed(&events), UserDataError::Connect { .. }));
            break;
        }
        pauses.push(pause(&events));
    }
    assert_eq!(pauses.len(), 10);
    for (pause, base) in pauses.iter().zip([1000, 2000, 4000, 5000, 5000, 5000, 5000, 5000]) {
        let base = Duration::from_millis(base);
        assert!(*pause >= base / 2 && *pause <= base * 3 / 2, "{pauses:?}");
    }
    let first = |seed| ChannelTimings::default().backoff().next_delay(None, &mut seeded_rng(seed));
    assert_ne!(first(1), first(2), "no two clients share a second");
    assert_eq!(play.machine.next_wake(), None);
}

#[test]
fn connection_that_held_for_a_minute_makes_the_count_begin_anew() {
    let mut play = Play::joined();
    for _ in 0..9 {
        play.gone();
        play.come_back();
    }
    assert_eq!(play.machine.backoff.attempts(), 9);
    play.pass_alive(seconds(61));
    play.gone();
    assert_eq!(play.machine.backoff.attempts(), 1);
}

#[test]
fn connections_that_never_hold_are_given_up_too() {
    let mut play = Play::joined();
    for _ in 0..10 {
        play.gone();
        play.come_back();
    }
    play.gone();
    assert!(matches!(closed(&play.events()), UserDataError::ConnectionLost { .. }));
}

#[test]
fn silent_server_is_gone_and_pings_keep_it() {
    let mut play = Play::joined();
    play.pass_alive(seconds(600));
    assert!(play.events().is_empty());
    play.pass(SILENCE);
    let events = play.events();
    assert!(matches!(
        &events[0],
        Event::Disconnected { error: UserDataError::ConnectionLost { reason }, .. } if reason.contains("silent")
    ));
}

/// A line on which everything vanishes: each attempt lasts as long as it may, by either way.
fn vanishing(play: &mut Play, time: Duration) {
    let end = play.now + time;
    while play.now < end && play.machine.phase != Phase::Closed {
        play.pass(seconds(1));
    }
}

#[test]
fn network_cut_for_a_minute_costs_nothing_but_the_time() {
    let mut play = Play::joined();
    let turn = play.say("x");
    play.pass(SILENCE);
    vanishing(&mut play, seconds(60) - SILENCE);
    assert!(!play.actions().iter().any(|a| matches!(a, Action::Finish(..) | Action::End)));
    // The next attempt finds the line whole, whenever and by whichever way it is made.
    while !play.actions().iter().any(|action| matches!(action, Action::Open(_))) {
        play.pass(seconds(1));
    }
    play.join();
    play.server("status", &json!({"type": "info", "message": "Session resumed"}));
    play.server("history", &json!({"messages": []}));
    assert_eq!(play.events().first(), Some(&Event::Resumed));
    play.server("message", &assistant("1", "Yes."));
    play.server("result", &result());
    let [(key, end)] = play.finished().try_into().unwrap();
    assert_eq!((key, turn_end(&end).text.as_str()), (turn, "Yes."));
}

#[test]
fn network_cut_for_three_minutes_is_outlived_or_the_end_and_never_a_loop() {
    // Packets vanish: the attempts take their time, and there are some left.
    let mut play = Play::joined();
    play.pass(SILENCE);
    vanishing(&mut play, seconds(180) - SILENCE);
    assert_ne!(play.machine.phase, Phase::Closed);
    assert!(play.machine.backoff.attempts() < 10);
    let opened = |a: &Action| matches!(a, Action::Open(_));
    let asked = play.actions().iter().filter(|action| opened(action)).count();
    assert!((2..=20).contains(&asked), "{asked}");
    // Hosts that cannot be reached fail at once: ten attempts are over sooner, and then everything has ended.
    let mut play = Play::joined();
    let turn = play.say("x");
    play.gone();
    let mut asked = 0;
    for _ in 0..180 {
        play.pass(seconds(1));
        for action in play.actions() {
            match action {
                Action::Open(_) => {
                    asked += 1;
                    play.tell(Input::OpenFailed(DialFailure::Network("no route".into())));
                }
                Action::Finish(key, result) => {
                    assert_eq!((key, result.is_err()), (turn, true));
                }
                _ => {}
            }
        }
    }
    assert_eq!((asked, play.machine.phase), (10, Phase::Closed));
    assert_eq!(play.machine.next_wake(), None);
}

#[test]
fn session_that_the_server_still_has_is_resumed() {
    let mut play = Play::joined();
    play.gone();
    play.actions();
    assert_eq!(play.come_back(), ["40", r#"42["get_history"]"#]);
    play.server("status", &json!({"type": "info", "message": "Session resumed"}));
    play.server("history", &json!({"messages": []}));
    let events = play.events();
    assert_eq!(events[0], Event::Resumed);
    assert!(!events.contains(&Event::NewSession));
}

#[test]
fn session_that_the_server_has_lost_is_new_and_what_was_under_way_is_gone() {
    let mut play = Play::joined();
    let turn = play.say("x");
    play.gone();
    play.come_back();
    play.server("history", &json!({"messages": []}));
    let actions = play.actions();
    assert!(actions.contains(&Action::Event(Event::NewSession)));
    assert!(actions.contains(&Action::Finish(turn, Err(UserDataError::SessionLost))));
}

#[test]
fn server_that_sends_us_away_is_not_asked_again() {
    let mut play = Play::joined();
    play.frame("41");
    assert!(matches!(closed(&play.events()), UserDataError::Closed { .. }));
    assert_eq!(play.machine.next_wake(), None);

    let mut play = Play::joined();
    play.server("status", &json!({"type": "info", "message": "Session taken over"}));
    play.frame("41");
    assert_eq!(closed(&play.events()), &UserDataError::TakenOver);
}

#[test]
fn server_that_breaks_the_rules_is_dropped_and_tried_again() {
    for fault in ["451-[\"x\",{\"_placeholder\":true}]", "42[", "bAAAA", "x", OPEN, ""] {
        let mut play = Play::joined();
        play.frame(fault);
        let actions = play.actions();
        assert_eq!(actions.first(), Some(&Action::Drop), "{fault}");
    }
    let mut play = Play::joined();
    play.frame("1");
    assert_eq!(play.actions().first(), Some(&Action::Drop));
}

#[test]
fn closing_takes_leave_and_waits_three_seconds_at_most() {
    let mut play = Play::joined();
    let turn = play.say("x");
    play.actions();
    play.tell(Input::Close);
    let actions = play.actions();
    let closed_by_us = UserDataError::Closed { reason: "closed by this side".into() };
    assert_eq!(actions[0], Action::Finish(turn, Err(closed_by_us.clone())));
    assert!(matches!(&actions[1], Action::Send(frame) if frame.text() == "41"));
    assert_eq!(actions[2], Action::Close);
    play.pass(seconds(3));
    let end = [Action::Drop, Action::Event(Event::Closed { error: closed_by_us }), Action::End];
    assert_eq!(play.actions(), end);
    // Nothing that comes later does anything.
    play.gone();
    play.tell(Input::Close);
    play.tell(Input::Opened);
    let late = play.say("late");
    assert_eq!(play.actions(), [Action::Finish(late, Err(UserDataError::NotConnected))]);
    assert_eq!(play.machine.next_wake(), None);

    let mut play = Play::joined();
    play.tell(Input::Close);
    play.actions();
    play.gone();
    assert_eq!(play.actions(), end);
    let mut play = Play::new();
    play.tell(Input::Close);
    assert_eq!(play.actions().last(), Some(&Action::End));
}
