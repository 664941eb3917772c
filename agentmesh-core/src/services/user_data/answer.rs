//! What the service answers. Fields that this version does not know are kept in `other`.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::SecretText;

/// Fields of an answer that have no place of their own.
pub type Other = Map<String, Value>;

/// Something was stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Stored {
    /// Where it is in the store.
    pub key: String,
    /// Whatever else the answer holds.
    #[serde(flatten)]
    pub other: Other,
}

/// Something was deleted, or was not there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Deleted {
    /// Where it was in the store.
    pub key: String,
    /// Whatever else the answer holds.
    #[serde(flatten)]
    pub other: Other,
}

/// The names of a user's skills.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SkillList {
    /// Names, sorted by the server. Deployed servers stop at 1,000 without a word.
    pub skills: Vec<String>,
    /// How many the server counts.
    pub count: u64,
    /// Where the next page begins, of servers that have pages. `list_skills` follows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Whatever else the answer holds.
    #[serde(flatten)]
    pub other: Other,
}

/// A skill.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Skill {
    /// Its name.
    pub skill_name: String,
    /// Its text, byte for byte.
    pub content: String,
    /// Who stored it, and when.
    #[serde(default)]
    pub metadata: Other,
    /// When it was stored, ISO 8601.
    #[serde(default)]
    pub uploaded: String,
    /// Bytes.
    #[serde(default)]
    pub size: u64,
    /// Whatever else the answer holds.
    #[serde(flatten)]
    pub other: Other,
}

/// A stored conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct StoredConversation {
    /// Its id.
    pub conversation_id: String,
    /// The body as it was saved, with everything in it.
    pub conversation: Value,
    /// Who saved it, and when.
    #[serde(default)]
    pub metadata: Other,
    /// When it was saved, ISO 8601.
    #[serde(default)]
    pub uploaded: String,
    /// Whatever else the answer holds.
    #[serde(flatten)]
    pub other: Other,
}

/// A line of a list of conversations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ConversationEntry {
    /// Its id.
    pub conversation_id: String,
    /// When it was saved, ISO 8601.
    #[serde(default)]
    pub saved_at: String,
    /// Bytes.
    #[serde(default)]
    pub size: u64,
    /// Whatever else the answer holds.
    #[serde(flatten)]
    pub other: Other,
}

/// A user's conversations. Deployed servers cannot list them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ConversationList {
    /// One line each.
    pub conversations: Vec<ConversationEntry>,
    /// How many the server counts.
    pub count: u64,
    /// Where the next page begins. `list_conversations` follows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Whatever else the answer holds.
    #[serde(flatten)]
    pub other: Other,
}

/// A user's settings under one name. Deployed servers have none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Settings {
    /// Their name.
    pub name: String,
    /// The object that was put.
    pub settings: Map<String, Value>,
    /// Who stored them, and when.
    #[serde(default)]
    pub metadata: Other,
    /// When they were stored, ISO 8601.
    #[serde(default)]
    pub uploaded: String,
    /// Whatever else the answer holds.
    #[serde(flatten)]
    pub other: Other,
}

/// How a sandbox gets the user's skills.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SetupMethod {
    /// They were copied: the server runs for development.
    LoadDev,
    /// The store is mounted.
    Mount,
    /// They were copied, because mounting failed.
    LoadFallback,
    /// Something newer.
    Other(String),
}

impl SetupMethod {
    /// As the service says it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::LoadDev => "r2_load_dev",
            Self::Mount => "r2_mount",
            Self::LoadFallback => "r2_load_fallback",
            Self::Other(name) => name,
        }
    }
}

impl<'de> Deserialize<'de> for SetupMethod {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Ok(match name.as_str() {
            "r2_load_dev" => Self::LoadDev,
            "r2_mount" => Self::Mount,
            "r2_load_fallback" => Self::LoadFallback,
            _ => Self::Other(name),
        })
    }
}

