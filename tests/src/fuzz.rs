//! What fuzzing found, and what it began with, through every target again (`fuzz/README.md`).

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use agentmesh_core::fuzzing::{TARGETS, Target, seeds};

const SERVER: &str = "server-websocket";

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus")
}

fn targets() -> Vec<(&'static str, Target)> {
    let server: Target = agentmesh_server::fuzzing::websocket;
    TARGETS.iter().copied().chain([(SERVER, server)]).collect()
}

fn inputs(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let Ok(files) = fs::read_dir(corpus().join(target)) else { return Vec::new() };
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    files
        .into_iter()
        .map(|path| {
            let bytes = fs::read(&path).unwrap();
            (path, bytes)
        })
        .collect()
}

/// An input is named by what is in it.
fn write(target: &str, bytes: &[u8]) {
    let directory = corpus().join(target);
    fs::create_dir_all(&directory).unwrap();
    let digest = agentmesh_core::keys::kdf::sha256(&[bytes]);
    let name: String = digest.iter().take(10).map(|byte| format!("{byte:02x}")).collect();
    fs::write(directory.join(name), bytes).unwrap();
}

#[test]
fn what_fuzzing_found_stays_mended() {
    if std::env::var_os("AGENTMESH_UPDATE_CORPUS").is_some() {
        seeds().into_iter().for_each(|(target, bytes)| write(target, &bytes));
    }
    for (name, target) in targets() {
        let inputs = inputs(name);
        assert!(!inputs.is_empty(), "nothing in fuzz/corpus/{name}");
        for (path, bytes) in inputs {
            // A panic does not say which input it was.
            let failed = std::panic::catch_unwind(|| target(&bytes)).is_err();
            assert!(!failed, "{}", path.display());
        }
    }
}

#[test]
fn every_target_has_its_program_and_every_program_its_target() {
    let manifest = fs::read_to_string(corpus().join("../Cargo.toml")).unwrap();
    let programs: BTreeSet<_> = manifest
        .split("[[bin]]\nname = \"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert_eq!(programs, targets().into_iter().map(|(name, _)| name).collect());
}

#[test]
fn targets_know_good_input_from_bad() {
    // Otherwise a target that reads nothing would pass for one that finds nothing.
    let seeds = seeds();
    for (name, _) in TARGETS {
        if let Some((_, seed)) = seeds.iter().find(|(of, _)| of == name) {
            assert!(agentmesh_core::fuzzing::run(name, seed));
        }
    }
    assert!(!agentmesh_core::fuzzing::run("no such target", &[]));
}
