//! What people may say of agents, instructions, tools and nodes. Members that are not known are dropped.

use serde_json::{Map, Value};

use super::{
    answer::Refusal,
    body::{Checks, is_strings},
};
use crate::store::aiwm::Kind;

const AGENT_STATUSES: &[&str] = &["active", "inactive", "busy", "suspended"];
const AGENT_TYPES: &[&str] = &["managed", "autonomous"];
const MAX_NAME: usize = 100;
const MAX_DESCRIPTION: usize = 500;
const MAX_PROMPT: usize = 64 * 1024;

/// What a member must be.
#[derive(Clone, Copy)]
pub(super) enum Rule {
    /// Required, not empty, at most so many characters.
    Text(usize),
    OneOf(&'static [&'static str]),
    OptionalText,
    OptionalOneOf(&'static [&'static str]),
    Strings,
    Object,
    RequiredObject,
    Flag,
}

pub(super) type Members = &'static [(&'static str, Rule)];

const AGENT: Members = &[
    ("name", Rule::Text(MAX_NAME)),
    ("description", Rule::Text(MAX_DESCRIPTION)),
    ("status", Rule::OneOf(AGENT_STATUSES)),
    ("type", Rule::OptionalOneOf(AGENT_TYPES)),
    ("instructionId", Rule::OptionalText),
    ("guardrailId", Rule::OptionalText),
    ("nodeId", Rule::OptionalText),
    ("deploymentId", Rule::OptionalText),
    ("role", Rule::OptionalText),
    ("tags", Rule::Strings),
    ("allowedToolIds", Rule::Strings),
    ("settings", Rule::Object),
];
const INSTRUCTION: Members = &[
    ("name", Rule::Text(MAX_NAME)),
    ("systemPrompt", Rule::Text(MAX_PROMPT)),
    ("description", Rule::OptionalText),
    ("guidelines", Rule::Strings),
    ("tags", Rule::Strings),
    ("status", Rule::OptionalOneOf(&["active", "inactive"])),
];
const TOOL: Members = &[
    ("name", Rule::Text(MAX_NAME)),
    ("type", Rule::OneOf(&["builtin", "custom", "mcp", "api"])),
    ("description", Rule::Text(MAX_DESCRIPTION)),
    ("category", Rule::OneOf(&["productivity", "data", "system", "communication"])),
    ("status", Rule::OneOf(&["active", "inactive", "error"])),
    ("schema", Rule::RequiredObject),
    ("scope", Rule::OptionalOneOf(&["public", "org", "private"])),
];
const NODE: Members = &[
    ("name", Rule::Text(MAX_NAME)),
    ("role", Rule::Strings),
    ("local", Rule::Flag),
    ("specs", Rule::Object),
    ("location", Rule::Object),
];

pub(super) const fn members(kind: Kind) -> Members {
    match kind {
        Kind::Agent => AGENT,
        Kind::Instruction => INSTRUCTION,
        Kind::Tool => TOOL,
        Kind::Node => NODE,
    }
}

/// A new object's members.
pub(super) fn created(
    kind: Kind,
    given: &Map<String, Value>,
) -> Result<Map<String, Value>, Refusal> {
    let mut body = checked(kind, given, |_| true)?;
    let default = match kind {
        // Deployed controllers make it `managed`, which drops the secret: such an agent can never connect.
        Kind::Agent => Some(("type", "autonomous")),
        Kind::Instruction => Some(("status", "active")),
        Kind::Tool => Some(("scope", "org")),
        Kind::Node => None,
    };
    if let Some((name, value)) = default {
        body.entry(name).or_insert_with(|| value.into());
    }
    Ok(body)
}

/// An object's members after a change: what is given replaces, null removes what may be absent.
pub(super) fn changed(
    kind: Kind,
    old: &Map<String, Value>,
    given: &Map<String, Value>,
) -> Result<Map<String, Value>, Refusal> {
    let new_type = given.get("type").filter(|kind| !kind.is_null());
    if kind == Kind::Agent && new_type.is_some_and(|new| Some(new) != old.get("type")) {
        return Err(Refusal::invalid(vec!["type cannot be changed".into()]));
    }
    let change = checked(kind, given, |name| given.contains_key(name))?;
    let mut body = old.clone();
    for (name, _) in members(kind) {
        if given.get(*name).is_some_and(Value::is_null) && *name != "type" {
            body.remove(*name);
        }
    }
    body.extend(change);
    Ok(body)
}

fn checked(
    kind: Kind,
    given: &Map<String, Value>,
    wanted: impl Fn(&str) -> bool,
) -> Result<Map<String, Value>, Refusal> {
    let mut checks = Checks::default();
    let mut body = Map::new();
    for (name, rule) in members(kind) {
        if !wanted(name) {
            continue;
        }
        match *rule {
            Rule::Text(max) => drop(checks.text(given, name, max)),
            Rule::OneOf(values) => checks.one_of(given, name, values),
            Rule::OptionalText => checks.optional(given, name, "a string", Value::is_string),
            Rule::OptionalOneOf(values) => {
                if given.get(*name).is_some_and(|value| !value.is_null()) {
                    checks.one_of(given, name, values);
                }
            }
            Rule::Strings => checks.optional(given, name, "an array of strings", is_strings),
            Rule::Object => checks.optional(given, name, "an object", Value::is_object),
            Rule::RequiredObject if given.get(*name).is_none_or(Value::is_null) => {
                checks.optional(&absent(name), name, "an object", Value::is_object);
            }
            Rule::RequiredObject => checks.optional(given, name, "an object", Value::is_object),
            Rule::Flag => checks.optional(given, name, "a boolean value", Value::is_boolean),
        }
        if let Some(value) = given.get(*name).filter(|value| !value.is_null()) {
            body.insert((*name).to_owned(), value.clone());
        }
    }
    checks.done()?;
    Ok(body)
}

/// What fails the check for an object as a missing one must.
fn absent(name: &str) -> Map<String, Value> {
    Map::from_iter([(name.to_owned(), Value::from("absent"))])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn what_is_missing_or_wrong_is_said_and_what_is_unknown_is_dropped() {
        let agent = map(json!({"name": "a", "description": "d", "status": "active", "evil": 1}));
        let made = created(Kind::Agent, &agent).unwrap();
        assert_eq!(made["type"], "autonomous");
        assert!(!made.contains_key("evil"));
        for (kind, bad) in [
            (Kind::Agent, json!({"name": "a", "description": "d", "status": "asleep"})),
            (
                Kind::Agent,
                json!({"name": "a", "description": "d", "status": "active", "tags": [1]}),
            ),
            (Kind::Instruction, json!({"name": "i"})),
            (
                Kind::Tool,
                json!({"name": "t", "type": "api", "description": "d", "category": "data", "status": "active"}),
            ),
            (Kind::Node, json!({"name": "n", "local": "yes"})),
        ] {
            assert!(created(kind, &map(bad.clone())).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_change_keeps_the_rest_and_never_the_type() {
        let old = map(
            json!({"name": "a", "description": "d", "status": "active", "type": "autonomous", "nodeId": "n"}),
        );
        let new = changed(Kind::Agent, &old, &map(json!({"status": "suspended", "nodeId": null})))
            .unwrap();
        assert_eq!(
            Value::Object(new),
            json!({"name": "a", "description": "d", "status": "suspended", "type": "autonomous"})
        );
        assert!(changed(Kind::Agent, &old, &map(json!({"type": "managed"}))).is_err());
        assert!(changed(Kind::Agent, &old, &map(json!({"name": null}))).is_err());
    }
}
