//! Signals on their way out.

use super::*;

#[test]
fn nothing_is_sent_before_the_room_is_joined() {
    let mut test = Test::start();
    let first = test.send("a");
    test.open();
    let second = test.send("a");
    let codes = test.finished();
    assert_eq!(codes, [(first, "SIGNALING_NOT_JOINED"), (second, "SIGNALING_NOT_JOINED")]);
}

#[test]
fn signals_to_one_peer_stay_in_order_and_do_not_wait_for_others() {
    let mut test = Test::online();
    let [a1, a2, b1] = ["a", "a", "b"].map(|to| test.send(to));
    assert_eq!(test.posted(), [a1, b1]);
    test.answer(a1, 200);
    assert_eq!(test.posted(), [a2]);
    test.answer(b1, 200);
    test.answer(a2, 200);
    assert_eq!(test.finished(), [(a1, "ok"), (b1, "ok"), (a2, "ok")]);
}

#[test]
fn bucket_is_a_little_smaller_than_the_servers() {
    let mut test = Test::online();
    let mut sent = 0;
    for n in 0..60 {
        test.send(&format!("peer-{n}"));
        for key in test.posted() {
            sent += 1;
            test.answer(key, 200);
        }
    }
    assert_eq!(sent, 45);
    let mut at_second = Vec::new();
    for _ in 0..2 {
        let mut sent = 0;
        for _ in 0..10 {
            test.pass(100 * MS);
            let keys = test.posted();
            sent += keys.len();
            keys.into_iter().for_each(|key| test.answer(key, 200));
        }
        at_second.push(sent);
    }
    assert_eq!(at_second, [9, 6], "nine a second, until nothing waits");
}

#[test]
fn descriptions_go_before_candidates() {
    let mut test = Test::online();
    // Eight at a time are under way.
    let busy: Vec<_> = (0..8).map(|n| test.send(&format!("busy-{n}"))).collect();
    assert_eq!(test.posted(), busy);
    let candidate = test.send_kind("a", true);
    let description = test.send("b");
    test.answer(busy[0], 200);
    assert_eq!(test.posted(), [description]);
    test.answer(busy[1], 200);
    assert_eq!(test.posted(), [candidate]);
}

#[test]
fn queue_is_bounded() {
    let mut test = Test::online();
    test.end_stream();
    test.take();
    for _ in 0..256 {
        test.send("a");
    }
    assert!(test.finished().is_empty());
    let one_more = test.send("a");
    assert_eq!(test.finished(), [(one_more, "SIGNALING_QUEUE_FULL")]);
}

#[test]
fn signals_wait_while_the_stream_is_lost_but_not_for_ever() {
    let mut test = Test::online();
    test.end_stream();
    let kept = test.send("a");
    assert!(test.posted().is_empty());
    test.until_open();
    test.open();
    test.joined("me", "token");
    assert_eq!(test.posted(), [kept]);
    test.answer(kept, 200);
    test.end_stream();
    test.take();
    let given_up = test.send("a");
    let started = test.now;
    while test.now - started < 30 * SECOND {
        test.pass(SECOND);
        if test.actions.contains(&Action::Open) {
            test.actions.retain(|action| *action != Action::Open);
            test.status(503);
        }
    }
    assert_eq!(test.finished(), [(given_up, "SIGNALING_TIMEOUT")]);
}

#[test]
fn limited_rate_holds_everything_and_the_third_time_fails() {
    let mut test = Test::online();
    let (first, other) = (test.send("a"), test.send("b"));
    assert_eq!(test.posted(), [first, other]);
    test.answer(first, 429);
    test.answer(other, 200);
    let later = test.send("b");
    test.pass(SECOND - MS);
    assert!(test.posted().is_empty());
    test.pass(MS);
    assert_eq!(test.posted(), [first, later]);
    test.answer(later, 200);
    test.answer_after(first, 429, Some(5 * SECOND));
    test.pass(5 * SECOND - MS);
    assert!(test.posted().is_empty());
    test.pass(MS);
    assert_eq!(test.posted(), [first]);
    test.answer(first, 429);
    assert_eq!(test.finished().last(), Some(&(first, "SIGNALING_RATE_LIMITED")));
}

