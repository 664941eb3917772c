//! What can be said to the agent besides the prompt.

use serde_json::{Value, json};

use super::Object;

/// Which conversation of the agent's a turn belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Resume {
    /// The one that this channel heard of last. Newer servers begin a new conversation for who does not say it.
    #[default]
    Last,
    /// A new one, as far as the server goes by this.
    New,
    /// One that is known from elsewhere.
    Id(String),
}

/// How the agent works. Servers take some of it, and drop the rest with a warning.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct AgentOptions {
    /// Turns of the agent with its model.
    pub max_turns: Option<u32>,
    /// Which model.
    pub model: Option<String>,
    /// What the model is told first.
    pub system_prompt: Option<String>,
    /// When the agent asks before it does something.
    pub permission_mode: Option<String>,
    /// Which conversation.
    pub resume: Resume,
    /// Tools that may be used, and no others.
    pub allowed_tools: Option<Vec<String>>,
    /// Tools that may not be used.
    pub disallowed_tools: Option<Vec<String>>,
    /// How much the model may think.
    pub max_thinking_tokens: Option<u32>,
    /// Whether answers come piece by piece.
    pub include_partial_messages: Option<bool>,
    /// Whatever else, under the names of the protocol.
    pub other: Object,
}

impl AgentOptions {
    /// As they are sent, with the conversation that is the last now.
    pub(super) fn to_value(&self, last: Option<&str>) -> Value {
        let mut fields = self.other.clone();
        for (name, value) in [
            ("maxTurns", json!(self.max_turns)),
            ("model", json!(self.model)),
            ("systemPrompt", json!(self.system_prompt)),
            ("permissionMode", json!(self.permission_mode)),
            ("allowedTools", json!(self.allowed_tools)),
            ("disallowedTools", json!(self.disallowed_tools)),
            ("maxThinkingTokens", json!(self.max_thinking_tokens)),
            ("includePartialMessages", json!(self.include_partial_messages)),
        ] {
            if !value.is_null() {
                fields.insert(name.to_owned(), value);
            }
        }
        let resume = match &self.resume {
            Resume::Last => last,
            Resume::New => None,
            Resume::Id(id) => Some(id.as_str()),
        };
        if let Some(id) = resume {
            fields.insert("resume".to_owned(), id.into());
        }
        fields.into()
    }
}

/// How to say something.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct TurnOptions {
    /// How the agent works.
    pub agent: AgentOptions,
    /// Say it even while a turn is under way; it is dealt with after that. Otherwise it is an error.
    pub overlap: bool,
}

impl From<AgentOptions> for TurnOptions {
    fn from(agent: AgentOptions) -> Self {
        Self { agent, overlap: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_sent_under_their_names_and_the_conversation_is_carried() {
        let mut other = Object::new();
        other.insert("cwd".into(), "/workspace".into());
        let options = AgentOptions {
            max_turns: Some(50),
            model: Some("m".into()),
            system_prompt: Some("s".into()),
            permission_mode: Some("plan".into()),
            allowed_tools: Some(vec!["Read".into()]),
            disallowed_tools: Some(vec![]),
            max_thinking_tokens: Some(1),
            include_partial_messages: Some(true),
            other,
            resume: Resume::Last,
        };
        assert_eq!(
            options.to_value(Some("id")),
            json!({"maxTurns": 50, "model": "m", "systemPrompt": "s", "permissionMode": "plan", "allowedTools": ["Read"],
                "disallowedTools": [], "maxThinkingTokens": 1, "includePartialMessages": true, "cwd": "/workspace", "resume": "id"})
        );
        assert_eq!(AgentOptions::default().to_value(None), json!({}));
        let new = AgentOptions { resume: Resume::New, ..AgentOptions::default() };
        assert_eq!(new.to_value(Some("id")), json!({}));
        let known = AgentOptions { resume: Resume::Id("x".into()), ..AgentOptions::default() };
        assert_eq!(known.to_value(Some("id")), json!({"resume": "x"}));
    }
}
