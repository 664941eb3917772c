//! Keys as paths of a directory.
//!
//! Object stores in a directory take keys for paths, and follow links. Here, whatever means something to one of the file
//! systems is percent-encoded, parts that are too long for a file's name continue one directory deeper, and links are
//! refused.

use std::{
    fmt::Write,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use super::UserDataStoreError;

/// Bytes of a file's name before it continues in a directory below. File systems take 255, and need some for the
/// temporary file that becomes the real one.
const MAX_PART: usize = 200;
/// Ends a directory's name whose name continues. No encoded name ends with it.
const CONTINUED: &str = "%/";

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Disk {
    root: PathBuf,
    /// Whether `A` and `a` are the same file here, as on macOS and Windows.
    folds_case: bool,
}

impl Disk {
    /// Takes the directory, or makes it, readable for its owner only.
    pub(super) fn open(dir: &Path) -> std::io::Result<Self> {
        let mut builder = std::fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.recursive(true).create(dir)?;
        let root = std::fs::canonicalize(dir)?;
        let probe = root.join(".Case");
        std::fs::write(&probe, b"")?;
        let folds_case = root.join(".cASE").exists();
        std::fs::remove_file(&probe)?;
        Ok(Self { root, folds_case })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The path of a key, relative to the root, with `/` between its parts.
    pub(super) fn encode(&self, key: &str) -> String {
        key.split('/').map(|part| encode(part, self.folds_case)).collect::<Vec<_>>().join("/")
    }

    /// The key of a path; `None` if it is none of ours.
    pub(super) fn decode(path: &str) -> Option<String> {
        let path = path.replace(CONTINUED, "");
        let decoded: Vec<u8> = {
            let mut bytes = path.bytes();
            let mut decoded = Vec::with_capacity(path.len());
            while let Some(byte) = bytes.next() {
                if byte == b'%' {
                    let mut digit = || char::from(bytes.next()?).to_digit(16);
                    decoded.push(u8::try_from(digit()? * 16 + digit()?).ok()?);
                } else {
                    decoded.push(byte);
                }
            }
            decoded
        };
        String::from_utf8(decoded).ok()
    }

    /// Checks that nothing on the way to this path is a link, and that what should be a directory is one.
    pub(super) fn check(&self, encoded: &str) -> Result<(), UserDataStoreError> {
        let mut path = self.root.clone();
        let mut parts = encoded.trim_end_matches('/').split('/').peekable();
        while let Some(part) = parts.next() {
            path.push(part);
            let leaf = parts.peek().is_none();
            match std::fs::symlink_metadata(&path) {
                Ok(found) if found.is_symlink() => return Err(UserDataStoreError::Link { path }),
                Ok(found) if found.is_dir() || leaf => {}
                Ok(_) => return Ok(()),
                Err(error) if is_absent(&error) => return Ok(()),
                Err(error) => {
                    let message = error.to_string();
                    return Err(UserDataStoreError::Unavailable { operation: "read", message });
                }
            }
        }
        Ok(())
    }
}

/// A path through a file leads nowhere, too.
fn is_absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

fn encode(part: &str, folds_case: bool) -> String {
    let mut encoded = String::with_capacity(part.len());
    let mut length = 0;
    let mut buffer = [0; 4];
    for c in part.chars() {
        let special = c.is_ascii_control()
            || r#""%*:<>?\|#[]^`{}~"#.contains(c)
            || folds_case && (!c.is_ascii() || c.is_ascii_uppercase());
        let bytes = c.encode_utf8(&mut buffer).as_bytes();
        let needed = if special { 3 * bytes.len() } else { bytes.len() };
        if length + needed > MAX_PART {
            encoded.push_str(CONTINUED);
            length = 0;
        }
        if special {
            for byte in bytes {
                // Writing to a string cannot fail.
                let _ = write!(encoded, "%{byte:02X}");
            }
        } else {
            encoded.push(c);
        }
        length += needed;
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_system_would_interpret_is_encoded_and_the_rest_can_be_read() {
        assert_eq!(encode("debugging.md", false), "debugging.md");
        assert_eq!(encode("你好.md", false), "你好.md");
        assert_eq!(encode("a#1", false), "a%231");
        assert_eq!(encode("100%:?", false), "100%25%3A%3F");
        assert_eq!(encode("Alice", true), "%41lice");
        assert_ne!(encode("É", true).to_lowercase(), encode("é", true).to_lowercase());
    }

    #[test]
    fn every_key_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::open(dir.path()).unwrap();
        for part in ["a".repeat(200), "%".repeat(128), "€".repeat(85), "x".repeat(255)] {
            let key = format!("users/u/skills/{part}/SKILL.md");
            let path = disk.encode(&key);
            assert!(path.split('/').all(|part| part.len() <= MAX_PART + 1), "{path}");
            assert_eq!(Disk::decode(&path).as_deref(), Some(key.as_str()));
        }
        assert_eq!(Disk::decode("a%zz"), None);
        assert_eq!(Disk::decode("a%FF"), None);
    }
}
