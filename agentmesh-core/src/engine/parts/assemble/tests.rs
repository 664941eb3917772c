use super::*;

#[test]
fn least_that_a_whole_can_have_is_told_by_any_of_its_parts() {
    let text = |n: usize| Payload::Json("x".repeat(n));
    let bytes = |n: usize| Payload::Bytes(vec![0; n]);
    for (index, count, payload, expected) in [
        // The last one has something, and those between are as long.
        (0, 2, bytes(1000), 1001),
        (0, 5, bytes(1000), 4001),
        (3, 5, bytes(1000), 4001),
        // Text may have been cut up to three bytes earlier.
        (0, 5, text(1000), 1000 + 3 * 997 + 1),
        // The last says nothing of the others.
        (4, 5, bytes(1000), 1000),
        (1, 2, text(7), 7),
    ] {
        let part = Part { group: [1; 16], index, count, sha256: [0; 32] };
        assert_eq!(least(&part, &payload), expected, "{index} of {count}");
    }
}