/// A sandbox is ready for a session.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Setup {
    /// The session.
    pub session_id: String,
    /// The user whose skills it has.
    pub user_id: String,
    /// How it gets them.
    pub setup_method: SetupMethod,
    /// Paths of the skills in the sandbox. Empty if there are none, or if they are mounted.
    #[serde(default)]
    pub skills_loaded: Vec<String>,
    /// What the server says to people.
    #[serde(default)]
    pub message: String,
    /// What the channel of this session is opened with, at servers that want it.
    #[serde(default, deserialize_with = "token")]
    pub session_token: Option<SecretText>,
    /// Whatever else the answer holds.
    #[serde(flatten)]
    pub other: Other,
}

fn token<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecretText>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(SecretText::trimmed))
}

/// What the server says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Health {
    /// `healthy` or `ok`.
    pub status: String,
    /// Whatever else the answer holds.
    #[serde(flatten)]
    pub other: Other,
}

/// A conversation to be saved: any JSON object with an id.
#[derive(Clone, PartialEq)]
pub struct Conversation {
    /// Its id.
    pub id: String,
    /// Everything else, stored as it is: `messages` and `metadata` by custom.
    pub fields: Map<String, Value>,
}

impl Conversation {
    /// With messages, each an object with `role` and `content` by custom.
    pub fn new(id: impl Into<String>, messages: Vec<Value>) -> Self {
        let mut fields = Map::new();
        fields.insert("messages".to_owned(), messages.into());
        Self { id: id.into(), fields }
    }

    /// Adds metadata, such as when it began and ended.
    #[must_use]
    pub fn metadata(mut self, metadata: Map<String, Value>) -> Self {
        self.fields.insert("metadata".to_owned(), metadata.into());
        self
    }

    /// A body as it is sent; `None` if it is no object, or has no `conversationId` that is a text.
    pub fn from_body(body: Value) -> Option<Self> {
        let Value::Object(mut fields) = body else { return None };
        let Some(Value::String(id)) = fields.remove(ID) else { return None };
        Some(Self { id, fields })
    }

    /// The body as it is sent.
    pub fn to_body(&self) -> Value {
        let mut body = self.fields.clone();
        body.insert(ID.to_owned(), Value::from(self.id.as_str()));
        body.into()
    }
}

impl fmt::Debug for Conversation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conversation").field("id", &self.id).finish_non_exhaustive()
    }
}

const ID: &str = "conversationId";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn setup_is_read_with_and_without_skills_and_keeps_what_it_does_not_know() {
        let answer = json!({"status": "ready", "sessionId": "s", "userId": "u", "setupMethod": "r2_mount",
            "message": "m", "sessionToken": "hush", "new": 1});
        let setup: Setup = serde_json::from_value(answer).unwrap();
        assert_eq!((setup.setup_method.as_str(), setup.skills_loaded.len()), ("r2_mount", 0));
        assert_eq!((&setup.other["status"], &setup.other["new"]), (&json!("ready"), &json!(1)));
        assert!(setup.session_token.is_some() && !format!("{setup:?}").contains("hush"));
        for (name, method) in [
            ("r2_load_dev", SetupMethod::LoadDev),
            ("r2_load_fallback", SetupMethod::LoadFallback),
            ("r3", SetupMethod::Other("r3".into())),
        ] {
            let answer = json!({"sessionId": "s", "userId": "u", "setupMethod": name, "skillsLoaded": ["/a"]});
            let setup: Setup = serde_json::from_value(answer).unwrap();
            assert_eq!((&setup.setup_method, setup.setup_method.as_str()), (&method, name));
        }
    }

    #[test]
    fn conversations_are_bodies_with_an_id() {
        let body = json!({"conversationId": "c", "messages": [{"role": "user", "content": "x"}], "more": {"a": [1.5, null]}});
        let conversation = Conversation::from_body(body.clone()).unwrap();
        assert_eq!(conversation.to_body(), body);
        for body in [json!([]), json!({}), json!({"conversationId": 1}), json!(null)] {
            assert_eq!(Conversation::from_body(body), None);
        }
        let made = Conversation::new("c", vec![]).metadata(Map::new());
        assert_eq!(made.to_body(), json!({"conversationId": "c", "messages": [], "metadata": {}}));
    }
}
