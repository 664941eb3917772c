//! What criterion left behind: one directory a benchmark and pass.

use std::{fs, io, path::Path};

use agentmesh_benches::results::{Results, target_dir};
use serde::Deserialize;

#[derive(Deserialize)]
struct Benchmark {
    group_id: String,
    function_id: Option<String>,
    value_str: Option<String>,
}

#[derive(Deserialize)]
struct Sample {
    iters: Vec<f64>,
    times: Vec<f64>,
}

/// Nanoseconds of CPU time by `group/value` and function, one value a pass: the pass's fastest sample.
pub(crate) fn load() -> io::Result<Results> {
    let mut results = Results::default();
    let root = target_dir().join("criterion");
    for pass in 1..=99 {
        let before = results.clone();
        collect(&root, &format!("pass{pass}"), &mut results)?;
        if results == before {
            break;
        }
    }
    Ok(results)
}

fn collect(dir: &Path, pass: &str, results: &mut Results) -> io::Result<()> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    };
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    for path in paths.iter().filter(|path| path.is_dir()) {
        if path.file_name().is_some_and(|name| name == pass) {
            let benchmark: Benchmark = read(&path.join("benchmark.json"))?;
            let Sample { iters, times } = read(&path.join("sample.json"))?;
            let each = times.iter().zip(&iters).map(|(time, n)| time / n);
            let fastest = each.fold(f64::INFINITY, f64::min);
            let group = match benchmark.value_str {
                Some(value) => format!("{}/{value}", benchmark.group_id),
                None => benchmark.group_id,
            };
            results.add(&group, benchmark.function_id.as_deref().unwrap_or_default(), fastest);
        } else {
            collect(path, pass, results)?;
        }
    }
    Ok(())
}

fn read<T: for<'a> Deserialize<'a>>(path: &Path) -> io::Result<T> {
    Ok(serde_json::from_str(&fs::read_to_string(path)?)?)
}
