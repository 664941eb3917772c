//! Bodies of requests: bounded, JSON or a form, checked member by member with the messages that clients know.

use std::time::Duration;

use axum::body::Body;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};
use tokio::time::timeout;

use super::answer::Refusal;

/// Bytes of a body.
const MAX_BODY: usize = 100 * 1024;
/// A slow client must not hold a request for ever.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// Reads a body. What is neither JSON nor a form counts as empty, and so does an array.
pub(super) async fn read(request: Request<Body>) -> Result<Map<String, Value>, Refusal> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
    let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let kind = kind.to_ascii_lowercase();
    let body = Limited::new(request.into_body(), MAX_BODY).collect();
    let late = || Refusal::new(StatusCode::REQUEST_TIMEOUT, "Request Timeout");
    let body = timeout(BODY_TIMEOUT, body).await.map_err(|_| late())?.map_err(|error| {
        if error.downcast_ref::<LengthLimitError>().is_some() {
            Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "request entity too large")
        } else {
            malformed()
        }
    })?;
    parse(&kind, &body.to_bytes())
}

fn malformed() -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "Malformed JSON body")
}

fn parse(kind: &str, body: &[u8]) -> Result<Map<String, Value>, Refusal> {
    match kind {
        _ if body.is_empty() => Ok(Map::new()),
        "application/json" => match serde_json::from_slice(body).map_err(|_| malformed())? {
            Value::Object(members) => Ok(members),
            Value::Array(_) => Ok(Map::new()),
            _ => Err(malformed()),
        },
        "application/x-www-form-urlencoded" => Ok(form(body)),
        _ => Ok(Map::new()),
    }
}

/// The members of a form, or of a query.
pub(super) fn form(body: &[u8]) -> Map<String, Value> {
    let text = String::from_utf8_lossy(body);
    let decode =
        |part: &str| percent_decode_str(&part.replace('+', " ")).decode_utf8_lossy().into_owned();
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decode(name), Value::String(decode(value)))).collect()
}

/// Looks at members one by one and collects what is wrong with them.
#[derive(Debug, Default)]
pub(super) struct Checks {
    errors: Vec<String>,
}

impl Checks {
    /// A string that must be there and must not be empty.
    pub(super) fn text(&mut self, body: &Map<String, Value>, name: &str, max: usize) -> String {
        let value = body.get(name);
        let text = value.and_then(Value::as_str);
        if text.is_none() {
            self.errors.push(format!("{name} must be a string"));
        }
        if matches!(value, None | Some(Value::Null)) || text == Some("") {
            self.errors.push(format!("{name} should not be empty"));
        }
        let text = text.unwrap_or_default();
        if text.chars().count() > max {
            self.errors.push(format!("{name} must be shorter than or equal to {max} characters"));
        }
        text.to_owned()
    }

    /// A string that must be one of a few.
    pub(super) fn one_of(&mut self, body: &Map<String, Value>, name: &str, values: &[&str]) {
        let text = body.get(name).and_then(Value::as_str).unwrap_or_default();
        if !values.contains(&text) {
            let list = values.join(", ");
            self.errors.push(format!("{name} must be one of the following values: {list}"));
        }
    }

    /// A number from 1 on, as text, that may be absent.
    pub(super) fn number(&mut self, given: &Map<String, Value>, name: &str) -> Option<u64> {
        let digits = |text: &&str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        // Larger than any there is, is as good as the largest.
        let number =
            given.get(name)?.as_str().filter(digits).map(|t| t.parse().unwrap_or(u64::MAX));
        if number.is_none_or(|number| number == 0) {
            self.errors.push(format!("{name} must not be less than 1"));
        }
        number
    }

    /// What may be absent or null, and must else satisfy `fits`.
    pub(super) fn optional(
        &mut self,
        body: &Map<String, Value>,
        name: &str,
        what: &str,
        fits: impl Fn(&Value) -> bool,
    ) {
        if body.get(name).is_some_and(|value| !value.is_null() && !fits(value)) {
            self.errors.push(format!("{name} must be {what}"));
        }
    }

    pub(super) fn done(self) -> Result<(), Refusal> {
        if self.errors.is_empty() { Ok(()) } else { Err(Refusal::invalid(self.errors)) }
    }
}

/// An array of strings.
pub(super) fn is_strings(value: &Value) -> bool {
    value.as_array().is_some_and(|items| items.iter().all(Value::is_string))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(body: &str) -> Vec<String> {
        let mut checks = Checks::default();
        checks.text(&parse("application/json", body.as_bytes()).unwrap(), "secret", 10);
        checks.errors
    }

    #[test]
    fn only_the_applicable_lines_are_said() {
        let (kind, empty) = ("secret must be a string", "secret should not be empty");
        for body in ["", "{}", "[]", r#"{"secret":null}"#] {
            assert_eq!(errors(body), [kind, empty], "{body}");
        }
        assert_eq!(errors(r#"{"secret":5}"#), [kind]);
        assert_eq!(errors(r#"{"secret":""}"#), [empty]);
        assert!(errors(r#"{"secret":"x","more":1}"#).is_empty());
    }

    #[test]
    fn numbers_are_whole_positive_and_as_large_as_anybody_likes() {
        let number = |text: &str| {
            let mut checks = Checks::default();
            let given = form(format!("limit={text}").as_bytes());
            (checks.number(&given, "limit"), checks.errors.is_empty())
        };
        assert_eq!(number("20"), (Some(20), true));
        assert_eq!(number("18446744073709551616"), (Some(u64::MAX), true));
        for wrong in ["0", "-1", "%2B1", "1.5", "", "x"] {
            assert!(!number(wrong).1, "{wrong}");
        }
    }

    #[test]
    fn forms_are_read_and_other_kinds_are_empty() {
        let form = parse("application/x-www-form-urlencoded", b"secret=a+b%21").unwrap();
        assert_eq!(form["secret"], "a b!");
        assert!(parse("text/plain", br#"{"secret":"x"}"#).unwrap().is_empty());
        assert!(parse("application/json", b"{bad").is_err());
        assert!(parse("application/json", b"5").is_err());
    }
}
