//! `docs/errors.md` is the glossary of the error codes that the code itself carries.
//!
//! After a change of an error: `AGENTMESH_UPDATE_DOCS=1 cargo test -p agentmesh-tests glossary`.

use std::{collections::BTreeSet, fmt::Write, fs, path::Path};

use agentmesh_core::error::{ErrorDoc, glossary};

const INTRODUCTION: &str = "\
# Error codes

Generated from the documentation of the error types; a test keeps it so. Every error of `agentmesh-core` has a stable
`code()`, a `kind()` that says who has to act, and `is_retryable()`: whether the same call may succeed later without
anybody changing anything. Codes never change their meaning and are never used again.

| kind | who has to act |
|---|---|
| `invalid_input` | the caller passed something that can never work |
| `authentication` | a signature, key or tag did not verify |
| `protocol` | a peer, relay or registry broke the protocol |
| `not_found` | the thing asked for does not exist |
| `conflict` | somebody else changed or holds it |
| `storage` | the store could not be read or written |
| `network` | the network or a server failed |
| `rate_limited` | too many requests; wait and try again |
| `timeout` | a deadline passed |
| `policy` | a policy, ours or the peer's, said no |
| `closed` | the client was closed |
| `internal` | a bug in this library; please report it |
";

fn render(entries: &[ErrorDoc]) -> String {
    let mut text = INTRODUCTION.to_owned();
    let mut group = "";
    for entry in entries {
        if entry.error != group {
            group = entry.error;
            let _ = write!(
                text,
                "\n## {group}\n\n| code | kind | retry | meaning |\n|---|---|---|---|\n"
            );
        }
        let retry = if entry.retryable { "yes" } else { "no" };
        let _ = writeln!(
            text,
            "| `{}` | {} | {retry} | {} |",
            entry.code,
            entry.kind.as_str(),
            meaning(entry.doc)
        );
    }
    text
}

/// The documentation on one line, without the links of rustdoc.
fn meaning(doc: &[&str]) -> String {
    let words = doc.iter().map(|line| line.trim()).filter(|line| !line.is_empty());
    let mut text = words.collect::<Vec<_>>().join(" ").replace('|', "\\|");
    // [`Name`](path) and [`Name`] both become `Name`.
    while let Some(start) = text.find("[`") {
        let Some(end) = text[start..].find("`]").map(|at| start + at + 1) else { break };
        let after = &text[end + 1..];
        let skip = match after.strip_prefix('(') {
            Some(path) => path.find(')').map_or(0, |at| at + 2),
            None => 0,
        };
        text = format!("{}{}{}", &text[..start], &text[start + 1..end], &after[skip..]);
    }
    text
}

#[test]
fn error_glossary_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/errors.md");
    let rendered = render(&glossary());
    if std::env::var_os("AGENTMESH_UPDATE_DOCS").is_some() {
        fs::write(&path, &rendered).expect("docs/errors.md can be written");
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    let differs =
        written.lines().zip(rendered.lines()).find(|(written, rendered)| written != rendered);
    assert!(
        written == rendered,
        "docs/errors.md is not what the code says, first here: {differs:?}; run make docs"
    );
}

#[test]
fn error_codes_are_unique_and_upper_case() {
    let mut seen = BTreeSet::new();
    for entry in glossary() {
        let upper = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        assert!(entry.code.chars().all(upper), "{} is not upper case", entry.code);
        assert!(entry.code.starts_with(|c: char| c.is_ascii_uppercase()), "{}", entry.code);
        assert!(seen.insert(entry.code), "{} is used twice", entry.code);
    }
}

#[test]
fn every_error_says_when_it_happens() {
    for entry in glossary() {
        let text = meaning(entry.doc);
        assert!(text.len() > 10 && text.ends_with('.'), "{}: {text:?}", entry.code);
    }
}

#[test]
fn links_of_rustdoc_are_flattened() {
    let doc = &[" Ask [`Agent`](crate::client::Agent) or [`Policy`] | both.", "", " Twice."];
    assert_eq!(meaning(doc), "Ask `Agent` or `Policy` \\| both. Twice.");
}
