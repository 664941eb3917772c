//! Bodies of requests: JSON objects of few members, parsed strictly, whatever the content type says.

use std::{borrow::Cow, collections::HashMap};

use serde_json::value::RawValue;

/// JSON deeper than this is refused.
const MAX_DEPTH: usize = 128;

/// What is wrong with a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyError {
    /// Not JSON, not an object, or too deep.
    Malformed,
    /// A member is missing, null or of another type.
    Missing,
}

/// A JSON object; of two members of one name the last counts.
#[derive(Debug)]
pub(super) struct Members<'a>(HashMap<Cow<'a, str>, &'a RawValue>);

impl<'a> Members<'a> {
    pub(super) fn parse(body: &'a [u8]) -> Result<Self, BodyError> {
        serde_json::from_slice(body).map(Self).map_err(|_| BodyError::Malformed)
    }

    /// A member that must be a string that is not empty.
    pub(super) fn string(&self, name: &str) -> Result<String, BodyError> {
        let raw = self.0.get(name).ok_or(BodyError::Missing)?;
        let text: String = serde_json::from_str(raw.get()).map_err(|_| BodyError::Missing)?;
        if text.is_empty() { Err(BodyError::Missing) } else { Ok(text) }
    }

    /// A member of any kind but null, on one line.
    pub(super) fn value(&self, name: &str) -> Result<Box<RawValue>, BodyError> {
        let raw = self.0.get(name).ok_or(BodyError::Missing)?;
        if raw.get() == "null" {
            return Err(BodyError::Missing);
        }
        let line = on_one_line(raw.get()).ok_or(BodyError::Malformed)?;
        RawValue::from_string(line).map_err(|_| BodyError::Malformed)
    }
}

/// Valid JSON without the space between its tokens, so that nothing in it can end a line; `None` if it is too deep.
/// Numbers and escapes stay as they were written.
fn on_one_line(json: &str) -> Option<String> {
    let mut out = String::with_capacity(json.len());
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for c in json.chars() {
        if in_string {
            in_string = escaped || c != '"';
            escaped = !escaped && c == '\\';
        } else {
            match c {
                ' ' | '\t' | '\r' | '\n' => continue,
                '"' => in_string = true,
                '[' | '{' => depth += 1,
                ']' | '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth > MAX_DEPTH {
                return None;
            }
        }
        out.push(c);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_object_is_malformed() {
        for body in ["{bad", "", "[]", "\"x\"", "null", "5"] {
            assert_eq!(Members::parse(body.as_bytes()).err(), Some(BodyError::Malformed), "{body}");
        }
    }

    #[test]
    fn members_that_are_not_what_they_must_be_are_missing() {
        let members = Members::parse(br#"{"a":5,"b":null,"c":"","d":"x","d":"y"}"#).unwrap();
        for name in ["a", "b", "c", "absent"] {
            assert_eq!(members.string(name), Err(BodyError::Missing), "{name}");
        }
        assert_eq!(members.string("d").as_deref(), Ok("y"), "the last of two counts");
        assert_eq!(members.value("b").err(), Some(BodyError::Missing));
        assert_eq!(members.value("a").unwrap().get(), "5");
    }

    #[test]
    fn deep_json_is_refused() {
        let deep = |n: usize| format!("{{\"signal\":{}{}}}", "[".repeat(n), "]".repeat(n));
        let value = |text: &str| Members::parse(text.as_bytes()).and_then(|m| m.value("signal"));
        assert!(value(&deep(MAX_DEPTH)).is_ok());
        assert_eq!(value(&deep(MAX_DEPTH + 1)).err(), Some(BodyError::Malformed));
        assert!(value(&deep(10_000)).is_err());
        assert!(value(&format!("{{\"signal\":{}", "[".repeat(10_000))).is_err());
    }

    #[test]
    fn line_breaks_between_tokens_go_and_those_in_strings_are_escapes() {
        let text = "{\"signal\": {\n \"a\" : \"x \\\" \\n y\",\r\n \"b\":[ 1.50, 1e400 ]}}";
        let members = Members::parse(text.as_bytes()).unwrap();
        assert_eq!(members.value("signal").unwrap().get(), r#"{"a":"x \" \n y","b":[1.50,1e400]}"#);
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_or_refused(body in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(members) = Members::parse(&body) {
                let _ = (members.string("a"), members.value("signal"));
            }
        }

        #[test]
        fn values_survive(text in r#"\{"signal":(\[[ \n0-9,"a-z]{0,20}\]|"[a-z \\n]{0,20}"|-?[0-9]{1,20})\}"#) {
            if let Ok(members) = Members::parse(text.as_bytes()) && let Ok(value) = members.value("signal") {
                let before: serde_json::Value = serde_json::from_str(&text).unwrap();
                let after: serde_json::Value = serde_json::from_str(value.get()).unwrap();
                prop_assert_eq!(&before["signal"], &after);
                prop_assert!(!value.get().contains('\n'));
            }
        }
    }
}
