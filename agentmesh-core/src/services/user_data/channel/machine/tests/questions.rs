//! What is asked and answered besides turns: start, interrupt, history, clear, diagnostics.

use super::*;

#[test]
fn each_question_has_its_answer() {
    let mut play = Play::joined();
    let options = AgentOptions { max_turns: Some(50), ..AgentOptions::default() };
    let start = play.order(Order::Start(options));
    let history = play.order(Order::History);
    let diagnostics = play.order(Order::Diagnostics);
    let clear = play.order(Order::Clear);
    assert_eq!(
        play.sent(),
        [
            r#"42["start",{"maxTurns":50}]"#,
            r#"42["get_history"]"#,
            r#"42["get_diagnostics"]"#,
            r#"42["clear"]"#
        ]
    );
    play.server("status", &json!({"type": "info", "message": "Session initialized"}));
    play.server("history", &json!({"messages": [assistant("1", "A"), assistant("1", "A"), 5]}));
    play.server("diagnostics", &json!({"historyLength": 1}));
    play.server("cleared", &json!({"type": "info", "message": "Session cleared"}));
    let finished = play.finished();
    assert_eq!(finished[0], (start, Ok(Answer::Done)));
    let (key, Ok(Answer::History(messages))) = &finished[1] else { panic!("{finished:?}") };
    assert_eq!((*key, messages.len()), (history, 1));
    let (key, Ok(Answer::Diagnostics(fields))) = &finished[2] else { panic!("{finished:?}") };
    assert_eq!((*key, &fields["historyLength"]), (diagnostics, &json!(1)));
    assert_eq!(finished[3], (clear, Ok(Answer::Done)));
}

#[test]
fn clearing_interrupts_the_turn_and_forgets_the_conversation() {
    let mut play = Play::joined();
    let turn = play.say("a");
    play.server("message", &json!({"role": "system", "subtype": "init", "session_id": "c1"}));
    play.server("message", &assistant("1", "A"));
    play.order(Order::Clear);
    play.server("cleared", &json!({}));
    let actions = play.actions();
    assert!(actions.contains(&Action::Finish(turn, Err(UserDataError::Interrupted))));
    assert!(actions.contains(&Action::Event(Event::Cleared)));
    play.say("b");
    assert_eq!(play.sent(), [r#"42["message",{"options":{},"prompt":"b"}]"#]);
}

#[test]
fn questions_have_ten_seconds_and_are_lost_with_the_connection() {
    let mut play = Play::joined();
    let diagnostics = play.order(Order::Diagnostics);
    play.pass(seconds(10));
    let after = seconds(10);
    assert_eq!(play.finished(), [(diagnostics, Err(UserDataError::Timeout { after }))]);
    let history = play.order(Order::History);
    play.gone();
    let reason = "cut".to_owned();
    assert_eq!(play.finished(), [(history, Err(UserDataError::ConnectionLost { reason }))]);
    let offline = play.order(Order::Clear);
    assert_eq!(play.finished(), [(offline, Err(UserDataError::NotConnected))]);
}

#[test]
fn errors_without_a_turn_are_the_answer_to_the_oldest_question() {
    let mut play = Play::joined();
    let start = play.order(Order::Start(AgentOptions::default()));
    play.server("error", &json!({"message": "Agent not ready"}));
    let message = "Agent not ready".to_owned();
    assert_eq!(play.finished(), [(start, Err(UserDataError::Agent { message }))]);
    let turn = play.say("x");
    let interrupt = play.order(Order::Interrupt(None));
    play.server("error", &json!({"message": "Failed to interrupt"}));
    let message = "Failed to interrupt".to_owned();
    assert_eq!(play.finished(), [(interrupt, Err(UserDataError::Agent { message }))]);
    let interrupt = play.order(Order::Interrupt(None));
    play.server("interrupt_complete", &json!({"success": false}));
    let finished = play.finished();
    assert!(
        matches!(&finished[..], [(key, Err(UserDataError::Agent { .. }))] if *key == interrupt)
    );
    play.server("result", &result());
    assert_eq!(play.finished()[0].0, turn);
}

#[test]
fn questions_are_bounded() {
    let mut play = Play::joined();
    for _ in 0..64 {
        play.order(Order::History);
    }
    play.actions();
    let one_more = play.order(Order::History);
    let finished = play.finished();
    assert!(
        matches!(&finished[..], [(key, Err(UserDataError::Invalid { .. }))] if *key == one_more)
    );
}

#[test]
fn unknown_events_are_passed_on_and_odd_ones_told() {
    let mut play = Play::joined();
    for name in ["stderr", "stream_event", "container_log", "image_created", "tomorrow"] {
        play.server(name, &json!({"x": 1}));
        let expected = Event::Other { name: name.into(), data: json!({"x": 1}) };
        assert_eq!(play.events(), [expected]);
    }
    for name in ["message", "stream", "history", "diagnostics"] {
        play.server(name, &json!(7));
        assert!(matches!(&play.events()[..], [Event::Unreadable { .. }]), "{name}");
    }
    play.frame(r#"42["status"]"#);
    assert!(matches!(&play.events()[..], [Event::Status { .. }]));
}
