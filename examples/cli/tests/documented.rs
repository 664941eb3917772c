//! docs/cli.md and the command know the same commands and flags.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::User;

const DOCS: &str = include_str!("../../../docs/cli.md");

/// What `--help` of a command lists under one of its headings: the first word, or all flags of a line.
fn listed(help: &str, heading: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != heading).skip(1);
    lines.take_while(|line| !line.is_empty()).map(|line| line.trim().to_owned()).collect()
}

fn help(user: &User, path: &[String]) -> String {
    let mut args = path.to_vec();
    args.push("--help".into());
    let done = user.run(&args);
    assert_eq!(done.code, 0, "{args:?}: {done:?}");
    done.stdout
}

fn commands(help: &str) -> Vec<String> {
    let first = |line: String| line.split_whitespace().next().unwrap().to_owned();
    listed(help, "Commands:").into_iter().map(first).filter(|name| name != "help").collect()
}

/// `--name` wherever it stands in a text.
fn flags(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    text.match_indices("--")
        .filter(|(at, _)| !text[..*at].ends_with(|c: char| is_part(c) || c == '|'))
        .map(|(at, _)| text[at..].split(|c| !is_part(c)).next().unwrap().to_owned())
        .filter(|flag| flag.len() > 2)
        .collect()
}

/// A command's section, with its heading.
fn section(name: &str) -> &'static str {
    let sections = DOCS.split("\n### ").skip(1);
    let told = |text: &&str| {
        let heading = text.lines().next().unwrap_or_default();
        heading.split(['`', ' ', '|']).any(|word| word == name)
    };
    let mut found = sections.filter(told);
    let text = found.next().unwrap_or_else(|| panic!("docs/cli.md has no section for {name}"));
    text.split("\n## ").next().unwrap()
}

#[test]
fn every_command_and_flag_is_documented_and_none_that_is_not_there() {
    let user = User::new();
    let top = help(&user, &[]);
    let global = flags(&top);
    let global_section = DOCS.split("\n## Global flags").nth(1).unwrap();
    for flag in &global {
        let known = ["--help", "--version", "--verbose"].contains(&flag.as_str());
        assert!(known || global_section.contains(flag.as_str()), "{flag} is not documented");
    }
    let all = commands(&top);
    assert!(all.len() > 20, "{all:?}");
    let mut wrong = Vec::new();
    let mut of_section = BTreeMap::<&str, BTreeSet<String>>::new();
    for name in &all {
        let told = section(name);
        let words: BTreeSet<_> = told.split(|c: char| !c.is_alphanumeric() && c != '-').collect();
        let mut waiting = vec![vec![name.clone()]];
        while let Some(path) = waiting.pop() {
            let text = help(&user, &path);
            let own: BTreeSet<_> = flags(&text).difference(&global).cloned().collect();
            let missing = own.iter().filter(|flag| !told.contains(flag.as_str()));
            wrong.extend(missing.map(|flag| format!("not documented: {path:?} {flag}")));
            of_section.entry(told).or_default().extend(own);
            for inner in commands(&text) {
                let path: Vec<_> = path.iter().cloned().chain([inner.clone()]).collect();
                if !words.contains(inner.as_str()) {
                    wrong.push(format!("not documented: {path:?}"));
                }
                waiting.push(path);
            }
        }
    }
    for (told, known) in of_section {
        let heading = told.lines().next().unwrap_or_default();
        let unknown = flags(told).into_iter().filter(|f| !known.contains(f) && !global.contains(f));
        wrong.extend(unknown.map(|flag| format!("documented and not there: {flag} of {heading}")));
    }
    assert!(wrong.is_empty(), "docs/cli.md:\n{}", wrong.join("\n"));
}
