//! ICE servers for clients that join: a list, and credentials for a TURN server that end by themselves.

use agentmesh_core::Timestamp;
use base64ct::{Base64, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha1::Sha1;

/// How long TURN credentials work.
const TURN_TTL_S: u64 = 3600;

/// Where clients find STUN and TURN servers. Nothing by default: clients then use their own addresses only.
#[derive(Debug, Clone, Default)]
pub struct IceConfig {
    /// URLs that need no credentials, such as `stun:stun.example:3478`.
    pub urls: Vec<String>,
    /// A TURN server, or several with the same credentials.
    pub turn: Option<TurnConfig>,
}

/// A TURN server.
#[derive(Debug, Clone)]
pub struct TurnConfig {
    /// Its URLs, such as `turn:turn.example:3478?transport=udp`.
    pub urls: Vec<String>,
    /// What lets clients use it.
    pub credentials: TurnCredentials,
}

/// How clients prove to a TURN server that they may use it.
#[derive(Clone)]
pub enum TurnCredentials {
    /// By credentials for an hour, each client its own, made with a secret that the TURN server shares with this one
    /// (coturn's `use-auth-secret`).
    Secret(String),
    /// By one name and password for all, which work until the TURN server's operator changes them.
    Static {
        /// The name.
        username: String,
        /// The password.
        credential: String,
    },
}

impl std::fmt::Debug for TurnCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Secret(_) => "Secret",
            Self::Static { .. } => "Static",
        })
    }
}

impl IceConfig {
    /// `RTCIceServer` objects for a client.
    pub(super) fn servers(&self, client: &str, now: Timestamp) -> Vec<Value> {
        let mut servers = Vec::new();
        if !self.urls.is_empty() {
            servers.push(json!({"urls": self.urls}));
        }
        if let Some(turn) = &self.turn {
            let (username, credential) = turn.credentials.of(client, now);
            servers
                .push(json!({"urls": turn.urls, "username": username, "credential": credential}));
        }
        servers
    }
}

impl TurnCredentials {
    fn of(&self, client: &str, now: Timestamp) -> (String, String) {
        match self {
            Self::Secret(secret) => {
                let username = format!("{}:{client}", now.as_millis() / 1000 + TURN_TTL_S);
                let credential = signed(&username, secret);
                (username, credential)
            }
            Self::Static { username, credential } => (username.clone(), credential.clone()),
        }
    }
}

/// SHA-1 is what TURN servers compute; as a HMAC it still holds.
fn signed(username: &str, secret: &str) -> String {
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(secret.as_bytes()) else {
        // A HMAC takes keys of any length.
        return String::new();
    };
    mac.update(username.as_bytes());
    Base64::encode_string(&mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(credentials: TurnCredentials) -> TurnConfig {
        TurnConfig { urls: vec!["turn:t.example".into()], credentials }
    }

    #[test]
    fn nothing_configured_is_an_empty_list() {
        assert!(IceConfig::default().servers("c", Timestamp::ZERO).is_empty());
    }

    #[test]
    fn turn_credentials_are_what_coturn_computes() {
        let turn = turn(TurnCredentials::Secret("north".into()));
        let config = IceConfig { urls: vec!["stun:s.example".into()], turn: Some(turn) };
        let servers = config.servers("client", Timestamp::from_millis(1_000_000));
        // printf %s 4600:client | openssl dgst -sha1 -hmac north -binary | base64
        assert_eq!(
            serde_json::to_value(&servers).unwrap(),
            json!([
                {"urls": ["stun:s.example"]},
                {"urls": ["turn:t.example"], "username": "4600:client", "credential": "vcLp0/ADd+F1AR9m/bw1i8Dib4g="}
            ])
        );
        assert!(!format!("{config:?}").contains("north"));
    }

    #[test]
    fn one_name_and_password_are_everybodys() {
        let (username, credential) = ("agents".to_owned(), "hush".to_owned());
        let turn = turn(TurnCredentials::Static { username, credential });
        let config = IceConfig { urls: Vec::new(), turn: Some(turn) };
        let same =
            json!([{"urls": ["turn:t.example"], "username": "agents", "credential": "hush"}]);
        for client in ["a", "b"] {
            let servers = config.servers(client, Timestamp::ZERO);
            assert_eq!(serde_json::to_value(servers).unwrap(), same);
        }
        assert!(!format!("{config:?}").contains("hush"));
    }
}
