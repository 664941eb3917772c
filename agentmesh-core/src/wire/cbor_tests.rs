use proptest::prelude::*;

use super::*;

/// Whether `bytes` is one deterministic item.
fn check(bytes: &[u8]) -> Result<()> {
    let mut decoder = Decoder::new(bytes);
    decoder.skip()?;
    decoder.finish()
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pairs = digits.chunks(2).map(|pair| core::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

#[test]
fn accepts_deterministic_items() {
    // RFC 8949, Appendix A, and the edges of the floats.
    for good in [
        "00",
        "01",
        "0a",
        "17",
        "1818",
        "1819",
        "1864",
        "1903e8",
        "1a000f4240",
        "1b000000e8d4a51000",
        "1bffffffffffffffff",
        "20",
        "29",
        "3863",
        "3903e7",
        "3bffffffffffffffff",
        "f4",
        "f5",
        "f6",
        "40",
        "4401020304",
        "60",
        "6161",
        "6449455446",
        "62225c",
        "62c3bc",
        "63e6b0b4",
        "64f0908591",
        "80",
        "83010203",
        "8301820203820405",
        "98190102030405060708090a0b0c0d0e0f101112131415161718181819",
        "a0",
        "a201020304",
        "a26161016162820203",
        "826161a161626163",
        "c074323031332d30332d32315432303a30343a30305a",
        "d818456449455446",
        "f7",
        "e0",
        "f8ff",
        "f820",
        "f90000",
        "f98000",
        "f93c00",
        "f97bff",
        "f90001",
        "f97c00",
        "f97e00",
        "fa47c35000",
        "fa7f7fffff",
        "fa3fc00001",
        "fa33000000",
        "fa00000001",
        "fb3ff199999999999a",
        "fb7e37e43c8800759c",
        "fb3ff0000000000001",
        "fb0000000000000001",
    ] {
        assert_eq!(check(&hex(good)), Ok(()), "{good}");
    }
}

#[test]
fn refuses_everything_else_with_a_reason() {
    for (bad, reason) in [
        ("", CborError::Truncated),
        ("18", CborError::Truncated),
        ("1900", CborError::Truncated),
        ("4201", CborError::Truncated),
        ("8201", CborError::Truncated),
        ("5bffffffffffffffff", CborError::Truncated),
        ("9bffffffffffffffff00", CborError::Truncated),
        ("bbffffffffffffffff0000", CborError::Truncated),
        // Not the shortest form, of numbers and of lengths.
        ("1817", CborError::NotShortest),
        ("1900ff", CborError::NotShortest),
        ("1a0000ffff", CborError::NotShortest),
        ("1b00000000ffffffff", CborError::NotShortest),
        ("3800", CborError::NotShortest),
        ("5800", CborError::NotShortest),
        ("780161", CborError::NotShortest),
        ("9800", CborError::NotShortest),
        ("b800", CborError::NotShortest),
        // Indefinite lengths, and the break that would end them.
        ("5f4101ff", CborError::Indefinite),
        ("7f6161ff", CborError::Indefinite),
        ("9f01ff", CborError::Indefinite),
        ("bf0101ff", CborError::Indefinite),
        ("ff", CborError::Indefinite),
        // Reserved forms and text that is none.
        ("1c", CborError::Malformed),
        ("1d", CborError::Malformed),
        ("1e", CborError::Malformed),
        ("1f", CborError::Indefinite),
        ("61ff", CborError::Malformed),
        ("62c328", CborError::Malformed),
        // Maps.
        ("a202000100", CborError::UnsortedKeys),
        ("a2616100616200ff", CborError::TrailingBytes { extra: 1 }),
        ("a2616200616100", CborError::UnsortedKeys),
        ("a2616100 0100", CborError::UnsortedKeys),
        ("a201000100", CborError::DuplicateKey),
        ("a2616100616100", CborError::DuplicateKey),
        ("81a201000100", CborError::DuplicateKey),
        // Floats and simple values.
        ("f97e01", CborError::NotShortest),
        ("f9fe00", CborError::NotShortest),
        ("fa3f800000", CborError::NotShortest),
        ("fa7fc00000", CborError::NotShortest),
        ("fa7f800000", CborError::NotShortest),
        ("fa33800000", CborError::NotShortest),
        ("fa80000000", CborError::NotShortest),
        ("fb3ff0000000000000", CborError::NotShortest),
        ("fb7ff8000000000000", CborError::NotShortest),
        ("fb36a0000000000000", CborError::NotShortest),
        ("f800", CborError::Malformed),
        ("f818", CborError::Malformed),
        ("f81f", CborError::Malformed),
        ("c0", CborError::Truncated),
        ("c01817", CborError::NotShortest),
        // More than one item.
        ("0000", CborError::TrailingBytes { extra: 1 }),
    ] {
        assert_eq!(check(&hex(bad)), Err(reason), "{bad}");
    }
}

#[test]
fn depth_is_bounded() {
    let nested = |n: usize, inner: &[u8]| {
        let mut bytes = vec![0x81; n];
        bytes.extend_from_slice(inner);
        check(&bytes)
    };
    let too_deep = Err(CborError::TooDeep { limit: MAX_CBOR_DEPTH });
    assert_eq!(nested(MAX_CBOR_DEPTH - 1, &[0]), Ok(()));
    assert_eq!(nested(MAX_CBOR_DEPTH - 1, &[0xa0]), Ok(()));
    assert_eq!(nested(MAX_CBOR_DEPTH, &[0]), too_deep);
    assert_eq!(nested(MAX_CBOR_DEPTH - 1, &[0xc0, 0]), too_deep);
    assert_eq!(nested(MAX_CBOR_DEPTH - 1, &[0xa1, 0, 0]), too_deep);
    assert_eq!(nested(100_000, &[0]), too_deep);
}

/// Each float of 16 bits in its wider forms, which have a shorter one; the next to it in each has none.
#[test]
fn floats_have_one_form() {
    for bits in 0..=u16::MAX {
        let (sign, exponent, mantissa) = (bits >> 15, i32::from(bits >> 10 & 31), bits & 0x3ff);
        if exponent == 31 {
            continue;
        }
        let scale = if exponent == 0 { -24 } else { exponent - 25 };
        let significand = if exponent == 0 { mantissa } else { mantissa | 0x400 };
        let value = f32::from(significand) * 2f32.powi(scale);
        let value = if sign == 1 { -value } else { value };
        let single = [&[0xfa][..], &value.to_be_bytes()].concat();
        let double = [&[0xfb][..], &f64::from(value).to_be_bytes()].concat();
        for wider in [single, double] {
            assert_eq!(check(&wider), Err(CborError::NotShortest), "{value}");
        }
        assert_eq!(check(&[&[0xf9][..], &bits.to_be_bytes()].concat()), Ok(()));
        let next = f32::from_bits(value.to_bits() + 1);
        assert_eq!(check(&[&[0xfa][..], &next.to_be_bytes()].concat()), Ok(()), "{next}");
        let next = f64::from_bits(f64::from(value).to_bits() + 1);
        assert_eq!(check(&[&[0xfb][..], &next.to_be_bytes()].concat()), Ok(()), "{next}");
    }
}

#[test]
fn typed_reads_name_their_field() {
    let field = "x";
    let wrong = Err(CborError::WrongType { field });
    assert_eq!(Decoder::new(&[0x40]).uint(field), wrong);
    assert_eq!(Decoder::new(&[0x20]).uint(field), wrong);
    assert_eq!(
        Decoder::new(&[0x60]).bytes(9, field).map(<[u8]>::len),
        Err(CborError::WrongType { field })
    );
    assert_eq!(Decoder::new(&hex("4401020304")).bytes(4, field), Ok(&[1, 2, 3, 4][..]));
    assert_eq!(
        Decoder::new(&hex("4401020304")).bytes(3, field),
        Err(CborError::TooLong { field, limit: 3, actual: 4 })
    );
    assert_eq!(
        Decoder::new(&hex("7b7fffffffffffffff")).text(3, field),
        Err(CborError::TooLong { field, limit: 3, actual: 0x7fff_ffff_ffff_ffff })
    );
    assert_eq!(
        Decoder::new(&hex("43010203")).array_of_bytes::<4>(field),
        Err(CborError::InvalidValue { field })
    );
    assert_eq!(Decoder::new(&hex("1affffffff")).u32(field), Ok(u32::MAX));
    assert_eq!(
        Decoder::new(&hex("1b0000000100000000")).u32(field),
        Err(CborError::InvalidValue { field })
    );
    assert_eq!(Decoder::new(&[0x82]).tuple(2, field), Ok(()));
    assert_eq!(Decoder::new(&[0x81]).tuple(2, field), Err(CborError::InvalidValue { field }));
    assert_eq!(
        Decoder::new(&[0x83]).tuple(2, field),
        Err(CborError::TooLong { field, limit: 2, actual: 3 })
    );
}

#[test]
fn keys_ascend() {
    let keys = |bytes: &str| {
        let bytes = hex(bytes);
        let mut decoder = Decoder::new(&bytes);
        let mut entries = decoder.map(4, "m")?;
        let mut keys = Vec::new();
        while let Some(key) = entries.next(&mut decoder)? {
            decoder.skip()?;
            keys.push(key);
        }
        Ok(keys)
    };
    assert_eq!(keys("a3 01f6 1718ff 181800"), Ok(vec![1, 23, 24]));
    assert_eq!(keys("a2 1818f6 17f6"), Err(CborError::UnsortedKeys));
    assert_eq!(keys("a2 01f6 01f6"), Err(CborError::DuplicateKey));
    assert_eq!(keys("a4 01f6 20f6 6161f6 8101f6"), Ok(vec![1, NO_NUMBER, NO_NUMBER, NO_NUMBER]));
    assert_eq!(keys("a2 6161f6 01f6"), Err(CborError::UnsortedKeys));
    assert_eq!(keys("a2 6161f6 6161f6"), Err(CborError::DuplicateKey));
    assert_eq!(keys("a5"), Err(CborError::TooLong { field: "m", limit: 4, actual: 5 }));
    assert_eq!(keys("a2 01f6"), Err(CborError::Truncated));
}

/// An item as minicbor, which is not strict but independent, writes it.
#[derive(Debug, Clone)]
enum Item {
    Uint(u64),
    Bytes(Vec<u8>),
    Text(String),
    Array(Vec<Self>),
    Map(std::collections::BTreeMap<u64, Self>),
}

fn item() -> impl Strategy<Value = Item> {
    let leaf = prop_oneof![
        any::<u64>().prop_map(Item::Uint),
        (0..70_000u64).prop_map(Item::Uint),
        proptest::collection::vec(any::<u8>(), 0..300).prop_map(Item::Bytes),
        "\\PC{0,30}".prop_map(Item::Text),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Item::Array),
            proptest::collection::btree_map(0..40u64, inner, 0..6).prop_map(Item::Map),
        ]
    })
}

