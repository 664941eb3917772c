use super::*;
use crate::{
    Timestamp,
    identity::{Amid, Identity},
    test_utils::seeded_rng,
    vault::StoreKey,
    wire::id::MessageId,
};

const NOW: Timestamp = Timestamp::from_millis(1_770_206_400_000);

fn key(n: u8) -> AuditKey {
    AuditKey::from_store_key(&StoreKey::from_bytes([n; 32]))
}

fn identity() -> Identity {
    Identity::generate(NOW, &mut seeded_rng(900))
}

fn entry(n: u64) -> AuditEntry {
    let id = MessageId::new_v7(NOW.plus_millis(n), &mut seeded_rng(n));
    let fields = AuditFields::new().peer(Amid::from_bytes([9; 20])).with("n", n);
    let (kind, severity) = (AuditType::SessionInitiated, Severity::Info);
    AuditEntry::new(
        id,
        NOW.plus_millis(n),
        identity().amid(),
        kind,
        severity,
        "secret words",
        fields,
    )
}

/// Two files, an anchor in each.
fn log(key: Option<&AuditKey>) -> (Chain, Vec<Vec<String>>) {
    let mut rng = seeded_rng(901);
    let identity = identity();
    let mut chain = Chain::new(identity.amid(), key, &mut rng);
    let mut files = Vec::new();
    for file in 0..2 {
        let mut lines = vec![chain.begin_file(1, NOW)];
        for n in 0..3 {
            lines.push(chain.append(&entry(file * 10 + n), &mut rng));
        }
        lines.push(chain.append_anchor(&identity, NOW));
        files.push(lines);
    }
    (chain, files)
}

fn verifier(key: Option<AuditKey>) -> Verifier {
    Verifier::new(key, Some(*identity().signing_key()))
}

fn read(
    mut verifier: Verifier,
    files: &[Vec<String>],
) -> Result<(AuditReport, Vec<AuditEntry>), AuditError> {
    let mut entries = Vec::new();
    for (n, file) in files.iter().enumerate() {
        verifier.begin_file(&format!("{n}"));
        for line in file {
            entries.extend(verifier.line(line.as_bytes())?);
        }
    }
    verifier.finish().map(|report| (report, entries))
}

#[test]
fn chain_over_two_files_is_written_and_read_in_the_clear_and_encrypted() {
    for sealed in [false, true] {
        let (_, files) = log(sealed.then(|| key(1)).as_ref());
        let (report, entries) = read(verifier(sealed.then(|| key(1))), &files).unwrap();
        assert_eq!((report.files, report.lines, report.events), (2, 10, 6));
        assert_eq!((report.first, report.last), (0, 9));
        assert_eq!((report.anchors, report.anchored), (2, Some(8)));
        assert_eq!((report.encrypted, report.readable), (sealed, true));
        assert_eq!(entries, [0, 1, 2, 10, 11, 12].map(entry));
        let text: String = files.concat().concat();
        for word in
            ["secret words", "SESSION_INITIATED", "peerAmid", &identity().amid().to_string()]
        {
            assert_eq!(text.contains(word), !sealed, "{word}");
        }
    }
}

#[test]
fn log_of_a_newer_release_is_named_and_not_called_broken() {
    let (_, files) = log(None);
    let newer = files[0][0].replace("\"audit\":1", "\"audit\":2");
    let mut verifier = verifier(None);
    verifier.begin_file("0");
    assert_eq!(verifier.line(newer.as_bytes()), Err(AuditError::UnknownVersion { version: 2 }));
    let resumed = Chain::resume(identity().amid(), None, newer.as_bytes(), newer.as_bytes());
    assert!(matches!(resumed, Err(AuditError::UnknownVersion { version: 2 })));
}

#[test]
fn every_change_of_a_line_is_found() {
    for sealed in [false, true] {
        let key = || sealed.then(|| key(1));
        let (_, files) = log(key().as_ref());
        for (f, file) in files.iter().enumerate() {
            for (l, line) in file.iter().enumerate() {
                // The last line is held by nothing that comes after it.
                let last = f == 1 && l == file.len() - 1;
                for at in (0..line.len()).step_by(3) {
                    let mut bytes = line.clone().into_bytes();
                    bytes[at] ^= 1;
                    let Ok(changed) = String::from_utf8(bytes) else { continue };
                    let mut files = files.clone();
                    files[f][l] = changed;
                    let found = read(verifier(key()), &files).is_err();
                    assert!(found || last, "file {f}, line {l}, byte {at}");
                }
            }
        }
    }
}

