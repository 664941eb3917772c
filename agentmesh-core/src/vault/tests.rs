use super::*;
use crate::test_utils::seeded_rng;

const ID: RecordId = RecordId { kind: RecordKind::Session, key: [0x11; 16] };

fn vault() -> Vault {
    Vault::new(&StoreKey::from_bytes([0x22; 32]))
}

fn sealed(plaintext: &[u8]) -> Record {
    let sealed = vault().seal(ID, 3, plaintext, &mut seeded_rng(7)).unwrap();
    Record { id: ID, version: 3, sealed }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[test]
fn opens_what_it_sealed_of_any_length() {
    for len in [0, 1, 15, 16, 700, 1023, 1024, 70_000] {
        let plaintext: Vec<u8> = (0..len).map(|i| i as u8).collect();
        let record = sealed(&plaintext);
        assert_eq!(record.sealed.len(), len + SEAL_OVERHEAD);
        assert_eq!(*vault().open(&record).unwrap(), plaintext);
        let written = vault().seal_with(ID, 3, &mut seeded_rng(7), |buf| buf.put(&plaintext));
        assert_eq!(written, Ok(record.sealed));
    }
}

/// Pins the stored format: a change here makes every store in the field unreadable.
#[test]
fn stored_format_known_answers() {
    assert_eq!(
        vault().record_id(RecordKind::Session, b"logical name").to_string(),
        "session-48db22c1882c9376910e0b1413110f84"
    );
    assert_eq!(
        hex(&sealed(b"plaintext").sealed),
        "0119454a27b752f905909507d6160ddc888e2df8b773098ef3f7bcd321786b06835c9ed0ce4f7ea7ae04a6c02cf2f2ff6b73444f7bdb"
    );
}

#[test]
fn another_id_version_or_key_does_not_open() {
    let record = sealed(b"x");
    let unreadable = |record: &Record| {
        assert_eq!(vault().open(record), Err(VaultError::Unreadable { id: record.id }));
    };
    unreadable(&Record { version: 4, ..record.clone() });
    unreadable(&Record { id: RecordId { kind: RecordKind::Peer, ..ID }, ..record.clone() });
    unreadable(&Record { id: RecordId { key: [0x12; 16], ..ID }, ..record.clone() });
    let other = Vault::new(&StoreKey::generate(&mut seeded_rng(1)));
    assert_eq!(other.open(&record), Err(VaultError::Unreadable { id: ID }));
    assert_ne!(other.record_id(ID.kind, b"a"), vault().record_id(ID.kind, b"a"));
    assert_ne!(vault().record_id(RecordKind::Peer, b"a").key, vault().record_id(ID.kind, b"a").key);
}

#[test]
fn every_flipped_bit_and_every_truncation_is_an_error() {
    let record = sealed(b"some state");
    for at in 0..record.sealed.len() {
        let mut cut = record.clone();
        cut.sealed.truncate(at);
        assert!(vault().open(&cut).is_err(), "cut to {at}");
        for bit in 0..8 {
            let mut flipped = record.clone();
            flipped.sealed[at] ^= 1 << bit;
            let error = vault().open(&flipped).unwrap_err();
            if at == 0 {
                let version = flipped.sealed[0];
                assert_eq!(error, VaultError::UnknownVersion { id: ID, version });
            } else {
                assert_eq!(error, VaultError::Unreadable { id: ID });
            }
        }
    }
}

#[test]
fn no_two_seals_are_alike_and_nothing_secret_is_shown() {
    let mut rng = seeded_rng(3);
    let a = vault().seal(ID, 1, b"same", &mut rng).unwrap();
    let b = vault().seal(ID, 1, b"same", &mut rng).unwrap();
    assert_ne!(a[..PREFIX_LEN], b[..PREFIX_LEN]);
    assert_ne!(a[PREFIX_LEN..], b[PREFIX_LEN..]);
    assert_eq!(format!("{:?}", vault()), "Vault([redacted])");
    assert_eq!(format!("{:?}", StoreKey::from_bytes([1; 32])), "StoreKey([redacted])");
}
