//! Every error code is provoked by a test: test code names its variant or its code. The few that nothing can provoke stand
//! in [`NEVER`], with the reason.

use std::{collections::BTreeMap, path::Path};

use agentmesh_core::error::glossary;

use super::{read, rust_files, test_files};

/// What no test provokes, and why not.
const NEVER: &[(&str, &str)] = &[
    ("AGENT_INTERNAL", "stands where a task of the library would have panicked"),
    ("BACKUP_OUT_OF_MEMORY", "the allocator would have to fail for 64 MiB"),
    ("ENCRYPT_INTERNAL", "the checked encoder of what was just built would have to fail"),
    ("ENGINE_INTERNAL", "likewise, inside the engine"),
    ("HTTP_SETUP", "the TLS library would have to refuse its own defaults"),
    ("KEY_OUT_OF_MEMORY", "the allocator would have to fail for 64 MiB"),
    ("PASSPHRASE_OUT_OF_MEMORY", "the allocator would have to fail for 64 MiB"),
    ("VALUE_SERVICE", "for services that applications bring; the library has none"),
    ("VAULT_TOO_LONG", "a record would have to have 64 GiB; stores take 16 MiB"),
];

const DIRECTORIES: &[&str] = &["agentmesh-core", "examples", "tests"];

/// A file that holds tests only, wherever it stands: the suites that macros put into other crates.
fn is_suite(path: &Path) -> bool {
    path.iter().any(|part| part == "conformance" || part == "conformance.rs")
}

/// All test code without its comments, and all other code.
fn halves() -> (String, String) {
    let (mut tests, mut rest) = (String::new(), String::new());
    for dir in DIRECTORIES {
        let sources = rust_files(dir);
        let only_tests = test_files(&sources);
        for path in &sources {
            // This file and its neighbours name codes without provoking them.
            if path.iter().any(|part| part == "architecture") {
                continue;
            }
            let text = read(path);
            let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            let code = lines.collect::<Vec<_>>().join("\n");
            if *dir == "tests" || only_tests.contains(path) || is_suite(path) {
                tests.push_str(&code);
                continue;
            }
            let (own, inline) = code.split_once("#[cfg(test)]\nmod tests {").unwrap_or((&code, ""));
            rest.push_str(own);
            tests.push_str(inline);
        }
    }
    (tests, rest)
}

/// The variant that `= "CODE"` gives its code to.
fn variant<'a>(code: &'a str, of: &str) -> Option<&'a str> {
    let head = code[..code.find(&format!("= \"{of}\""))?].trim_end();
    let head = match head.strip_suffix('}') {
        None => head,
        Some(fields) => {
            let mut depth = 1;
            let open = fields.char_indices().rev().find(|(_, c)| {
                depth += i32::from(*c == '}') - i32::from(*c == '{');
                depth == 0
            });
            fields[..open?.0].trim_end()
        }
    };
    let start = head.rfind(|c: char| !c.is_alphanumeric()).map_or(0, |at| at + 1);
    Some(&head[start..])
}

#[test]
fn every_error_code_is_provoked_by_a_test() {
    let (tests, rest) = halves();
    let never: BTreeMap<_, _> = NEVER.iter().copied().collect();
    let (mut missing, mut needless) = (Vec::new(), Vec::new());
    for entry in glossary() {
        let variant = variant(&rest, entry.code).unwrap_or_else(|| panic!("{}", entry.code));
        let path = format!("{}::{variant}", entry.error);
        let ends = |at: usize| !tests[at + path.len()..].starts_with(|c: char| c.is_alphanumeric());
        let named = tests.contains(&format!("\"{}\"", entry.code))
            || tests.match_indices(&path).any(|(at, _)| ends(at));
        match (named, never.contains_key(entry.code)) {
            (false, false) => missing.push(format!("{} ({path})", entry.code)),
            (true, true) => needless.push(entry.code),
            _ => {}
        }
    }
    assert!(missing.is_empty(), "no test provokes\n{}", missing.join("\n"));
    assert!(needless.is_empty(), "provoked after all: {needless:?}");
}

#[test]
fn codes_that_are_never_provoked_are_few_and_exist() {
    assert!(NEVER.len() <= 10, "that is a list of excuses");
    let known: Vec<_> = glossary().iter().map(|entry| entry.code).collect();
    for (code, reason) in NEVER {
        assert!(known.contains(code), "{code} is no code any more");
        assert!(reason.len() > 20, "{code}: {reason}");
    }
}

#[test]
fn variants_are_read_from_their_definitions() {
    let code = "Plain = \"A_PLAIN\", X;\n Deep { a: Vec<u8>, b: B } = \"A_DEEP\", X;";
    assert_eq!(variant(code, "A_PLAIN"), Some("Plain"));
    assert_eq!(variant(code, "A_DEEP"), Some("Deep"));
    assert_eq!(variant(code, "A_NONE"), None);
}
