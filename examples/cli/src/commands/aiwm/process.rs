//! The program that runs under the supervisor: what it uses, and signals for it.

use std::sync::{Mutex, OnceLock, PoisonError};

use agentmesh_core::services::aiwm::Metrics;
use serde_json::Value;
use sysinfo::{MemoryRefreshKind, Pid, ProcessRefreshKind, ProcessesToUpdate, Signal, System};

/// Looks at one process.
pub(super) struct Observer {
    pid: OnceLock<Pid>,
    system: Mutex<System>,
    cores: f64,
}

impl Observer {
    pub(super) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut system = System::new();
        system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
        let cores = f64::from(u32::try_from(cores).unwrap_or(1));
        Self { pid: OnceLock::new(), system: Mutex::new(system), cores }
    }

    /// From now on this process. The first look is what later ones are compared with.
    pub(super) fn watch(&self, pid: u32) {
        // Called once.
        let _ = self.pid.set(Pid::from_u32(pid));
        let _ = self.metrics();
    }

    /// Processor time since the last look and memory, in percent of this machine, and seconds since the start.
    pub(super) fn metrics(&self) -> Option<Metrics> {
        let pid = *self.pid.get()?;
        let mut system = self.system.lock().unwrap_or_else(PoisonError::into_inner);
        let what = ProcessRefreshKind::nothing().with_cpu().with_memory();
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), true, what);
        let process = system.process(pid)?;
        let total = system.total_memory().max(1);
        let cpu = f64::from(process.cpu_usage()) / self.cores;
        #[allow(clippy::cast_precision_loss, reason = "a percentage")]
        let memory = process.memory() as f64 * 100.0 / total as f64;
        let round = |percent: f64| Value::from((percent * 10.0).round() / 10.0);
        Some(Metrics::from_iter([
            ("cpu".to_owned(), round(cpu)),
            ("memory".to_owned(), round(memory)),
            ("memoryBytes".to_owned(), process.memory().into()),
            ("uptime".to_owned(), process.run_time().into()),
        ]))
    }

    /// Passes a signal on; false if the process is gone.
    pub(super) fn signal(&self, signal: Signal) -> bool {
        let Some(pid) = self.pid.get() else { return false };
        let mut system = self.system.lock().unwrap_or_else(PoisonError::into_inner);
        system.refresh_processes_specifics(
            ProcessesToUpdate::Some(&[*pid]),
            true,
            ProcessRefreshKind::nothing(),
        );
        system.process(*pid).and_then(|process| process.kill_with(signal)).unwrap_or(false)
    }
}
