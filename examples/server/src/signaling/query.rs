//! Query parameters, decoded strictly: a percent sign without two digits, or bytes that are no UTF-8, are errors.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// The parameters in their order.
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// `None` if something in it cannot be decoded.
    pub(crate) fn parse(query: &str) -> Option<Self> {
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        pairs
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                Some((decode(name)?, decode(value)?))
            })
            .collect::<Option<_>>()
            .map(Self)
    }

    /// The first parameter of that name, unless it is empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(n, _)| n == name)?;
        Some(value.as_str()).filter(|value| !value.is_empty())
    }
}

fn decode(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    for (at, _) in bytes.iter().enumerate().filter(|(_, byte)| **byte == b'%') {
        let digits = bytes.get(at + 1..at + 3)?;
        digits.iter().all(u8::is_ascii_hexdigit).then_some(())?;
    }
    let text = text.replace('+', " ");
    percent_decode_str(&text).decode_utf8().ok().map(Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_two_counts_and_empty_is_absent() {
        let query = Query::parse("room=a+b&room=c&token=&x").unwrap();
        assert_eq!(query.get("room"), Some("a b"));
        assert_eq!((query.get("token"), query.get("x"), query.get("y")), (None, None, None));
    }

    #[test]
    fn what_cannot_be_decoded_is_refused() {
        for query in ["room=%zz", "room=%f", "room=%", "room=%c0%af", "room=%ff", "%c1=x"] {
            assert!(Query::parse(query).is_none(), "{query}");
        }
        assert_eq!(Query::parse("room=%20Z%C3%BCrich").unwrap().get("room"), Some(" Zürich"));
    }
}
