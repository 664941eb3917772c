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
    /// A TURN server that shares a secret with us.
    pub turn: Option<TurnConfig>,
}

/// A TURN server with credentials as coturn's `use-auth-secret` checks them.
#[derive(Clone)]
pub struct TurnConfig {
    /// Its URLs, such as `turn:turn.example:3478?transport=udp`.
    pub urls: Vec<String>,
    /// The secret that it shares with this server.
    pub secret: String,
}

impl std::fmt::Debug for TurnConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TurnConfig").field("urls", &self.urls).finish_non_exhaustive()
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
            let username = format!("{}:{client}", now.as_millis() / 1000 + TURN_TTL_S);
            let credential = turn.credential(&username);
            servers
                .push(json!({"urls": turn.urls, "username": username, "credential": credential}));
        }
        servers
    }
}

impl TurnConfig {
    /// SHA-1 is what TURN servers compute; as a HMAC it still holds.
    fn credential(&self, username: &str) -> String {
        let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(self.secret.as_bytes()) else {
            // A HMAC takes keys of any length.
            return String::new();
        };
        mac.update(username.as_bytes());
        Base64::encode_string(&mac.finalize().into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_configured_is_an_empty_list() {
        assert!(IceConfig::default().servers("c", Timestamp::ZERO).is_empty());
    }

    #[test]
    fn turn_credentials_are_what_coturn_computes() {
        let turn = TurnConfig { urls: vec!["turn:t.example".into()], secret: "north".into() };
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
}
