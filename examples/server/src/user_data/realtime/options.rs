//! What a client may choose. Whatever else it sends is dropped, and named to it: options of the deployed services reach
//! into the agent's process.

use serde_json::{Map, Value};

/// Bytes of a text.
const MAX_TEXT: usize = 64 * 1024;
/// Characters of an id.
const MAX_ID: usize = 128;
/// Tools in a list.
const MAX_TOOLS: usize = 256;
/// Dropped options that are named, and characters of each name.
const NAMED: usize = 10;
const NAME: usize = 40;
const BYPASS: &str = "bypassPermissions";

/// How a client wants its messages worked on. What is `None` was not said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// Turns that a message may take.
    pub max_turns: Option<u32>,
    /// The model.
    pub model: Option<String>,
    /// What the model is told before everything.
    pub system_prompt: Option<String>,
    /// The conversation that goes on.
    pub resume: Option<String>,
    /// Tools that may be used; without it, all but those in `disallowed_tools`.
    pub allowed_tools: Option<Vec<String>>,
    /// Tools that must not be used.
    pub disallowed_tools: Option<Vec<String>>,
    /// `default`, `acceptEdits`, `plan`, or, where it is enabled, `bypassPermissions`.
    pub permission_mode: Option<String>,
    /// Tokens that a model may think with.
    pub max_thinking_tokens: Option<u32>,
    /// Whether answers are streamed while they are made.
    pub include_partial_messages: Option<bool>,
}

impl Options {
    /// Takes what may be chosen, and returns the names of what was dropped.
    pub(super) fn read(given: &Map<String, Value>, allow_bypass: bool) -> (Self, Vec<String>) {
        let mut options = Self::default();
        let mut dropped = Vec::new();
        for (name, value) in given {
            if !options.set(name, value, allow_bypass) && dropped.len() < NAMED {
                dropped.push(name.chars().filter(|c| !c.is_control()).take(NAME).collect());
            }
        }
        (options, dropped)
    }

    fn set(&mut self, name: &str, value: &Value, allow_bypass: bool) -> bool {
        if value.is_null() {
            return true;
        }
        let number = || value.as_u64().and_then(|n| u32::try_from(n).ok());
        let text = |max: usize| {
            let text = value.as_str().filter(|text| !text.is_empty() && text.len() <= max);
            text.map(str::to_owned)
        };
        let tools = || {
            let tools = value.as_array().filter(|tools| tools.len() <= MAX_TOOLS)?;
            let name =
                |tool: &Value| tool.as_str().filter(|t| t.len() <= MAX_ID).map(str::to_owned);
            tools.iter().map(name).collect::<Option<Vec<_>>>()
        };
        match name {
            "maxTurns" => put(&mut self.max_turns, number()),
            "model" => put(&mut self.model, text(MAX_ID)),
            "systemPrompt" => put(&mut self.system_prompt, text(MAX_TEXT)),
            "resume" => put(&mut self.resume, text(MAX_ID)),
            "allowedTools" => put(&mut self.allowed_tools, tools()),
            "disallowedTools" => put(&mut self.disallowed_tools, tools()),
            "permissionMode" => {
                let known = ["default", "acceptEdits", "plan"];
                let allowed = |mode: &String| {
                    known.contains(&mode.as_str()) || allow_bypass && mode == BYPASS
                };
                put(&mut self.permission_mode, text(MAX_ID).filter(allowed))
            }
            "maxThinkingTokens" => put(&mut self.max_thinking_tokens, number()),
            "includePartialMessages" => put(&mut self.include_partial_messages, value.as_bool()),
            _ => false,
        }
    }

    /// These, and those of `base` where these say nothing. What goes on is not inherited.
    pub(super) fn over(self, base: &Self) -> Self {
        let base = base.clone();
        Self {
            max_turns: self.max_turns.or(base.max_turns),
            model: self.model.or(base.model),
            system_prompt: self.system_prompt.or(base.system_prompt),
            resume: self.resume,
            allowed_tools: self.allowed_tools.or(base.allowed_tools),
            disallowed_tools: self.disallowed_tools.or(base.disallowed_tools),
            permission_mode: self.permission_mode.or(base.permission_mode),
            max_thinking_tokens: self.max_thinking_tokens.or(base.max_thinking_tokens),
            include_partial_messages: self
                .include_partial_messages
                .or(base.include_partial_messages),
        }
    }

    /// Whether a tool may be used at all, before anybody is asked.
    pub(super) fn allow_tool(&self, tool: &str) -> bool {
        let names = |tools: &Vec<String>| tools.iter().any(|name| name == tool);
        self.permission_mode.as_deref() != Some("plan")
            && self.allowed_tools.as_ref().is_none_or(names)
            && !self.disallowed_tools.as_ref().is_some_and(names)
    }
}

fn put<T>(place: &mut Option<T>, value: Option<T>) -> bool {
    let fits = value.is_some();
    *place = value;
    fits
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: Value, allow_bypass: bool) -> (Options, Vec<String>) {
        Options::read(value.as_object().unwrap(), allow_bypass)
    }

    #[test]
    fn case_24_what_reaches_into_the_process_is_dropped_and_named() {
        let (options, dropped) = read(
            json!({
                "maxTurns": 50, "model": "m", "env": {"A": "b"}, "executable": "/bin/sh", "cwd": "/",
                "permissionMode": "bypassPermissions", "pathToClaudeCodeExecutable": "/x",
                "allowedTools": ["Read"], "resume": null,
            }),
            false,
        );
        let mut dropped = dropped;
        dropped.sort();
        let unwanted = ["cwd", "env", "executable", "pathToClaudeCodeExecutable", "permissionMode"];
        assert_eq!(dropped, unwanted);
        assert_eq!(options.max_turns, Some(50));
        assert_eq!(options.permission_mode, None);
        assert!(options.allow_tool("Read") && !options.allow_tool("Bash"));
        let (options, dropped) = read(json!({"permissionMode": "bypassPermissions"}), true);
        assert_eq!((options.permission_mode.as_deref(), dropped.len()), (Some(BYPASS), 0));
    }

    #[test]
    fn what_has_the_wrong_type_is_dropped_and_names_are_cut() {
        let long = "x".repeat(1000);
        let (options, dropped) = read(
            json!({"maxTurns": "50", "model": 5, "systemPrompt": "", "allowedTools": [1], &long: 1}),
            false,
        );
        assert_eq!(options, Options::default());
        assert_eq!(dropped.len(), 5);
        assert!(dropped.iter().all(|name| name.len() <= NAME));
    }

    #[test]
    fn what_a_message_does_not_say_the_start_has_said() {
        let (base, _) = read(json!({"model": "a", "maxTurns": 1, "resume": "r"}), false);
        let (message, _) = read(json!({"model": "b", "disallowedTools": ["Bash"]}), false);
        let both = message.over(&base);
        assert_eq!(
            (both.model.as_deref(), both.max_turns, both.resume.as_deref()),
            (Some("b"), Some(1), None)
        );
        assert!(!both.allow_tool("Bash") && both.allow_tool("Read"));
    }
}
