//! Settings in their two shapes: nested as documented (`discord.token`), and flat as newer controllers have them
//! (`discord_token`). Where both are there, the flat one counts. What is not known goes through as it is.

use serde_json::{Map, Value};

/// Nested path and flat name.
const NAMES: [(&[&str], &str); 11] = [
    (&["claudeModel"], "claude_model"),
    (&["maxTurns"], "claude_maxTurns"),
    (&["permissionMode"], "claude_permissionMode"),
    (&["resume"], "claude_resume"),
    (&["claudeOAuthToken"], "claude_oauthToken"),
    (&["discord", "token"], "discord_token"),
    (&["discord", "channelIds"], "discord_channelIds"),
    (&["discord", "botId"], "discord_botId"),
    (&["telegram", "token"], "telegram_token"),
    (&["telegram", "groupIds"], "telegram_groupIds"),
    (&["telegram", "botUsername"], "telegram_botUsername"),
];

/// Those that let somebody act as the agent elsewhere.
const TOKENS: [&str; 3] = ["claude_oauthToken", "discord_token", "telegram_token"];

fn at<'a>(settings: &'a Map<String, Value>, path: &[&str]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(settings.get(*first)?, |value, name| value.get(name))
}

/// A setting by its flat name, in either shape. Null counts as absent.
pub(super) fn get<'a>(settings: &'a Map<String, Value>, flat: &str) -> Option<&'a Value> {
    let given = settings.get(flat).filter(|value| !value.is_null());
    given.or_else(|| {
        let (path, _) = NAMES.iter().find(|(_, name)| *name == flat)?;
        at(settings, path).filter(|value| !value.is_null())
    })
}

/// A setting as text: lists joined with commas. Empty text, 0 and empty lists count as absent.
pub(super) fn text(settings: &Map<String, Value>, flat: &str) -> Option<String> {
    let text = match get(settings, flat)? {
        Value::String(text) => text.clone(),
        Value::Number(n) if n.as_f64() == Some(0.0) => String::new(),
        Value::Array(items) => {
            let items =
                items.iter().map(|item| item.as_str().map_or(item.to_string(), str::to_owned));
            items.collect::<Vec<_>>().join(",")
        }
        Value::Object(_) | Value::Null => String::new(),
        other => other.to_string(),
    };
    (!text.is_empty()).then_some(text)
}

/// In the nested shape.
pub(super) fn nested(settings: &Map<String, Value>) -> Map<String, Value> {
    let mut out = settings.clone();
    for (path, flat) in NAMES {
        let Some(value) = out.remove(flat) else { continue };
        match path {
            [name] => drop(out.insert((*name).to_owned(), value)),
            [group, name] => {
                let group =
                    out.entry((*group).to_owned()).or_insert_with(|| Value::Object(Map::new()));
                if let Value::Object(group) = group {
                    group.insert((*name).to_owned(), value);
                }
            }
            _ => {}
        }
    }
    out
}

/// In the flat shape.
pub(super) fn flat(settings: &Map<String, Value>) -> Map<String, Value> {
    let mut out = settings.clone();
    for (path, flat) in NAMES {
        if let Some(value) = get(settings, flat) {
            out.insert(flat.to_owned(), value.clone());
        }
        remove(&mut out, path);
    }
    out
}

fn remove(settings: &mut Map<String, Value>, path: &[&str]) {
    match path {
        [name] => drop(settings.remove(*name)),
        [group, name] => {
            if let Some(Value::Object(members)) = settings.get_mut(*group) {
                members.remove(*name);
                if members.is_empty() {
                    settings.remove(*group);
                }
            }
        }
        _ => {}
    }
}

/// Without the tokens of platforms and of the model's provider, in whichever shape they are.
pub(super) fn without_tokens(settings: &Map<String, Value>) -> Map<String, Value> {
    let mut out = settings.clone();
    for (path, flat) in NAMES.iter().filter(|(_, flat)| TOKENS.contains(flat)) {
        out.remove(*flat);
        remove(&mut out, path);
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn one_shape_becomes_the_other() {
        let one = map(json!({
            "claudeModel": "m", "discord": {"token": "t", "channelIds": ["1", "2"]}, "custom": {"a": 1},
        }));
        let other = map(json!({
            "claude_model": "m", "discord_token": "t", "discord_channelIds": ["1", "2"], "custom": {"a": 1},
        }));
        assert_eq!(flat(&one), other);
        assert_eq!(nested(&other), one);
        assert_eq!(text(&one, "discord_channelIds").as_deref(), Some("1,2"));
    }

    #[test]
    fn tokens_are_left_out_of_either_shape() {
        let both = map(json!({
            "claudeModel": "m", "claudeOAuthToken": "a", "claude_oauthToken": "b", "telegram": {"token": "c"},
            "discord": {"token": "d", "botId": "b"}, "discord_token": "e",
        }));
        let left = map(json!({"claudeModel": "m", "discord": {"botId": "b"}}));
        assert_eq!(without_tokens(&both), left);
    }

    #[test]
    fn of_both_the_flat_one_counts_and_empty_is_absent() {
        let mixed = map(json!({
            "claudeModel": "nested", "claude_model": "flat", "maxTurns": 0, "resume": false, "claudeOAuthToken": "",
            "discord": "no object", "telegram_token": null, "telegram": {"token": "t"},
        }));
        assert_eq!(text(&mixed, "claude_model").as_deref(), Some("flat"));
        assert_eq!(text(&mixed, "claude_maxTurns"), None);
        assert_eq!(text(&mixed, "claude_resume").as_deref(), Some("false"));
        assert_eq!(text(&mixed, "claude_oauthToken"), None);
        assert_eq!(text(&mixed, "discord_token"), None);
        assert_eq!(text(&mixed, "telegram_token").as_deref(), Some("t"));
        assert_eq!(nested(&mixed)["claudeModel"], "flat");
    }
}
