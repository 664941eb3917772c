//! JSON as ECMAScript writes it: what `JSON.stringify(JSON.parse(text))` gives (docs/protocol/legacy-0.2.md §KNOCK).
//!
//! The deployed SDK signs and verifies such text, so ours must come out the same, byte for byte: numbers, escapes, and
//! the order of keys, of which those that look like array indices come first.

use core::fmt::Write;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{LegacyFormatError, text::malformed};
use crate::wire::json::{JsonError, check_json};

/// A JSON value with the order that it came in.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Number(f64),
    String(String),
    Array(Vec<Self>),
    Object(Vec<(String, Self)>),
}

/// `text` as an ECMAScript engine would print it after parsing.
///
/// # Errors
/// [`LegacyFormatError::Malformed`] if it is not JSON, or has unpaired surrogates; [`LegacyFormatError::InvalidValue`] if it
/// is nested too deeply or has a key `__proto__`, which engines treat each in their way.
///
/// ```
/// use agentmesh_core::legacy::canonical_json;
///
/// let canonical = canonical_json(r#"{ "k": 1.0, "10": 2, "9": 1e21 }"#)?;
/// assert_eq!(canonical, r#"{"9":1e+21,"10":2,"k":1}"#);
/// # Ok::<(), agentmesh_core::legacy::LegacyFormatError>(())
/// ```
pub fn canonical_json(text: &str) -> Result<String, LegacyFormatError> {
    Value::parse(text, "JSON").map(|value| value.to_text())
}

impl Value {
    pub(super) fn parse(text: &str, what: &'static str) -> Result<Self, LegacyFormatError> {
        check_json(text).map_err(|error| match error {
            JsonError::Malformed { line, column } => {
                LegacyFormatError::Malformed { what, line, column }
            }
            JsonError::TooDeep { .. } => LegacyFormatError::InvalidValue { what, field: "nesting" },
        })?;
        let raw: &RawValue = serde_json::from_str(text).map_err(malformed(what))?;
        Self::read(raw, what)
    }

    /// One level after the other: serde's own numbers are not exact to the last digit, those of the text are.
    fn read(raw: &RawValue, what: &'static str) -> Result<Self, LegacyFormatError> {
        let text = raw.get();
        Ok(match text.as_bytes().first() {
            Some(b'{') => {
                let Members(members) = serde_json::from_str(text).map_err(malformed(what))?;
                let mut object: Vec<(String, Self)> = Vec::with_capacity(members.len());
                for (key, raw) in members {
                    if key == "__proto__" {
                        return Err(LegacyFormatError::InvalidValue { what, field: "__proto__" });
                    }
                    let value = Self::read(raw, what)?;
                    match object.iter_mut().find(|(known, _)| *known == key) {
                        // The last one wins, in the place of the first.
                        Some(known) => known.1 = value,
                        None => object.push((key, value)),
                    }
                }
                Self::Object(object)
            }
            Some(b'[') => {
                let items: Vec<&RawValue> = serde_json::from_str(text).map_err(malformed(what))?;
                Self::Array(
                    items.into_iter().map(|raw| Self::read(raw, what)).collect::<Result<_, _>>()?,
                )
            }
            Some(b'"') => Self::String(serde_json::from_str(text).map_err(malformed(what))?),
            Some(b't') => Self::Bool(true),
            Some(b'f') => Self::Bool(false),
            Some(b'n') => Self::Null,
            // The grammar was checked, and every number of it is one to Rust.
            _ => Self::Number(text.parse().unwrap_or(f64::NAN)),
        })
    }

    pub(super) fn to_text(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, None);
        out
    }

    /// Only the members with these names, at every depth, in this order: `JSON.stringify(value, names)`.
    pub(super) fn to_text_of(&self, names: &[&str]) -> String {
        let mut out = String::new();
        self.write(&mut out, Some(names));
        out
    }

    pub(super) fn member(&self, name: &str) -> Option<&Self> {
        let Self::Object(members) = self else { return None };
        members.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    fn write(&self, out: &mut String, names: Option<&[&str]>) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
            Self::Number(n) => write_number(out, *n),
            Self::String(text) => write_string(out, text),
            Self::Array(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    item.write(out, names);
                }
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                let mut first = true;
                let mut member = |key: &str, value: &Self| {
                    if !core::mem::take(&mut first) {
                        out.push(',');
                    }
                    write_string(out, key);
                    out.push(':');
                    value.write(out, names);
                };
                match names {
                    Some(names) => names
                        .iter()
                        .filter_map(|name| members.iter().find(|(key, _)| key == name))
                        .for_each(|(key, value)| member(key, value)),
                    None => {
                        let mut indices: Vec<_> = members
                            .iter()
                            .filter_map(|(key, value)| Some((array_index(key)?, key, value)))
                            .collect();
                        indices.sort_unstable_by_key(|(index, ..)| *index);
                        indices.iter().for_each(|(_, key, value)| member(key, value));
                        members
                            .iter()
                            .filter(|(key, _)| array_index(key).is_none())
                            .for_each(|(key, value)| member(key, value));
                    }
                }
                out.push('}');
            }
        }
    }
}

