//! One setting from three places: flat, nested, or a variable.

use serde_json::{Map, Value};

use super::environment::Environment;

/// Looks a setting up: `[group, nested name, flat name]`, then a variable. Flat counts before nested; empty text and 0
/// count as absent, `false` does not.
pub(super) struct Pick<'a> {
    pub(super) settings: &'a Map<String, Value>,
    pub(super) environment: &'a Environment,
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

    pub(super) fn text(&self, names: [&str; 3], variable: &str) -> Option<String> {
        let found = self.values(names).find_map(|value| match value {
            Value::String(text) if !text.is_empty() => Some(text.clone()),
            Value::Number(n) if n.as_f64() != Some(0.0) => Some(n.to_string()),
            _ => None,
        });
        found.or_else(|| self.environment.get(variable).map(str::to_owned))
    }

    pub(super) fn number(&self, names: [&str; 3], variable: &str) -> Option<u64> {
        let found = self.values(names).find_map(|value| match value {
            Value::String(text) => text.trim().parse().ok().filter(|n| *n > 0),
            value => value.as_u64().filter(|n| *n > 0),
        });
        found.or_else(|| self.environment.get(variable)?.trim().parse().ok().filter(|n| *n > 0))
    }

    pub(super) fn flag(&self, names: [&str; 3], variable: &str) -> Option<bool> {
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

    pub(super) fn list(&self, names: [&str; 3], variable: &str) -> Vec<String> {
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
