//! One configuration from three sources: what the controller says, then the environment, then defaults.

use std::{fmt, path::Path};

use serde_json::{Map, Value};

use super::{
    SecretText,
    answer::{Connected, Tool},
    environment::Environment,
};

const MODEL: &str = "claude-3-5-haiku-latest";
const MAX_TURNS: u64 = 100;
/// Controllers of today say `bypassPermissions` for everybody; here an agent asks unless somebody chose otherwise.
const PERMISSION_MODE: &str = "default";
/// Bytes of the local instruction file.
const MAX_INSTRUCTION: u64 = 1024 * 1024;

/// Where the instruction comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstructionSource {
    /// The controller.
    Controller,
    /// The local file.
    File,
    /// There is none.
    None,
}

/// A platform on which the agent talks.
#[derive(PartialEq, Eq, Default)]
pub struct Platform {
    /// The bot's token.
    pub token: Option<SecretText>,
    /// Channels (Discord) or groups (Telegram).
    pub places: Vec<String>,
    /// The bot's id (Discord) or name (Telegram).
    pub bot: Option<String>,
}

/// What an agent runs with. `Debug` shows no instruction, no token, and of settings only the names.
#[derive(PartialEq)]
pub struct AgentConfig {
    /// The instruction.
    pub instruction: Option<String>,
    /// Where it is from.
    pub instruction_source: InstructionSource,
    /// Tools that the agent may use; `None` if the controller did not say.
    pub tools: Option<Vec<Tool>>,
    /// Model.
    pub model: String,
    /// Turns at most.
    pub max_turns: u64,
    /// Permission mode, `default` unless somebody chose another.
    pub permission_mode: String,
    /// Whether to go on with the last conversation.
    pub resume: bool,
    /// OAuth token of the model's provider.
    pub oauth_token: Option<SecretText>,
    /// Discord.
    pub discord: Platform,
    /// Telegram.
    pub telegram: Platform,
    /// Roles of the agent.
    pub auth_roles: Vec<String>,
    /// The agent's name.
    pub name: Option<String>,
    /// MCP servers. They hold the agent's token.
    pub mcp_servers: Map<String, Value>,
    /// All settings as the controller sent them, for those that have no place here.
    pub settings: Map<String, Value>,
}

