//! Every known answer of the deployed SDK, positive and negative: `tests/vectors/agentmesh-0.2.json`, or another file of
//! the same structure that `AGENTMESH_VECTORS_0_2` names. Nothing here depends on what our copy happens to hold.

mod handshakes;
mod identities;
mod knocks;
mod node;
mod ratchets;

use core::fmt::Write;

use node::Node;

use super::ecma::{Value, write_string};
use crate::test_utils::ScriptedRng;

/// Exercises one section; returns how many cases it held.
type Section = for<'a> fn(Node<'a>) -> usize;

/// Every section there is. A file without one of them, or with others, fails.
const SECTIONS: [(&str, Section); 12] = [
    ("amid", identities::amids),
    ("base58", identities::base58),
    ("identities", identities::identities),
    ("x3dh", handshakes::x3dh),
    ("kdf", handshakes::kdf),
    ("knock", knocks::knocks),
    ("ratchet_transcripts", ratchets::transcripts),
    ("ratchet_raw", ratchets::raw),
    ("ratchet_negative", ratchets::negative),
    ("ratchet_big_state", ratchets::big_state),
    ("rfc3339", identities::timestamps),
    ("session_cache_intent_hash", identities::intent_hashes),
];

#[test]
fn agentmesh_0_2_vectors() {
    let path = std::env::var("AGENTMESH_VECTORS_0_2").unwrap_or_else(|_| {
        concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/agentmesh-0.2.json").to_owned()
    });
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let file = Node::new(&text);
    for name in file.names() {
        let known = name == "meta" || SECTIONS.iter().any(|(section, _)| *section == name);
        assert!(known, "{path}: nothing exercises the section {name}");
    }
    for (name, exercise) in SECTIONS {
        let cases = exercise(file.get(name));
        assert!(cases > 0, "{path}: the section {name} is empty");
        println!("vectors: agentmesh-0.2 {name}: {cases}");
    }
}

/// `JSON.stringify(value, null, 2)`.
fn pretty(json: &str) -> String {
    let mut out = String::new();
    write_pretty(&Value::parse(json, "vector").unwrap(), 0, &mut out);
    out
}

fn write_pretty(value: &Value, depth: usize, out: &mut String) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Array(items) if !items.is_empty() => {
            for (i, item) in items.iter().enumerate() {
                out.push_str(if i == 0 { "[" } else { "," });
                write!(out, "\n{indent}  ").unwrap();
                write_pretty(item, depth + 1, out);
            }
            write!(out, "\n{indent}]").unwrap();
        }
        Value::Object(members) if !members.is_empty() => {
            for (i, (name, member)) in members.iter().enumerate() {
                out.push_str(if i == 0 { "{" } else { "," });
                write!(out, "\n{indent}  ").unwrap();
                write_string(out, name);
                out.push_str(": ");
                write_pretty(member, depth + 1, out);
            }
            write!(out, "\n{indent}}}").unwrap();
        }
        other => out.push_str(&other.to_text()),
    }
}

/// The private keys of a list of key pairs, to be drawn in this order.
fn keys(list: Node<'_>) -> ScriptedRng {
    let mut rng = ScriptedRng::default();
    list.list().iter().for_each(|pair| rng.push(&pair.get("private").base64()));
    rng
}
