use proptest::prelude::*;

use super::*;
use crate::{
    engine::tests::{acquainted, records, texts},
    limits,
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn arbitrary_bytes_never_panic_and_change_nothing(frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..20)) {
        let mut mesh = acquainted(60);
        let from = mesh.amid(0);
        let before = records(&mesh, 1);
        for mut frame in frames {
            if let [first, second, ..] = frame.as_mut_slice() {
                *first = 3;
                *second %= 6;
            }
            mesh.inject(1, from, None, frame);
        }
        prop_assert_eq!(records(&mesh, 1), before);
    }

    #[test]
    fn truncated_and_flipped_honest_frames_change_nothing(cut in 0usize..400, bit in 0usize..3000) {
        let mut mesh = acquainted(61);
        mesh.send(0, 1, "genuine").unwrap();
        let from = mesh.amid(0);
        let genuine = mesh.wiretap.last().unwrap().1.frame.clone();
        let truncated = genuine[..cut.min(genuine.len() - 1)].to_vec();
        mesh.inject(1, from, None, truncated);
        let mut flipped = genuine.clone();
        let at = bit % (genuine.len() * 8);
        flipped[at / 8] ^= 1 << (at % 8);
        mesh.inject(1, from, None, flipped);
        mesh.run();
        let handled = texts(&mesh, 1);
        prop_assert_eq!(handled, vec!["\"hello\"".to_owned(), "\"genuine\"".to_owned()]);
    }
}

#[test]
fn parked_frames_are_bounded() {
    let mut mesh = acquainted(62);
    let from = mesh.amid(0);
    let honest = mesh.wiretap.iter().rev().find(|(_, s)| s.frame[1] == 2).unwrap().1.frame.clone();
    for i in 0..1000u32 {
        let mut frame = honest.clone();
        frame[2..6].copy_from_slice(&i.to_be_bytes());
        mesh.inject(1, from, None, frame);
    }
    assert!(mesh.nodes[1].engine.parked_frames() <= limits::PARKED_FRAMES_PER_PEER);
}

#[test]
fn session_id_of_another_peer_opens_nothing() {
    let mut mesh = acquainted(63);
    let mallory = mesh.add(EngineConfig::default());
    mesh.send(0, 1, "for b from a").unwrap();
    let frame = mesh.wiretap.last().unwrap().1.frame.clone();
    let from = mesh.amid(mallory);
    mesh.inject(1, from, None, frame);
    assert_eq!(texts(&mesh, 1), ["\"hello\""]);
    mesh.run();
    assert_eq!(texts(&mesh, 1), ["\"hello\"", "\"for b from a\""]);
}

#[test]
fn parked_frames_that_nobody_answers_for_are_forgotten() {
    let mut mesh = acquainted(64);
    let from = mesh.amid(0);
    let mut frame =
        mesh.wiretap.iter().rev().find(|(_, s)| s.frame[1] == 2).unwrap().1.frame.clone();
    frame[2..6].copy_from_slice(&[9; 4]);
    mesh.disconnect(0);
    mesh.inject(1, from, None, frame);
    mesh.advance(limits::PARKED_AGE - 1);
    assert_eq!(mesh.nodes[1].engine.parked_frames(), 1);
    mesh.advance(1);
    assert_eq!(mesh.nodes[1].engine.parked_frames(), 0);
}
