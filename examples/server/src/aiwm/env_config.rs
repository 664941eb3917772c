//! The `.env` file of an agent. Every value is one line that shells and dotenv parsers read as the same text, whatever
//! is in it.

use serde_json::Map;

use super::settings;
use crate::store::aiwm::Object;

pub(super) fn env_config(agent: &Object, url: &str, secret: &str) -> String {
    let none = Map::new();
    let given = agent.body.get("settings").and_then(|s| s.as_object()).unwrap_or(&none);
    let get = |flat: &str| settings::text(given, flat);
    let mut lines = Lines::default();
    lines.heading("AIWM Integration");
    lines.set("AIWM_ENABLED", "true");
    lines.set("AIWM_BASE_URL", url.trim_end_matches('/'));
    lines.set("AIWM_AGENT_ID", &agent.id);
    lines.set("AIWM_AGENT_SECRET", secret);
    lines.heading("Agent Info");
    lines.set("AGENT_NAME", agent.text("name").unwrap_or_default());
    lines.heading("Claude Code SDK");
    lines.set("CLAUDE_MODEL", &get("claude_model").unwrap_or_else(|| MODEL.into()));
    lines.set("CLAUDE_MAX_TURNS", &get("claude_maxTurns").unwrap_or_else(|| "100".into()));
    let mode = get("claude_permissionMode");
    lines.set("CLAUDE_PERMISSION_MODE", &mode.unwrap_or_else(|| "default".into()));
    lines.set("CLAUDE_RESUME", &get("claude_resume").unwrap_or_else(|| "true".into()));
    if let Some(token) = get("claude_oauthToken") {
        lines.set("CLAUDE_CODE_OAUTH_TOKEN", &token);
    }
    for (heading, names) in PLATFORMS {
        lines.heading(heading);
        let set: Vec<_> =
            names.iter().filter_map(|(name, flat, _)| Some((name, get(flat)?))).collect();
        if set.is_empty() {
            for (name, _, sample) in names {
                lines.0.push(format!("# {name}={sample}"));
            }
        }
        for (name, value) in set {
            lines.set(name, &value);
        }
    }
    lines.0.join("\n") + "\n"
}

const MODEL: &str = "claude-3-5-haiku-latest";

/// Variable, setting, sample.
type Names = [(&'static str, &'static str, &'static str); 3];

const PLATFORMS: [(&str, Names); 2] = [
    (
        "Discord",
        [
            ("DISCORD_TOKEN", "discord_token", "your-discord-token"),
            ("DISCORD_CHANNEL_ID", "discord_channelIds", "channel-id-1,channel-id-2"),
            ("DISCORD_BOT_ID", "discord_botId", "your-bot-id"),
        ],
    ),
    (
        "Telegram",
        [
            ("TELEGRAM_BOT_TOKEN", "telegram_token", "your-telegram-token"),
            ("TELEGRAM_GROUP_ID", "telegram_groupIds", "group-id-1,group-id-2"),
            ("TELEGRAM_BOT_USERNAME", "telegram_botUsername", "your_bot"),
        ],
    ),
];

#[derive(Default)]
struct Lines(Vec<String>);

impl Lines {
    fn heading(&mut self, text: &str) {
        if !self.0.is_empty() {
            self.0.push(String::new());
        }
        self.0.push(format!("# ===== {text} ====="));
    }

    fn set(&mut self, name: &str, value: &str) {
        self.0.push(format!("{name}={}", quoted(value)));
    }
}

/// As it is if no parser could stumble over it, else in single quotes, which take everything but themselves: a quote
/// becomes a typographic one, control characters become spaces.
fn quoted(value: &str) -> String {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "-_.:/,@+=%".contains(c);
    if value.chars().all(harmless) {
        return value.to_owned();
    }
    let line: String = value
        .chars()
        .map(|c| match c {
            '\'' => '\u{2019}',
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => ' ',
            c => c,
        })
        .collect();
    format!("'{line}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_one_line_that_runs_nothing() {
        assert_eq!(quoted("https://h:1/dev/aiwm"), "https://h:1/dev/aiwm");
        assert_eq!(quoted("x\nEVIL=1"), "'x EVIL=1'");
        assert_eq!(quoted("$(id)\"`'"), "'$(id)\"`\u{2019}'");
        assert_eq!(quoted(""), "");
        assert_eq!(quoted("Customer Support"), "'Customer Support'");
    }
}
