//! An answer that is shown as it came: JSON for programs, a few lines for people.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::error::CliError;

/// See the module.
#[derive(Debug)]
pub(super) struct Answer {
    json: serde_json::Value,
    text: String,
}

impl Answer {
    pub(super) fn new(json: &impl Serialize, text: impl Into<String>) -> Result<Self, CliError> {
        let json =
            serde_json::to_value(json).map_err(|e| CliError::failed(format!("output: {e}")))?;
        Ok(Self { json, text: text.into() })
    }
}

impl Serialize for Answer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.json.serialize(serializer)
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
