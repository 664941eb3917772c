//! Parts that their sender never made.

use super::*;
use crate::limits::MAX_JSON_DEPTH;

#[test]
fn contradictions_end_the_payload_and_nothing_of_it_is_handed_on() {
    type Forgery = fn(&mut Plaintext);
    let forgeries: [(&str, Forgery); 7] = [
        ("another count", |p| p.part.as_mut().unwrap().count = 4),
        ("another hash", |p| p.part.as_mut().unwrap().sha256 = [1; 32]),
        ("another type", |p| p.kind = MessageType::Request),
        ("text among bytes", |p| p.payload = Payload::Json("1".into())),
        ("no payload", |p| p.payload = Payload::None),
        ("an empty piece", |p| p.payload = Payload::Bytes(Vec::new())),
        ("a number out of order", |p| p.seq += 5),
    ];
    for (what, forgery) in forgeries {
        let mut mesh = acquainted(107);
        let before = mesh.handled(1).len();
        let whole = bytes(3000, 9);
        let group = id(&mesh, 500);
        let first = part_of(&mesh, &whole, group, 0, 3);
        forge(&mut mesh, 0, 1, &first);
        let mut second = part_of(&mesh, &whole, group, 1, 3);
        forgery(&mut second);
        forge(&mut mesh, 0, 1, &second);
        let third = part_of(&mesh, &whole, group, 2, 3);
        forge(&mut mesh, 0, 1, &third);
        assert_eq!(mesh.handled(1).len(), before, "{what}");
        assert_eq!(stored(&mesh, 1, RecordKind::Chunk), 0, "{what}");
        let reason = ReceiptStage::Damaged;
        let refused = Event::PartsRefused { from: mesh.amid(0), id: group, reason };
        assert!(mesh.nodes[1].events.contains(&refused), "{what}");
    }
}

#[test]
fn whole_that_is_not_what_its_hash_says_is_not_handed_on() {
    let mut mesh = acquainted(108);
    let before = mesh.handled(1).len();
    let whole = bytes(3000, 9);
    let group = id(&mesh, 500);
    for index in 0..3 {
        let mut part = part_of(&mesh, &whole, group, index, 3);
        if let Payload::Bytes(bytes) = &mut part.payload {
            bytes[0] ^= u8::from(index == 1);
        }
        forge(&mut mesh, 0, 1, &part);
    }
    assert_eq!(mesh.handled(1).len(), before);
    assert_eq!(stored(&mesh, 1, RecordKind::Chunk), 0);
    // An index that came before counts once, whatever it holds the second time.
    let group = id(&mesh, 501);
    for index in [0, 0, 1, 1, 2, 2] {
        let mut part = part_of(&mesh, &whole, group, index, 3);
        part.id = MessageId::new_v7(mesh.now, &mut seeded_rng(mesh.wiretap.len() as u64));
        forge(&mut mesh, 0, 1, &part);
    }
    assert_eq!(mesh.handled(1).iter().filter(|id| **id == group).count(), 1);
}

#[test]
fn contradiction_ends_a_payload_that_nobody_has_looked_at_and_no_other_one() {
    let mut mesh = acquainted(115);
    let whole = bytes(1000, 9);
    let (contradicted, other) = (id(&mesh, 500), id(&mesh, 501));
    let mut later = part_of(&mesh, &whole, contradicted, 1, 2);
    later.part.as_mut().unwrap().count = 3;
    later.part.as_mut().unwrap().index = 2;
    let first = |group| [0, 1].map(|index| (group, index));
    let parts: Vec<_> = first(contradicted)
        .into_iter()
        .chain(first(other))
        .map(|(group, index)| part_of(&mesh, &whole, group, index, 2))
        .chain([later])
        .collect();
    for part in parts {
        let inbound = forged(&mut mesh, 0, 1, &part);
        outcome_of(&mut mesh, 1, Input::Frame(inbound));
    }
    mesh.feed(1, Input::Parts).unwrap();
    mesh.run();
    let handled = mesh.handled(1);
    assert!(handled.contains(&other) && !handled.contains(&contradicted));
    assert_eq!(stored(&mesh, 1, RecordKind::Chunk), 0);
}

#[test]
fn short_message_under_the_id_of_an_unfinished_one_ends_that() {
    let mut mesh = acquainted(116);
    let part = part_of(&mesh, &bytes(1000, 9), id(&mesh, 500), 0, 2);
    forge(&mut mesh, 0, 1, &part);
    let mut short = Plaintext::new(id(&mesh, 500), MessageType::Message, 1, mesh.now);
    short.payload = Payload::Json("1".into());
    forge(&mut mesh, 0, 1, &short);
    assert_eq!(texts(&mesh, 1).last().unwrap(), "1");
    // Nobody would hand it on any more.
    assert_eq!(stored(&mesh, 1, RecordKind::Assembly), 0);
    assert_eq!(stored(&mesh, 1, RecordKind::Chunk), 0);
    assert_eq!(mesh.nodes[1].engine.parts.received_bytes(), 0);
}

#[test]
fn text_that_is_json_as_a_whole_is_handed_on_and_no_other() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    let cut_short = "{\"a\": [1, 2".to_owned();
    for (text, is_json) in [
        ("{\"a\": [1, 2]}".to_owned(), true),
        (nested(MAX_JSON_DEPTH), true),
        (nested(MAX_JSON_DEPTH + 1), false),
        (cut_short, false),
    ] {
        let mut mesh = acquainted(128);
        let group = id(&mesh, 500);
        for index in [0, 1] {
            let mut part = part_of(&mesh, text.as_bytes(), group, index, 2);
            if let Payload::Bytes(piece) = part.payload {
                part.payload = Payload::Json(String::from_utf8(piece).unwrap());
            }
            forge(&mut mesh, 0, 1, &part);
        }
        assert_eq!(mesh.handled(1).contains(&group), is_json, "{text}");
        assert_eq!(refusals(&mesh, 1, ReceiptStage::Damaged), usize::from(!is_json), "{text}");
    }
}
