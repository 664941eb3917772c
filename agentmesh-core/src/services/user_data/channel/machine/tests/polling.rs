//! A WebSocket that does not come about, and what follows.

use super::*;

const FALLEN_BACK: [Action; 2] = [Action::Drop, Action::Open(Transport::Polling)];

fn refused(status: u16) -> Input {
    let text = String::new();
    Input::OpenFailed(DialFailure::Refused { status, text, retry_after: None })
}

/// Everything by which a WebSocket fails to come about.
fn failures() -> Vec<fn(&mut Play)> {
    vec![
        |play| play.tell(refused(403)),
        |play| play.tell(refused(426)),
        |play| play.tell(refused(502)),
        |play| play.tell(Input::OpenFailed(DialFailure::Interrupted("reset".into()))),
        |play| play.pass(seconds(10)),
        |play| {
            play.tell(Input::Opened);
            play.pass(seconds(10));
        },
        |play| {
            play.tell(Input::Opened);
            play.gone();
        },
    ]
}

#[test]
fn without_a_websocket_polling_is_tried_at_once_and_kept() {
    for fail in failures() {
        let mut play = Play::new();
        fail(&mut play);
        assert_eq!(play.actions(), FALLEN_BACK);
        assert_eq!(play.join(), ["40", r#"42["get_history"]"#]);
        play.server("history", &json!({"messages": []}));
        play.gone();
        play.actions();
        // The way that was found is the first from now on.
        play.pass(seconds(8));
        assert_eq!(play.actions(), [Action::Open(Transport::Polling)]);
        play.join();
        assert!(play.machine.backoff.attempts() == 1);
    }
}

#[test]
fn what_fails_both_ways_is_told_once_and_begins_with_a_websocket_again() {
    for fail in failures() {
        let mut play = Play::new();
        fail(&mut play);
        play.actions();
        play.pass(seconds(10));
        let actions = play.actions();
        assert_eq!(actions.first(), Some(&Action::Drop));
        let told = |a: &&Action| matches!(a, Action::Event(Event::Disconnected { .. }));
        assert_eq!(actions.iter().filter(told).count(), 1, "{actions:?}");
        assert_eq!(play.machine.backoff.attempts(), 1);
        play.pass(seconds(2));
        assert_eq!(play.actions(), [Action::Open(Transport::WebSocket)]);
    }
    // Polling worked before and does not any more.
    let mut play = Play::new();
    play.tell(refused(403));
    play.join();
    play.gone();
    play.pass(seconds(8));
    play.actions();
    play.tell(Input::OpenFailed(DialFailure::Interrupted("reset".into())));
    play.actions();
    play.pass(seconds(8));
    assert_eq!(play.actions(), [Action::Open(Transport::WebSocket)]);
}

#[test]
fn refusals_over_both_are_final() {
    let mut play = Play::new();
    play.tell(refused(403));
    play.actions();
    play.tell(refused(403));
    let events = play.events();
    let [Event::Closed { error: UserDataError::Refused { message } }] = events.as_slice() else {
        panic!("{events:?}")
    };
    assert!(message.contains("403"), "{message}");
    assert_eq!(play.machine.next_wake(), None);
}

#[test]
fn websocket_over_which_the_server_spoke_is_not_replaced() {
    let mut play = Play::new();
    play.tell(Input::Opened);
    play.frame(OPEN);
    play.gone();
    assert!(!play.actions().contains(&Action::Open(Transport::Polling)));
    // Nor is a host that is not there asked twice.
    let mut play = Play::new();
    play.tell(Input::OpenFailed(DialFailure::Network("refused".into())));
    assert!(!play.actions().contains(&Action::Open(Transport::Polling)));
}
