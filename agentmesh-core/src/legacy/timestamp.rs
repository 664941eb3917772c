//! Which bytes the deployed relay and registry verify a timestamp's signature over: not those of the wire, but their own
//! rendering of the instant.

use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};

/// The text under the signature, for a timestamp as it was sent: UTC, `+00:00`, and the fraction in 0, 3, 6 or 9 digits,
/// whichever is exact. `None` if it is no RFC 3339 timestamp with an offset.
///
/// ```
/// use agentmesh_core::legacy::signed_timestamp;
///
/// let signed = signed_timestamp("2026-02-04T14:00:00.120+02:00");
/// assert_eq!(signed.as_deref(), Some("2026-02-04T12:00:00.120+00:00"));
/// ```
pub fn signed_timestamp(wire: &str) -> Option<String> {
    let t = OffsetDateTime::parse(wire, &Rfc3339).ok()?.checked_to_offset(UtcOffset::UTC)?;
    let nanos = t.nanosecond();
    let fraction = match nanos {
        0 => String::new(),
        n if n % 1_000_000 == 0 => format!(".{:03}", n / 1_000_000),
        n if n % 1_000 == 0 => format!(".{:06}", n / 1_000),
        n => format!(".{n:09}"),
    };
    Some(format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{fraction}+00:00",
        t.year(),
        u8::from(t.month()),
        t.day(),
        t.hour(),
        t.minute(),
        t.second(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_timestamp_has_no_signed_form() {
        for bad in ["", "2026-02-04T12:00:00", "2026-02-04", "2026-13-04T12:00:00Z", "now"] {
            assert_eq!(signed_timestamp(bad), None, "{bad}");
        }
    }
}
