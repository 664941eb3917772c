use super::*;

#[test]
fn round_trip() {
    let mut bob = owner(1);
    bob.upload(Some(Stock { one_time: 90, one_time_kem: 20 }), NOW);
    bob.maintain(NOW.plus_millis(7 * DAY));
    bob.upload(None, NOW.plus_millis(7 * DAY));
    bob.prekeys.consume(4, 5);
    let record = bob.prekeys.to_record();
    let stored = PreKeys::from_record(&record).unwrap();
    assert_eq!(stored.to_record(), record);
    assert_eq!(stored.publication(&bob.identity), bob.prekeys.publication(&bob.identity));
    assert!(stored.one_time(4).is_none() && stored.one_time_kem(5).is_none());
}

#[test]
fn damaged_ones_are_refused() {
    let bob = owner(1);
    let record = bob.prekeys.to_record();
    for cut in [0, 1, 17, 100, record.len() - 1] {
        let refused = PreKeys::from_record(&record[..cut]).unwrap_err();
        assert_eq!(refused.code(), "PREKEYS_RECORD");
    }
    let mut newer = record.to_vec();
    newer[0] = 9;
    assert!(PreKeys::from_record(&newer).is_err());
    let mut longer = record.to_vec();
    longer.push(0);
    assert!(PreKeys::from_record(&longer).is_err());
}

#[test]
fn states_that_cannot_have_been_are_refused() {
    let refused = |change: fn(&mut PreKeys)| {
        let mut bob = owner(1);
        bob.prekeys.rotate(&bob.identity, NOW, &mut bob.rng);
        change(&mut bob.prekeys);
        match PreKeys::from_record(&bob.prekeys.to_record()) {
            Err(PreKeyError::Record { source: CodecError::InvalidValue { field } }) => field,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(refused(|p| p.next_signed_id = 0), "next signed prekey id");
    assert_eq!(refused(|p| p.next_signed_id = 2), "signed prekey id");
    assert_eq!(refused(|p| p.next_kem_id = 2), "ML-KEM prekey id");
    assert_eq!(refused(|p| p.retired[0].id = 2), "signed prekey id");
    assert_eq!(refused(|p| p.retired[0].id = 0), "signed prekey id");
    assert_eq!(refused(|p| p.retired[0].kem.as_mut().unwrap().0 = 7), "ML-KEM prekey id");
    assert_eq!(refused(|p| p.retired[0].drained = true), "drained");
    assert_eq!(refused(|p| p.current.replaced_at = Some(NOW)), "replaced_at");
    assert_eq!(refused(|p| p.one_time.next_id = 100), "one-time id");
    assert_eq!(refused(|p| p.one_time.uploaded_through = 101), "uploaded through");
}

#[test]
fn debug_shows_no_secret() {
    let bob = owner(1);
    let text = format!("{:?}", bob.prekeys);
    assert!(text.contains("[redacted]"));
    let secret = bob.prekeys.current().key().secret_bytes();
    let hex: String = secret.iter().map(|b| format!("{b:02x}")).collect();
    assert!(!text.contains(&hex) && !text.contains(&format!("{secret:?}")));
}

proptest! {
    #[test]
    fn the_parser_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = PreKeys::from_record(&bytes);
    }

    #[test]
    fn what_is_read_is_what_was_written(at in 0usize..9000, byte in any::<u8>()) {
        let mut record = RECORD.clone();
        if let Some(b) = record.get_mut(at) {
            *b = byte;
        }
        if let Ok(prekeys) = PreKeys::from_record(&record) {
            prop_assert_eq!(&prekeys.to_record()[..], record);
        }
    }
}

static RECORD: LazyLock<Vec<u8>> = LazyLock::new(|| owner(1).prekeys.to_record().to_vec());
