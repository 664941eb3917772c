//! The two objects, there and back, and everything that can be wrong with them.

use super::*;

fn name(n: u8, length: u64) -> ObjectName {
    ObjectName { epoch: 3, random: [n; 16], length }
}

fn id(n: u8) -> RecordId {
    RecordId::new(RecordKind::Session, [n; 16])
}

fn head() -> Head {
    let place = Place { object: name(1, 900), offset: 5, length: 7, sum: [9; 16] };
    let mut head = Head::new([1; 16], [2; 16]).next([3; 16]).next([4; 16]);
    head.epoch = 7;
    head.lease = Some(Lease {
        instance: [5; 16],
        pid: 77,
        host: "a-host".into(),
        since: Timestamp::from_millis(1),
        until: Timestamp::from_millis(2),
    });
    head.index = Some(IndexRef { name: name(2, 1234), sum: [8; 16] });
    head.fresh.insert(id(1), Fresh::Deleted);
    head.fresh.insert(id(2), Fresh::Here { version: 5, sealed: Bytes::from_static(b"sealed") });
    head.fresh.insert(id(3), Fresh::There { version: 6, place });
    head
}

fn index() -> Index {
    let entry = |n: u8, object| Entry {
        version: u64::from(n),
        place: Place { object, offset: 0, length: u64::from(n), sum: [n; 16] },
    };
    Index([(id(1), entry(1, name(1, 10))), (id(2), entry(2, name(2, 20)))].into())
}

#[test]
fn heads_and_indexes_read_back() {
    let head = head();
    assert!(Head::parse(&head.encode().into()).unwrap() == head);
    assert_eq!(head.sequence, 3);
    assert!(head.includes(&[2; 16]) && head.includes(&[4; 16]) && !head.includes(&[5; 16]));
    assert_eq!(Index::parse(&index().encode(&[1; 16]), &[1; 16]).unwrap(), index());
    let foreign = Index::parse(&index().encode(&[1; 16]), &[2; 16]);
    assert!(matches!(foreign, Err(Fault::Damaged(_))), "{foreign:?}");
}

#[test]
fn no_byte_can_be_changed_or_cut_unnoticed() {
    let (head, index) = (head().encode(), index().encode(&[1; 16]));
    for at in 0..head.len() {
        let mut changed = head.clone();
        changed[at] ^= 1;
        assert!(Head::parse(&changed.into()).is_err(), "byte {at}");
        assert!(Head::parse(&Bytes::copy_from_slice(&head[..at])).is_err(), "cut at {at}");
    }
    for at in 0..index.len() {
        let mut changed = index.clone();
        changed[at] ^= 1;
        assert!(Index::parse(&changed, &[1; 16]).is_err(), "byte {at}");
        assert!(Index::parse(&index[..at], &[1; 16]).is_err(), "cut at {at}");
    }
}

#[test]
fn a_newer_format_is_told_from_damage() {
    let mut bytes = head().encode();
    bytes[11] = 9;
    assert_eq!(Head::parse(&bytes.into()).err(), Some(Fault::Foreign(9)));
}

#[test]
fn object_names_have_one_spelling() {
    let text = name(0xab, 0x1f).to_string();
    assert_eq!(text, format!("{:016x}-{}-{:016x}", 3, "ab".repeat(16), 0x1f));
    assert_eq!(ObjectName::parse(&text), Some(name(0xab, 0x1f)));
    for bad in ["", "x", &text[1..], &text.to_uppercase(), &format!("+{}", &text[1..])] {
        assert_eq!(ObjectName::parse(bad), None, "{bad}");
    }
}

#[test]
fn the_head_remembers_a_bounded_number_of_commits() {
    let mut head = Head::new([1; 16], [0; 16]);
    for n in 1..=100 {
        head = head.next([n; 16]);
    }
    assert!(head.includes(&[100 - REMEMBERED as u8; 16]));
    assert!(!head.includes(&[99 - REMEMBERED as u8; 16]));
}
