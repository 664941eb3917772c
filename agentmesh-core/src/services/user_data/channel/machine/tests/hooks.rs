//! Hooks: exactly one answer each, in time, whoever gives it.

use super::*;

fn tool(name: &str) -> Value {
    json!({"event": "PreToolUse", "data": {"tool_name": name}})
}

fn asking() -> HookPolicy {
    HookPolicy::allow_tools(["Read"]).ask(|_| async { None })
}

fn joined_with(hooks: HookPolicy) -> Play {
    let mut play = Play::with(Terms { hooks, ..terms() });
    play.join();
    play
}

const DENIED: &str = r#"{"action":"deny","reason":"the client has not allowed this tool"}"#;

#[test]
fn policy_answers_at_once_and_only_once() {
    let mut play = joined_with(HookPolicy::default());
    play.asks(0, &tool("Bash"));
    play.asks(0, &tool("Bash"));
    play.asks(1, &json!({"event": "Stop", "data": {}}));
    let denied = format!("430[{DENIED}]");
    assert_eq!(play.sent(), [denied.as_str(), r#"431[{"action":"continue"}]"#]);
    play.asks(2, &json!({"event": "Notification"}));
    let events = play.events();
    let [Event::HookAnswered { request, answer, too_late: false }] = events.as_slice() else {
        panic!("{events:?}")
    };
    assert_eq!((request.event.as_str(), answer), ("Notification", &HookAnswer::proceed()));
}

#[test]
fn somebody_who_is_asked_decides_and_may_leave_it_to_the_policy() {
    let mut play = joined_with(asking());
    play.asks(7, &tool("Bash"));
    play.asks(8, &tool("Read"));
    play.asks(9, &json!({"event": "Stop", "data": {}}));
    let asked: Vec<_> = play
        .actions()
        .into_iter()
        .filter_map(|action| match action {
            Action::Ask(ack, request) => Some((ack, request.event)),
            _ => None,
        })
        .collect();
    assert_eq!(asked.len(), 3);
    play.tell(Input::Decided(7, Some(HookAnswer::approve())));
    play.tell(Input::Decided(7, Some(HookAnswer::deny("late"))));
    play.tell(Input::Decided(8, None));
    play.tell(Input::Decided(9, Some(HookAnswer::deny("stay"))));
    assert_eq!(
        play.sent(),
        [
            r#"437[{"action":"approve"}]"#,
            r#"438[{"action":"continue"}]"#,
            r#"439[{"action":"deny","reason":"stay"}]"#
        ]
    );
}

#[test]
fn nobody_answers_for_thirty_seconds_and_the_policy_does() {
    let mut play = joined_with(asking());
    play.asks(1, &tool("Bash"));
    play.asks(2, &json!({"event": "Stop", "data": {}}));
    play.pass(Duration::from_millis(29_999));
    assert!(play.sent().is_empty());
    play.pass(Duration::from_millis(1));
    let actions = play.actions();
    let late = actions.iter().filter(|action| {
        matches!(action, Action::Event(Event::HookAnswered { too_late: true, .. }))
    });
    assert_eq!(late.count(), 2);
    let sent: Vec<_> = actions
        .iter()
        .filter_map(|action| match action {
            Action::Send(frame) => Some(frame.text()),
            _ => None,
        })
        .collect();
    assert_eq!(sent, [format!("431[{DENIED}]").as_str(), r#"432[{"action":"continue"}]"#]);
    // Too late.
    play.tell(Input::Decided(1, Some(HookAnswer::approve())));
    assert!(play.actions().is_empty());
}

#[test]
fn too_many_at_once_are_decided_by_the_policy() {
    let mut play = joined_with(asking());
    for ack in 0..33 {
        play.asks(ack, &tool("Bash"));
    }
    assert_eq!(play.sent(), [format!("4332[{DENIED}]")]);
}

#[test]
fn answers_do_not_go_over_another_connection() {
    let mut play = joined_with(asking());
    play.asks(1, &tool("Bash"));
    play.gone();
    play.come_back();
    play.tell(Input::Decided(1, Some(HookAnswer::approve())));
    play.pass(seconds(31));
    assert!(play.sent().is_empty());
    // The numbers of the new connection begin anew.
    play.asks(1, &tool("Bash"));
    assert!(play.actions().iter().any(|action| matches!(action, Action::Ask(1, _))));
}

#[test]
fn what_cannot_be_read_is_denied_and_what_needs_no_answer_gets_none() {
    let mut play = joined_with(HookPolicy::allow_all_tools());
    play.asks(1, &json!(7));
    let sent = play.sent();
    assert!(sent[0].starts_with(r#"431[{"action":"deny""#), "{sent:?}");
    play.server("hook_request", &tool("Bash"));
    play.server("hook_notification", &json!({"event": "PostToolUse", "data": {"x": 1}}));
    play.server("hook_notification", &json!([]));
    let actions = play.actions();
    assert!(actions.iter().all(|action| !matches!(action, Action::Send(_))), "{actions:?}");
    let told =
        actions.iter().filter(|action| matches!(action, Action::Event(Event::HookNotification(_))));
    assert_eq!(told.count(), 2);
}
