//! The policy in a file: read at the start, read again whenever it changes.
//!
//! The file is read whole every few seconds and compared; times of change are too coarse on some file systems, and
//! notifications do not come from all of them. Knows files and what [`Policy::from_json`] says of them; what follows
//! is `driver/policy.rs`.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    Error,
    client::{agent::AgentError, platform},
    keys::kdf,
    knock::Policy,
    limits::MAX_POLICY_FILE,
};

/// Between two looks at a file that seems broken: an editor may be in the middle of writing it.
const SECOND_LOOK: Duration = Duration::from_millis(250);

/// What a file said, in so far as it may have changed since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Digest([u8; 32]);

impl Digest {
    /// What no file has.
    pub(super) const NONE: Self = Self([0; 32]);

    fn of(contents: &io::Result<Vec<u8>>) -> Self {
        Self(match contents {
            Ok(bytes) => kdf::sha256(&[b"file", bytes]),
            Err(error) => kdf::sha256(&[b"error", error.kind().to_string().as_bytes()]),
        })
    }
}

/// What one look at a file brought.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) digest: Digest,
    /// `None` if it says what it said before.
    pub(super) policy: Option<Result<Policy, Error>>,
}

/// Reads the file at the start.
///
/// # Errors
/// [`AgentError::Config`] if it cannot be read, [`PolicyError`](crate::knock::PolicyError) if it is not understood.
pub(super) fn load(path: &Path) -> Result<Policy, Error> {
    parse(path, &read(path))
}

/// Looks whether the file says something else than `before`.
pub(super) async fn look(path: PathBuf, before: Digest) -> Look {
    let (digest, policy) = read_once(path.clone()).await;
    if digest == before {
        return Look { digest, policy: None };
    }
    if policy.is_ok() {
        return Look { digest, policy: Some(policy) };
    }
    platform::sleep(SECOND_LOOK).await;
    let (digest, policy) = read_once(path).await;
    Look { digest, policy: (digest != before).then_some(policy) }
}

async fn read_once(path: PathBuf) -> (Digest, Result<Policy, Error>) {
    let shown = path.clone();
    let task = platform::blocking(move || {
        let contents = read(&path);
        (Digest::of(&contents), parse(&path, &contents))
    });
    task.await.unwrap_or_else(|_| (Digest::NONE, Err(unreadable(&shown, "reading it failed"))))
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One byte more than allowed, so that a longer file is seen to be longer.
    let limit = u64::try_from(MAX_POLICY_FILE).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn parse(path: &Path, contents: &io::Result<Vec<u8>>) -> Result<Policy, Error> {
    let bytes = contents.as_ref().map_err(|error| unreadable(path, error))?;
    let text = std::str::from_utf8(bytes).map_err(|error| unreadable(path, error))?;
    Ok(Policy::from_json(text)?)
}

fn unreadable(path: &Path, problem: impl std::fmt::Display) -> Error {
    let problem = format!("{}: {problem}", path.display());
    AgentError::Config { setting: "policy file", problem }.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorInfo;

    #[tokio::test(start_paused = true)]
    async fn file_is_judged_when_it_changes_and_only_then() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("policy.json");
        let missing = look(path.clone(), Digest::NONE).await;
        assert_eq!(missing.policy.unwrap().unwrap_err().code(), "AGENT_CONFIG");
        assert_eq!(load(&path).unwrap_err().code(), "AGENT_CONFIG");
        assert!(look(path.clone(), missing.digest).await.policy.is_none(), "still missing");

        std::fs::write(&path, r#"{"minTier":"verified"}"#).unwrap();
        let good = look(path.clone(), missing.digest).await;
        assert_eq!(good.policy.unwrap().unwrap(), load(&path).unwrap());
        assert!(look(path.clone(), good.digest).await.policy.is_none());
        // Written again with the same words: nothing new.
        std::fs::write(&path, r#"{"minTier":"verified"}"#).unwrap();
        assert!(look(path.clone(), good.digest).await.policy.is_none());

        std::fs::write(&path, r#"{"minTier":"#).unwrap();
        let broken = look(path.clone(), good.digest).await;
        assert_eq!(broken.policy.unwrap().unwrap_err().code(), "POLICY_MALFORMED");
        std::fs::write(&path, vec![b' '; MAX_POLICY_FILE + 1]).unwrap();
        let long = look(path.clone(), broken.digest).await;
        assert_eq!(long.policy.unwrap().unwrap_err().code(), "POLICY_TOO_LONG");
    }

    #[tokio::test(start_paused = true)]
    async fn file_in_the_middle_of_being_written_is_looked_at_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("policy.json");
        std::fs::write(&path, "{}").unwrap();
        let before = look(path.clone(), Digest::NONE).await.digest;
        std::fs::write(&path, r#"{"minTier":"#).unwrap();
        let (look, ()) = tokio::join!(look(path.clone(), before), async {
            platform::sleep(SECOND_LOOK / 2).await;
            std::fs::write(&path, r#"{"minTier":"verified"}"#).unwrap();
        });
        assert!(look.policy.unwrap().is_ok());
    }
}
