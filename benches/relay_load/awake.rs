//! Keeps the machine's cores from going to sleep.
//!
//! With one message under way, a core has nothing to do between its arrival and the next. On a virtual machine, waking
//! a core costs more than any of the contenders costs by itself, and who wakes fewer cores pays more of it. Work of the
//! idle class runs only when nothing else wants the core, and keeps it awake.

use std::{
    process::{Child, Command},
    thread,
};

/// One busy process a core, until dropped.
#[derive(Debug)]
pub(crate) struct Awake(Vec<Child>);

impl Awake {
    /// `None` where the system has no `chrt` (util-linux).
    pub(crate) fn keep() -> Option<Self> {
        let own = std::env::current_exe().unwrap();
        let mut spinners = Self(Vec::new());
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            let mut command = Command::new("chrt");
            spinners
                .0
                .push(command.args(["-i", "0"]).arg(&own).args(["--serve", "spin"]).spawn().ok()?);
        }
        Some(spinners)
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// What such a process does, for at most a minute should nobody end it.
pub(crate) fn spin() {
    let start = std::time::Instant::now();
    while start.elapsed().as_secs() < 60 {
        for _ in 0..100_000 {
            std::hint::spin_loop();
        }
    }
}
