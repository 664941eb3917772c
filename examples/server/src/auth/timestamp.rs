//! The signed timestamps of 0.2 (`docs/protocol/registry.md`).
//!
//! Deployed servers disagree: some verify the text as it was sent, some parse it, write it anew in UTC with `+00:00` and
//! the fewest of 0, 3, 6 or 9 digits that are exact, and verify that. Clients exist for either, so both are accepted.

use agentmesh_core::{
    Timestamp,
    keys::{Signature, VerifyingKey},
    limits::{AUTH_MAX_AGE, AUTH_MAX_AHEAD},
};
use base64ct::{Base64, Encoding};
use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};

use super::ProofError;

/// Longest timestamp that is looked at: 9 digits of fraction and an offset take 35 characters.
const MAX_CHARS: usize = 64;

/// Verifies `signature` over `text` or over `text` written anew, and that `text` is of now.
pub(crate) fn verify_timestamp(
    key: &VerifyingKey,
    text: &str,
    signature: &str,
    now: Timestamp,
) -> Result<Timestamp, ProofError> {
    if text.len() > MAX_CHARS {
        return Err(ProofError::MalformedTimestamp);
    }
    let parsed = OffsetDateTime::parse(text, &Rfc3339);
    let instant = parsed.map_err(|_| ProofError::MalformedTimestamp)?;
    let ms = u64::try_from(instant.unix_timestamp_nanos() / 1_000_000);
    let time = Timestamp::from_millis(ms.map_err(|_| ProofError::MalformedTimestamp)?);
    if now.since(time) > AUTH_MAX_AGE || time.since(now) > AUTH_MAX_AHEAD {
        return Err(ProofError::OutOfWindow);
    }
    let bytes = Base64::decode_vec(signature).map_err(|_| ProofError::BadSignature)?;
    let signature = Signature::from_slice(&bytes).map_err(|_| ProofError::BadSignature)?;
    let verifies = |text: &str| key.verify(text.as_bytes(), &signature).is_ok();
    if verifies(text) || rerendered(instant).is_some_and(|again| again != text && verifies(&again))
    {
        Ok(time)
    } else {
        Err(ProofError::BadSignature)
    }
}

/// As `chrono`'s `to_rfc3339` writes an instant in UTC.
fn rerendered(instant: OffsetDateTime) -> Option<String> {
    let utc = instant.checked_to_offset(UtcOffset::UTC)?;
    let nanos = utc.nanosecond();
    let fraction = match nanos {
        0 => String::new(),
        n if n.is_multiple_of(1_000_000) => format!(".{:03}", n / 1_000_000),
        n if n.is_multiple_of(1_000) => format!(".{:06}", n / 1_000),
        n => format!(".{n:09}"),
    };
    Some(format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{fraction}+00:00",
        utc.year(),
        u8::from(utc.month()),
        utc.day(),
        utc.hour(),
        utc.minute(),
        utc.second(),
    ))
}

#[cfg(test)]
mod tests {
    use agentmesh_core::{keys::SigningKey, time::MINUTE};

    use super::*;

    const NOON: &str = "2026-02-04T12:00:00Z";

    fn again(text: &str) -> String {
        rerendered(OffsetDateTime::parse(text, &Rfc3339).unwrap()).unwrap()
    }

    #[test]
    fn renders_like_the_deployed_servers() {
        for (sent, signed) in [
            (NOON, "2026-02-04T12:00:00+00:00"),
            ("2026-02-04T12:00:00.000Z", "2026-02-04T12:00:00+00:00"),
            ("2026-02-04T12:00:00.120Z", "2026-02-04T12:00:00.120+00:00"),
            ("2026-02-04T12:00:00.123000+00:00", "2026-02-04T12:00:00.123+00:00"),
            ("2026-02-04T12:00:00.123400Z", "2026-02-04T12:00:00.123400+00:00"),
            ("2026-02-04T12:00:00.000000001Z", "2026-02-04T12:00:00.000000001+00:00"),
            ("2026-02-04T14:00:00+02:00", "2026-02-04T12:00:00+00:00"),
        ] {
            assert_eq!(again(sent), signed);
        }
    }

    #[test]
    fn accepts_a_signature_over_either_form_and_no_other() {
        let key = SigningKey::from_seed([3; 32]);
        let now = Timestamp::parse_rfc3339(NOON).unwrap();
        let sign = |text: &str| Base64::encode_string(key.sign(text.as_bytes()).as_bytes());
        let verify = |text: &str, signed: &str, now| {
            verify_timestamp(key.verifying_key(), text, &sign(signed), now)
        };
        let sent = "2026-02-04T12:00:00.120Z";
        assert!(verify(sent, sent, now).is_ok());
        assert!(verify(sent, "2026-02-04T12:00:00.120+00:00", now).is_ok());
        assert_eq!(
            verify(sent, "2026-02-04T12:00:00.12+00:00", now),
            Err(ProofError::BadSignature)
        );
        assert_eq!(verify(sent, NOON, now), Err(ProofError::BadSignature));
        let without_offset = "2026-02-04T12:00:00";
        assert_eq!(
            verify(without_offset, without_offset, now),
            Err(ProofError::MalformedTimestamp)
        );
        assert_eq!(
            verify_timestamp(key.verifying_key(), sent, "AAAA", now),
            Err(ProofError::BadSignature)
        );
    }

    #[test]
    fn window_is_five_minutes_back_and_one_ahead() {
        let key = SigningKey::from_seed([3; 32]);
        let time = Timestamp::parse_rfc3339(NOON).unwrap();
        let signature = Base64::encode_string(key.sign(NOON.as_bytes()).as_bytes());
        let verify = |now| verify_timestamp(key.verifying_key(), NOON, &signature, now);
        assert_eq!(verify(time.plus_millis(5 * MINUTE)), Ok(time));
        assert_eq!(verify(time.plus_millis(5 * MINUTE + 1)), Err(ProofError::OutOfWindow));
        assert_eq!(verify(time.minus_millis(MINUTE)), Ok(time));
        assert_eq!(verify(time.minus_millis(MINUTE + 1)), Err(ProofError::OutOfWindow));
    }
}
