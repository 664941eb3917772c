//! `docs/environment.md` names every variable that the code reads, and no others.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// What marks a file that reads variables.
const READS: &[&str] = &[
    "env::var",
    "var_os(",
    "env = \"",
    "try_from_env(",
    "environment.get(",
    "get: impl Fn(&str) -> Option<String>",
];
/// Read by crates that ours are made of.
const OTHERS: &[&str] = &["AWS_", "RUST_LOG", "USERPROFILE"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn files(dir: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, extension, found);
        } else if path.extension().is_some_and(|e| e == extension) {
            found.push(path);
        }
    }
}

/// `SOME_NAME`, `HOSTNAME` or `name_proxy`; not the `FILE` of a usage line.
fn is_name(text: &str) -> bool {
    let upper = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let like_one = text.contains('_') || (text.len() > 4 && text.ends_with("NAME"));
    (like_one && text.chars().all(upper)) || text.ends_with("_proxy") && text.len() < 12
}

/// Names between `mark`s in a text.
fn quoted(text: &str, mark: char) -> BTreeSet<String> {
    text.lines()
        .flat_map(|line| line.split(mark).skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>())
        .filter(|name| is_name(name))
        .collect()
}

fn starts(name: &str, with: &[&str]) -> bool {
    with.iter().any(|start| name.starts_with(start))
}

fn read_by_code() -> BTreeSet<String> {
    let mut rust = Vec::new();
    for dir in ["agentmesh-core/src", "examples/cli/src", "examples/server/src", "tests/src"] {
        files(&root().join(dir), "rs", &mut rust);
    }
    let mut names = BTreeSet::new();
    for path in rust.iter().filter(|path| !path.ends_with("variables.rs")) {
        let text = fs::read_to_string(path).unwrap();
        if !READS.iter().any(|mark| text.contains(mark)) {
            continue;
        }
        let tests = path.starts_with(root().join("tests"));
        let found = quoted(&text, '"').into_iter();
        names.extend(found.filter(|name| !tests || name.starts_with("AGENTMESH_")));
    }
    names.retain(|name| !name.starts_with("CARGO_"));
    names.extend(read_by_node());
    names.extend(read_by_scripts());
    names
}

/// Ours that a script of the tests takes a default for.
fn read_by_scripts() -> BTreeSet<String> {
    let mut scripts = Vec::new();
    files(&root().join("scripts"), "sh", &mut scripts);
    let texts = scripts.iter().map(|path| fs::read_to_string(path).unwrap());
    let with_default = |text: String| {
        let names = text.split("${").filter_map(|rest| rest.split_once(":-"));
        names.map(|(name, _)| name.to_owned()).collect::<Vec<_>>()
    };
    let names = texts.flat_map(with_default);
    names.filter(|name| name.starts_with("AGENTMESH_") && is_name(name)).collect()
}

/// The package for Node has one function for variables.
fn read_by_node() -> BTreeSet<String> {
    let mut found = Vec::new();
    files(&root().join("bindings/node/src"), "ts", &mut found);
    let texts = found.iter().map(|path| fs::read_to_string(path).unwrap());
    texts.filter(|text| text.contains("variable(")).flat_map(|text| quoted(&text, '\'')).collect()
}

#[test]
fn every_variable_that_is_read_is_documented_and_no_other_is() {
    let text = fs::read_to_string(root().join("docs/environment.md")).unwrap();
    let documented = quoted(&text, '`');
    let read = read_by_code();
    for known in [
        "AGENTMESH_STORE",
        "AGENTMESH_STORE_KEY",
        "SSL_CERT_FILE",
        "HTTPS_PROXY",
        "no_proxy",
        "HOSTNAME",
        "MAX_HISTORY",
    ] {
        assert!(read.contains(known), "the search does not find {known} any more");
    }
    let missing: Vec<_> = read.difference(&documented).collect();
    assert!(missing.is_empty(), "not in docs/environment.md: {missing:?}");
    let invented: Vec<_> =
        documented.difference(&read).filter(|name| !starts(name, OTHERS)).collect();
    assert!(invented.is_empty(), "read nowhere: {invented:?}");
}
