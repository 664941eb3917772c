//! One configuration from three sources: what the controller says, then the environment, then defaults.

use std::{
    fmt,
    io::{ErrorKind, Read},
    path::Path,
};

use serde_json::{Map, Value};

use super::{
    SecretText,
    answer::{Connected, Tool},
    environment::Environment,
    options::INSTRUCTION_FILE,
    pick::Pick,
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
    /// Why the local file is not used although it was named or is there.
    pub instruction_problem: Option<String>,
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
        let mut instruction_problem = None;
        let (instruction, instruction_source) = match given {
            Some(text) => (Some(text), InstructionSource::Controller),
            None => match read(instruction_file) {
                Ok(text) => (Some(text), InstructionSource::File),
                Err(problem) => {
                    let named = environment.get(INSTRUCTION_FILE).is_some();
                    instruction_problem = Some(problem)
                        .filter(|(kind, _)| named || *kind != ErrorKind::NotFound)
                        .map(|(_, problem)| format!("{}: {problem}", instruction_file.display()));
                    (None, InstructionSource::None)
                }
            },
        };
        if let Some(problem) = &instruction_problem {
            tracing::warn!(target: "agentmesh", problem, "AIWM: the instruction file is not used");
        }
        let secret = |names: [&str; 3], variable| pick.text(names, variable).map(SecretText::new);
        let name = connected.and_then(|c| c.agent.get("name")).and_then(Value::as_str);
        let roles = pick.list(["", "", "auth_roles"], "");
        Self {
            instruction,
            instruction_source,
            instruction_problem,
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
            instruction_problem: self.instruction_problem.clone(),
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

/// The text of a file, or what is wrong with it.
fn read(path: &Path) -> Result<String, (ErrorKind, String)> {
    let failed = |error: std::io::Error| (error.kind(), error.to_string());
    let wrong = |problem: &str| Err((ErrorKind::InvalidData, problem.to_owned()));
    // Opening a pipe would wait for whoever writes into it.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return wrong("it is no file");
    }
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut text = String::new();
    file.take(MAX_INSTRUCTION + 1).read_to_string(&mut text).map_err(failed)?;
    match u64::try_from(text.len()) {
        _ if text.trim().is_empty() => wrong("it is empty"),
        Ok(length) if length <= MAX_INSTRUCTION => Ok(text),
        _ => wrong("it is over 1 MiB"),
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
    fn instruction_files_that_cannot_be_used_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("instruction.md");
        let problem = |named: &[(&str, &str)]| {
            let environment = Environment::from_pairs(named.iter().copied());
            let config = AgentConfig::merge(None, &environment, &file);
            assert_eq!(
                (config.instruction, config.instruction_source),
                (None, InstructionSource::None)
            );
            config.instruction_problem
        };
        let named = [("AIWM_INSTRUCTION_FILE", "instruction.md")];
        assert_eq!(problem(&[]), None, "nobody asked for it");
        assert!(problem(&named).unwrap().contains("instruction.md: "));
        for content in [&b" \n"[..], b"\xff\xfe", &vec![b'x'; 1024 * 1024 + 1]] {
            std::fs::write(&file, content).unwrap();
            assert!(problem(&[]).is_some());
        }
        std::fs::remove_file(&file).unwrap();
        std::fs::create_dir(&file).unwrap();
        assert!(problem(&[]).unwrap().ends_with("it is no file"));
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
