//! Random UUIDs of version 4: ids of queries and sessions.

use rand_core::CryptoRng;

/// A fresh id, in lower-case hex with hyphens.
pub(super) fn uuid(rng: &mut dyn CryptoRng) -> String {
    let mut bytes = [0; 16];
    rng.fill_bytes(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}

/// The first UUID in a text, such as that of a welcome.
pub(super) fn uuid_in(text: &str) -> Option<&str> {
    const LENGTH: usize = 36;
    (0..text.len().checked_sub(LENGTH)? + 1).find_map(|at| {
        let candidate = text.get(at..at + LENGTH)?;
        uuid::Uuid::try_parse(candidate).ok().map(|_| candidate)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_uuids_of_version_4_and_found_in_text() {
        let id = uuid(&mut crate::test_utils::seeded_rng(1));
        assert_eq!(id.len(), 36);
        assert_eq!(id.as_bytes()[14], b'4');
        let welcome = format!("Connected to Agent WebSocket. Session ID: {id}");
        assert_eq!(uuid_in(&welcome), Some(id.as_str()));
        assert_eq!(uuid_in("Connected to wörld — no session of any kind in here at all"), None);
        assert_eq!(uuid_in(""), None);
    }
}
