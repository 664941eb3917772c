//! What `ARCHITECTURE.md` says of the code, checked: layers, file sizes, no clock or runtime below the client, no
//! paths of anybody's machine, and what the crypto-only build depends on. Documents, scripts, secrets, provoked errors and
//! what comes from others are checked by the files beside.

mod documents;
mod provoked;
mod scripts;
mod secrets;
mod supply;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Importable by every room.
const LEAVES: &[&str] = &[
    "codec",
    "context",
    "error",
    "limits",
    "maps",
    "time",
    "Context",
    "Error",
    "ErrorInfo",
    "ErrorKind",
    "Timestamp",
    // Compiled by unit tests only.
    "planted",
];

/// A room and the rooms that it may import, besides the leaves and itself.
const LAYERS: &[(&str, &[&str])] = &[
    ("codec", &[]),
    ("limits", &[]),
    ("maps", &["rng"]),
    ("time", &[]),
    ("context", &["rng"]),
    ("rng", &[]),
    ("keys", &[]),
    ("identity", &["keys"]),
    ("prekeys", &["keys", "identity"]),
    ("handshake", &["keys", "identity", "prekeys"]),
    ("ratchet", &["keys"]),
    ("session", &["keys", "handshake", "ratchet"]),
    ("wire", &["keys", "identity", "handshake"]),
    ("trust", &["keys", "identity", "wire"]),
    ("stream", &["keys", "identity", "wire"]),
    ("schema", &["wire"]),
    ("knock", &["keys", "identity", "handshake", "wire"]),
    ("legacy", &["keys", "identity", "knock", "wire"]),
    // The conformance suite, which others run on their stores, needs the fixtures.
    ("storage", &["test_utils", "storage_conformance_tests", "values"]),
    ("vault", &["keys", "storage"]),
    // Its part of the conformance suite, likewise.
    ("values", &["keys", "storage", "vault", "test_utils"]),
    (
        "engine",
        &[
            "keys",
            "identity",
            "prekeys",
            "handshake",
            "session",
            "wire",
            "knock",
            "storage",
            "stream",
            "vault",
            "legacy",
        ],
    ),
    (
        "managers",
        &[
            "keys",
            "identity",
            "prekeys",
            "handshake",
            "session",
            "wire",
            "knock",
            "storage",
            "vault",
            "values",
            "engine",
            "legacy",
        ],
    ),
    (
        "client",
        &[
            "legacy",
            "keys",
            "identity",
            "prekeys",
            "handshake",
            "wire",
            "knock",
            "storage",
            "schema",
            "stream",
            "vault",
            "engine",
            "audit",
            "rng",
            "trust",
        ],
    ),
    ("services", &["client", "identity", "keys", "rng", "wire"]),
    ("audit", &["keys", "identity", "handshake", "wire", "vault"]),
    ("hazmat", &["keys", "identity", "prekeys", "handshake", "engine", "stream", "wire"]),
];

/// Rooms that know everybody: the union of all errors, the crate's root, the fixtures.
const UNCHECKED: &[&str] = &["error", "fuzzing", "lib", "test_utils"];

/// Lines of a file that is not a test; the aim is 80 to 250.
const CEILING: usize = 600;
/// Lines of a file of tests.
const TEST_CEILING: usize = 800;
/// Packages of the crypto-only build, as `sort -u` counts them.
const PACKAGES: usize = 100;

fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("this package is in a workspace").to_owned()
}

