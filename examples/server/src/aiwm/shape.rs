//! The answer to `connect`, as the documents print it and as newer controllers send it.

use agentmesh_core::Timestamp;
use rusqlite::Connection;
use serde_json::{Map, Value, json};

use super::{Aiwm, is_id, settings, tokens::LIFETIME};
use crate::store::aiwm::{self as rows, Kind, Object};

const NO_INSTRUCTION: &str = "No instruction configured for this agent.";
const LOST_INSTRUCTION: &str = "Instruction not found.";

/// What belongs to an agent, read in one go.
pub(super) struct Belongings {
    instruction: Instruction,
    tools: Vec<Value>,
}

struct Instruction {
    id: String,
    prompt: String,
    guidelines: Vec<String>,
}

/// What `agent` is to work with. What another organization has is as good as not there.
pub(super) fn load(connection: &Connection, agent: &Object) -> rusqlite::Result<Belongings> {
    let find = |kind, id: &str| {
        let found = if is_id(id) { rows::find(connection, kind, id)? } else { None };
        Ok::<_, rusqlite::Error>(found.filter(|object| object.org == agent.org))
    };
    let instruction = match agent.text("instructionId").filter(|id| !id.is_empty()) {
        None => Instruction::none(NO_INSTRUCTION),
        Some(id) => find(Kind::Instruction, id)?
            .map_or_else(|| Instruction::none(LOST_INSTRUCTION), |object| Instruction::of(&object)),
    };
    let mut tools = Vec::new();
    for id in strings(agent.body.get("allowedToolIds")) {
        let tool = find(Kind::Tool, &id)?.filter(|tool| tool.text("status") == Some("active"));
        tools.extend(tool.map(tool_shape));
    }
    Ok(Belongings { instruction, tools })
}

fn strings(value: Option<&Value>) -> Vec<String> {
    let items = value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn tool_shape(tool: Object) -> Value {
    let mut shape = Map::from_iter([("_id".to_owned(), Value::String(tool.id))]);
    for name in ["name", "type", "description", "category", "status", "schema"] {
        shape.insert(name.to_owned(), tool.body.get(name).cloned().unwrap_or_default());
    }
    Value::Object(shape)
}

impl Instruction {
    fn none(text: &str) -> Self {
        Self { id: String::new(), prompt: text.to_owned(), guidelines: Vec::new() }
    }

    fn of(object: &Object) -> Self {
        Self {
            id: object.id.clone(),
            prompt: object.text("systemPrompt").unwrap_or_default().to_owned(),
            guidelines: strings(object.body.get("guidelines")),
        }
    }

    /// The prompt, and the guidelines with numbers.
    fn text(&self) -> String {
        if self.guidelines.is_empty() {
            return self.prompt.clone();
        }
        let lines = self.guidelines.iter().enumerate();
        let lines: Vec<_> = lines.map(|(n, line)| format!("{}. {line}", n + 1)).collect();
        format!("{}\n\n## Guidelines\n{}", self.prompt, lines.join("\n"))
    }

    fn object(&self) -> Value {
        json!({"id": self.id, "systemPrompt": self.prompt, "guidelines": self.guidelines})
    }
}

impl Aiwm {
    fn settings_of(&self, agent: &Object) -> Map<String, Value> {
        let none = Map::new();
        let given = agent.body.get("settings").and_then(Value::as_object).unwrap_or(&none);
        if self.config.withhold_tokens { settings::without_tokens(given) } else { given.clone() }
    }

    /// The answer with a token; the time is when it was made.
    pub(super) fn connected(&self, agent: &Object, with: &Belongings, token: &str) -> Value {
        if self.head {
            return self.newer(agent, with, Some(token));
        }
        json!({
            "token": token,
            "instruction": with.instruction.text(),
            "tools": with.tools,
            "agent": {"id": agent.id, "name": agent.text("name"), "orgId": agent.org},
            "settings": settings::nested(&self.settings_of(agent)),
            "accessToken": token,
            "expiresIn": LIFETIME,
            "refreshToken": null,
            "refreshExpiresIn": 0,
            "tokenType": "bearer",
            "mcpServers": self.mcp(Some(token)),
            "instructionObject": with.instruction.object(),
        })
    }

    /// As newer controllers answer; without a token, for people to look at.
    pub(super) fn newer(&self, agent: &Object, with: &Belongings, token: Option<&str>) -> Value {
        json!({
            "accessToken": token.unwrap_or_default(),
            "expiresIn": if token.is_some() { LIFETIME } else { 0 },
            "refreshToken": null,
            "refreshExpiresIn": 0,
            "tokenType": "bearer",
            "mcpServers": self.mcp(token),
            "instruction": with.instruction.object(),
            "settings": settings::flat(&self.settings_of(agent)),
        })
    }

    fn mcp(&self, token: Option<&str>) -> Value {
        let Some(url) = &self.config.mcp_url else { return json!({}) };
        let authorization = format!("Bearer {}", token.unwrap_or("<the agent's token>"));
        json!({"Builtin": {"type": "http", "url": url, "headers": {"Authorization": authorization}}})
    }
}

/// RFC 3339, or null.
pub(super) fn time(at: Option<Timestamp>) -> Value {
    at.map_or(Value::Null, |at| at.to_rfc3339_millis().into())
}
