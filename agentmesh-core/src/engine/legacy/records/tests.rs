use super::*;
use crate::{
    identity::Identity,
    legacy::LegacyPrekeys,
    test_utils::{mesh::START, seeded_rng},
};

/// A session that was last used then.
fn session(at: Timestamp) -> LegacySession {
    let rng = &mut seeded_rng(at.as_millis());
    let (own, peer) = (Identity::generate(START, rng), Identity::generate(START, rng));
    let bundle = LegacyPrekeys::generate(START, rng).bundle(&peer, START);
    LegacySession::initiate(&own, &peer.public(), &bundle, at, rng).unwrap().0
}

fn known() -> LegacyPeer {
    LegacyPeer::new(Amid::from_bytes([3; 20]))
}

fn older(known: &LegacyPeer) -> Vec<Timestamp> {
    known.older.iter().map(LegacySession::last_used).collect()
}

#[test]
fn sessions_that_were_in_use_are_kept_the_newest_first_and_not_many() {
    let mut known = known();
    let at = |n: u64| START.plus_millis(n);
    for n in 0..5 {
        known.replace_session(session(at(n)), at(n));
        assert!(!known.accepted, "it has to be accepted itself");
        // The second was never in use.
        known.accepted = n != 1;
    }
    assert_eq!(known.session.as_ref().unwrap().last_used(), at(4));
    assert_eq!(older(&known), [at(3), at(2)]);
}

#[test]
fn older_session_is_kept_while_something_may_be_under_way_in_it() {
    for (age, kept) in [
        (1, true),
        (RECEIVE_ONLY_AGE - 1, true),
        (RECEIVE_ONLY_AGE, false),
        (RECEIVE_ONLY_AGE + 1, false),
    ] {
        let mut known = known();
        known.older.push(session(START));
        let now = START.plus_millis(age);
        known.replace_session(session(now), now);
        assert_eq!(older(&known).len(), usize::from(kept), "{age}");
    }
}

#[test]
fn record_holds_the_session_in_use_and_those_before_and_no_more() {
    let mut known = known();
    (known.session, known.accepted) = (Some(session(START)), true);
    for count in 0..=OLDER + 1 {
        let mut bytes = Zeroizing::new(Vec::new());
        known.encode(&mut bytes);
        let read = LegacyPeer::decode(&bytes);
        assert_eq!(read.is_ok(), count <= OLDER, "{count} older ones");
        if let Ok(read) = read {
            let mut again = Zeroizing::new(Vec::new());
            read.encode(&mut again);
            assert_eq!((again, older(&read)), (bytes, older(&known)));
        }
        known.older.push(session(START.plus_millis(count as u64)));
    }
}