/// All files below a directory, but for what tools leave there.
fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    const LEFT: &[&str] = &["target", ".git", "node_modules", ".venv", "__pycache__"];
    for entry in fs::read_dir(dir).expect("a directory can be read") {
        let path = entry.expect("an entry can be read").path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        if LEFT.contains(&name) || name.starts_with("target") {
            continue;
        }
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

fn rust_files(dir: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    files(&root().join(dir), &mut found);
    found.retain(|path| path.extension().is_some_and(|e| e == "rs"));
    found.sort();
    assert!(!found.is_empty(), "no Rust files in {dir}");
    found
}

/// Files that only tests compile: `#[cfg(test)] mod name;`, with or without `#[path]`, and what is below them.
fn test_files(sources: &[PathBuf]) -> BTreeSet<PathBuf> {
    let base = root();
    let mut roots = Vec::new();
    for path in sources {
        let text = read(path);
        let dir = path.parent().expect("a file is in a directory");
        let stem = path.file_stem().and_then(|s| s.to_str()).unwrap_or_default();
        let below = match stem {
            "mod" | "lib" | "main" => dir.to_owned(),
            stem => dir.join(stem),
        };
        let mut lines = text.lines().map(str::trim);
        while let Some(line) = lines.next() {
            if line != "#[cfg(test)]" {
                continue;
            }
            let mut named = None;
            for line in lines.by_ref() {
                if let Some(path) = line.strip_prefix("#[path = \"") {
                    named = path.strip_suffix("\"]").map(|name| dir.join(name));
                } else if let Some(name) = module(line) {
                    match named {
                        Some(path) => roots.push(path),
                        None => {
                            roots.push(below.join(format!("{name}.rs")));
                            roots.push(below.join(name));
                        }
                    }
                    break;
                } else if !line.starts_with("#[") {
                    break;
                }
            }
        }
    }
    sources
        .iter()
        .filter(|path| {
            let relative = path.strip_prefix(&base).unwrap_or(path);
            let in_tests = relative.iter().any(|part| part == "tests");
            in_tests || roots.iter().any(|root| path.starts_with(root))
        })
        .cloned()
        .collect()
}

fn module(line: &str) -> Option<&str> {
    let line = line.strip_prefix("pub(crate) ").unwrap_or(line);
    line.strip_prefix("mod ")?.strip_suffix(';')
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The code of a file without comments and without its tests.
fn code(path: &Path) -> String {
    let text = read(path);
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// What stands behind every `crate::`, the first name of each path.
fn imports(code: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (at, prefix) in code.match_indices("crate::") {
        let rest = &code[at + prefix.len()..];
        let Some(group) = rest.strip_prefix('{') else {
            names.insert(name(rest));
            continue;
        };
        let mut depth = 1;
        let mut fresh = true;
        for (i, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 1 => fresh = true,
                c if fresh && !c.is_whitespace() => {
                    names.insert(name(&group[i..]));
                    fresh = false;
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
    names
}

fn name(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// The production files of the core, by room.
fn rooms() -> BTreeMap<String, Vec<PathBuf>> {
    let sources = rust_files("agentmesh-core/src");
    let tests = test_files(&sources);
    let base = root().join("agentmesh-core/src");
    let mut rooms = BTreeMap::<String, Vec<PathBuf>>::new();
    for path in sources.into_iter().filter(|path| !tests.contains(path)) {
        let relative = path.strip_prefix(&base).expect("it is below the base");
        let first = relative.iter().next().and_then(|n| n.to_str()).unwrap_or_default();
        rooms.entry(first.trim_end_matches(".rs").to_owned()).or_default().push(path);
    }
    rooms
}

#[test]
fn imports_follow_the_layers() {
    let layers: BTreeMap<_, _> = LAYERS.iter().copied().collect();
    let mut wrong = Vec::new();
    for (room, files) in rooms() {
        if UNCHECKED.contains(&room.as_str()) {
            continue;
        }
        let Some(allowed) = layers.get(room.as_str()) else {
            wrong.push(format!("{room} is not in the table of layers"));
            continue;
        };
        for path in files {
            for import in imports(&code(&path)) {
                let fine = import == room
                    || LEAVES.contains(&import.as_str())
                    || allowed.contains(&import.as_str());
                if !fine {
                    wrong.push(format!("{}: {room} must not import {import}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn wire_has_no_secret_in_scope() {
    const SECRETS: &[&str] = &["Secret<", "DhSecretKey", "KemSecretKey", "SigningKey", "PreKeys"];
    for path in rooms().remove("wire").expect("there is a room called wire") {
        let code = code(&path);
        for secret in SECRETS {
            assert!(!code.contains(secret), "{} names {secret}", path.display());
        }
    }
}

#[test]
fn no_clock_runtime_or_socket_below_the_client() {
    const FORBIDDEN: &[&str] =
        &["tokio", "reqwest", "hyper", "SystemTime", "std::time::Instant", "std::net"];
    for (room, files) in rooms() {
        if ["client", "services", "test_utils"].contains(&room.as_str()) {
            continue;
        }
        for path in files {
            let code = code(&path);
            for word in FORBIDDEN {
                assert!(!code.contains(word), "{} mentions {word}", path.display());
            }
            let random = code.contains("getrandom::");
            assert!(!random || room == "rng", "{} draws its own randomness", path.display());
        }
    }
}

/// In WebAssembly the standard library hashes with a seed that everybody knows.
#[test]
fn maps_are_hashed_with_a_secret_seed() {
    // What the application itself puts in is in the second.
    const FINE: &[&str] = &["maps.rs", "engine/config.rs"];
    for (room, files) in rooms() {
        if room == "test_utils" {
            continue;
        }
        for path in files.iter().filter(|path| !FINE.iter().any(|fine| path.ends_with(fine))) {
            let code = code(path);
            let standard = code
                .split("collections::")
                .skip(1)
                .filter_map(|after| after.split([';', '\n']).next())
                .any(|names| names.contains("HashMap") || names.contains("HashSet"));
            assert!(!standard, "{} has a map that is not of crate::maps", path.display());
        }
    }
}

#[test]
fn server_handles_no_secrets() {
    const ROOMS: &[&str] = &["session", "ratchet", "engine", "vault", "hazmat"];
    for path in rust_files("examples/server/src") {
        let code = code(&path);
        for room in ROOMS {
            let import = format!("agentmesh_core::{room}");
            assert!(!code.contains(&import), "{} uses {room}", path.display());
        }
    }
}

#[test]
fn files_stay_below_the_ceiling() {
    let mut long = Vec::new();
    for dir in ["agentmesh-core", "bindings", "examples", "tests", "benches"] {
        let sources = rust_files(dir);
        let tests = test_files(&sources);
        for path in &sources {
            let limit = if tests.contains(path) { TEST_CEILING } else { CEILING };
            let lines = read(path).lines().count();
            if lines > limit {
                long.push(format!("{}: {lines} lines, limit {limit}", path.display()));
            }
        }
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn every_file_of_the_core_says_what_it_is() {
    for path in rooms().into_values().flatten() {
        let text = read(&path);
        let documented = text.starts_with("//!") || text.starts_with("#![doc");
        assert!(documented, "{} has no module documentation", path.display());
    }
}

#[test]
fn nothing_names_a_machine_or_a_path_outside() {
    // Put together here, so that this file does not contain them.
    let forbidden = [
        concat!("..", "/shared"),
        concat!("/", "work/"),
        concat!("/", "home/"),
        concat!("/", "Users/"),
        concat!("/", "root/"),
    ];
    const TEXT: &[&str] =
        &["rs", "md", "toml", "py", "json", "sh", "yml", "yaml", "txt", "snap", "lock"];
    let mut found = Vec::new();
    files(&root(), &mut found);
    let mut wrong = Vec::new();
    for path in found {
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
        let plain = extension.is_empty() || TEXT.contains(&extension);
        let Some(text) = fs::read_to_string(&path).ok().filter(|_| plain) else { continue };
        for word in forbidden {
            if text.contains(word) {
                wrong.push(format!("{} contains {word}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What a build depends on, each package once.
fn packages(build: &[&str]) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .arg("tree")
        .args(build)
        .args(["-e", "normal", "--prefix", "none", "--locked"])
        .current_dir(root())
        .output()
        .expect("cargo can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect()
}

#[test]
fn crypto_only_build_stays_small() {
    let packages = packages(&["-p", "agentmesh-core", "--no-default-features"]);
    assert!(packages.len() > 20, "cargo tree says nothing");
    assert!(packages.len() <= PACKAGES, "{} packages: {packages:#?}", packages.len());
    for name in ["tokio", "hyper", "reqwest", "rusqlite", "aws-lc-rs", "getrandom"] {
        let there = packages.iter().any(|line| line.split(' ').next() == Some(name));
        assert!(!there, "{name} is in the crypto-only build");
    }
}

#[test]
fn the_scanner_reads_imports() {
    let code = "use crate::keys::Secret;\nuse crate::{\n    Error,\n    wire::{id::A, frame::B},\n};\n\
                fn f() { crate::time::x() }";
    let names: Vec<_> = imports(code).into_iter().collect();
    assert_eq!(names, ["Error", "keys", "time", "wire"]);
}
