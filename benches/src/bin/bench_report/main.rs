//! Puts the results of all benches beside each other and beside what they should be: `target/bench.json`,
//! `docs/performance.md`, and a summary on stdout. Run by `make bench`. With titles of sections as arguments, such as `Python`, only
//! these are written anew, and the document says of them that they were measured by themselves.

#![allow(clippy::print_stdout, reason = "that is its purpose")]

mod causes;
mod criterion;
mod markdown;
mod rows;
mod verdict;

use std::{fs, io, process::ExitCode};

use agentmesh_benches::results::{Results, workspace};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("bench_report: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> io::Result<()> {
    let mut results = criterion::load()?;
    for bench in ["sizes", "relay_load", "signaling_load", "services", "storage", "python", "node"]
    {
        results.0.extend(Results::load(bench)?.0);
    }
    let only: Vec<String> = std::env::args().skip(1).collect();
    let mut sections = verdict::judge(&rows::sections(), &results);
    sections.retain(|section| only.is_empty() || only.iter().any(|title| title == section.title));
    let path = workspace().join("docs/performance.md");
    let document = if only.is_empty() {
        write_json(&sections, &results)?;
        markdown::document(&sections, &results, &machine())
    } else {
        // What was asked for and not measured is not silently left out.
        let renewed = markdown::renewed(&fs::read_to_string(&path)?, &sections);
        renewed
            .filter(|_| sections.len() == only.len())
            .ok_or_else(|| io::Error::other("not every one of these sections was measured"))?
    };
    fs::write(path, document)?;
    for row in sections.iter().flat_map(|section| &section.rows) {
        println!("{}", row.line());
    }
    println!("wrote docs/performance.md");
    Ok(())
}

fn write_json(sections: &[verdict::Judged], results: &Results) -> io::Result<()> {
    let target = workspace().join("target");
    fs::create_dir_all(&target)?;
    let json = serde_json::json!({
        "machine": machine(),
        "rows": sections.iter().flat_map(|section| &section.rows).collect::<Vec<_>>(),
        "values": results.to_json(),
    });
    fs::write(target.join("bench.json"), serde_json::to_string_pretty(&json)?)
}

/// What it ran on, in words.
fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let model = model.map_or("an unknown CPU", |(_, model)| model.trim());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{cores} shared virtual cores of {model}")
}