#[test]
fn case_20_and_b7_peer_that_is_gone_is_an_error_without_retry() {
    let mut test = Test::online();
    let first = test.send("a");
    let [candidate, other] = [test.send_kind("a", true), test.send_kind("b", true)];
    assert_eq!(test.posted(), [first, other]);
    test.answer(first, 404);
    let gone = "SIGNALING_PEER_GONE";
    assert_eq!(test.finished(), [(candidate, gone), (first, gone)]);
    let later = test.send_kind("a", true);
    assert_eq!(test.finished(), [(later, gone)]);
    test.pass(29 * SECOND);
    assert!(test.posted().is_empty(), "nothing is tried again");
    // The server may as well answer 200 and drop it.
    test.answer(other, 200);
    assert_eq!(test.finished(), [(other, "ok")]);
    test.roster(&["me", "a"]);
    let back = test.send_kind("a", true);
    assert_eq!(test.posted(), [back]);
}

#[test]
fn candidates_of_peers_that_left_are_dropped_and_descriptions_are_not() {
    let mut test = Test::online();
    let (description, candidate) = (test.send("a"), test.send_kind("a", true));
    assert_eq!(test.posted(), [description]);
    test.roster(&["me", "b"]);
    assert_eq!(test.finished(), [(candidate, "SIGNALING_PEER_GONE")]);
}

#[test]
fn network_failures_are_tried_twice_again() {
    for status in [500, 0] {
        let mut test = Test::online();
        let key = test.send("a");
        let fail = |test: &mut Test| match status {
            0 => test.tell(Input::Posted(key, Outcome::Network("reset".into()))),
            status => test.answer(key, status),
        };
        for pause in [250 * MS, SECOND] {
            assert_eq!(test.posted(), [key]);
            fail(&mut test);
            test.pass(pause - MS);
            assert!(test.posted().is_empty());
            test.pass(MS);
        }
        assert_eq!(test.posted(), [key]);
        fail(&mut test);
        assert_eq!(test.finished(), [(key, "SIGNALING_NOT_CONFIRMED")]);
    }
}

#[test]
fn b8_refused_token_stops_sending_and_resumes() {
    let mut test = Test::online();
    let (refused, waiting) = (test.send("a"), test.send("a"));
    test.take();
    test.answer(refused, 403);
    let actions = test.take();
    assert!(actions.contains(&Action::Drop));
    let unauthorized = SignalingError::Unauthorized { text: "no".into() };
    assert!(actions.contains(&Action::Finish(refused, Err(unauthorized))));
    test.until_open();
    test.open();
    test.joined("me", "t2");
    assert_eq!(test.posted(), [waiting], "the server took it back as who it was");
}

#[test]
fn outcome_of_who_this_client_was_before_changes_nothing() {
    let mut test = Test::online();
    let old = test.send("a");
    test.end_stream();
    test.until_open();
    test.open();
    test.joined("new", "t2");
    assert_eq!(test.finished(), [(old, "SIGNALING_IDENTITY_CHANGED")]);
    test.answer(old, 403);
    assert_eq!(test.take(), [], "the new stream stays");
}

#[test]
fn other_refusals_and_redirections_fail_the_signal_only() {
    let mut test = Test::online();
    let [a, b] = ["a", "b"].map(|to| test.send(to));
    test.take();
    test.answer(a, 413);
    let error = SignalingError::Redirected { to: "elsewhere".into() };
    test.tell(Input::Posted(b, Outcome::Fatal(error)));
    assert_eq!(test.finished(), [(a, "SIGNALING_REJECTED"), (b, "SIGNALING_REDIRECTED")]);
}

#[test]
fn closed_client_sends_nothing() {
    let mut test = Test::online();
    test.tell(Input::Leave(SECOND));
    test.take();
    let key = test.send("a");
    assert_eq!(test.finished(), [(key, "SIGNALING_CLOSED")]);
}
