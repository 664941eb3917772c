//! Schemas that payloads follow: checked on the way out and on the way in (`docs/protocol/native.md` §6.5).
//!
//! JSON Schema by a library, kept on a short leash: nothing is ever fetched, patterns are linear-time regular
//! expressions of bounded size, and schemas and payloads have bounds. Knows text and names; knows nothing of messages.

mod builtin;

use core::fmt;
use std::{collections::BTreeMap, sync::Arc};

use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;

use crate::{
    error::errors,
    limits::{MAX_SCHEMA, MAX_SCHEMA_INSTANCE, MAX_SCHEMA_NAME, MAX_SCHEMAS},
    wire::json::check_json,
};

/// Bytes that a compiled pattern, and the cache it matches with, may take.
const PATTERN_BYTES: usize = 1024 * 1024;
/// Characters of a path that are told.
const MAX_PATH: usize = 256;
/// Names that only this library gives.
const RESERVED: &str = "agentmesh/";

errors! {
    /// Why a schema or a payload was refused.
    pub enum SchemaError {
        /// There is no schema of that name here.
        #[error("there is no schema {name}")]
        Unknown {
            /// The name.
            name: String,
        } = "SCHEMA_UNKNOWN", NotFound, permanent;
        /// A name that is empty, too long or reserved, or one that is taken.
        #[error("{name:?} cannot be the name of a schema")]
        Name {
            /// The name.
            name: String,
        } = "SCHEMA_NAME", InvalidInput, permanent;
        /// Not a schema, or one that refers to something outside of itself.
        #[error("the schema is not valid: {problem}")]
        Invalid {
            /// What is wrong, for whoever wrote it. Quotes the schema.
            problem: String,
        } = "SCHEMA_INVALID", InvalidInput, permanent;
        /// A schema, or a payload to be checked, beyond its limit.
        #[error("{what} of {actual} exceeds the limit of {limit}")]
        TooLarge {
            /// What it is.
            what: &'static str,
            /// The limit.
            limit: usize,
            /// What was given.
            actual: usize,
        } = "SCHEMA_TOO_LARGE", InvalidInput, permanent;
        /// The payload does not follow the schema.
        #[error("the payload does not follow {name}: {keyword}")]
        Violation {
            /// The schema.
            name: String,
            /// Where in the payload, as a JSON Pointer. Its words are the payload's.
            path: String,
            /// The keyword of the schema that it breaks.
            keyword: String,
        } = "SCHEMA_VIOLATION", InvalidInput, permanent;
    }
}

/// The schemas that an agent knows, by name.
///
/// ```
/// use agentmesh_core::schema::{SchemaError, SchemaRegistry};
///
/// let mut schemas = SchemaRegistry::standard();
/// schemas.register("weather/query", r#"{
///     "type": "object",
///     "properties": {"city": {"type": "string", "maxLength": 100}},
///     "required": ["city"]
/// }"#)?;
/// assert!(schemas.check("weather/query", r#"{"city":"Oslo"}"#).is_ok());
/// let wrong = schemas.check("weather/query", r#"{"city":7}"#);
/// assert!(matches!(wrong, Err(SchemaError::Violation { path, .. }) if path == "/city"));
/// # Ok::<(), SchemaError>(())
/// ```
#[derive(Clone, Default)]
pub struct SchemaRegistry {
    schemas: BTreeMap<String, Arc<Validator>>,
}

impl SchemaRegistry {
    /// Without schemas.
    pub fn new() -> Self {
        Self::default()
    }

    /// With the standard ones: `agentmesh/knock`, `agentmesh/knock-response`, `agentmesh/message`.
    pub fn standard() -> Self {
        let mut registry = Self::new();
        for (name, text) in builtin::SCHEMAS {
            match compile(text) {
                Ok(schema) => {
                    registry.schemas.insert((*name).to_owned(), Arc::new(schema));
                }
                Err(error) => {
                    tracing::error!(target: "agentmesh", %name, %error, "built-in schema");
                }
            }
        }
        registry
    }

    /// Adds a schema: JSON Schema 2020-12, or the draft that its `$schema` names. References may go to anchors and definitions
    /// within it, and nowhere else. Patterns know neither look-around nor back-references.
    ///
    /// # Errors
    /// [`SchemaError::Name`], [`SchemaError::Invalid`], [`SchemaError::TooLarge`].
    pub fn register(&mut self, name: impl Into<String>, json: &str) -> Result<(), SchemaError> {
        let name = name.into();
        let fits = (1..=MAX_SCHEMA_NAME).contains(&name.len());
        if !fits || name.starts_with(RESERVED) || self.schemas.contains_key(&name) {
            return Err(SchemaError::Name { name });
        }
        if self.schemas.len() >= MAX_SCHEMAS {
            let actual = self.schemas.len() + 1;
            return Err(SchemaError::TooLarge { what: "registry", limit: MAX_SCHEMAS, actual });
        }
        self.schemas.insert(name, Arc::new(compile(json)?));
        Ok(())
    }

    /// Whether there is a schema of that name.
    pub fn contains(&self, name: &str) -> bool {
        self.schemas.contains_key(name)
    }

    /// Checks a JSON payload, and returns the first thing that is wrong with it.
    ///
    /// # Errors
    /// [`SchemaError::Violation`], [`SchemaError::Unknown`], [`SchemaError::TooLarge`].
    pub fn check(&self, name: &str, json: &str) -> Result<(), SchemaError> {
        let schema =
            self.schemas.get(name).ok_or_else(|| SchemaError::Unknown { name: name.to_owned() })?;
        if json.len() > MAX_SCHEMA_INSTANCE {
            let (limit, actual) = (MAX_SCHEMA_INSTANCE, json.len());
            return Err(SchemaError::TooLarge { what: "payload", limit, actual });
        }
        let violation = |path: &str, keyword: &str| SchemaError::Violation {
            name: name.to_owned(),
            path: path.chars().take(MAX_PATH).collect(),
            keyword: keyword.to_owned(),
        };
        let parsed = check_json(json).ok().and_then(|()| serde_json::from_str::<Value>(json).ok());
        let value = parsed.ok_or_else(|| violation("", "json"))?;
        schema
            .validate(&value)
            .map_err(|error| violation(error.instance_path().as_str(), error.kind().keyword()))
    }
}

impl fmt::Debug for SchemaRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.schemas.keys()).finish()
    }
}

fn compile(json: &str) -> Result<Validator, SchemaError> {
    if json.len() > MAX_SCHEMA {
        let actual = json.len();
        return Err(SchemaError::TooLarge { what: "schema", limit: MAX_SCHEMA, actual });
    }
    let invalid = |problem: String| SchemaError::Invalid { problem };
    check_json(json).map_err(|error| invalid(error.to_string()))?;
    let schema: Value = serde_json::from_str(json).map_err(|error| invalid(error.to_string()))?;
    let pattern = PatternOptions::regex().size_limit(PATTERN_BYTES).dfa_size_limit(PATTERN_BYTES);
    let mut options = jsonschema::options()
        .offline()
        .with_pattern_options(pattern)
        .should_validate_formats(false);
    if schema.get("$schema").is_none() {
        options = options.with_draft(Draft::Draft202012);
    }
    options.build(&schema).map_err(|error| invalid(error.to_string()))
}

#[cfg(test)]
mod tests;
