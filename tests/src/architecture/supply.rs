//! Where the code of others comes from: licences, sources, how much of it there is, lock files, and what workflows may do.

use std::{collections::BTreeMap, path::PathBuf, process::Command};

use serde_json::Value;

use super::{files, packages, read, root};

/// Packages of which the lock file has more than one version, counted for each further version. Whoever adds one says why it
/// cannot be helped.
const FURTHER_VERSIONS: usize = 35;
/// Packages of the build with default features.
const DEFAULT_PACKAGES: usize = 240;

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(root())
        .output()
        .expect("cargo can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo writes JSON")
}

/// The licences that `deny.toml` allows.
fn allowed() -> Vec<String> {
    let text = read(&root().join("deny.toml"));
    let list = text.split("allow = [").nth(1).and_then(|rest| rest.split(']').next());
    let list = list.expect("deny.toml has a list of licences");
    list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Whether `deny.toml` makes an exception for a package and its licence.
fn excepted(name: &str, licence: &str) -> bool {
    let line = format!("{{ name = \"{name}\", allow = [\"{licence}\"] }}");
    read(&root().join("deny.toml")).contains(&line)
}

/// Whether an SPDX expression can be met with the licences that are allowed. `AND` binds closer than `OR`; `/` is an old
/// `OR`.
fn fits(expression: &str, allowed: &[String]) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<_> = spaced.split_whitespace().collect();
    let mut at = 0;
    let fits = either(&words, &mut at, allowed);
    assert_eq!(at, words.len(), "{expression} is no expression");
    fits
}

fn either(words: &[&str], at: &mut usize, allowed: &[String]) -> bool {
    let mut fits = both(words, at, allowed);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        fits |= both(words, at, allowed);
    }
    fits
}

fn both(words: &[&str], at: &mut usize, allowed: &[String]) -> bool {
    let mut fits = one(words, at, allowed);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        fits &= one(words, at, allowed);
    }
    fits
}

fn one(words: &[&str], at: &mut usize, allowed: &[String]) -> bool {
    let word = words.get(*at).expect("an expression goes on");
    *at += 1;
    if *word == "(" {
        let fits = either(words, at, allowed);
        assert_eq!(words.get(*at), Some(&")"), "a parenthesis is not closed");
        *at += 1;
        return fits;
    }
    let mut name = (*word).to_owned();
    if words.get(*at) == Some(&"WITH") {
        name = format!("{name} WITH {}", words[*at + 1]);
        *at += 2;
    }
    allowed.contains(&name)
}