#[test]
fn lines_taken_out_put_in_doubled_or_exchanged_are_found() {
    let (_, files) = log(None);
    let tampered = |change: &dyn Fn(&mut Vec<Vec<String>>)| {
        let mut files = files.clone();
        change(&mut files);
        read(verifier(None), &files).unwrap_err()
    };
    let at = |file: &'static str, line| move |e: &AuditError| matches!(e, AuditError::Broken { file: f, line: l, .. } if f == file && *l == line);
    assert!(at("0", 3)(&tampered(&|f| drop(f[0].remove(2)))));
    assert!(at("0", 3)(&tampered(&|f| {
        let l = f[0][1].clone();
        f[0].insert(2, l);
    })));
    assert!(at("0", 2)(&tampered(&|f| f[0].swap(1, 2))));
    assert!(at("1", 1)(&tampered(&|f| drop(f[0].pop()))));
    assert!(at("0", 1)(&tampered(&|f| drop(f[0].remove(0)))));
    assert!(at("0", 2)(&tampered(&|f| {
        let l = f[1][0].clone();
        f[0].insert(1, l);
    })));
    assert!(at("0", 3)(&tampered(&|f| f[0].insert(2, "{}".into()))));
    assert_eq!(tampered(&|f| drop(f.remove(0))), AuditError::FileMissing { number: 1 });
}

#[test]
fn encrypted_line_opens_in_its_place_only() {
    let (_, files) = log(Some(&key(1)));
    assert_eq!(read(verifier(Some(key(2))), &files).unwrap_err(), AuditError::Key);
    // Without the key the chain is checked, and nothing is read.
    let (report, entries) = read(verifier(None), &files).unwrap();
    assert!(entries.is_empty() && !report.readable && report.encrypted);
    // Rewriting the chain around a ciphertext takes no key; but then the ciphertext does not open.
    let line: serde_json::Value = serde_json::from_str(&files[0][1]).unwrap();
    for (field, value) in [
        ("timestamp", serde_json::json!("2026-02-04T12:00:01.000Z")),
        ("id", serde_json::json!(MessageId::new_v7(NOW, &mut seeded_rng(1)))),
    ] {
        let mut moved = line.clone();
        moved[field] = value;
        let files = [vec![files[0][0].clone(), moved.to_string()]];
        let error = read(verifier(Some(key(1))), &files).unwrap_err();
        assert!(matches!(error, AuditError::Broken { line: 2, .. }), "{field}: {error}");
    }
}

#[test]
fn cut_off_end_is_found_by_an_anchor_kept_elsewhere_and_only_by_it() {
    let (chain, mut files) = log(None);
    let anchor: Anchor = chain.anchor(&identity()).to_string().parse().unwrap();
    assert_eq!(anchor, chain.anchor(&identity()));
    let mut whole = verifier(None);
    whole.expect(anchor.clone()).unwrap();
    read(whole, &files).unwrap();
    files[1].truncate(2);
    read(verifier(None), &files).expect("the files alone do not show it");
    let mut cut = verifier(None);
    cut.expect(anchor.clone()).unwrap();
    assert_eq!(read(cut, &files).unwrap_err(), AuditError::AnchorNotFound { seq: 9 });
    // Another history of the same length is found as well.
    let mut rng = seeded_rng(7);
    let (_, other) = log(None);
    let mut other = other;
    let mut fork =
        Chain::resume(identity().amid(), None, other[1][0].as_bytes(), other[1][1].as_bytes())
            .unwrap();
    other[1].truncate(2);
    for n in 50..53 {
        other[1].push(fork.append(&entry(n), &mut rng));
    }
    let mut forked = verifier(None);
    forked.expect(anchor).unwrap();
    assert_eq!(read(forked, &other).unwrap_err(), AuditError::AnchorNotFound { seq: 9 });
}

