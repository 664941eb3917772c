//! The answer to `connect`, in the documented shape and in that of newer controllers.

use std::{fmt, time::Duration};

use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::{Map, Value};

use super::SecretText;

/// Lifetime of a token that does not say its own.
const LIFETIME: Duration = Duration::from_secs(86_400);
/// Longer ones are not believed.
const MAX_LIFETIME: u64 = 366 * 86_400;
/// What controllers say instead of an instruction.
const NO_INSTRUCTION: [&str; 2] =
    ["No instruction configured for this agent.", "Instruction not found."];

/// A tool that the agent may use.
#[derive(Debug, Clone, PartialEq)]
pub struct Tool {
    /// Its name, by which it is allowed.
    pub name: String,
    /// Everything that the controller says of it, known or not.
    pub fields: Map<String, Value>,
}

/// What the controller gave. `Debug` shows neither tokens nor settings.
pub struct Connected {
    /// For heartbeats. Opaque.
    pub token: SecretText,
    /// How long the token is good, from now on.
    pub lifetime: Duration,
    /// The instruction as text; `None` if the controller has none.
    pub instruction: Option<String>,
    /// What the agent may use. `None` if the controller does not say, as newer ones: they name MCP servers instead.
    pub tools: Option<Vec<Tool>>,
    /// MCP servers by name. They hold the token.
    pub mcp_servers: Map<String, Value>,
    /// What the controller says of the agent.
    pub agent: Map<String, Value>,
    /// Settings in either shape, as they came.
    pub settings: Map<String, Value>,
    /// Where a managed agent's model is.
    pub deployment: Map<String, Value>,
    /// Whatever else it says. Newer controllers may put secrets there.
    pub other: Map<String, Value>,
}

impl fmt::Debug for Connected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connected")
            .field("lifetime", &self.lifetime)
            .field("tools", &self.tools.as_ref().map(Vec::len))
            .field("settings", &self.settings.len())
            .finish_non_exhaustive()
    }
}

impl Connected {
    /// Reads an answer; `Err` says what is wrong with it.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, &'static str> {
        let Ok(Value::Object(mut body)) = serde_json::from_slice::<Value>(body) else {
            return Err("not a JSON object");
        };
        let text = |body: &Map<String, Value>, name: &str| {
            body.get(name).and_then(Value::as_str).filter(|t| !t.is_empty()).map(str::to_owned)
        };
        let token =
            text(&body, "accessToken").or_else(|| text(&body, "token")).ok_or("no token")?;
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("a token that cannot be sent");
        }
        let instruction = match body.remove("instruction") {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text),
            Some(Value::Object(object)) => rendered(&object),
            Some(_) => return Err("an instruction that is neither text nor an object"),
        };
        let tools = match body.remove("tools") {
            None | Some(Value::Null) => None,
            Some(Value::Array(tools)) => Some(tools.into_iter().filter_map(tool).collect()),
            Some(_) => return Err("tools that are no list"),
        };
        let said = body.get("expiresIn").and_then(Value::as_u64).filter(|s| *s > 0);
        let lifetime = said.or_else(|| lifetime(&token)).map(|s| s.min(MAX_LIFETIME));
        let mut object = |name: &str| match body.remove(name) {
            Some(Value::Object(object)) => object,
            _ => Map::new(),
        };
        Ok(Self {
            lifetime: lifetime.map_or(LIFETIME, Duration::from_secs),
            instruction: instruction
                .filter(|text| !text.trim().is_empty() && !NO_INSTRUCTION.contains(&text.trim())),
            tools,
            mcp_servers: object("mcpServers"),
            agent: object("agent"),
            settings: object("settings"),
            deployment: object("deployment"),
            token: SecretText::new(token),
            other: {
                body.retain(|name, _| !["token", "accessToken"].contains(&name.as_str()));
                body
            },
        })
    }
}

fn tool(value: Value) -> Option<Tool> {
    let Value::Object(fields) = value else { return None };
    let name = fields.get("name")?.as_str()?.to_owned();
    Some(Tool { name, fields })
}

/// An instruction's prompt, and its guidelines with numbers; `None` without an id, which stands for none.
fn rendered(object: &Map<String, Value>) -> Option<String> {
    if object.get("id").and_then(Value::as_str) == Some("") {
        return None;
    }
    let prompt = object.get("systemPrompt")?.as_str()?;
    let lines = object.get("guidelines").and_then(Value::as_array).map(Vec::as_slice);
    let lines: Vec<_> = lines.unwrap_or_default().iter().filter_map(Value::as_str).collect();
    if lines.is_empty() {
        return Some(prompt.to_owned());
    }
    let lines: Vec<_> =
        lines.into_iter().enumerate().map(|(n, line)| format!("{}. {line}", n + 1)).collect();
    Some(format!("{prompt}\n\n## Guidelines\n{}", lines.join("\n")))
}

/// Seconds for which a token says that it is good. From its own two times, so that our clock does not matter.
fn lifetime(token: &str) -> Option<u64> {
    let body = token.split('.').nth(1)?;
    let body = Base64UrlUnpadded::decode_vec(body).ok()?;
    let claims: Value = serde_json::from_slice(&body).ok()?;
    claims.get("exp")?.as_u64()?.checked_sub(claims.get("iat")?.as_u64()?).filter(|s| *s > 0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(body: Value) -> Result<Connected, &'static str> {
        Connected::parse(body.to_string().as_bytes())
    }

    #[test]
    fn both_shapes_give_the_same() {
        let old = parse(json!({"token": "t", "instruction": "P\n\n## Guidelines\n1. a\n2. b", "tools": [{"name": "x", "y": 1}]})).unwrap();
        let new = parse(json!({"accessToken": "t", "token": "ignored", "expiresIn": 60, "x": [],
            "instruction": {"id": "i", "systemPrompt": "P", "guidelines": ["a", "b"]}}))
        .unwrap();
        assert_eq!(old.instruction, new.instruction);
        assert_eq!(old.token, new.token);
        assert_eq!((old.lifetime, new.lifetime), (LIFETIME, Duration::from_secs(60)));
        assert_eq!(old.tools.unwrap()[0].fields["y"], 1);
        // What is not known is kept.
        assert_eq!((new.other.len(), &new.other["x"]), (2, &json!([])));
        assert!(new.tools.is_none());
    }

    #[test]
    fn what_stands_for_no_instruction_is_none() {
        for instruction in [
            json!(null),
            json!("No instruction configured for this agent."),
            json!("Instruction not found.\n"),
            json!({"id": "", "systemPrompt": "No instruction configured for this agent.", "guidelines": []}),
        ] {
            assert_eq!(
                parse(json!({"token": "t", "instruction": instruction})).unwrap().instruction,
                None
            );
        }
    }

    #[test]
    fn what_is_no_answer_of_a_controller_is_refused() {
        for body in [
            json!({}),
            json!([]),
            json!({"token": ""}),
            json!({"token": "a b"}),
            json!({"token": "t", "tools": 1}),
            json!({"token": "t", "instruction": 1}),
        ] {
            assert!(parse(body.clone()).is_err(), "{body}");
        }
        assert!(Connected::parse(b"<html>").is_err());
    }

    #[test]
    fn a_token_without_a_time_is_good_for_a_day() {
        assert_eq!(lifetime("opaque"), None);
        let part = Base64UrlUnpadded::encode_string(br#"{"iat":1000,"exp":4600}"#);
        assert_eq!(lifetime(&format!("x.{part}.y")), Some(3600));
    }
}
