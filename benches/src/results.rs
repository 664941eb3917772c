//! What was measured: group → contender → one value a round. Rounds are interleaved, so values of one round compare.

use std::{collections::BTreeMap, fs, io, path::PathBuf};

use serde_json::Value;

/// Values by group and contender.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Results(pub BTreeMap<String, BTreeMap<String, Vec<f64>>>);

impl Results {
    /// Adds a value of the present round.
    pub fn add(&mut self, group: &str, contender: &str, value: f64) {
        let group = self.0.entry(group.to_owned()).or_default();
        group.entry(contender.to_owned()).or_default().push(value);
    }

    /// The values of a contender, by round.
    pub fn values(&self, group: &str, contender: &str) -> Option<&[f64]> {
        self.0.get(group)?.get(contender).map(Vec::as_slice)
    }

    /// Prints the median of every contender.
    #[allow(clippy::print_stdout, reason = "for whoever started the bench")]
    pub fn print(&self) {
        for (group, contenders) in &self.0 {
            for (contender, values) in contenders {
                let mut sorted = values.clone();
                sorted.sort_by(f64::total_cmp);
                if let Some(median) = sorted.get(sorted.len() / 2) {
                    println!("{group:<48} {contender:<24} median {median:>12.3}");
                }
            }
        }
    }

    /// Writes them where `report` looks for them.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn save(&self, bench: &str) -> io::Result<()> {
        let path = path(bench);
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir)?;
        }
        fs::write(path, serde_json::to_string_pretty(&self.0)?)
    }

    /// Reads what [`Results::save`] wrote; nothing if that bench did not run.
    ///
    /// # Errors
    /// Those of the file system, or a file that is not ours.
    pub fn load(bench: &str) -> io::Result<Self> {
        let text = match fs::read_to_string(path(bench)) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(e) => return Err(e),
        };
        let groups: BTreeMap<String, BTreeMap<String, Vec<f64>>> = serde_json::from_str(&text)?;
        Ok(Self(groups))
    }

    /// The same as JSON.
    pub fn to_json(&self) -> Value {
        serde_json::json!(self.0)
    }
}

/// `bench/NAME.json` in cargo's target directory.
fn path(bench: &str) -> PathBuf {
    target_dir().join("bench").join(format!("{bench}.json"))
}

/// Cargo's target directory.
pub fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from)
}

/// The root of the repository.
pub fn workspace() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}
