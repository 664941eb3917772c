//! A contender's process, and what the kernel knows of it.

#![allow(clippy::unwrap_used, reason = "a bench that cannot set its scene has to stop")]

use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{self, Command, Stdio},
    time::Duration,
};

/// A process that ends when this is dropped.
#[derive(Debug)]
pub struct Child {
    process: process::Child,
    /// Where it listens.
    pub addr: SocketAddr,
}

impl Child {
    /// This program again, as a server: its `--serve` prints the address it listens on.
    pub fn serve(what: &str, extra: &[&str]) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--serve", what]).args(extra).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { process, addr: line.trim().parse().unwrap() }
    }

    /// A program that already listens on `addr`.
    pub const fn new(process: process::Child, addr: SocketAddr) -> Self {
        Self { process, addr }
    }

    /// Ends it now; its clients see their connections close.
    pub fn stop(&self) {
        let pid = self.process.id().to_string();
        let _ = Command::new("kill").args(["-9", &pid]).status();
    }

    fn proc(&self, file: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{file}", self.process.id())).unwrap()
    }

    /// CPU time it has used, in user and kernel mode.
    pub fn cpu_time(&self) -> Duration {
        let stat = self.proc("stat");
        // The name in parentheses may hold anything.
        let (_, fields) = stat.rsplit_once(')').unwrap();
        let ticks: u64 =
            fields.split_whitespace().skip(11).take(2).flat_map(str::parse::<u64>).sum();
        // The kernel counts for user space in hundredths of a second, whatever it ticks in.
        Duration::from_millis(ticks * 10)
    }

    /// Memory of its own that is in RAM, in KiB.
    pub fn memory_kib(&self) -> f64 {
        let rollup = self.proc("smaps_rollup");
        let line = rollup.lines().find(|line| line.starts_with("Pss:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
