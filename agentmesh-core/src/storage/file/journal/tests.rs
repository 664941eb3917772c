use super::*;

fn id(n: u8) -> RecordId {
    RecordId { kind: RecordKind::Session, key: [n; 16] }
}

fn batch(n: u8, expected: u64, value: Option<&[u8]>) -> Changes {
    let mut changes = Changes::new();
    match value {
        Some(value) => changes.put(id(n), expected, value.to_vec()),
        None => changes.delete(id(n), expected),
    }
    changes
}

fn catalogue() -> Catalogue {
    [(id(1), Known { version: 4, len: 3 }), (id(2), Known { version: 1, len: 0 })].into()
}

/// A journal with a catalogue and these batches as one entry each.
fn journal(batches: &[Changes]) -> Vec<u8> {
    let mut bytes = encode_header(7, &catalogue());
    for (number, batch) in (0..).zip(batches) {
        bytes.extend(encode_entry(7, number, core::iter::once(batch)));
    }
    bytes
}

fn three() -> [Changes; 3] {
    [batch(1, 4, Some(b"five")), batch(3, 0, Some(b"new")), batch(2, 1, None)]
}

#[test]
fn entries_change_the_catalogue_in_order() {
    let mut bytes = journal(&three());
    let end = bytes.len();
    bytes.extend([0; 1000]);
    let read = parse(&bytes).unwrap();
    let expected = Journal {
        generation: 7,
        catalogue: [(id(1), Known { version: 5, len: 4 }), (id(3), Known { version: 1, len: 3 })]
            .into(),
        unsaved: [(id(1), Some(b"five".to_vec())), (id(2), None), (id(3), Some(b"new".to_vec()))]
            .into(),
        next: 3,
        end,
    };
    assert_eq!(read, expected);
}

#[test]
fn an_entry_cut_anywhere_is_dropped_and_those_before_it_stay() {
    let whole = journal(&three());
    let before = journal(&three()[..2]).len();
    for len in before..whole.len() {
        for zeros in [0, 300] {
            let mut bytes = whole[..len].to_vec();
            bytes.resize(len + zeros, 0);
            let read = parse(&bytes).unwrap();
            assert_eq!((read.next, read.end), (2, before), "cut to {len}");
            assert_eq!(read.catalogue.len(), 3);
        }
    }
}

#[test]
fn damage_before_the_last_entry_is_an_error_at_every_byte() {
    let whole = journal(&three());
    let last = journal(&three()[..2]).len();
    for at in 0..last {
        for bit in 0..8 {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << bit;
            assert!(parse(&bytes).is_err(), "byte {at} bit {bit}");
        }
    }
    for at in last..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        let read = parse(&bytes).unwrap();
        assert_eq!((read.next, read.end), (2, last), "byte {at}");
    }
}

#[test]
fn entries_of_an_earlier_journal_do_not_count() {
    let mut bytes = encode_header(8, &catalogue());
    let end = bytes.len();
    bytes.extend(encode_entry(7, 0, [&three()[0]].into_iter()));
    bytes.extend(encode_entry(7, 1, [&three()[1]].into_iter()));
    let read = parse(&bytes).unwrap();
    assert_eq!((read.next, read.end), (0, end));
}

#[test]
fn empty_foreign_and_cut_journals_are_told_apart() {
    let whole = encode_header(7, &catalogue());
    assert_eq!(parse(&[]), Err(JournalFault::Empty));
    for len in 1..whole.len() {
        assert!(matches!(parse(&whole[..len]), Err(JournalFault::Damaged(_))), "{len}");
    }
    let mut foreign = whole;
    foreign[11] = 2;
    assert_eq!(parse(&foreign), Err(JournalFault::Foreign(2)));
}

/// Pins the format: a change here makes every store in the field unreadable.
#[test]
fn stored_format_known_answer() {
    let hex: String =
        journal(&[batch(2, 1, Some(b"x"))]).iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(
        hex,
        "414d73746f72650000000001000000000000000700000000000000020401010101010101010101010101010101000000000000000400000000000000030402020202020202020202020202020202000000000000000100000000000000008222f6a89833a5ac8d80ecd66fe5a068414d656e00000000000000000000000000000023a34438eafb28bbe80000000104020202020202020202020202020202020000000000000002010000000178f35527a276b57c936bb2e1ce602e8636"
    );
}

proptest::proptest! {
    #[test]
    fn never_panics(bytes: Vec<u8>, at in 0usize..400, byte: u8) {
        let _ = parse(&bytes);
        let mut whole = journal(&three());
        if let Some(old) = whole.get_mut(at) {
            *old = byte;
        }
        let _ = parse(&whole);
        let _ = parse(&[&whole[..], &bytes].concat());
    }
}