impl fmt::Debug for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Platform")
            .field("token", &self.token)
            .field("places", &self.places.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for AgentConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentConfig")
            .field("instruction_source", &self.instruction_source)
            .field("model", &self.model)
            .field("max_turns", &self.max_turns)
            .field("permission_mode", &self.permission_mode)
            .field("resume", &self.resume)
            .field("discord", &self.discord)
            .field("telegram", &self.telegram)
            .field("settings", &self.settings.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl AgentConfig {
    /// Merges what the controller gave, if it did, with environment and defaults. Reads `instruction_file` if the
    /// controller has no instruction.
    pub fn merge(
        connected: Option<&Connected>,
        environment: &Environment,
        instruction_file: &Path,
    ) -> Self {
        let none = Map::new();
        let settings = connected.map_or(&none, |connected| &connected.settings);
        let pick = Pick { settings, environment };
        let given = connected.and_then(|connected| connected.instruction.clone());
        let (instruction, instruction_source) = match given {
            Some(text) => (Some(text), InstructionSource::Controller),
            None => match read(instruction_file) {
                Some(text) => (Some(text), InstructionSource::File),
                None => (None, InstructionSource::None),
            },
        };
        let secret = |names: [&str; 3], variable| pick.text(names, variable).map(SecretText::new);
        let name = connected.and_then(|c| c.agent.get("name")).and_then(Value::as_str);
        let roles = pick.list(["", "", "auth_roles"], "");
        Self {
            instruction,
            instruction_source,
            tools: connected.and_then(|connected| connected.tools.clone()),
            model: pick
                .text(["", "claudeModel", "claude_model"], "CLAUDE_MODEL")
                .unwrap_or_else(|| MODEL.to_owned()),
            max_turns: pick
                .number(["", "maxTurns", "claude_maxTurns"], "CLAUDE_MAX_TURNS")
                .unwrap_or(MAX_TURNS),
            permission_mode: pick
                .text(["", "permissionMode", "claude_permissionMode"], "CLAUDE_PERMISSION_MODE")
                .unwrap_or_else(|| PERMISSION_MODE.to_owned()),
            resume: pick.flag(["", "resume", "claude_resume"], "CLAUDE_RESUME").unwrap_or(true),
            oauth_token: secret(
                ["", "claudeOAuthToken", "claude_oauthToken"],
                "CLAUDE_CODE_OAUTH_TOKEN",
            ),
            discord: Platform {
                token: secret(["discord", "token", "discord_token"], "DISCORD_TOKEN"),
                places: pick
                    .list(["discord", "channelIds", "discord_channelIds"], "DISCORD_CHANNEL_ID"),
                bot: pick.text(["discord", "botId", "discord_botId"], "DISCORD_BOT_ID"),
            },
            telegram: Platform {
                token: secret(["telegram", "token", "telegram_token"], "TELEGRAM_BOT_TOKEN"),
                places: pick
                    .list(["telegram", "groupIds", "telegram_groupIds"], "TELEGRAM_GROUP_ID"),
                bot: pick.text(
                    ["telegram", "botUsername", "telegram_botUsername"],
                    "TELEGRAM_BOT_USERNAME",
                ),
            },
            auth_roles: if roles.is_empty() { vec!["agent".to_owned()] } else { roles },
            name: name.or_else(|| environment.get("AGENT_NAME")).map(str::to_owned),
            mcp_servers: connected.map(|c| c.mcp_servers.clone()).unwrap_or_default(),
            settings: settings.clone(),
        }
    }

    /// Whether this is the same configuration, but for the token in `mcp_servers`, which changes with every connect.
    pub(super) fn same_as(&self, other: &Self, old: &SecretText, new: &SecretText) -> bool {
        let without = |config: &Self, token: &SecretText| {
            Value::Object(config.mcp_servers.clone()).to_string().replace(token.expose(), "")
        };
        let alike = Self { mcp_servers: self.mcp_servers.clone(), ..other.duplicate() };
        *self == alike && without(self, old) == without(other, new)
    }

    fn duplicate(&self) -> Self {
        let platform = |p: &Platform| Platform {
            token: p.token.as_ref().map(SecretText::duplicate),
            places: p.places.clone(),
            bot: p.bot.clone(),
        };
        Self {
            instruction: self.instruction.clone(),
            instruction_source: self.instruction_source,
            tools: self.tools.clone(),
            model: self.model.clone(),
            max_turns: self.max_turns,
            permission_mode: self.permission_mode.clone(),
            resume: self.resume,
            oauth_token: self.oauth_token.as_ref().map(SecretText::duplicate),
            discord: platform(&self.discord),
            telegram: platform(&self.telegram),
            auth_roles: self.auth_roles.clone(),
            name: self.name.clone(),
            mcp_servers: self.mcp_servers.clone(),
            settings: self.settings.clone(),
        }
    }

    /// Environment variables that say all this to a child process: the names of the documents, and
    /// `AIWM_INSTRUCTION` and `AIWM_ALLOWED_TOOLS`. Some values are secrets.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let mut all = vec![
            ("CLAUDE_MODEL", self.model.clone()),
            ("CLAUDE_MAX_TURNS", self.max_turns.to_string()),
            ("CLAUDE_PERMISSION_MODE", self.permission_mode.clone()),
            ("CLAUDE_RESUME", self.resume.to_string()),
        ];
        let mut add = |name, value: Option<String>| all.extend(value.map(|value| (name, value)));
        let secret = |text: &Option<SecretText>| text.as_ref().map(|t| t.expose().to_owned());
        let list = |items: &[String]| (!items.is_empty()).then(|| items.join(","));
        add("AGENT_NAME", self.name.clone());
        add("CLAUDE_CODE_OAUTH_TOKEN", secret(&self.oauth_token));
        add("DISCORD_TOKEN", secret(&self.discord.token));
        add("DISCORD_CHANNEL_ID", list(&self.discord.places));
        add("DISCORD_BOT_ID", self.discord.bot.clone());
        add("TELEGRAM_BOT_TOKEN", secret(&self.telegram.token));
        add("TELEGRAM_GROUP_ID", list(&self.telegram.places));
        add("TELEGRAM_BOT_USERNAME", self.telegram.bot.clone());
        add("AIWM_INSTRUCTION", self.instruction.clone());
        let tools = self.tools.as_ref();
        add(
            "AIWM_ALLOWED_TOOLS",
            tools.map(|tools| tools.iter().map(|t| t.name.as_str()).collect::<Vec<_>>().join(",")),
        );
        // What a variable cannot hold is left out rather than cut.
        all.retain(|(_, value)| !value.contains('\0'));
        all
    }
}