/// The members of an object, in order, those that come twice included.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Ordered;
        impl<'de> Visitor<'de> for Ordered {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    members.push(entry);
                }
                Ok(Members(members))
            }
        }
        from.deserialize_map(Ordered)
    }
}

/// A canonical decimal of at most 2^32 - 2.
fn array_index(key: &str) -> Option<u32> {
    let n: u32 = key.parse().ok().filter(|n| *n != u32::MAX)?;
    (n.to_string() == key).then_some(n)
}

pub(super) fn write_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            c if c < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// `Number::toString` of ECMA-262, base 10: the shortest digits that read back as the same number.
fn write_number(out: &mut String, n: f64) {
    if !n.is_finite() {
        out.push_str("null");
        return;
    }
    if n == 0.0 {
        out.push('0');
        return;
    }
    if n < 0.0 {
        out.push('-');
    }
    // Rust's digits are the shortest, too; only where the point goes is ECMAScript's own.
    let scientific = format!("{:e}", n.abs());
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let digits: String = mantissa.chars().filter(|c| *c != '.').collect();
    let exponent: i32 = exponent.parse().unwrap_or(0);
    // The value is 0.digits × 10^point.
    let point = exponent + 1;
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    let zeros = |n: i32| "0".repeat(usize::try_from(n).unwrap_or(0));
    if (1..=21).contains(&point) {
        if count <= point {
            out.push_str(&digits);
            out.push_str(&zeros(point - count));
        } else {
            let (whole, fraction) = digits.split_at(usize::try_from(point).unwrap_or(0));
            let _ = write!(out, "{whole}.{fraction}");
        }
    } else if (-5..=0).contains(&point) {
        let _ = write!(out, "0.{}{digits}", zeros(-point));
    } else {
        let (first, rest) = digits.split_at(1);
        out.push_str(first);
        if !rest.is_empty() {
            let _ = write!(out, ".{rest}");
        }
        let _ = write!(out, "e{}{}", if exponent < 0 { '-' } else { '+' }, exponent.abs());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(text: &str) -> String {
        canonical_json(text).unwrap()
    }

    #[test]
    fn numbers_are_those_of_ecmascript() {
        for (text, printed) in [
            ("1.0", "1"),
            ("-0", "0"),
            ("-0.0", "0"),
            ("1e21", "1e+21"),
            ("1e20", "100000000000000000000"),
            ("123456789012345680000", "123456789012345680000"),
            ("1.5e300", "1.5e+300"),
            ("0.000001", "0.000001"),
            ("1e-7", "1e-7"),
            ("1.25e-7", "1.25e-7"),
            ("-12.5", "-12.5"),
            ("9007199254740993", "9007199254740992"),
            ("5e-324", "5e-324"),
            ("1.7976931348623157e308", "1.7976931348623157e+308"),
            ("1e999", "null"),
            ("2.2250738585072011e-308", "2.225073858507201e-308"),
            ("0.1", "0.1"),
            ("100", "100"),
        ] {
            assert_eq!(number(text), printed, "{text}");
        }
    }

    #[test]
    fn strings_and_keys_are_those_of_ecmascript() {
        for (text, printed) in [
            (r#""\u0001\u001f\u007f\u2028\/\ud83d\ude80""#, "\"\\u0001\\u001f\u{7f}\u{2028}/🚀\""),
            (r#""\b\f\n\r\t\"\\""#, r#""\b\f\n\r\t\"\\""#),
            (r#"{"k":1,"10":2,"9":3}"#, r#"{"9":3,"10":2,"k":1}"#),
            (r#"{"b":1,"a":2,"b":3}"#, r#"{"b":3,"a":2}"#),
            (
                r#"{"4294967295":1,"01":2,"4294967294":3,"-1":4}"#,
                r#"{"4294967294":3,"4294967295":1,"01":2,"-1":4}"#,
            ),
            (" [ null , true , false , { } , [ ] ] ", "[null,true,false,{},[]]"),
        ] {
            assert_eq!(canonical_json(text).unwrap(), printed, "{text}");
        }
        for bad in ["", "{", r#""\ud800""#, r#"{"__proto__":1}"#, &"[".repeat(1000)] {
            assert!(canonical_json(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn numbers_read_back_the_same(n in any::<f64>().prop_filter("finite", |n| n.is_finite())) {
            let mut text = String::new();
            write_number(&mut text, n);
            prop_assert_eq!(text.parse::<f64>().unwrap(), if n == 0.0 { 0.0 } else { n });
            prop_assert_eq!(canonical_json(&text).unwrap(), text);
        }

        #[test]
        fn canonical_text_stays_as_it_is(text in "[\\[\\]{},:\"a0-9.e\\\\ -]{0,30}") {
            if let Ok(canonical) = canonical_json(&text) {
                prop_assert_eq!(canonical_json(&canonical).unwrap(), canonical);
            }
        }
    }
}
