//! Arguments that bindings pass as JSON text, and what is wrong with them: which member, and what it should be.
//!
//! Numbers are told, texts are not: they may be secrets.

use serde::de::DeserializeOwned;

use crate::FacadeError;

/// A value out of JSON text that a binding wrote.
///
/// # Errors
/// `BINDING_ARGUMENT`, which names the member.
pub fn from_json<T: DeserializeOwned>(text: &str) -> Result<T, FacadeError> {
    serde_json::from_str(text).map_err(|first| {
        // Paths cost time, so only mistakes pay for them.
        let mut reader = serde_json::Deserializer::from_str(text);
        match serde_path_to_error::deserialize::<_, T>(&mut reader) {
            Ok(_) => first.into(),
            Err(error) => {
                let path = error.path().to_string();
                let problem = problem(error.inner());
                let named = !matches!(path.as_str(), "." | "?" | "");
                let said = if named { format!("{path}: {problem}") } else { problem };
                FacadeError::argument(said)
            }
        }
    })
}

/// What is wrong, in words of applications.
pub(crate) fn problem(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(said, _)| said);
    let mismatch = text
        .strip_prefix("invalid type: ")
        .or_else(|| text.strip_prefix("invalid value: "))
        .and_then(|said| said.rsplit_once(", expected "));
    let Some((given, expected)) = mismatch else { return text.to_owned() };
    let expected = match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number from 0 on",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a string" | "string" | "path string" => "text",
        "a sequence" => "a list",
        "a map" => "an object",
        "a boolean" => "true or false",
        other => other.strip_prefix("struct ").map_or(other, |_| "an object"),
    };
    let given = match given.split_once([' ', ',']).map_or(given, |(kind, _)| kind) {
        "integer" | "floating" => given.split('`').nth(1).unwrap_or("this number"),
        "string" => "text",
        "sequence" => "a list",
        "map" => "an object",
        "null" | "unit" => "nothing",
        other => other,
    };
    format!("{expected} is expected, not {given}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AgentSettings, SendSettings, StreamSettings};

    #[test]
    fn mistakes_name_the_member_and_no_text() {
        for (json, said) in [
            (
                r#"{"delivery_window":-1}"#,
                "delivery_window: a whole number from 0 on is expected, not -1",
            ),
            (
                r#"{"delivery_window":"s3cret at line 7"}"#,
                "delivery_window: a whole number from 0 on is expected, not text",
            ),
            (r#"{"display_name":3}"#, "display_name: text is expected, not 3"),
            (
                r#"{"rate_limits":{"overall":{"per_minute":1.5,"burst":1}}}"#,
                "rate_limits.overall.per_minute: a whole number from 0 on is expected, not 1.5",
            ),
            (r#"{"capabilities":"x"}"#, "capabilities: a list is expected, not text"),
            (r#"{"offline":null}"#, "offline: true or false is expected, not nothing"),
        ] {
            let error = from_json::<AgentSettings>(json).unwrap_err();
            assert_eq!((error.code, error.message.as_str()), ("BINDING_ARGUMENT", said));
        }
        let error = from_json::<AgentSettings>(r#"{"relay":"ws://x"}"#).unwrap_err();
        assert!(error.message.contains("unknown field `relay`"), "{error}");
        assert!(!error.message.contains("column"), "{error}");
        let error = from_json::<StreamSettings>(r#"{"window_frames":-1}"#).unwrap_err();
        assert!(error.message.contains("a whole number from 0 on"), "{error}");
        assert!(from_json::<SendSettings>("{").is_err());
        assert!(from_json::<SendSettings>("{}").is_ok());
    }
}
