//! Keys that rooms want from whoever joins them. Without one, who knows the name of a room can join it, see everybody in
//! it and get TURN credentials.

use std::collections::HashMap;

use agentmesh_core::{
    keys::kdf::{ct_eq, sha256},
    services::signaling::RoomName,
};

/// What a file names all other rooms by.
const OTHERS: &str = "*";

/// Which room wants which key; only hashes are kept.
#[derive(Clone, Default)]
pub struct JoinKeys {
    rooms: HashMap<String, [u8; 32]>,
    others: Option<[u8; 32]>,
}

impl JoinKeys {
    /// Reads a JSON object with a key for each room; `*` stands for all rooms that are not named.
    ///
    /// # Errors
    /// What is wrong with it, without any of the keys.
    pub fn parse(json: &str) -> Result<Self, String> {
        let named: HashMap<String, String> =
            serde_json::from_str(json).map_err(|_| "it is no JSON object of texts".to_owned())?;
        let mut keys = Self::default();
        for (room, key) in named {
            keys.require(&room, &key)?;
        }
        Ok(keys)
    }

    /// Wants a key for a room, or for all others (`*`).
    ///
    /// # Errors
    /// A name that no room can have, or an empty key.
    pub fn require(&mut self, room: &str, key: &str) -> Result<(), String> {
        if key.is_empty() {
            return Err(format!("the key of {room:?} is empty"));
        }
        let hash = sha256(&[key.as_bytes()]);
        if room == OTHERS {
            self.others = Some(hash);
            return Ok(());
        }
        let name = RoomName::parse(room).ok_or_else(|| format!("no room is called {room:?}"))?;
        self.rooms.insert(name.into(), hash);
        Ok(())
    }

    /// Whether a client with this key may join.
    pub(super) fn admit(&self, room: &str, key: Option<&str>) -> bool {
        match self.rooms.get(room).or(self.others.as_ref()) {
            None => true,
            Some(wanted) => key.is_some_and(|key| ct_eq(&sha256(&[key.as_bytes()]), wanted)),
        }
    }
}

impl std::fmt::Debug for JoinKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JoinKeys").field("rooms", &self.rooms.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_want_their_own_key_and_the_others_theirs() {
        let mut keys = JoinKeys::parse(r#"{" team ": "north"}"#).unwrap();
        assert!(keys.admit("TEAM", Some("north")));
        assert!(!keys.admit("TEAM", Some("south")) && !keys.admit("TEAM", None));
        assert!(keys.admit("OTHER", None) && keys.admit("OTHER", Some("anything")));
        keys.require("*", "west").unwrap();
        assert!(!keys.admit("OTHER", None) && keys.admit("OTHER", Some("west")));
        assert!(!keys.admit("TEAM", Some("west")));
    }

    #[test]
    fn files_that_make_no_sense_are_refused_and_keys_not_shown() {
        for text in ["", "[]", r#"{"a": 5}"#, r#"{"a": ""}"#, r#"{" ": "k"}"#] {
            assert!(JoinKeys::parse(text).is_err(), "{text}");
        }
        let keys = JoinKeys::parse(r#"{"team": "north"}"#).unwrap();
        assert!(!format!("{keys:?}").contains("north"));
    }
}
