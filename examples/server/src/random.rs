//! Names and secrets that nobody can guess.

use base64ct::{Base64UrlUnpadded, Encoding};
use http::StatusCode;

use crate::http::reply::{self, Refused};

/// Random bytes.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N], Refused> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| {
        tracing::error!(%error, "the system gives no random numbers");
        reply::error(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR", "internal error")
    })?;
    Ok(bytes)
}

/// A random UUID.
pub(crate) fn id() -> Result<String, Refused> {
    let mut bytes = bytes::<16>()?;
    let [.., version, _, variant, _, _, _, _, _, _, _] = &mut bytes;
    *version = *version & 0x0f | 0x40;
    *variant = *variant & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    let part = |range| hex.get::<std::ops::Range<usize>>(range).unwrap_or_default();
    Ok([part(0..8), part(8..12), part(12..16), part(16..20), part(20..32)].join("-"))
}

/// 256 bits, safe in URLs.
pub(crate) fn secret() -> Result<String, Refused> {
    Ok(Base64UrlUnpadded::encode_string(&bytes::<32>()?))
}

#[cfg(test)]
mod tests {
    #[test]
    fn ids_are_uuids_of_version_4() {
        let id = super::id().unwrap();
        assert_eq!(id.len(), 36);
        assert_eq!(id.as_bytes()[14], b'4');
        assert!(b"89ab".contains(&id.as_bytes()[19]));
        assert_ne!(id, super::id().unwrap());
    }
}
