//! JSON in its one canonical form (RFC 8785), as far as documents of ours need it.

use core::fmt::Write;

use serde_json::Value;

/// Largest integer that every JSON reader keeps.
const MAX_SAFE: u64 = (1 << 53) - 1;

/// The canonical form; `None` if there are numbers in it other than integers up to 2^53 - 1, which no document of ours
/// has and which readers disagree about.
pub(super) fn canonical(value: &Value) -> Option<String> {
    let mut out = String::new();
    write(value, &mut out)?;
    Some(out)
}

fn write(value: &Value, out: &mut String) -> Option<()> {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Number(number) => {
            let magnitude = number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs))?;
            if magnitude > MAX_SAFE {
                return None;
            }
            write!(out, "{number}").ok()?;
        }
        Value::String(text) => string(text, out)?,
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write(item, out)?;
            }
            out.push(']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            // By UTF-16 code units, which is not the order of UTF-8.
            members.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            out.push('{');
            for (i, (name, value)) in members.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                string(name, out)?;
                out.push(':');
                write(value, out)?;
            }
            out.push('}');
        }
    }
    Some(())
}

/// serde_json escapes as ECMAScript does.
fn string(text: &str, out: &mut String) -> Option<()> {
    out.push_str(&serde_json::to_string(text).ok()?);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_of_the_rfc() {
        let value: Value = serde_json::from_str(
            r#"{"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One","\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis"}"#,
        )
        .unwrap();
        let canonical = canonical(&value).unwrap();
        let order: Vec<_> =
            ["Carriage Return", "One", "Control", "Latin Small", "Euro Sign", "Emoji", "Hebrew"]
                .map(|text| canonical.find(text).unwrap())
                .into();
        assert!(order.is_sorted(), "{canonical}");
        assert!(canonical.starts_with(r#"{"\r":"Carriage Return","1":"One","#));
    }

    #[test]
    fn escapes_and_literals() {
        let value: Value =
            serde_json::from_str(r#"[ null, true,-5, "\u000f\u0008\"\\\/\n\u007f" ,{}]"#).unwrap();
        assert_eq!(
            canonical(&value).unwrap(),
            "[null,true,-5,\"\\u000f\\b\\\"\\\\/\\n\u{7f}\",{}]"
        );
        for text in ["1.5", "9007199254740992", "1e3", "-9007199254740992"] {
            assert_eq!(canonical(&serde_json::from_str(text).unwrap()), None, "{text}");
        }
    }
}
