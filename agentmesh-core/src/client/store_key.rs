//! The file with the key that seals a store.
//!
//! The key is made once, together with the identity, and never replaced: a missing or damaged key beside a store
//! that is in use is an error, because a new one would make everything unreadable.

use std::{
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Read, Write},
    path::Path,
};

use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

use crate::{
    Error,
    client::agent::AgentError,
    keys::passphrase::PassphraseCost,
    rng::SystemRng,
    storage::{Record, RecordKind, Storage},
    vault::{StoreKey, passphrase},
};

const MAX_LEN: u64 = 128;
/// Records looked at at a time.
const PAGE: usize = 64;

/// Reads the key; makes one only if `create` and the store is empty. `None` if there is none and none was to be made.
pub(super) async fn load_or_create(
    path: &Path,
    storage: &dyn Storage,
    create: bool,
) -> Result<Option<StoreKey>, Error> {
    match File::open(path) {
        Ok(file) => read(path, file).map(Some),
        Err(e) if e.kind() == ErrorKind::NotFound => {
            if !is_empty(storage).await? {
                return Err(problem(
                    path,
                    "is missing, but the store is in use; restore the key file from a copy",
                ));
            }
            if !create {
                return Ok(None);
            }
            write(path).map(Some)
        }
        Err(e) => Err(problem(path, &format!("cannot be opened: {e}"))),
    }
}

/// Reads the key from an environment variable.
pub(super) fn from_variable(name: &str) -> Result<StoreKey, Error> {
    let problem = |problem: &str| -> Error {
        let problem = format!("{name} {problem}");
        AgentError::Config { setting: "store key variable", problem }.into()
    };
    let text = std::env::var(name).map_err(|_| problem("is not set"))?;
    let text = Zeroizing::new(text);
    decode(&text).ok_or_else(|| problem("must hold 32 bytes in base64"))
}

/// Unlocks the key that the store holds; makes one only if `create` and the store is empty. `None` as above.
pub(super) async fn unlock_or_create(
    passphrase: &str,
    storage: &dyn Storage,
    create: bool,
) -> Result<Option<StoreKey>, Error> {
    if passphrase::is_locked(storage).await? {
        return Ok(Some(passphrase::unlock(storage, passphrase).await?));
    }
    if !create && passphrase::is_unused(storage).await? {
        return Ok(None);
    }
    // Fails if the store is in use with a key that is kept elsewhere.
    let cost = PassphraseCost::DEFAULT;
    Ok(Some(passphrase::create(storage, passphrase, cost, &mut SystemRng).await?))
}

fn decode(text: &str) -> Option<StoreKey> {
    let mut key = Zeroizing::new([0; 32]);
    match Base64::decode(text.trim_end(), key.as_mut_slice()) {
        Ok(bytes) if bytes.len() == 32 => Some(StoreKey::from_bytes(*key)),
        _ => None,
    }
}

fn read(path: &Path, file: File) -> Result<StoreKey, Error> {
    let mut text = Zeroizing::new(String::with_capacity(64));
    file.take(MAX_LEN)
        .read_to_string(&mut text)
        .map_err(|e| problem(path, &format!("cannot be read: {e}")))?;
    decode(&text).ok_or_else(|| {
        problem(path, "is damaged: it must hold 32 bytes in base64; restore it from a copy")
    })
}

/// Writes beside and links into place, so that a crash leaves a whole key or none.
fn write(path: &Path) -> Result<StoreKey, Error> {
    let failed = |e: std::io::Error| problem(path, &format!("cannot be written: {e}"));
    let key = StoreKey::generate(&mut SystemRng);
    let mut text = Zeroizing::new(Base64::encode_string(key.as_bytes()));
    text.push('\n');
    let temporary = path.with_extension("new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&temporary).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    // A link fails if somebody else made a key meanwhile; a rename would replace theirs.
    fs::hard_link(&temporary, path).map_err(failed)?;
    fs::remove_file(&temporary).map_err(failed)?;
    if let Some(directory) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
        File::open(directory).and_then(|d| d.sync_all()).map_err(failed)?;
    }
    Ok(key)
}

async fn is_empty(storage: &dyn Storage) -> Result<bool, Error> {
    for kind in RecordKind::ALL {
        let mut after = None;
        loop {
            let page = storage.list(kind, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id.key);
            // Plain values need no key.
            let is_plain =
                |record: &Record| kind == RecordKind::Value && record.sealed.first() == Some(&0);
            if !page.iter().all(is_plain) {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

fn problem(path: &Path, problem: &str) -> Error {
    AgentError::Config {
        setting: "store key file",
        problem: format!("{} {problem}", path.display()),
    }
    .into()
}