#[test]
fn every_dependency_has_a_licence_that_is_allowed_and_comes_from_the_registry() {
    let (metadata, allowed) = (metadata(), allowed());
    let all = metadata["packages"].as_array().expect("there are packages");
    assert!(all.len() > 300 && allowed.len() > 5);
    let mut wrong = Vec::new();
    for package in all {
        let (name, source) = (package["name"].as_str().unwrap_or_default(), &package["source"]);
        let licence = package["license"].as_str().unwrap_or_default();
        if licence.is_empty() || !(fits(licence, &allowed) || excepted(name, licence)) {
            wrong.push(format!("{name}: {licence}"));
        }
        if !source.is_null() && source != "registry+https://github.com/rust-lang/crates.io-index" {
            wrong.push(format!("{name} comes from {source}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_package_of_npm_has_a_checksum_and_what_is_shipped_a_licence_that_is_allowed() {
    let allowed = allowed();
    for file in ["bindings/node/package-lock.json", "bindings/wasm/package-lock.json"] {
        let lock: Value = serde_json::from_str(&read(&root().join(file))).expect("it is JSON");
        let all = lock["packages"].as_object().expect("it names packages");
        for (name, package) in all.iter().filter(|(name, _)| !name.is_empty()) {
            let licence = package["license"].as_str().unwrap_or_default();
            // Tools of the tests are not handed on to anybody.
            let tool = package["dev"] == true;
            assert!(tool || fits(licence, &allowed), "{file}: {name}: {licence}");
            let integrity = package["integrity"].as_str().unwrap_or_default();
            assert!(integrity.starts_with("sha512-"), "{file}: {name} has no checksum");
            let from = package["resolved"].as_str();
            let registry = |from: &str| from.starts_with("https://registry.npmjs.org/");
            assert!(from.is_none_or(registry), "{file}: {name}: {from:?}");
        }
    }
}

#[test]
fn few_packages_are_there_in_two_versions() {
    let mut versions = BTreeMap::<String, usize>::new();
    for line in read(&root().join("Cargo.lock")).lines() {
        if let Some(name) = line.strip_prefix("name = ") {
            *versions.entry(name.to_owned()).or_default() += 1;
        }
    }
    let further: usize = versions.values().map(|count| count - 1).sum();
    versions.retain(|_, count| *count > 1);
    assert!(further <= FURTHER_VERSIONS, "{further} further versions: {versions:#?}");
}

#[test]
fn default_build_stays_within_its_budget() {
    let found = packages(&["-p", "agentmesh-core"]);
    assert!(found.len() > 100, "cargo tree says nothing");
    assert!(found.len() <= DEFAULT_PACKAGES, "{} packages: {found:#?}", found.len());
}

#[test]
fn every_project_has_a_lock_file() {
    let mut found = Vec::new();
    files(&root(), &mut found);
    let named = |name: &str| -> Vec<PathBuf> {
        found.iter().filter(|path| path.ends_with(name)).cloned().collect()
    };
    let projects = named("package.json");
    assert!(!projects.is_empty());
    // Templates are for projects that lock for themselves.
    let examples = root().join("examples");
    for project in projects.into_iter().filter(|project| !project.starts_with(&examples)) {
        let text = read(&project);
        let wants = ["\"dependencies\"", "\"devDependencies\""].iter().any(|w| text.contains(w));
        let lock = project.with_file_name("package-lock.json");
        assert!(!wants || lock.is_file(), "{} has no lock file", project.display());
    }
    // Fuzzers are built with whatever is newest.
    let whole = |path: &PathBuf| !path.starts_with(root().join("fuzz"));
    let manifests = named("Cargo.toml").into_iter().filter(whole);
    for manifest in manifests.filter(|path| read(path).contains("[workspace]")) {
        let lock = manifest.with_file_name("Cargo.lock");
        assert!(lock.is_file(), "{} has no lock file", manifest.display());
    }
    for requirements in named("requirements-test.txt") {
        for line in read(&requirements).lines().map(str::trim) {
            let bounded = line.is_empty() || line.starts_with('#') || line.contains(['<', '=']);
            assert!(bounded, "{}: {line} may be anything", requirements.display());
        }
    }
}

/// The workflows, and what is in them.
fn workflows() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    files(&root().join(".github/workflows"), &mut found);
    assert!(found.len() > 2, "{found:?}");
    found.into_iter().map(|path| (path.clone(), read(&path))).collect()
}

#[test]
fn workflows_name_actions_by_commit() {
    for (path, text) in workflows() {
        for line in text.lines().map(|line| line.trim_start().trim_start_matches("- ")) {
            let Some(uses) = line.strip_prefix("uses:").map(str::trim) else { continue };
            let commit = uses.split_whitespace().next().unwrap_or_default().split('@').nth(1);
            let commit = commit.unwrap_or_default();
            let whole = commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
            assert!(whole, "{}: {uses} can be changed by others", path.display());
        }
    }
}

#[test]
fn workflows_may_read_the_code_and_no_more() {
    for (path, text) in workflows() {
        let name = path.display();
        let mut permissions = Vec::new();
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            let Some(before) = line.find("permissions:").filter(|_| !line.contains('#')) else {
                continue;
            };
            assert_eq!(line.trim(), "permissions:", "{name}: {line}");
            let mut granted = Vec::new();
            while let Some(next) = lines.peek() {
                let indent = next.len() - next.trim_start().len();
                if next.trim().starts_with('#') {
                    lines.next();
                } else if indent > before {
                    granted.extend(lines.next().map(|line| line.trim().to_owned()));
                } else {
                    break;
                }
            }
            permissions.push((before, granted));
        }
        let whole: Vec<_> = permissions.iter().filter(|(before, _)| *before == 0).collect();
        assert_eq!(whole.len(), 1, "{name} says once what all of it may do");
        assert_eq!(whole[0].1, ["contents: read"], "{name}");
        for (_, granted) in permissions.iter().filter(|(before, _)| *before > 0) {
            let fine = ["contents: read", "id-token: write"];
            assert!(granted.iter().all(|one| fine.contains(&one.as_str())), "{name}: {granted:?}");
            assert!(text.contains("environment:"), "{name}: an identity without an environment");
        }
        for trigger in ["pull_request_target", "workflow_run"] {
            assert!(!text.contains(trigger), "{name}: strangers' code with our rights");
        }
        for (checkout, _) in text.match_indices("actions/checkout@") {
            let after: String = text[checkout..].lines().take(4).collect();
            assert!(after.contains("persist-credentials: false"), "{name}: a token is left behind");
        }
    }
}

#[test]
fn bill_of_materials_names_every_package_of_what_is_released() {
    for (package, few) in [("agentmesh-core", 150), ("agentmesh-python", 200)] {
        let output = Command::new("python3")
            .args(["scripts/sbom.py", package])
            .current_dir(root())
            .env("CARGO", env!("CARGO"))
            .output()
            .expect("python3 can be run");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let bill: Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
        assert_eq!(
            (&bill["bomFormat"], &bill["specVersion"]),
            (&"CycloneDX".into(), &"1.6".into())
        );
        assert_eq!(bill["metadata"]["component"]["name"], package);
        let components = bill["components"].as_array().expect("there are components");
        assert!(components.len() > few, "{} components", components.len());
        for component in components {
            let purl = component["purl"].as_str().unwrap_or_default();
            assert!(purl.starts_with("pkg:cargo/"), "{component}");
            assert!(component["licenses"][0]["expression"].is_string(), "{component}");
            let own = component["name"].as_str().is_some_and(|name| name.starts_with("agentmesh-"));
            let hash = component["hashes"][0]["content"].as_str().map_or(0, str::len);
            assert!(own || hash == 64, "{component}");
        }
        let known = components.iter().any(|one| one["name"] == "ed25519-dalek");
        assert!(known, "{package} signs with nothing");
    }
}

#[test]
fn licences_are_read_as_expressions() {
    let allowed: Vec<_> = ["MIT", "Apache-2.0", "X WITH Y"].map(str::to_owned).into();
    for good in
        ["MIT", "GPL-3.0/MIT", "MIT AND (GPL-3.0 OR Apache-2.0)", "X WITH Y", "A AND B OR MIT"]
    {
        assert!(fits(good, &allowed), "{good}");
    }
    for bad in ["GPL-3.0", "MIT AND GPL-3.0", "X", "(GPL-3.0 OR X) AND MIT", "MIT AND X OR GPL-3.0"]
    {
        assert!(!fits(bad, &allowed), "{bad}");
    }
}
