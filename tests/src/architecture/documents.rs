//! What documents name exists: files, headings, tests.

use std::{collections::BTreeSet, path::PathBuf};

use super::{files, read, root, rust_files};

fn documents() -> Vec<PathBuf> {
    let mut found = Vec::new();
    files(&root(), &mut found);
    found.retain(|path| path.extension().is_some_and(|e| e == "md"));
    assert!(found.len() > 20, "only {} documents", found.len());
    found
}

/// The targets of a document's links that are not elsewhere in the world.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.contains(':'))
}

/// The anchors of a document's headings, as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let (mut anchors, mut fenced) = (BTreeSet::new(), false);
    for line in text.lines() {
        fenced ^= line.starts_with("```");
        let heading = line.trim_start_matches('#');
        if fenced || heading.len() == line.len() || !heading.starts_with(' ') {
            continue;
        }
        let anchor = heading.trim().chars().filter_map(|c| match c {
            ' ' => Some('-'),
            '-' | '_' => Some(c),
            c if c.is_alphanumeric() => Some(c.to_ascii_lowercase()),
            _ => None,
        });
        anchors.insert(anchor.collect());
    }
    anchors
}

#[test]
fn documents_that_are_named_exist() {
    let root = root();
    let mut found = Vec::new();
    files(&root, &mut found);
    let mut wrong = Vec::new();
    for path in found {
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
        let named: Vec<PathBuf> = match extension {
            "md" => {
                let text = read(&path);
                let here = path.parent().expect("a file is in a directory");
                let local = links(&text).filter(|link| !link.starts_with('#'));
                let files = local.filter_map(|link| link.split('#').next());
                files.map(|file| here.join(file)).collect()
            }
            "rs" | "toml" | "py" => {
                let text = read(&path);
                let path = |c: char| c.is_alphanumeric() || "/-_.".contains(c);
                let words = text.split(|c: char| !path(c)).filter(|word| word.starts_with("docs/"));
                let files = words.filter(|word| word.ends_with(".md"));
                files.map(|file| root.join(file)).collect()
            }
            _ => continue,
        };
        for file in named.iter().filter(|file| !file.exists()) {
            wrong.push(format!("{} names {}", path.display(), file.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn headings_that_are_linked_exist() {
    let mut wrong = Vec::new();
    for path in documents() {
        let text = read(&path);
        let here = path.parent().expect("a file is in a directory");
        for link in links(&text) {
            let Some((file, anchor)) = link.split_once('#') else { continue };
            let there = if file.is_empty() { path.clone() } else { here.join(file) };
            let document = there.extension().is_some_and(|e| e == "md") && there.exists();
            if document && !anchors(&read(&there)).contains(anchor) {
                wrong.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Names in backticks that can only be a test's: words with underscores between them.
fn tests_named_in(text: &str) -> Vec<&str> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let is_test = |name: &&str| name.matches('_').count() > 1 && name.chars().all(plain);
    text.split('`').skip(1).step_by(2).filter(is_test).collect()
}

/// `docs/testing.md` says which test holds which defect, `docs/threat-model.md` which one shows what nobody can do, and
/// `docs/protocol/legacy-0.2.md` which ones hold the lines of its checklist.
#[test]
fn every_test_that_a_document_names_exists() {
    let mut code = String::new();
    for dir in ["agentmesh-core", "examples", "tests"] {
        for path in rust_files(dir) {
            code.push_str(&read(&path));
        }
    }
    let testing = read(&root().join("docs/testing.md"));
    let defects = testing.split("## Defects").nth(1).expect("there is a list of defects");
    let threats = read(&root().join("docs/threat-model.md"));
    let mut wrong = Vec::new();
    let legacy = read(&root().join("docs/protocol/legacy-0.2.md"));
    let checklist = legacy.split("## 6. Checklist").nth(1).expect("there is a checklist");
    for text in [defects, &threats, checklist] {
        let names = tests_named_in(text);
        assert!(names.len() > 50, "only {} tests are named", names.len());
        wrong.extend(names.into_iter().filter(|name| !code.contains(&format!("fn {name}("))));
    }
    assert!(wrong.is_empty(), "there are no tests {wrong:?}");
}

/// Rows of tables below `| … cannot | shown by |` that name no test.
fn unproven(text: &str) -> (usize, Vec<&str>) {
    let (mut rows, mut wrong, mut inside) = (0, Vec::new(), false);
    for line in text.lines() {
        if line.starts_with("| ") && line.ends_with(" cannot | shown by |") {
            inside = true;
        } else if !line.starts_with('|') {
            inside = false;
        } else if inside && !line.starts_with("|--") {
            rows += 1;
            if tests_named_in(line).is_empty() {
                wrong.push(line);
            }
        }
    }
    (rows, wrong)
}

#[test]
fn every_cannot_names_a_test() {
    let threats = read(&root().join("docs/threat-model.md"));
    let (rows, wrong) = unproven(&threats);
    assert!(rows > 60, "only {rows} rows say what somebody cannot do");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for who in ["relay", "registry", "signaling server", "AIWM controller", "user-data server"] {
        assert!(threats.contains(&format!("## The {who}\n")), "nothing is said of the {who}");
    }
    let (rows, wrong) =
        unproven("| he cannot | shown by |\n|---|---|\n| fly | nothing |\n| x | `a_b_c` |\n");
    assert_eq!((rows, wrong), (2, vec!["| fly | nothing |"]));
    // A row after a gap belongs to no table.
    let alone = threats.lines().zip(threats.lines().skip(1)).find(|(before, line)| {
        before.is_empty()
            && line.starts_with('|')
            && !line.contains("cannot | shown by")
            && !line.contains(" can | |")
            && !line.contains("mistake | what")
    });
    assert_eq!(alone, None);
}

/// 13 lines of what is sent, 11 of what is accepted, 7 of what is refused; each names a test.
#[test]
fn every_line_of_the_checklist_of_0_2_names_a_test() {
    let legacy = read(&root().join("docs/protocol/legacy-0.2.md"));
    let checklist = legacy.split("## 6. Checklist").nth(1).expect("there is a checklist");
    let lines = checklist.lines().filter(|line| {
        let number = line.trim_start_matches("| ").split(' ').next();
        line.starts_with("| ") && number.is_some_and(|n| n.parse::<u8>().is_ok())
    });
    let lines: Vec<_> = lines.collect();
    assert_eq!(lines.len(), 13 + 11 + 7);
    let silent: Vec<_> = lines.iter().filter(|line| tests_named_in(line).is_empty()).collect();
    assert!(silent.is_empty(), "{silent:?}");
}

/// Texts in quotes, or between other marks, that can only be a code for programs.
fn codes_in(text: &str, mark: char) -> BTreeSet<&str> {
    let plain = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let is_code = |word: &&str| word.len() > 4 && word.contains('_') && word.chars().all(plain);
    text.split(mark).filter(is_code).collect()
}

/// §4 of `docs/protocol/registry.md` lists the codes that the reference server's registry gives, and a test provokes each.
#[test]
fn codes_of_the_registry_are_documented_and_provoked() {
    let read_all = |dirs: &[&str]| {
        let files = dirs.iter().flat_map(|dir| rust_files(dir));
        files.map(|path| read(&path)).collect::<String>()
    };
    let rooms = ["registry", "org", "oauth", "auth", "http"];
    let dirs: Vec<_> = rooms.iter().map(|room| format!("examples/server/src/{room}")).collect();
    let source = read_all(&dirs.iter().map(String::as_str).collect::<Vec<_>>());
    let given = codes_in(&source, '"');
    assert!(given.len() > 30, "only {} codes", given.len());
    let text = read(&root().join("docs/protocol/registry.md"));
    let table = text.split("\n## ").find(|part| part.starts_with("4 Errors"));
    // Those of bundles are the core's, and in its glossary.
    let documented = codes_in(table.expect("there is a list of errors"), '`');
    let documented: BTreeSet<_> =
        documented.into_iter().filter(|code| *code != "BUNDLE_BAD_SIGNATURE").collect();
    assert_eq!(given, documented, "the code gives the left, the document has the right");
    let tests = read_all(&["examples/server/tests", "tests/src"]);
    let provoked = codes_in(&tests, '"');
    let missing: Vec<_> = given.difference(&provoked).collect();
    assert!(missing.is_empty(), "no test provokes {missing:?}");
}

#[test]
fn anchors_are_those_of_the_headings() {
    let text = "# Who, and *why*\n```\n# not this\n```\n## 6.1 `Frames`\n#hash\n";
    let anchors: Vec<_> = anchors(text).into_iter().collect();
    assert_eq!(anchors, ["61-frames", "who-and-why"]);
}

#[test]
fn links_are_found() {
    let text = "[a](b.md) and [c](https://example.org/x#y) and [d](#e)";
    assert_eq!(links(text).collect::<Vec<_>>(), ["b.md", "#e"]);
}
