//! ICE servers as servers write them, made into what WebRTC libraries take (signaling protocol §6.2).

use std::sync::Arc;

use serde_json::Value;

use super::SecretText;

/// ICE servers; cheap to clone. Empty: host candidates only. No public STUN server is ever added by itself, since it
/// would learn this machine's address.
pub type IceServers = Arc<[IceServer]>;

/// Entries and URLs taken from a server, at most.
const MAX_SERVERS: usize = 32;
/// Bytes of a URL, user name or credential.
const MAX_TEXT: usize = 4096;

/// One STUN or TURN server, or several with the same credential.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IceServer {
    /// `stun:`, `stuns:`, `turn:` or `turns:`; at least one.
    pub urls: Vec<String>,
    /// For TURN.
    pub username: Option<String>,
    /// For TURN; works for a limited time.
    pub credential: Option<SecretText>,
}

impl IceServer {
    /// One entry a URL, for libraries that take one only.
    pub fn split(&self) -> Vec<Self> {
        let single = |url: &String| Self {
            urls: vec![url.clone()],
            username: self.username.clone(),
            credential: self.credential.as_ref().map(SecretText::duplicate),
        };
        self.urls.iter().map(single).collect()
    }
}

/// Reads `iceServers` of a `joined`, leaving out whatever cannot be used: other schemes, TURN without user name and
/// credential, entries without a URL. `urls` may be one string or many; the old name `url` is accepted.
pub fn normalize_ice_servers(servers: &Value) -> IceServers {
    let entries = servers.as_array().map(Vec::as_slice).unwrap_or_default();
    entries.iter().take(MAX_SERVERS).filter_map(entry).collect()
}

fn entry(entry: &Value) -> Option<IceServer> {
    let text = |name: &str| {
        let text = entry.get(name)?.as_str()?;
        (!text.is_empty() && text.len() <= MAX_TEXT).then(|| text.to_owned())
    };
    let (username, credential) = (text("username"), text("credential"));
    let complete = username.is_some() && credential.is_some();
    let usable = |url: &&str| {
        let scheme = url.split(':').next().unwrap_or_default().to_ascii_lowercase();
        url.len() <= MAX_TEXT
            && match scheme.as_str() {
                "stun" | "stuns" => true,
                "turn" | "turns" => complete,
                _ => false,
            }
    };
    let urls = match entry.get("urls").or_else(|| entry.get("url"))? {
        Value::String(url) => vec![url.as_str()],
        Value::Array(urls) => urls.iter().filter_map(Value::as_str).take(MAX_SERVERS).collect(),
        _ => return None,
    };
    let urls: Vec<_> = urls.into_iter().filter(usable).map(str::to_owned).collect();
    let credential = credential.map(SecretText::new);
    (!urls.is_empty()).then_some(IceServer { urls, username, credential })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn urls(servers: &Value) -> Vec<Vec<String>> {
        normalize_ice_servers(servers).iter().map(|server| server.urls.clone()).collect()
    }

    #[test]
    fn entries_mix_stun_and_turn_and_urls_come_as_one_or_many() {
        let servers = json!([
            {"urls": ["stun:a:80", "turn:a:80?transport=udp"], "username": "u", "credential": "c"},
            {"urls": "stuns:b"},
            {"url": "TURNS:c", "username": "u", "credential": "c"},
        ]);
        assert_eq!(
            urls(&servers),
            [vec!["stun:a:80", "turn:a:80?transport=udp"], vec!["stuns:b"], vec!["TURNS:c"]]
        );
        let split = normalize_ice_servers(&servers)[0].split();
        assert_eq!(split.len(), 2);
        assert_eq!(split[1].credential.as_ref().map(SecretText::expose), Some("c"));
    }

    #[test]
    fn turn_without_credentials_goes_and_the_rest_stays() {
        assert_eq!(urls(&json!([{"urls": ["turn:a", "stun:a"], "username": "u"}])), [["stun:a"]]);
        assert!(urls(&json!([{"urls": "turn:a", "username": "", "credential": ""}])).is_empty());
    }

    #[test]
    fn what_is_no_server_is_left_out() {
        for servers in [
            json!(null),
            json!([]),
            json!({}),
            json!("stun:a"),
            json!([1, null, {}, {"urls": 5}, {"urls": []}, {"urls": "http://a"}, {"urls": [null]}]),
        ] {
            assert!(urls(&servers).is_empty(), "{servers}");
        }
        let many = Value::Array(vec![json!({"urls": "stun:a"}); 1000]);
        assert_eq!(urls(&many).len(), MAX_SERVERS);
    }

    #[test]
    fn credentials_are_not_printed() {
        let servers = json!([{"urls": "turn:a", "username": "u", "credential": "hush-hush"}]);
        assert!(!format!("{:?}", normalize_ice_servers(&servers)).contains("hush"));
    }
}
