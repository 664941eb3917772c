//! Names that become parts of keys and paths: users, sessions, skills, conversations, settings.
//!
//! Knows which texts are names; does not know what they name, nor where they are put. Clients check before they send,
//! servers check what came, and both use this.

use std::{borrow::Borrow, fmt};

use unicode_normalization::UnicodeNormalization;

use crate::error::errors;

/// Characters of a name.
const MAX_CHARS: usize = 128;
/// Bytes of a name, in UTF-8.
const MAX_BYTES: usize = 255;

/// What a name is of. It appears in messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NameKind {
    /// A user's id.
    User,
    /// A session's id.
    Session,
    /// A skill's name.
    Skill,
    /// A conversation's id.
    Conversation,
    /// A settings document's name.
    Settings,
}

impl NameKind {
    /// As messages say it: `user id`, `session id`, `skill name`, `conversation id`, `settings name`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user id",
            Self::Session => "session id",
            Self::Skill => "skill name",
            Self::Conversation => "conversation id",
            Self::Settings => "settings name",
        }
    }
}

impl fmt::Display for NameKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

errors! {
    /// Why a text is not a name.
    pub enum NameError {
        /// It is empty or too long, or holds something that a key, a path or a file system would take for something
        /// else. A name has 1 to 128 characters in at most 255 bytes: no control characters, no `/` and no `\`; no dot
        /// or space at its beginning, none at its end; and it is not the name of a Windows device.
        #[error("Invalid {kind}")]
        Invalid {
            /// What it should have been the name of.
            kind: NameKind,
        } = "USER_DATA_NAME", InvalidInput, permanent;
    }
}

/// A name that is safe as one part of a key, of a path and of a URL once percent-encoded. Normalised to NFC, so that what
/// looks the same is the same; upper and lower case stay apart.
///
/// ```
/// use agentmesh_core::services::user_data::{Name, NameKind};
///
/// assert_eq!(Name::new(NameKind::Skill, "debugging.md")?.as_str(), "debugging.md");
/// assert!(Name::new(NameKind::Skill, "../debugging.md").is_err());
/// # Ok::<(), agentmesh_core::services::user_data::NameError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

impl Name {
    /// Takes a text as it is: percent signs in it are percent signs.
    ///
    /// # Errors
    /// [`NameError::Invalid`]
    pub fn new(kind: NameKind, text: &str) -> Result<Self, NameError> {
        let invalid = || NameError::Invalid { kind };
        // Normalising can only shorten it by a factor of three: what is far longer need not be looked at.
        if text.len() > 4 * MAX_BYTES {
            return Err(invalid());
        }
        let name: String = text.nfc().collect();
        if is_name(&name) { Ok(Self(name)) } else { Err(invalid()) }
    }

    /// Takes one segment of a URL's path, and decodes it once. `%252F` is the text `%2F`.
    ///
    /// # Errors
    /// [`NameError::Invalid`], also for escapes that are malformed or no UTF-8.
    pub fn from_segment(kind: NameKind, segment: &str) -> Result<Self, NameError> {
        let decoded = decode(segment).ok_or(NameError::Invalid { kind })?;
        Self::new(kind, &decoded)
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name, as one segment of a URL's path.
    pub fn to_segment(&self) -> String {
        let mut segment = String::with_capacity(self.0.len());
        for byte in self.0.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                segment.push(char::from(byte));
            } else {
                segment.push_str(&format!("%{byte:02X}"));
            }
        }
        segment
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_name(text: &str) -> bool {
    let blank = |c: char| c.is_whitespace();
    !text.is_empty()
        && text.len() <= MAX_BYTES
        && text.chars().count() <= MAX_CHARS
        && !text.contains(|c: char| c.is_control() || is_invisible(c) || matches!(c, '/' | '\\'))
        && !text.starts_with('.')
        && !text.ends_with('.')
        && !text.starts_with(blank)
        && !text.ends_with(blank)
        && !is_device(text)
}

/// Ends of lines beside the control characters, and marks that turn the direction of text: names are shown to people.
const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
}

/// Windows takes these for devices in every directory, whatever extension follows.
fn is_device(text: &str) -> bool {
    let stem = text.split('.').next().unwrap_or(text).trim_end();
    let is = |name: &str| stem.eq_ignore_ascii_case(name);
    if ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"].into_iter().any(is) {
        return true;
    }
    let mut chars = stem.chars();
    let number = chars.next_back();
    (chars.as_str().eq_ignore_ascii_case("COM") || chars.as_str().eq_ignore_ascii_case("LPT"))
        && number.is_some_and(|n| matches!(n, '0'..='9' | '¹' | '²' | '³'))
}

/// `None` for escapes that are cut, or not UTF-8.
fn decode(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            bytes.push(u8::try_from(digit()? * 16 + digit()?).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Result<Name, NameError> {
        Name::new(NameKind::Skill, text)
    }

    #[test]
    fn what_people_call_their_files_is_a_name() {
        for good in
            ["debugging.md", "a", "你好.md", "😀", "My notes (2).md", "100%", "a..b", "console"]
        {
            assert_eq!(name(good).unwrap().as_str(), good);
        }
        assert!(name(&"x".repeat(128)).is_ok());
    }

    #[test]
    fn what_a_path_or_a_file_system_takes_for_something_else_is_none() {
        let long = "x".repeat(129);
        let bytes = "€".repeat(86);
        for bad in [
            "",
            ".",
            "..",
            "../x",
            "a/b",
            "a\\b",
            ".x",
            "x.",
            " x",
            "x ",
            "a\0",
            "a\nb",
            "\u{7f}",
            "\u{85}x",
            "x\u{3000}",
            "CON",
            "nul.md",
            "Aux .txt",
            "com1",
            "LPT9.x",
            "lpt¹",
            "a\u{202e}b",
            &long,
            &bytes,
        ] {
            let refused = name(bad).unwrap_err();
            assert!(matches!(refused, NameError::Invalid { kind: NameKind::Skill }));
            assert_eq!(refused.to_string(), "Invalid skill name", "{bad:?}");
        }
        let refused = Name::new(NameKind::User, "..").unwrap_err();
        assert_eq!(refused.to_string(), "Invalid user id");
    }

    #[test]
    fn case_08_segments_are_decoded_once() {
        let segment = |text| Name::from_segment(NameKind::Skill, text);
        for bad in
            ["..%2Fb", "a%00", "a%5Cb", "%E0%A4%A", "%", "%4", "%zz", "%FF", "%2e%2e", "%2E", "a%"]
        {
            assert!(segment(bad).is_err(), "{bad}");
        }
        assert_eq!(segment("%252F").unwrap().as_str(), "%2F");
        assert_eq!(segment("a%20b+c").unwrap().as_str(), "a b+c");
    }

    #[test]
    fn case_09_what_looks_the_same_is_the_same() {
        assert_eq!(name("e\u{301}.md").unwrap(), name("é.md").unwrap());
        assert_ne!(name("Alice").unwrap(), name("alice").unwrap());
        for text in ["你好.md", "😀", "é", "a b%", "~x-_"] {
            let name = name(text).unwrap();
            assert_eq!(Name::from_segment(NameKind::Skill, &name.to_segment()).unwrap(), name);
        }
    }
}