fn read(path: &Path) -> Option<String> {
    let length = std::fs::metadata(path).ok()?.len();
    if length > MAX_INSTRUCTION {
        tracing::warn!(target: "agentmesh", "AIWM: the instruction file is over 1 MiB and is not used");
        return None;
    }
    std::fs::read_to_string(path).ok().filter(|text| !text.trim().is_empty())
}

/// Looks a setting up: `[group, nested name, flat name]`, then a variable. Flat counts before nested; empty text and 0
/// count as absent, `false` does not.
struct Pick<'a> {
    settings: &'a Map<String, Value>,
    environment: &'a Environment,
}

impl Pick<'_> {
    fn values(&self, [group, nested, flat]: [&str; 3]) -> impl Iterator<Item = &Value> {
        let inner = if group.is_empty() {
            self.settings.get(nested)
        } else {
            self.settings.get(group).and_then(|group| group.get(nested))
        };
        [self.settings.get(flat), inner].into_iter().flatten()
    }

    fn text(&self, names: [&str; 3], variable: &str) -> Option<String> {
        let found = self.values(names).find_map(|value| match value {
            Value::String(text) if !text.is_empty() => Some(text.clone()),
            Value::Number(n) if n.as_f64() != Some(0.0) => Some(n.to_string()),
            _ => None,
        });
        found.or_else(|| self.environment.get(variable).map(str::to_owned))
    }

    fn number(&self, names: [&str; 3], variable: &str) -> Option<u64> {
        let found = self.values(names).find_map(|value| match value {
            Value::String(text) => text.trim().parse().ok().filter(|n| *n > 0),
            value => value.as_u64().filter(|n| *n > 0),
        });
        found.or_else(|| self.environment.get(variable)?.trim().parse().ok().filter(|n| *n > 0))
    }

    fn flag(&self, names: [&str; 3], variable: &str) -> Option<bool> {
        let parse = |text: &str| match text.trim().to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" => Some(true),
            "false" | "0" | "no" => Some(false),
            _ => None,
        };
        let found = self.values(names).find_map(|value| match value {
            Value::Bool(flag) => Some(*flag),
            Value::String(text) => parse(text),
            _ => None,
        });
        found.or_else(|| parse(self.environment.get(variable)?))
    }

    fn list(&self, names: [&str; 3], variable: &str) -> Vec<String> {
        let split = |text: &str| -> Vec<String> {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            parts.map(str::to_owned).collect()
        };
        let found = self.values(names).find_map(|value| {
            let items: Vec<String> = match value {
                Value::String(text) => split(text),
                Value::Array(items) => items
                    .iter()
                    .filter(|item| item.is_string() || item.is_number())
                    .map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned))
                    .collect(),
                _ => Vec::new(),
            };
            (!items.is_empty()).then_some(items)
        });
        found.unwrap_or_else(|| self.environment.get(variable).map(split).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn merge(settings: Value, environment: &[(&str, &str)]) -> AgentConfig {
        let body = json!({"token": "t", "instruction": "I", "settings": settings}).to_string();
        let connected = Connected::parse(body.as_bytes()).unwrap();
        let environment = Environment::from_pairs(environment.iter().copied());
        AgentConfig::merge(Some(&connected), &environment, Path::new("/nowhere"))
    }

    #[test]
    fn case_22_nested_flat_and_mixed_settings_give_the_same_and_flat_wins() {
        let nested = json!({"claudeModel": "m", "maxTurns": 7, "permissionMode": "plan", "resume": false, "claudeOAuthToken": "o",
            "discord": {"token": "d", "channelIds": ["1", 2], "botId": "b"}, "telegram": {"token": "t", "groupIds": "-1, -2", "botUsername": "u"}});
        let flat = json!({"claude_model": "m", "claude_maxTurns": 7, "claude_permissionMode": "plan", "claude_resume": false,
            "claude_oauthToken": "o", "discord_token": "d", "discord_channelIds": "1,2", "discord_botId": "b",
            "telegram_token": "t", "telegram_groupIds": ["-1", "-2"], "telegram_botUsername": "u"});
        let mixed = json!({"claude_model": "m", "claudeModel": "loses", "maxTurns": 7, "claude_permissionMode": "plan", "resume": false,
            "claudeOAuthToken": "o", "discord": {"token": "loses", "channelIds": [], "botId": "b"}, "discord_token": "d",
            "discord_channelIds": ["1", "2"], "telegram": {"token": "t", "groupIds": ["-1", "-2"]}, "telegram_botUsername": "u"});
        let [nested, flat, mixed] =
            [nested, flat, mixed].map(|s| AgentConfig { settings: Map::new(), ..merge(s, &[]) });
        assert!(nested == flat && flat == mixed, "{nested:?} {flat:?} {mixed:?}");
        assert_eq!(nested.discord.places, ["1", "2"]);
        assert_eq!(nested.telegram.places, ["-1", "-2"]);
        assert_eq!((nested.max_turns, nested.resume), (7, false));
    }

    #[test]
    fn case_23_false_counts_and_empty_text_and_zero_do_not() {
        let environment =
            [("CLAUDE_MAX_TURNS", "5"), ("CLAUDE_MODEL", "env"), ("CLAUDE_RESUME", "true")];
        let config =
            merge(json!({"resume": false, "maxTurns": 0, "claudeModel": ""}), &environment);
        assert_eq!((config.resume, config.max_turns, config.model.as_str()), (false, 5, "env"));
        let config = merge(json!({"resume": null}), &[]);
        assert_eq!((config.resume, config.max_turns), (true, 100));
        assert_eq!((config.model.as_str(), config.permission_mode.as_str()), (MODEL, "default"));
        assert_eq!(config.auth_roles, ["agent"]);
    }

    #[test]
    fn case_16_without_a_controller_file_then_environment_then_defaults() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("instruction.md");
        let environment =
            Environment::from_pairs([("CLAUDE_MODEL", "env"), ("DISCORD_CHANNEL_ID", "1, 2,")]);
        let config = AgentConfig::merge(None, &environment, &file);
        assert_eq!(
            (config.instruction.as_deref(), config.instruction_source),
            (None, InstructionSource::None)
        );
        std::fs::write(&file, "from the file").unwrap();
        let config = AgentConfig::merge(None, &environment, &file);
        assert_eq!(config.instruction.as_deref(), Some("from the file"));
        assert_eq!(config.instruction_source, InstructionSource::File);
        assert_eq!((config.model.as_str(), config.max_turns), ("env", 100));
        assert_eq!(config.discord.places, ["1", "2"]);
    }

    #[test]
    fn a_child_gets_the_documented_names() {
        let body = json!({"token": "t", "instruction": "I", "tools": [{"name": "a"}, {"name": "b"}], "agent": {"name": "N"},
            "settings": {"telegram": {"token": "tt"}, "claudeOAuthToken": "bad\u{0}"}}).to_string();
        let connected = Connected::parse(body.as_bytes()).unwrap();
        let config =
            AgentConfig::merge(Some(&connected), &Environment::default(), Path::new("/nowhere"));
        let all = config.variables();
        let get = |name: &str| all.iter().find(|(n, _)| *n == name).map(|(_, v)| v.as_str());
        assert_eq!(get("AIWM_ALLOWED_TOOLS"), Some("a,b"));
        assert_eq!((get("AIWM_INSTRUCTION"), get("AGENT_NAME")), (Some("I"), Some("N")));
        assert_eq!((get("TELEGRAM_BOT_TOKEN"), get("DISCORD_TOKEN")), (Some("tt"), None));
        assert_eq!(get("CLAUDE_CODE_OAUTH_TOKEN"), None);
    }
}
