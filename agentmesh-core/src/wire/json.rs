//! JSON that is carried as it is: checked, never rewritten.

use core::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, value::MapAccessDeserializer},
};

use crate::{error::errors, limits::MAX_JSON_DEPTH};

errors! {
    /// Why text cannot be carried as JSON.
    pub enum JsonError {
        /// Not one JSON value.
        #[error("not JSON (line {line}, column {column})")]
        Malformed {
            /// Line of the fault.
            line: usize,
            /// Column of the fault.
            column: usize,
        } = "JSON_MALFORMED", InvalidInput, permanent;
        /// Objects and arrays nested too deeply.
        #[error("JSON nested deeper than {limit}")]
        TooDeep {
            /// The limit.
            limit: usize,
        } = "JSON_TOO_DEEP", InvalidInput, permanent;
    }
}

/// Checks that `text` is one JSON value (RFC 8259) nested no deeper than [`MAX_JSON_DEPTH`], without building it.
///
/// Says nothing about duplicate keys, unpaired surrogates in escapes or the size of numbers, on which parsers differ.
///
/// # Errors
/// [`JsonError::Malformed`], [`JsonError::TooDeep`].
///
/// ```
/// use agentmesh_core::wire::json::{JsonError, check_json};
///
/// assert_eq!(check_json(r#"{"a":[1,2]}"#), Ok(()));
/// assert!(matches!(check_json("{"), Err(JsonError::Malformed { .. })));
/// ```
pub fn check_json(text: &str) -> Result<(), JsonError> {
    // serde_json passes over values in a loop, not by recursion, so depth costs no stack here. It would in most
    // parsers that see the text next.
    serde_json::from_str::<IgnoredAny>(text)
        .map_err(|e| JsonError::Malformed { line: e.line(), column: e.column() })?;
    if is_too_deep(text) {
        return Err(JsonError::TooDeep { limit: MAX_JSON_DEPTH });
    }
    Ok(())
}

/// Of valid JSON only.
fn is_too_deep(text: &str) -> bool {
    // Few brackets cannot nest deeply; counting them is much cheaper than following strings.
    let opening = |b: &u8| matches!(b, b'[' | b'{');
    if text.as_bytes().iter().filter(|b| opening(b)).count() <= MAX_JSON_DEPTH {
        return false;
    }
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for b in text.bytes() {
        match b {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                if depth > MAX_JSON_DEPTH {
                    return true;
                }
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// A `T` that is written as an object.
///
/// Derived structs read arrays as well, member by member; to every other reader of the same JSON that is something
/// else, and with defaults an empty array would be a valid anything.
#[derive(Debug)]
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> de::Visitor<'de> for Visitor<T> {
            type Value = Object<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }
        from.deserialize_map(Visitor(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_one_value_only() {
        for good in
            ["null", "0", "-1.5e300", r#""x""#, "[]", " {\"a\" : [true, {}]} ", "\"\u{2028}\""]
        {
            assert_eq!(check_json(good), Ok(()), "{good}");
        }
        for bad in ["", " ", "{", "{}{}", "[1,]", "{a:1}", "NaN", "'x'", "01", "\"\n\"", "// x\n1"]
        {
            assert!(matches!(check_json(bad), Err(JsonError::Malformed { .. })), "{bad}");
        }
    }

    #[test]
    fn depth_is_bounded_and_brackets_in_strings_do_not_count() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert_eq!(check_json(&nested(MAX_JSON_DEPTH)), Ok(()));
        let too_deep = JsonError::TooDeep { limit: MAX_JSON_DEPTH };
        assert_eq!(check_json(&nested(MAX_JSON_DEPTH + 1)), Err(too_deep.clone()));
        assert_eq!(check_json(&nested(1_000_000)), Err(too_deep));
        let quoted = format!(r#"["\"{}\\", 1]"#, "[{".repeat(1000));
        assert_eq!(check_json(&quoted), Ok(()));
        let side_by_side = format!("[{}[]]", "[],".repeat(1000));
        assert_eq!(check_json(&side_by_side), Ok(()));
    }
}
