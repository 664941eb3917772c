//! `tests/vectors/native/`: made by the core with seeded randomness, compared with what is checked in, and verified
//! by `tests/checker/`, which shares no code with the core.
//!
//! A test here fails when the core's bytes change. `AGENTMESH_UPDATE_VECTORS=1 cargo test -p agentmesh-tests vectors`
//! writes the files anew; `tests/vectors/README.md` says when that is allowed.

mod agents;
mod bundles;
mod cbor;
mod delivery;
mod frames;
mod keys;
mod knocks;
mod opening;
mod plaintexts;
mod secrets;
mod services;
mod sessions;
mod states;
mod streams;
mod support;
mod talk;

use std::{env, fs, path::PathBuf};

use serde_json::{Value, json};

const FORMAT: &str = "agentmesh-vectors/1";

/// Vectors of one topic, and inputs that must be refused.
struct Topic {
    name: &'static str,
    /// Where the specification speaks of it.
    spec: &'static str,
    vectors: Vec<Value>,
    refusals: Vec<Value>,
}

impl Topic {
    fn document(&self) -> Value {
        let mut document = json!({
            "format": FORMAT,
            "topic": self.name,
            "spec": self.spec,
            "vectors": self.vectors,
        });
        if !self.refusals.is_empty() {
            document["refusals"] = self.refusals.clone().into();
        }
        document
    }

    /// Fails if the file says something else; writes it instead when asked to.
    fn compare(&self) {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("vectors/native")
            .join(format!("{}.json", self.name));
        let made = self.document();
        if env::var("AGENTMESH_UPDATE_VECTORS").is_ok_and(|v| v == "1") {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, serde_json::to_string_pretty(&made).unwrap() + "\n").unwrap();
            return;
        }
        let text =
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let recorded: Value = serde_json::from_str(&text).unwrap();
        if let Some(difference) = difference("", &recorded, &made) {
            panic!("{}: {difference}", path.display());
        }
        let count = self.vectors.len() + self.refusals.len();
        assert!(count > 0, "{} is empty", path.display());
        println!("vectors: ours {}: {count}", self.name);
    }
}

/// The first place where two documents differ.
fn difference(at: &str, recorded: &Value, made: &Value) -> Option<String> {
    match (recorded, made) {
        (Value::Object(a), Value::Object(b)) => {
            if let Some(key) =
                a.keys().chain(b.keys()).find(|k| !a.contains_key(*k) || !b.contains_key(*k))
            {
                return Some(format!("{at}.{key} is in one of them only"));
            }
            a.iter().find_map(|(key, value)| difference(&format!("{at}.{key}"), value, &b[key]))
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => a
            .iter()
            .zip(b)
            .enumerate()
            .find_map(|(i, (a, b))| difference(&format!("{at}[{i}]"), a, b)),
        _ if recorded == made => None,
        _ => Some(format!("{at}: recorded {recorded}, the core makes {made}")),
    }
}

#[test]
fn identity() {
    keys::identity().compare();
}

#[test]
fn signature() {
    keys::signature().compare();
}

#[test]
fn bundle() {
    bundles::bundle().compare();
}

#[test]
fn handshake() {
    sessions::handshake().compare();
}

#[test]
fn transcript() {
    sessions::transcript().compare();
}

#[test]
fn state_session() {
    states::session().compare();
}

#[test]
fn state_identity() {
    states::identity().compare();
}

#[test]
fn state_prekeys() {
    states::prekeys().compare();
}

#[test]
fn plaintext() {
    plaintexts::plaintext().compare();
}

#[test]
fn stream() {
    streams::stream().compare();
}

#[test]
fn knock() {
    knocks::knock().compare();
}

#[test]
fn frame() {
    frames::frame().compare();
}

#[test]
fn replay() {
    delivery::replay().compare();
}

#[test]
fn crossing() {
    delivery::crossing().compare();
}

#[test]
fn vault() {
    secrets::vault().compare();
}

#[test]
fn backup() {
    secrets::backup().compare();
}

#[test]
fn fingerprint() {
    secrets::fingerprint().compare();
}

#[test]
fn registry_request() {
    services::request().compare();
}

#[test]
fn relay_connect() {
    services::connect().compare();
}

#[test]
fn relay_binary() {
    services::binary().compare();
}
