//! Who has a store open, as far as it told.

use crate::Timestamp;
use core::fmt;

/// Who has a store open, as far as it told: a local store through its lock file, a remote one through its lease.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Holder {
    /// Its process id.
    pub pid: Option<u32>,
    /// The host it runs on; `None` for a local store, whose holder is on this machine.
    pub host: Option<String>,
    /// One opening of the store: 32 hex digits, different for each, also within a process.
    pub instance: Option<String>,
    /// Since when it has the store open.
    pub since: Option<Timestamp>,
    /// When its lease ends unless it is renewed; `None` for a local store, whose lock ends with the process.
    pub until: Option<Timestamp>,
}

impl Holder {
    /// A holder of which nothing is known.
    pub const UNKNOWN: Self =
        Self { pid: None, host: None, instance: None, since: None, until: None };
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pid, host, instance, since, until } = self;
        match pid {
            Some(pid) => write!(f, "process {pid}")?,
            None => f.write_str("another process")?,
        }
        if let Some(host) = host {
            write!(f, " on {host}")?;
        }
        if let Some(instance) = instance {
            write!(f, " (instance {instance})")?;
        }
        if let Some(since) = since {
            write!(f, " since {}", since.to_rfc3339_millis())?;
        }
        if let Some(until) = until {
            write!(f, "; its lease ends at {} unless renewed", until.to_rfc3339_millis())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_is_told_in_words() {
        assert_eq!(Holder::UNKNOWN.to_string(), "another process");
        let local = Holder {
            pid: Some(7),
            since: Some(Timestamp::from_millis(1_770_206_400_000)),
            ..Holder::UNKNOWN
        };
        assert_eq!(local.to_string(), "process 7 since 2026-02-04T12:00:00.000Z");
        let remote = Holder {
            host: Some("a".into()),
            instance: Some("0f".into()),
            until: Some(Timestamp::from_millis(1_770_206_430_000)),
            ..local
        };
        assert_eq!(
            remote.to_string(),
            "process 7 on a (instance 0f) since 2026-02-04T12:00:00.000Z; \
             its lease ends at 2026-02-04T12:00:30.000Z unless renewed"
        );
    }
}
