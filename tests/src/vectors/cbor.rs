//! CBOR items by hand, so that they can be wrong. Map entries stay in the order given.

fn head(major: u8, n: u64) -> Vec<u8> {
    let wide = n.to_be_bytes();
    let (info, width) = match n {
        0..=23 => return vec![major << 5 | wide[7]],
        24..=0xff => (24, 1),
        0x100..=0xffff => (25, 2),
        0x1_0000..=0xffff_ffff => (26, 4),
        _ => (27, 8),
    };
    [&[major << 5 | info][..], &wide[8 - width..]].concat()
}

pub(crate) fn uint(n: u64) -> Vec<u8> {
    head(0, n)
}

pub(crate) fn bytes(x: &[u8]) -> Vec<u8> {
    [head(2, x.len() as u64), x.to_vec()].concat()
}

pub(crate) fn text(x: &str) -> Vec<u8> {
    [head(3, x.len() as u64), x.into()].concat()
}

pub(crate) fn list(items: &[Vec<u8>]) -> Vec<u8> {
    [head(4, items.len() as u64), items.concat()].concat()
}

pub(crate) fn map(entries: &[(u64, Vec<u8>)]) -> Vec<u8> {
    let mut out = head(5, entries.len() as u64);
    for (key, value) in entries {
        out.extend(uint(*key));
        out.extend(value);
    }
    out
}
