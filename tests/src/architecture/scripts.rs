//! Scripts and workflows, of which some cannot run where the tests do: all are well-formed, and what needs another machine says so.

use std::{
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
};

use super::{files, read, root};

/// What `bash -n` says of a script; nothing if it is well-formed.
fn complaint(script: &str) -> Option<String> {
    let mut bash = Command::new("bash")
        .arg("-n")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("there is a bash");
    bash.stdin.take().expect("a pipe").write_all(script.as_bytes()).expect("bash reads");
    let output = bash.wait_with_output().expect("bash ends");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (!output.status.success() || !said.is_empty()).then_some(said)
}

fn found(dir: &str, ending: &str) -> Vec<PathBuf> {
    let mut all = Vec::new();
    files(&root().join(dir), &mut all);
    all.retain(|path| path.to_string_lossy().ends_with(ending));
    all
}

/// The commands of a workflow, each with what stands for expressions filled in.
fn commands(workflow: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut lines = workflow.lines().peekable();
    while let Some(line) = lines.next() {
        let Some((before, command)) = line.split_once("run:") else { continue };
        if !before.trim_matches([' ', '-']).is_empty() {
            continue;
        }
        let mut script = command.trim().to_owned();
        if ["|", ">-", ">"].contains(&script.as_str()) {
            script.clear();
            while let Some(next) = lines.next_if(|next| {
                next.trim().is_empty() || next.len() - next.trim_start().len() > before.len()
            }) {
                script += next;
                script.push('\n');
            }
        }
        while let Some((head, rest)) = script.split_once("${{") {
            let (_, tail) = rest.split_once("}}").expect("an expression has an end");
            script = format!("{head}expression{tail}");
        }
        all.push(script);
    }
    all
}

#[test]
fn every_script_is_well_formed() {
    let scripts = found("scripts", ".sh");
    assert!(scripts.len() > 15, "{scripts:?}");
    let wrong: Vec<_> = scripts
        .iter()
        .filter_map(|path| complaint(&read(path)).map(|said| format!("{}: {said}", path.display())))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(complaint("if true; then\n").is_some());
}

#[test]
fn every_workflow_is_well_formed() {
    for path in found(".github/workflows", ".yml") {
        let (name, text) = (path.display(), read(&path));
        // YAML takes no tabs, and these files indent by two.
        for line in text.lines() {
            let indent = line.len() - line.trim_start().len();
            assert!(!line.contains('\t') && indent % 2 == 0, "{name}: {line}");
        }
        for part in ["name: ", "on:", "permissions:", "jobs:"] {
            assert!(text.lines().any(|line| line.starts_with(part)), "{name} has no {part}");
        }
        let commands = commands(&text);
        assert!(!commands.is_empty(), "{name} does nothing");
        for command in commands {
            assert_eq!(complaint(&command), None, "{name}: {command}");
            // What it calls is there.
            for word in command.split_whitespace().filter_map(|word| word.strip_prefix("./")) {
                let script = word.starts_with("scripts/");
                assert!(!script || root().join(word).exists(), "{name}: no {word}");
            }
        }
    }
}

#[test]
fn what_needs_another_machine_says_so() {
    let cases = [
        ("scripts/kotlin-aar.sh", "ANDROID_NDK_HOME"),
        ("scripts/xcframework.sh", "an XCFramework is made on a Mac with Xcode"),
    ];
    for (script, why) in cases {
        let output = Command::new("bash")
            .arg(root().join(script))
            .arg("0.0.0")
            .env_remove("ANDROID_NDK_HOME")
            // As on a machine without Xcode.
            .env("PATH", "/usr/bin:/bin")
            .output()
            .expect("there is a bash");
        let said = String::from_utf8_lossy(&output.stderr);
        if cfg!(target_os = "linux") {
            assert_eq!(output.status.code(), Some(3), "{script}: {said}");
            assert!(said.contains(why), "{script}: {said}");
        }
    }
}
