//! Instants as the protocol writes them. There is no clock here: callers pass the time in.

use ::time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// Milliseconds since the Unix epoch, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(u64);

/// The latest instant that RFC 3339 can write: 9999-12-31T23:59:59.999Z.
const MAX_MS: u64 = 253_402_300_799_999;

impl Timestamp {
    /// The epoch.
    pub const ZERO: Self = Self(0);

    /// The latest instant there is, at the end of the year 9999.
    pub const MAX: Self = Self(MAX_MS);

    /// From milliseconds since the epoch; values beyond the year 9999 saturate.
    pub const fn from_millis(ms: u64) -> Self {
        Self(if ms > MAX_MS { MAX_MS } else { ms })
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// `self + ms`, saturating.
    pub const fn plus_millis(self, ms: u64) -> Self {
        Self::from_millis(self.0.saturating_add(ms))
    }

    /// `self - ms`, not below the epoch.
    pub const fn minus_millis(self, ms: u64) -> Self {
        Self(self.0.saturating_sub(ms))
    }

    /// Milliseconds from `earlier` to `self`, zero if `earlier` is later.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Parses any RFC 3339 string with an offset; digits below the millisecond are cut.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let parsed = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        u64::try_from(parsed.unix_timestamp_nanos() / 1_000_000).ok().map(Self::from_millis)
    }

    /// `YYYY-MM-DDTHH:MM:SS.mmmZ`, always three digits of fraction.
    pub fn to_rfc3339_millis(self) -> String {
        let mut text = self.date_time();
        text.push('Z');
        text
    }

    /// `YYYY-MM-DDTHH:MM:SS.mmm+00:00`: the form that both verifiers of the deployed 0.2 servers accept,
    /// provided that the millisecond is not zero (they re-render the instant before they verify).
    pub fn to_rfc3339_signing(self) -> String {
        let mut text = self.date_time();
        text.push_str("+00:00");
        text
    }

    fn date_time(self) -> String {
        let seconds = i64::try_from(self.0 / 1000).unwrap_or(0);
        let t = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}",
            t.year(),
            u8::from(t.month()),
            t.day(),
            t.hour(),
            t.minute(),
            t.second(),
            self.0 % 1000
        )
    }
}

/// Milliseconds in a second.
pub const SECOND: u64 = 1000;
/// Milliseconds in a minute.
pub const MINUTE: u64 = 60 * SECOND;
/// Milliseconds in an hour.
pub const HOUR: u64 = 60 * MINUTE;
/// Milliseconds in a day.
pub const DAY: u64 = 24 * HOUR;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_and_reads_both_forms() {
        let t = Timestamp::from_millis(1_770_206_400_123);
        assert_eq!(t.to_rfc3339_millis(), "2026-02-04T12:00:00.123Z");
        assert_eq!(t.to_rfc3339_signing(), "2026-02-04T12:00:00.123+00:00");
        assert_eq!(Timestamp::parse_rfc3339(&t.to_rfc3339_signing()), Some(t));
        assert_eq!(Timestamp::parse_rfc3339("2026-02-04T14:00:00.123456789+02:00"), Some(t));
        assert_eq!(Timestamp::parse_rfc3339("2026-02-04T12:00:00"), None);
    }

    #[test]
    fn never_overflows() {
        let end = Timestamp::from_millis(u64::MAX);
        assert_eq!(end.to_rfc3339_millis(), "9999-12-31T23:59:59.999Z");
        assert_eq!(end.plus_millis(1), end);
        assert_eq!(Timestamp::ZERO.minus_millis(1), Timestamp::ZERO);
    }
}