#[test]
fn anchor_of_somebody_else_is_refused() {
    let (chain, _) = log(None);
    let stranger = Identity::generate(NOW, &mut seeded_rng(902));
    let forged = chain.anchor(&stranger);
    assert!(matches!(verifier(None).expect(forged), Err(AuditError::AnchorForged { seq: 9 })));
    let mut rng = seeded_rng(903);
    let mut chain = Chain::new(identity().amid(), None, &mut rng);
    let files = [vec![chain.begin_file(1, NOW), chain.append_anchor(&stranger, NOW)]];
    assert_eq!(read(verifier(None), &files).unwrap_err(), AuditError::AnchorForged { seq: 0 });
    let text = chain.anchor(&identity()).to_string();
    for bad in [
        "",
        "x",
        &text[1..],
        &text[..text.len() - 1],
        &format!("{text}:"),
        &text.replace(":1:", ":2:"),
    ] {
        match bad.parse::<Anchor>() {
            Err(error) => assert_eq!(error, AuditError::AnchorMalformed),
            Ok(anchor) => assert!(anchor.verify(identity().signing_key()).is_err()),
        }
    }
}

#[test]
fn chain_is_taken_up_where_it_ends_and_pruned_files_are_no_gap() {
    let mut rng = seeded_rng(904);
    let (_, mut files) = log(Some(&key(1)));
    let last = files[1].last().unwrap().clone();
    let mut chain =
        Chain::resume(identity().amid(), Some(&key(1)), files[1][0].as_bytes(), last.as_bytes())
            .unwrap();
    assert_eq!(chain.file(), 2);
    files.push(vec![chain.begin_file(2, NOW), chain.append(&entry(20), &mut rng)]);
    files.remove(0);
    let (report, entries) = read(verifier(Some(key(1))), &files).unwrap();
    assert_eq!((report.first, report.last, entries.len()), (5, 11, 4));
    // But one file more is missing.
    files.remove(0);
    assert_eq!(
        read(verifier(Some(key(1))), &files).unwrap_err(),
        AuditError::FileMissing { number: 2 }
    );
}

#[test]
fn long_messages_and_metadata_are_cut() {
    let id = MessageId::new_v7(NOW, &mut seeded_rng(1));
    let fields = AuditFields::new().with("blob", "x".repeat(100_000));
    let long = AuditEntry::new(
        id,
        NOW,
        identity().amid(),
        AuditType::from("DEPLOYED"),
        Severity::Error,
        "ä".repeat(5_000),
        fields,
    );
    assert_eq!(long.message.chars().count(), 1024);
    assert!(long.metadata["omittedBytes"].as_u64().unwrap() > 100_000);
    let mut rng = seeded_rng(2);
    for key in [None, Some(key(1))] {
        let mut chain = Chain::new(identity().amid(), key.as_ref(), &mut rng);
        let files = [vec![chain.begin_file(1, NOW), chain.append(&long, &mut rng)]];
        assert!(files[0][1].len() < MAX_LINE);
        assert_eq!(read(verifier(key), &files).unwrap().1, std::slice::from_ref(&long));
    }
}

#[test]
fn lines_and_events_are_written_as_documented() {
    let mut rng = seeded_rng(905);
    let mut chain = Chain::new(identity().amid(), None, &mut rng);
    let (header, line) = (chain.begin_file(1, NOW), chain.append(&entry(1), &mut rng));
    insta::assert_snapshot!(format!("{header}\n{line}"));
    let event = serde_json::to_string(&entry(1)).unwrap();
    assert!(
        event.contains(r#""type":"SESSION_INITIATED","severity":"INFO","timestamp":"2026"#),
        "{event}"
    );
}

#[test]
fn key_shows_nothing_of_itself() {
    assert_eq!(format!("{:?}", key(1)), "AuditKey([redacted])");
    let (chain, _) = log(Some(&key(1)));
    assert!(format!("{chain:?}").contains("encrypted: true"));
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_refused_and_never_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
        let mut verifier = verifier(Some(key(1)));
        verifier.begin_file("0");
        proptest::prop_assert!(verifier.line(&bytes).is_err());
    }
}
