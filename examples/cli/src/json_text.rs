//! JSON text that is passed on as it is: numbers of any size and the order of keys survive.

use agentmesh_core::wire::plaintext::Payload;
use base64ct::{Base64, Encoding};
use serde_json::value::RawValue;

use crate::error::CliError;

/// The same JSON on one line: white space between tokens is left out.
pub(crate) fn compact(json: &str) -> String {
    let (mut in_string, mut escaped) = (false, false);
    json.chars()
        .filter(|c| {
            if in_string {
                match c {
                    _ if escaped => escaped = false,
                    '\\' => escaped = true,
                    '"' => in_string = false,
                    _ => {}
                }
                return true;
            }
            in_string = *c == '"';
            !matches!(c, ' ' | '\t' | '\n' | '\r')
        })
        .collect()
}

/// A payload as one JSON value: JSON as it came, nothing as `null`, bytes as `{"base64":"…"}`.
pub(crate) fn payload(payload: &Payload) -> Result<Box<RawValue>, CliError> {
    let text = match payload {
        Payload::None => "null".to_owned(),
        Payload::Json(text) => compact(text),
        Payload::Bytes(bytes) => format!(r#"{{"base64":"{}"}}"#, Base64::encode_string(bytes)),
    };
    RawValue::from_string(text).map_err(|e| CliError::failed(format!("payload: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_white_space_between_tokens_goes() {
        let text = "{ \"a b\\\" \" :\n\t[ 1.10 , 123456789012345678901234567890, \"wö\\\\\" ] }";
        assert_eq!(compact(text), r#"{"a b\" ":[1.10,123456789012345678901234567890,"wö\\"]}"#);
    }

    #[test]
    fn payloads_are_one_value() {
        let text = |p: Payload| payload(&p).map(|raw| raw.get().to_owned());
        assert_eq!(text(Payload::None), Ok("null".to_owned()));
        assert_eq!(text(Payload::Bytes(vec![1, 2])), Ok(r#"{"base64":"AQI="}"#.to_owned()));
        assert_eq!(text(Payload::Json("[ 1 ]".to_owned())), Ok("[1]".to_owned()));
    }
}
