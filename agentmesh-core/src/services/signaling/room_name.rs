//! Names of rooms: what two clients must write to meet.
//!
//! Trimmed and upper-cased the way JavaScript does it, because that is what the deployed server runs on: Rust's own
//! `trim` keeps U+FEFF and strips U+0085. Nothing is normalised beyond that; composed and decomposed letters differ.

use std::fmt;

/// The name of a room as servers know it. Client and server must agree on it wherever it is signed or compared.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RoomName(String);

impl RoomName {
    /// Characters after trimming and upper-casing, which may lengthen a name.
    pub const MAX_CHARS: usize = 128;

    /// The name under which a room is known; `None` if it is empty, too long or holds control characters.
    pub fn parse(name: &str) -> Option<Self> {
        let name = name.trim_matches(is_js_whitespace).to_uppercase();
        let fits = !name.is_empty() && name.chars().count() <= Self::MAX_CHARS;
        (fits && !name.contains(is_control)).then_some(Self(name))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Who knows the name of a room can join it, so it is shown to nobody.
impl fmt::Debug for RoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RoomName(..)")
    }
}

impl From<RoomName> for String {
    fn from(name: RoomName) -> Self {
        name.0
    }
}

/// What `String.prototype.trim` removes (ECMA-262, WhiteSpace and LineTerminator).
const fn is_js_whitespace(c: char) -> bool {
    matches!(
        c,
        '\u{9}'..='\u{d}'
            | ' '
            | '\u{a0}'
            | '\u{1680}'
            | '\u{2000}'..='\u{200a}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{202f}'
            | '\u{205f}'
            | '\u{3000}'
            | '\u{feff}'
    )
}

/// C0 and DEL. U+0085 is a control character, too, but a deployed server keeps it at the ends of a name, so it is
/// allowed; the rest of C1 is not.
const fn is_control(c: char) -> bool {
    matches!(c, '\0'..='\u{1f}' | '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normalize(name: &str) -> Option<String> {
        RoomName::parse(name).map(String::from)
    }

    #[test]
    fn case_and_space_around_do_not_matter() {
        assert_eq!(normalize("  Zürich ☂ "), normalize("ZÜRICH ☂"));
        assert_eq!(normalize("straße").as_deref(), Some("STRASSE"));
        assert_eq!(normalize("a b").as_deref(), Some("A B"));
    }

    #[test]
    fn trims_what_javascript_trims() {
        assert_eq!(normalize("\u{feff}room\u{feff}").as_deref(), Some("ROOM"));
        assert_eq!(normalize("\u{85}room\u{85}").as_deref(), Some("\u{85}ROOM\u{85}"));
        assert_eq!(normalize("\u{3000}\u{2029}room\n").as_deref(), Some("ROOM"));
    }

    #[test]
    fn composed_and_decomposed_names_are_two_rooms() {
        assert_ne!(normalize("É"), normalize("E\u{301}"));
    }

    #[test]
    fn empty_long_and_control_are_refused() {
        for name in ["", "   ", "\u{feff}", "a\u{7}b", "a\nb"] {
            assert_eq!(normalize(name), None, "{name:?}");
        }
        assert!(normalize(&"a".repeat(RoomName::MAX_CHARS)).is_some());
        assert_eq!(normalize(&"a".repeat(RoomName::MAX_CHARS + 1)), None);
        // Measured after upper-casing, which doubles it.
        assert_eq!(normalize(&"ß".repeat(RoomName::MAX_CHARS / 2 + 1)), None);
    }
}
