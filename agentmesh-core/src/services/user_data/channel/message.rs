//! What agents and people say: blocks of text, of thoughts, of tools' calls and results. Unknown ones are kept.

use std::fmt;

use serde_json::Value;

use super::Object;

/// Who says something.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Role {
    /// The agent.
    Assistant,
    /// The person, or a tool's result on its way to the agent.
    User,
    /// The agent's machinery.
    System,
    /// Somebody else.
    Other(String),
}

impl Role {
    fn parse(role: &str) -> Self {
        match role {
            "assistant" => Self::Assistant,
            "user" => Self::User,
            "system" => Self::System,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// A part of a message, with every field that it came with.
#[derive(Clone, PartialEq)]
pub struct Block(Object);

/// What a [`Block`] is.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum BlockView<'a> {
    /// Text.
    Text(&'a str),
    /// What the agent thinks before it speaks.
    Thinking(&'a str),
    /// The agent uses a tool.
    ToolUse {
        /// Ties it to its result.
        id: &'a str,
        /// Which tool.
        name: &'a str,
        /// What for.
        input: &'a Value,
    },
    /// What a tool gave back.
    ToolResult {
        /// Of which use.
        tool_use_id: &'a str,
        /// A text or blocks.
        content: &'a Value,
    },
    /// A picture: its fields say where it is.
    Image(&'a Object),
    /// Something that this version does not know.
    Other(&'a Object),
}

impl Block {
    /// What it is.
    pub fn view(&self) -> BlockView<'_> {
        let text = |name: &str| self.0.get(name).and_then(Value::as_str);
        let known = match text("type") {
            Some("text") => text("text").map(BlockView::Text),
            Some("thinking") => text("thinking").map(BlockView::Thinking),
            Some("tool_use") => match (text("id"), text("name")) {
                (Some(id), Some(name)) => {
                    let input = self.0.get("input").unwrap_or(&Value::Null);
                    Some(BlockView::ToolUse { id, name, input })
                }
                _ => None,
            },
            Some("tool_result") => text("tool_use_id").map(|tool_use_id| {
                let content = self.0.get("content").unwrap_or(&Value::Null);
                BlockView::ToolResult { tool_use_id, content }
            }),
            Some("image") => Some(BlockView::Image(&self.0)),
            _ => None,
        };
        known.unwrap_or(BlockView::Other(&self.0))
    }

    /// Everything that it came with.
    pub const fn fields(&self) -> &Object {
        &self.0
    }
}

/// What people said is not for logs.
impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.0.get("type").and_then(Value::as_str).unwrap_or("?");
        f.debug_tuple("Block").field(&kind).finish()
    }
}

/// A message in a conversation with an agent.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ChannelMessage {
    /// Who says it.
    pub role: Role,
    /// What.
    pub blocks: Vec<Block>,
    /// Its id, if it has one. The same id never comes twice over one channel.
    pub uuid: Option<String>,
    /// When, in milliseconds since 1970; in histories.
    pub timestamp_ms: Option<u64>,
    /// Whatever else came with it.
    pub other: MessageFields,
}

/// Fields of a message that have no place of their own. Prints only their names.
#[derive(Clone, PartialEq, Default)]
pub struct MessageFields(pub Object);

impl fmt::Debug for MessageFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl ChannelMessage {
    /// The text in it, without thoughts and tools.
    pub fn text(&self) -> String {
        let texts = self.blocks.iter().filter_map(|block| match block.view() {
            BlockView::Text(text) => Some(text),
            _ => None,
        });
        texts.collect()
    }

    /// Reads a message; `None` if it is none.
    pub(in super::super) fn parse(value: Value) -> Option<Self> {
        let Value::Object(mut fields) = value else { return None };
        let Value::String(role) = fields.remove("role")? else { return None };
        let blocks = match fields.remove("content") {
            Some(Value::String(text)) => vec![text_block(text)],
            Some(Value::Array(blocks)) => blocks.into_iter().map(block).collect(),
            None | Some(Value::Null) => Vec::new(),
            Some(other) => vec![block(other)],
        };
        let uuid = match fields.remove("uuid") {
            Some(Value::String(uuid)) => Some(uuid),
            _ => None,
        };
        let timestamp_ms = fields.get("timestamp").and_then(Value::as_u64);
        let other = MessageFields(fields);
        Some(Self { role: Role::parse(&role), blocks, uuid, timestamp_ms, other })
    }

    /// The message as a history or a stored conversation has it.
    pub(super) fn to_value(&self) -> Value {
        let mut fields = self.other.0.clone();
        let role = match &self.role {
            Role::Assistant => "assistant",
            Role::User => "user",
            Role::System => "system",
            Role::Other(other) => other,
        };
        fields.insert("role".to_owned(), role.into());
        let blocks = self.blocks.iter().map(|block| Value::Object(block.0.clone()));
        fields.insert("content".to_owned(), blocks.collect());
        if let Some(uuid) = &self.uuid {
            fields.insert("uuid".to_owned(), uuid.as_str().into());
        }
        fields.into()
    }

    /// By what it is told from others; `None` if it cannot be.
    pub(super) fn key(&self) -> Option<String> {
        match (&self.uuid, self.timestamp_ms) {
            (Some(uuid), _) => Some(uuid.clone()),
            (None, Some(at)) => Some(format!("{:?}@{at}", self.role)),
            (None, None) => None,
        }
    }
}

fn text_block(text: String) -> Block {
    let mut fields = Object::new();
    fields.insert("type".to_owned(), "text".into());
    fields.insert("text".to_owned(), text.into());
    Block(fields)
}

fn block(value: Value) -> Block {
    match value {
        Value::Object(fields) => Block(fields),
        Value::String(text) => text_block(text),
        other => {
            let mut fields = Object::new();
            fields.insert("value".to_owned(), other);
            Block(fields)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn blocks_are_typed_and_what_is_unknown_is_kept() {
        let message = json!({"role": "assistant", "uuid": "u", "model": "m", "content": [
            {"type": "text", "text": "a", "citations": [1]},
            {"type": "thinking", "thinking": "hm", "signature": "s"},
            {"type": "tool_use", "id": "1", "name": "Read", "input": {"path": "x"}},
            {"type": "tool_result", "tool_use_id": "1", "content": "y", "is_error": true},
            {"type": "image", "source": {}, "url": "/i"},
            {"type": "hologram", "x": 1},
            {"type": "tool_use"},
            7, "b"]});
        let parsed = ChannelMessage::parse(message).unwrap();
        let views: Vec<_> = parsed.blocks.iter().map(Block::view).collect();
        assert_eq!(views[0], BlockView::Text("a"));
        assert_eq!(views[1], BlockView::Thinking("hm"));
        let input = json!({"path": "x"});
        assert_eq!(views[2], BlockView::ToolUse { id: "1", name: "Read", input: &input });
        let content = json!("y");
        assert_eq!(views[3], BlockView::ToolResult { tool_use_id: "1", content: &content });
        assert!(matches!(views[4], BlockView::Image(_)));
        assert!(views[5..8].iter().all(|view| matches!(view, BlockView::Other(_))));
        assert_eq!(parsed.blocks[0].fields()["citations"], json!([1]));
        assert_eq!((parsed.text(), &parsed.other.0["model"]), ("ab".to_owned(), &json!("m")));
        assert!(!format!("{parsed:?}").contains("hm"), "{parsed:?}");
    }

    #[test]
    fn content_may_be_text_or_missing_and_what_has_no_role_is_no_message() {
        let parsed = ChannelMessage::parse(json!({"role": "user", "content": "x", "timestamp": 5}));
        let parsed = parsed.unwrap();
        assert_eq!((parsed.text().as_str(), parsed.timestamp_ms), ("x", Some(5)));
        let value = parsed.to_value();
        assert_eq!((&value["role"], &value["timestamp"]), (&json!("user"), &json!(5)));
        assert_eq!(ChannelMessage::parse(value), Some(parsed));
        assert_eq!(ChannelMessage::parse(json!({"role": "narrator"})).unwrap().text(), "");
        for value in [json!(null), json!({}), json!({"role": 1}), json!([])] {
            assert_eq!(ChannelMessage::parse(value), None);
        }
    }
}
