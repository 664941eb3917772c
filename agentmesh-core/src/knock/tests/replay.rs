use proptest::prelude::*;

use super::*;
use crate::{
    codec::{CodecError, Reader},
    limits::{CLOCK_SKEW, KNOCK_MAX_AGE, REPLAY_NONCES},
    time::{HOUR, MINUTE},
};

fn nonce(n: usize) -> [u8; 16] {
    (n as u128).to_be_bytes()
}

fn record(memory: &ReplayMemory) -> Vec<u8> {
    let mut out = Vec::new();
    memory.to_record(&mut out);
    out
}

fn reload(memory: &ReplayMemory) -> ReplayMemory {
    let bytes = record(memory);
    let mut input = Reader::new(&bytes);
    let read = ReplayMemory::from_record(&mut input).unwrap();
    input.finish("replay memory").unwrap();
    read
}

#[test]
fn a_knock_counts_once_until_it_is_too_old() {
    let mut memory = ReplayMemory::default();
    let knock = verified(&knock());
    assert_eq!(memory.admit(&knock, NOW), Ok(()));
    for later in [0, 1, HOUR, KNOCK_MAX_AGE] {
        let mut memory = reload(&memory);
        assert_eq!(memory.admit(&knock, NOW.plus_millis(later)), Err(KnockError::Replayed));
    }
}

#[test]
fn full_memory_refuses_and_forgets_nothing_that_could_come_again() {
    let mut memory = ReplayMemory::default();
    for n in 0..REPLAY_NONCES {
        let time = NOW.plus_millis(n as u64);
        assert_eq!(memory.admit_nonce(nonce(n), time, KNOCK_MAX_AGE, time), Ok(()));
    }
    let end = NOW.plus_millis(KNOCK_MAX_AGE);
    let admit = |memory: &mut ReplayMemory, time, now| {
        memory.admit_nonce(nonce(99_999), time, KNOCK_MAX_AGE, now)
    };
    assert_eq!(admit(&mut memory, end, end), Err(KnockError::TooMany));
    assert!(memory.contains(&nonce(0)));
    assert_eq!(memory.len(), REPLAY_NONCES);
    let after = end.plus_millis(1);
    assert_eq!(admit(&mut memory, after, after), Ok(()));
    assert!(!memory.contains(&nonce(0)) && memory.contains(&nonce(1)));
}

#[test]
fn a_clock_that_is_set_back_brings_nothing_back() {
    let mut memory = ReplayMemory::default();
    assert_eq!(memory.admit_nonce(nonce(1), NOW, KNOCK_MAX_AGE, NOW), Ok(()));
    let later = NOW.plus_millis(2 * KNOCK_MAX_AGE);
    assert_eq!(memory.admit_nonce(nonce(2), later, KNOCK_MAX_AGE, later), Ok(()));
    assert!(!memory.contains(&nonce(1)));
    let mut memory = reload(&memory);
    assert_eq!(memory.admit_nonce(nonce(1), NOW, KNOCK_MAX_AGE, NOW), Err(KnockError::Expired));
    let newer = NOW.plus_millis(1);
    assert_eq!(memory.admit_nonce(nonce(3), newer, KNOCK_MAX_AGE, newer), Ok(()));
}

#[test]
fn what_is_old_on_arrival_is_remembered_for_five_minutes() {
    let mut memory = ReplayMemory::default();
    let old = NOW.minus_millis(5 * MINUTE);
    assert_eq!(memory.admit_nonce(nonce(1), old, 5 * MINUTE, NOW), Ok(()));
    let again = memory.admit_nonce(nonce(1), old, 5 * MINUTE, NOW.plus_millis(CLOCK_SKEW));
    assert_eq!(again, Err(KnockError::Replayed));
}

#[test]
fn record_is_fixed_and_strict() {
    let mut memory = ReplayMemory::default();
    memory.admit_nonce([0xaa; 16], Timestamp::from_millis(1), 2, NOW).unwrap();
    let text: String = record(&memory).iter().map(|b| format!("{b:02x}")).collect();
    let until = format!("{:016x}", NOW.plus_millis(CLOCK_SKEW).as_millis());
    assert_eq!(text, format!("01000000000000000000000001{}{until}", "aa".repeat(16)));

    let read = |bytes: &[u8]| ReplayMemory::from_record(&mut Reader::new(bytes));
    assert_eq!(read(&[2]), Err(CodecError::UnknownVersion { what: "replay memory", version: 2 }));
    let many = [&[1][..], &[0; 8], &(REPLAY_NONCES as u32 + 1).to_be_bytes()].concat();
    assert!(matches!(read(&many), Err(CodecError::TooLong { .. })));
    for cut in 0..record(&memory).len() {
        assert!(read(&record(&memory)[..cut]).is_err(), "{cut}");
    }
}

proptest! {
    /// Against a model that forgets nothing: whatever is in its window is admitted once.
    #[test]
    fn admits_each_nonce_once_in_its_window(
        steps in proptest::collection::vec((0..30usize, -5 * 60_000..=200_000i64, 0..90_000u64), 1..120),
    ) {
        let max_age = 5 * MINUTE;
        let (mut memory, mut admitted) = (ReplayMemory::default(), std::collections::BTreeSet::new());
        let mut now = NOW;
        for (n, offset, pause) in steps {
            now = now.plus_millis(pause);
            let time = if offset < 0 { now.minus_millis(offset.unsigned_abs()) } else { now.plus_millis(offset.unsigned_abs()) };
            // The same nonce always carries the same time, as in a message that is replayed.
            let (nonce, time) = match admitted.iter().find(|(seen, _)| *seen == nonce(n)) {
                Some((nonce, time)) => (*nonce, *time),
                None => (nonce(n), time),
            };
            if now.since(time) > max_age {
                continue;
            }
            memory = reload(&memory);
            let fresh = admitted.insert((nonce, time));
            let result = memory.admit_nonce(nonce, time, max_age, now);
            prop_assert_eq!(result, if fresh { Ok(()) } else { Err(KnockError::Replayed) });
        }
    }

    #[test]
    fn reading_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        let _ = ReplayMemory::from_record(&mut Reader::new(&bytes));
    }
}
