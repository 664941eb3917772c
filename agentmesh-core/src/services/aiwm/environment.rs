//! Environment variables: those of the process, and beneath them those of a `.env` file. The process's own environment
//! is never changed.

use std::{collections::BTreeMap, fmt, path::Path};

use super::{SecretText, error::AiwmError};

/// Variables by name. `Debug` shows the names only: some of the values are secrets.
#[derive(Default)]
pub struct Environment(BTreeMap<String, SecretText>);

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Environment {
    /// The variables of this process, and what `file` has besides; a file that does not exist is none.
    ///
    /// # Errors
    /// [`AiwmError::Config`] if the file cannot be read or is no `.env` file.
    pub fn load(file: Option<&Path>) -> Result<Self, AiwmError> {
        let mut all = match file {
            Some(path) => Self::from_file(path)?,
            None => Self::default(),
        };
        let ours = std::env::vars_os();
        let ours = ours.filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
        all.0.extend(ours.map(|(name, value)| (name, SecretText::new(value))));
        Ok(all)
    }

    /// The variables of a `.env` file; one that does not exist has none.
    ///
    /// # Errors
    /// [`AiwmError::Config`] if the file cannot be read or is no `.env` file.
    pub fn from_file(path: &Path) -> Result<Self, AiwmError> {
        if !path.exists() {
            return Ok(Self::default());
        }
        // The library's words quote the line that it stumbles over, which may hold a secret.
        let wrong = |what: &str| AiwmError::config(format!("{}: {what}", path.display()));
        if path.is_dir() {
            return Err(wrong("is a directory"));
        }
        let lines = dotenvy::from_path_iter(path).map_err(|_| wrong("cannot be read"))?;
        lines
            .map(|line| line.map_err(|_| wrong("has a line that is no assignment")))
            .map(|line| line.map(|(name, value)| (name, SecretText::new(value))))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Variables from elsewhere.
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let pairs = pairs.into_iter();
        Self(pairs.map(|(name, value)| (name.to_owned(), SecretText::new(value))).collect())
    }

    /// A variable that is not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(SecretText::expose).filter(|value| !value.is_empty())
    }
}
