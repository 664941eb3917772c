//! TXT records by way of DNS over HTTPS, in the JSON form that the public resolvers offer. The resolver is configured by URL.

use std::time::Duration;

use serde::Deserialize;

use crate::outbound::{Outbound, OutboundError};

/// The type of a TXT record.
const TXT: u16 = 16;
const TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "Status")]
    status: u32,
    #[serde(rename = "Answer", default)]
    answer: Vec<Record>,
}

#[derive(Deserialize)]
struct Record {
    #[serde(rename = "type")]
    kind: u16,
    data: String,
}

/// Asks one resolver.
#[derive(Debug, Clone)]
pub(crate) struct DnsClient {
    http: Outbound,
    url: String,
}

impl DnsClient {
    /// `url` takes `name` and `type` as query parameters.
    pub(crate) const fn new(http: Outbound, url: String) -> Self {
        Self { http, url }
    }

    /// The TXT records of a name; none if it does not exist.
    pub(crate) async fn txt(&self, name: &str) -> Result<Vec<String>, OutboundError> {
        let mut url = oauth2::url::Url::parse(&self.url).map_err(|_| OutboundError::Address)?;
        url.query_pairs_mut().extend_pairs([("name", name), ("type", "TXT")]);
        let body = self.http.get(url, Some("application/dns-json"), None, TIMEOUT).await?;
        let answer: Answer =
            serde_json::from_slice(&body).map_err(|_| OutboundError::Unreadable)?;
        match answer.status {
            0 => {
                Ok(answer.answer.iter().filter(|r| r.kind == TXT).map(|r| text(&r.data)).collect())
            }
            // No such name.
            3 => Ok(Vec::new()),
            code => Err(OutboundError::Dns { code }),
        }
    }
}

/// Some resolvers hand a record on as in a zone file: strings in quotes, several of which are one.
fn text(data: &str) -> String {
    if !data.starts_with('"') {
        return data.to_owned();
    }
    let (mut out, mut quoted, mut chars) = (String::new(), false, data.chars());
    while let Some(c) = chars.next() {
        match c {
            '"' => quoted = !quoted,
            '\\' if quoted => out.extend(chars.next()),
            c if quoted => out.push(c),
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn quotes_are_no_part_of_a_record() {
        for (data, expected) in [
            ("agentmesh-verify=x", "agentmesh-verify=x"),
            ("\"agentmesh-verify=x\"", "agentmesh-verify=x"),
            ("\"agentmesh-\" \"verify=x\"", "agentmesh-verify=x"),
            ("\"a\\\"b\"", "a\"b"),
            ("\"", ""),
            ("", ""),
        ] {
            assert_eq!(text(data), expected, "{data}");
        }
    }
}