fn write(item: &Item, ours: &mut Encoder, theirs: &mut minicbor::Encoder<Vec<u8>>) {
    match item {
        Item::Uint(n) => {
            ours.uint(*n);
            theirs.u64(*n).unwrap();
        }
        Item::Bytes(bytes) => {
            ours.bytes(bytes);
            theirs.bytes(bytes).unwrap();
        }
        Item::Text(text) => {
            ours.text(text);
            theirs.str(text).unwrap();
        }
        Item::Array(items) => {
            ours.array(items.len());
            theirs.array(items.len() as u64).unwrap();
            items.iter().for_each(|item| write(item, ours, theirs));
        }
        Item::Map(entries) => {
            ours.map(entries.len());
            theirs.map(entries.len() as u64).unwrap();
            for (key, value) in entries {
                ours.uint(*key);
                theirs.u64(*key).unwrap();
                write(value, ours, theirs);
            }
        }
    }
}

proptest! {
    #[test]
    fn writes_what_minicbor_writes_and_reads_it(item in item()) {
        let (mut ours, mut theirs) = (Encoder::default(), minicbor::Encoder::new(Vec::new()));
        write(&item, &mut ours, &mut theirs);
        let bytes = ours.finish();
        prop_assert_eq!(&bytes, theirs.writer());
        prop_assert_eq!(check(&bytes), Ok(()));
    }

    #[test]
    fn no_prefix_of_an_item_is_one(item in item(), cut in any::<prop::sample::Index>()) {
        let (mut ours, mut theirs) = (Encoder::default(), minicbor::Encoder::new(Vec::new()));
        write(&item, &mut ours, &mut theirs);
        let bytes = ours.finish();
        prop_assert!(check(&bytes[..cut.index(bytes.len())]).is_err());
    }

    #[test]
    fn what_is_accepted_is_well_formed_to_minicbor_too(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        if check(&bytes).is_ok() {
            let mut decoder = minicbor::Decoder::new(&bytes);
            prop_assert!(decoder.skip().is_ok());
            prop_assert_eq!(decoder.position(), bytes.len());
        }
    }
}
