use super::*;

#[test]
fn text_is_cut_between_characters_and_parts_are_of_one_size_but_for_that() {
    // However the characters lie to the ends of parts.
    for ahead in 0..4 {
        for character in ["a", "ä", "€", "𝄞"] {
            let text = "x".repeat(ahead) + &character.repeat(100_000);
            let (pieces, empty) = cut(Payload::Json(text.clone()));
            assert_eq!(empty, Payload::Json(String::new()));
            let (_, all_but_last) = pieces.split_last().unwrap();
            let sizes = limits::PART_SIZE - 3..=limits::PART_SIZE;
            assert!(all_but_last.iter().all(|piece| sizes.contains(&piece.len())));
            let texts: Vec<_> = pieces.iter().map(|p| core::str::from_utf8(p).unwrap()).collect();
            assert_eq!(texts.concat(), text);
        }
    }
}

#[test]
fn bytes_are_cut_into_parts_of_one_size_and_a_last_one() {
    for (len, last) in [(1, 1), (limits::PART_SIZE, limits::PART_SIZE), (limits::PART_SIZE + 1, 1)]
    {
        let (pieces, empty) = cut(Payload::Bytes(vec![1; len]));
        assert_eq!(empty, Payload::Bytes(Vec::new()));
        let sizes: Vec<_> = pieces.iter().map(Vec::len).collect();
        let (end, others) = sizes.split_last().unwrap();
        assert_eq!((*end, others.iter().sum::<usize>()), (last, len - last));
    }
}

#[test]
fn largest_payload_has_few_enough_parts() {
    let most = limits::MAX_LARGE_PAYLOAD.div_ceil(limits::PART_SIZE - 3);
    assert!(most <= limits::MAX_PARTS as usize);
}
