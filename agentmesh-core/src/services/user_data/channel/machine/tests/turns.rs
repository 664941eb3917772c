//! Turns: one after the other, in parts, to their end.

use super::*;

fn parts(actions: &[Action], of: Key) -> Vec<&TurnPart> {
    let parts = actions.iter().filter_map(|action| match action {
        Action::Part(key, part) if *key == of => Some(part),
        _ => None,
    });
    parts.collect()
}

fn delta(content: &str) -> Value {
    json!({"type": "text", "content": content})
}

#[test]
fn deltas_come_first_the_message_takes_their_place_and_the_result_ends_the_turn() {
    let mut play = Play::joined();
    let turn = play.say("hello");
    assert_eq!(play.sent(), [r#"42["message",{"options":{},"prompt":"hello"}]"#]);
    play.server("message", &json!({"role": "system", "subtype": "init", "session_id": "c1"}));
    play.server("message", &json!({"role": "system", "subtype": "init", "session_id": "c1"}));
    assert_eq!(play.events(), [Event::Conversation { id: "c1".into() }]);
    play.server("stream", &delta("Hel"));
    play.server("stream", &json!({"type": "json", "content": "{"}));
    play.server("message", &assistant("u1", "Hello."));
    play.server("message", &assistant("u1", "Hello."));
    play.server("message", &assistant("u2", " Bye."));
    play.server("result", &result());
    let actions = play.actions();
    let parts = parts(&actions, turn);
    assert_eq!(parts.len(), 4, "{parts:?}");
    assert_eq!(parts[0], &TurnPart::Delta { is_text: true, content: "Hel".into() });
    assert_eq!(parts[1], &TurnPart::Delta { is_text: false, content: "{".into() });
    let Some(Action::Finish(key, result)) = actions.last() else { panic!("{actions:?}") };
    let end = turn_end(result);
    assert_eq!((*key, end.text.as_str()), (turn, "Hello. Bye."));
    assert_eq!((end.conversation.as_deref(), end.is_error()), (Some("c1"), false));
}

#[test]
fn conversation_is_carried_from_turn_to_turn() {
    let mut play = Play::joined();
    play.say("a");
    play.server("result", &result());
    play.actions();
    play.say("b");
    assert_eq!(play.sent(), [r#"42["message",{"options":{"resume":"c1"},"prompt":"b"}]"#]);
    play.server("result", &result());
    let new = AgentOptions { resume: super::super::super::Resume::New, ..Default::default() };
    play.order(Order::Send("c".into(), new.into()));
    assert_eq!(play.sent(), [r#"42["message",{"options":{},"prompt":"c"}]"#]);
}

#[test]
fn what_came_only_piece_by_piece_is_the_text() {
    let mut play = Play::joined();
    play.say("a");
    play.server("stream", &delta("He"));
    play.server("stream", &delta("y"));
    play.server("result", &json!({"is_error": true}));
    let finished = play.finished();
    let end = turn_end(&finished[0].1);
    assert_eq!((end.text.as_str(), end.is_error()), ("Hey", true));
}

#[test]
fn turns_do_not_overlap_unless_asked_and_then_end_in_order() {
    let mut play = Play::joined();
    let first = play.say("a");
    let refused = play.say("b");
    assert_eq!(play.finished(), [(refused, Err(UserDataError::TurnRunning))]);
    let overlap = TurnOptions { overlap: true, ..TurnOptions::default() };
    let second = play.order(Order::Send("c".into(), overlap.clone()));
    play.server("message", &assistant("1", "A"));
    play.server("result", &result());
    play.server("message", &assistant("2", "C"));
    play.server("result", &result());
    let finished = play.finished();
    assert_eq!((finished[0].0, turn_end(&finished[0].1).text.as_str()), (first, "A"));
    assert_eq!((finished[1].0, turn_end(&finished[1].1).text.as_str()), (second, "C"));
    for _ in 0..super::super::turns::MAX_TURNS {
        play.order(Order::Send("x".into(), overlap.clone()));
    }
    play.actions();
    let full = play.order(Order::Send("x".into(), overlap));
    assert_eq!(play.finished(), [(full, Err(UserDataError::TurnRunning))]);
}

#[test]
fn error_ends_the_turn_and_not_the_channel() {
    let mut play = Play::joined();
    let turn = play.say("a");
    play.server("error", &json!({"message": "Agent not ready - please try again"}));
    let message = "Agent not ready - please try again".to_owned();
    assert_eq!(play.finished(), [(turn, Err(UserDataError::Agent { message }))]);
    let again = play.say("a");
    play.server("result", &result());
    assert_eq!(play.finished()[0].0, again);
    play.server("error", &json!({"message": "\u{7}boom"}));
    assert_eq!(play.events(), [Event::Error { message: " boom".into() }]);
}

#[test]
fn silence_of_ten_minutes_is_a_timeout_and_the_late_end_is_not_the_next_turns() {
    let mut play = Play::joined();
    let turn = play.say("a");
    play.pass_alive(seconds(590));
    play.server("stream", &delta("."));
    play.pass_alive(seconds(599));
    assert!(play.finished().is_empty(), "any event counts");
    play.pass_alive(seconds(26));
    let after = seconds(600);
    assert_eq!(play.finished(), [(turn, Err(UserDataError::TurnTimeout { after }))]);
    let next = play.say("b");
    play.server("message", &assistant("1", "A"));
    play.server("result", &result());
    let actions = play.actions();
    assert!(!actions.iter().any(|action| matches!(action, Action::Finish(..))), "{actions:?}");
    play.server("message", &assistant("2", "B"));
    play.server("result", &result());
    let finished = play.finished();
    assert_eq!((finished[0].0, turn_end(&finished[0].1).text.as_str()), (next, "B"));
}

#[test]
fn interrupting_ends_the_turn_and_its_late_result_is_not_the_next_turns() {
    let mut play = Play::joined();
    let turn = play.say("a");
    play.server("message", &json!({"role": "system", "subtype": "init", "session_id": "c1"}));
    play.actions();
    let interrupt = play.order(Order::Interrupt(Some("enough".into())));
    assert_eq!(play.sent(), [r#"42["interrupt",{"reason":"enough","threadId":"c1"}]"#]);
    play.server(
        "interrupt_complete",
        &json!({"threadId": "c1", "success": true, "sessionId": "c1"}),
    );
    let expected = [(turn, Err(UserDataError::Interrupted)), (interrupt, Ok(Answer::Done))];
    assert_eq!(play.finished(), expected);
    let next = play.say("b");
    play.server("result", &json!({"subtype": "error_during_execution"}));
    assert!(play.finished().is_empty());
    play.server("message", &assistant("2", "B"));
    play.server("result", &result());
    assert_eq!(play.finished()[0].0, next);
}

#[test]
fn turn_that_ended_before_the_interrupt_came_through_is_not_another() {
    let mut play = Play::joined();
    let first = play.say("a");
    let overlap = TurnOptions { overlap: true, ..TurnOptions::default() };
    let second = play.order(Order::Send("b".into(), overlap));
    let interrupt = play.order(Order::Interrupt(None));
    play.server("result", &result());
    play.server("status", &json!({"type": "info", "message": "Interrupted"}));
    play.server("message", &assistant("2", "B"));
    play.server("result", &result());
    let finished: Vec<_> =
        play.finished().into_iter().map(|(key, result)| (key, result.is_ok())).collect();
    assert_eq!(finished, [(first, true), (interrupt, true), (second, true)]);
}

#[test]
fn turn_goes_on_over_a_lost_connection_and_gets_what_it_missed_once() {
    let mut play = Play::joined();
    let turn = play.say("a");
    play.server("message", &assistant("1", "A"));
    play.gone();
    play.actions();
    play.come_back();
    play.server("status", &json!({"type": "info", "message": "Session resumed"}));
    assert_eq!(play.sent(), [r#"42["get_diagnostics"]"#]);
    let history =
        json!({"messages": [assistant("1", "A"), assistant("2", "B"), assistant("2", "B")]});
    play.server("history", &history);
    play.server("diagnostics", &json!({"isQueryRunning": true}));
    play.server("message", &assistant("2", "B"));
    play.server("result", &result());
    let actions = play.actions();
    assert_eq!(parts(&actions, turn).len(), 1);
    let Some(Action::Finish(key, result)) = actions.last() else { panic!("{actions:?}") };
    assert_eq!((*key, turn_end(result).text.as_str()), (turn, "AB"));
}

#[test]
fn turn_whose_end_was_missed_ends_with_what_is_known() {
    let mut play = Play::joined();
    let turn = play.say("a");
    play.gone();
    play.come_back();
    play.server("status", &json!({"type": "info", "message": "Session resumed"}));
    play.server("history", &json!({"messages": [assistant("1", "A")]}));
    play.server("diagnostics", &json!({"isQueryRunning": false}));
    let finished = play.finished();
    let end = turn_end(&finished[0].1);
    assert_eq!((finished[0].0, end.text.as_str(), &end.result), (turn, "A", &None));

    let lost = play.say("b");
    play.gone();
    play.come_back();
    play.server("status", &json!({"type": "info", "message": "Session resumed"}));
    play.server("history", &json!({"messages": [assistant("1", "A")]}));
    play.server("diagnostics", &json!({"isQueryRunning": false}));
    let finished = play.finished();
    let [(key, Err(UserDataError::ConnectionLost { .. }))] = finished.as_slice() else {
        panic!("{finished:?}")
    };
    assert_eq!(*key, lost);
    assert!(play.sent().is_empty(), "what was said is not said again");
}

#[test]
fn agent_that_is_at_work_is_asked_again_whether_it_still_is() {
    let mut play = Play::joined();
    let turn = play.say("a");
    play.gone();
    play.come_back();
    play.server("status", &json!({"type": "info", "message": "Session resumed"}));
    play.server("history", &json!({"messages": [assistant("1", "A")]}));
    play.server("diagnostics", &json!({"isQueryRunning": true}));
    play.actions();
    play.pass(seconds(30));
    assert_eq!(play.sent(), [r#"42["get_diagnostics"]"#]);
    play.server("diagnostics", &json!({"isQueryRunning": false}));
    assert_eq!(play.finished()[0].0, turn);
    play.pass_alive(seconds(60));
    assert!(
        play.actions()
            .iter()
            .all(|action| !matches!(action, Action::Send(frame) if frame.text() != "3"))
    );
}

#[test]
fn turn_of_the_new_connection_is_not_mistaken_for_one_of_the_last() {
    let mut play = Play::joined();
    play.gone();
    play.come_back();
    let turn = play.say("a");
    play.server("history", &json!({"messages": []}));
    assert!(play.finished().is_empty());
    play.server("result", &result());
    assert_eq!(play.finished()[0].0, turn);
}

#[test]
fn turns_behind_an_interrupted_one_end_if_the_server_forgot_them() {
    let mut play = Play::joined();
    let first = play.say("a");
    let overlap = TurnOptions { overlap: true, ..TurnOptions::default() };
    let second = play.order(Order::Send("b".into(), overlap));
    let interrupt = play.order(Order::Interrupt(None));
    play.server("status", &json!({"type": "info", "message": "Interrupted"}));
    play.server("diagnostics", &json!({"isQueryRunning": false}));
    let interrupted = || Err(UserDataError::Interrupted);
    let expected = [(first, interrupted()), (interrupt, Ok(Answer::Done)), (second, interrupted())];
    assert_eq!(play.finished(), expected);
}

#[test]
fn turn_ends_when_the_channel_is_given_up() {
    let mut play = Play::joined();
    let turn = play.say("a");
    play.gone();
    for _ in 0..10 {
        play.pass(seconds(8));
        play.tell(Input::OpenFailed(DialFailure::Network("refused".into())));
    }
    let finished = play.finished();
    assert!(matches!(&finished[..], [(key, Err(UserDataError::Connect { .. }))] if *key == turn));
}

#[test]
fn what_an_agent_says_unasked_is_an_event() {
    let mut play = Play::joined();
    play.server("stream", &delta("x"));
    play.server("message", &assistant("1", "A"));
    play.server("result", &json!("odd"));
    let events = play.events();
    assert!(matches!(events[0], Event::Unasked(TurnPart::Delta { .. })));
    assert!(matches!(events[1], Event::Unasked(TurnPart::Message(_))));
    let Event::Unasked(TurnPart::End(end)) = &events[2] else { panic!("{events:?}") };
    assert_eq!(end.result.as_ref().unwrap()["result"], json!("odd"));
}

#[test]
fn what_cannot_be_sent_is_not() {
    let mut play = Play::joined();
    let empty = play.say(" \n");
    let huge = play.say(&"x".repeat(1_000_001));
    let finished = play.finished();
    assert!(matches!(&finished[0], (key, Err(UserDataError::Invalid { .. })) if *key == empty));
    let limit = 1_000_000;
    let too_large = UserDataError::TooLarge { what: "the event", limit };
    assert_eq!(finished[1], (huge, Err(too_large)));
    play.gone();
    play.actions();
    let offline = play.say("x");
    assert_eq!(play.finished(), [(offline, Err(UserDataError::NotConnected))]);
}

#[test]
fn text_of_a_turn_is_bounded() {
    let mut play = Play::joined();
    play.say("a");
    for n in 0..5 {
        play.server("message", &assistant(&n.to_string(), &"é".repeat(1024 * 1024)));
    }
    play.server("result", &result());
    let finished = play.finished();
    assert_eq!(turn_end(&finished[0].1).text.len(), 8 * 1024 * 1024);
}
